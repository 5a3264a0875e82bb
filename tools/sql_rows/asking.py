# SPDX-License-Identifier: Apache-2.0
"""What questions are made of: wordings, columns to show, conditions, joins."""

from .database import NUMBERS

AGGREGATES = {
    "avg": ("average",),
    "max": ("maximum", "highest", "largest"),
    "min": ("minimum", "lowest", "smallest"),
    "sum": ("total",),
}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Asking:
    """What all forms draw from. `e` is the entity asked about. A form is a method that draws one
    (question, query), or None where the database lacks what it needs."""

    def __init__(self, database, pick):
        self.database, self.pick = database, pick
        self.e = pick.choice(list(database.entities.values()))

    def say(self, *wordings):
        return self.pick.choice(wordings)

    def any(self, *kinds, entity=None):
        found = (entity or self.e).of_kind(*kinds)
        return self.pick.choice(found) if found else None

    def shown(self, entity=None):
        """One to three columns to show, and their words."""
        entity = entity or self.e
        count = self.pick.choice([1, 1, 1, 2, 2, 3])
        chosen = [entity.label] if self.pick.random() < 0.7 else []
        others = [attribute for attribute in entity.attributes if attribute not in chosen]
        chosen += self.pick.sample(
            others, min(len(others), max(count - len(chosen), 0 if chosen else 1))
        )
        return chosen, self.listed([self.asked(attribute) for attribute in chosen])

    def asked(self, attribute):
        """Its words as people type them: plural or not, now and then the column's own name."""
        words = attribute.words
        if self.pick.random() < 0.06:
            return attribute.column
        if (
            self.pick.random() < 0.5
            and not words.endswith("s")
            and " per " not in words
            and " of " not in words
        ):
            words = words[:-1] + "ies" if words.endswith("y") else words + "s"
        return words

    @staticmethod
    def listed(words):
        return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]

    @staticmethod
    def columns(attributes, prefix=""):
        return ", ".join(prefix + attribute.column for attribute in attributes)

    def condition(self, entity=None, prefix=""):
        """(words, SQL) of a condition on an entity's rows: `whose age is above 30`."""
        entity = entity or self.e
        attribute = self.any("cat", "cat", "int", "real", entity=entity)
        if not attribute:
            return None
        column, words = prefix + attribute.column, attribute.words
        if attribute.kind == "cat":
            value = attribute.value(self.pick)
            if self.pick.random() < 0.12:
                return (
                    self.say(
                        f"whose {words} is not {value}", f"that do not have {value} as {words}"
                    ),
                    f"{column} != {quoted(value)}",
                )
            if self.pick.random() < 0.12 and len(attribute.values) > 2:
                first, second = self.pick.sample(attribute.values, 2)
                return (
                    f"whose {words} is {first} or {second}",
                    f"{column} = {quoted(first)} OR {column} = {quoted(second)}",
                )
            return (
                self.say(
                    f"whose {words} is {value}",
                    f"with {words} {value}",
                    f"that have {value} as {words}",
                    f'with "{value}" as {words}',
                ),
                f"{column} = {quoted(value)}",
            )
        number = attribute.number(self.pick)
        if self.pick.random() < 0.12:
            return (
                self.say(
                    f"with {words} between {number} and {2 * number}",
                    f"whose {words} is between {number} and {2 * number}",
                ),
                f"{column} BETWEEN {number} AND {2 * number}",
            )
        sign, wordings = self.pick.choice(
            [
                (">", ("above", "greater than", "more than", "higher than", "over")),
                ("<", ("below", "less than", "lower than", "under", "smaller than")),
                (">=", ("at least", "no less than")),
                ("<=", ("at most", "no more than")),
            ]
        )
        return (
            self.say(
                f"whose {words} is {self.say(*wordings)} {number}",
                f"with {words} {self.say(*wordings)} {number}",
            ),
            f"{column} {sign} {number}",
        )

    def child(self):
        """(child, parent, verb, join) of a reference, the child's alias T1 and the parent's T2."""
        pairs = [
            (child, parent, verb)
            for child in self.database.entities.values()
            for parent, verb in child.parents
        ]
        if not pairs:
            return None
        child, parent, verb = self.pick.choice(pairs)
        join = (
            f"{child.table} AS T1 JOIN {parent.table} AS T2 "
            f"ON T1.{self.database.reference(parent)} = T2.{parent.key}"
        )
        return child, parent, verb, join

    def link(self):
        """(left, right, verb, join) of a link table: T1 left, T2 link, T3 right."""
        if not self.database.links:
            return None
        left, right, table, verb = self.pick.choice(self.database.links)
        join = (
            f"{left.table} AS T1 JOIN {table} AS T2 ON T1.{left.key} = T2.{self.database.reference(left)} "
            f"JOIN {right.table} AS T3 ON T2.{self.database.reference(right)} = T3.{right.key}"
        )
        return left, right, verb, join
