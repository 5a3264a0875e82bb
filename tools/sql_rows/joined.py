# SPDX-License-Identifier: Apache-2.0
"""Forms over a table and one that it refers to."""

from .asking import AGGREGATES, Asking, quoted
from .database import NUMBERS


class Joined(Asking):
    def join(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        attribute = self.any("name", "cat", "int", entity=parent)
        return (
            self.say(
                f"Show the {child.label.words} of each {child.one} and the {attribute.words} of its {parent.one}.",
                f"What are the {child.label.words} of the {child.many} and the {attribute.words} of their {parent.many}?",
                f"List each {child.one}'s {child.label.words} together with the {attribute.words} of the {parent.one}.",
            ),
            f"SELECT T1.{child.label.column}, T2.{attribute.column} FROM {join}",
        )

    def join_where(self):
        found = self.child()
        if not found:
            return None
        child, parent, verb, join = found
        chosen, words = self.shown(child)
        counted = self.pick.random() < 0.3
        selected = "count(*)" if counted else self.columns(chosen, "T1.")
        if self.pick.random() < 0.5:
            name = parent.label.value(self.pick)
            whose, where = (
                self.say(f"the {parent.one} {name}", f"the {parent.one} named {name}", f"{name}"),
                f"T2.{parent.label.column} = {quoted(name)}",
            )
        else:
            condition = self.condition(parent, "T2.")
            if not condition or " OR " in condition[1]:
                return None
            whose, where = f"{parent.many} {condition[0]}", condition[1]
        if counted:
            question = self.say(
                f"How many {child.many} {verb} {whose}?",
                f"Count the number of {child.many} that {verb} {whose}.",
            )
        else:
            question = self.say(
                f"What are the {words} of the {child.many} that {verb} {whose}?",
                f"Find the {words} of {child.many} that {verb} {whose}.",
                f"List the {words} of all {child.many} that {verb} {whose}.",
            )
        return question, f"SELECT {selected} FROM {join} WHERE {where}"

    def parent_where(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        attribute, condition = self.any("name", "cat", "int", entity=parent), self.condition(
            child, "T1."
        )
        if not condition or " OR " in condition[1]:
            return None
        return (
            self.say(
                f"Find the different {attribute.words} of {parent.many} that have {child.many} {condition[0]}.",
                f"What are the distinct {attribute.words} of the {parent.many} with {child.many} {condition[0]}?",
            ),
            f"SELECT DISTINCT T2.{attribute.column} FROM {join} WHERE {condition[1]}",
        )

    def join_group(self):
        found = self.child()
        if not found:
            return None
        child, parent, verb, join = found
        number = self.any(*NUMBERS, entity=child)
        if number and self.pick.random() < 0.4:
            function = self.pick.choice(list(AGGREGATES))
            selected, words = (
                f"{function}(T1.{number.column})",
                f"{self.say(*AGGREGATES[function])} {number.words} of the {child.many}",
            )
        else:
            selected, words = "count(*)", f"number of {child.many}"
        return (
            self.say(
                f"For each {parent.one}, show its {parent.label.words} and the {words}.",
                f"Show the {parent.label.words} of each {parent.one} and the {words} that {verb} it.",
                f"What are the {parent.label.words} and the {words} of each {parent.one}?",
                f"List the {parent.label.words} of every {parent.one} along with the {words}.",
            ),
            f"SELECT T2.{parent.label.column}, {selected} FROM {join} GROUP BY T2.{parent.key}",
        )

    def join_having(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        number = self.pick.randint(2, 5)
        sign, word = self.pick.choice([(">", f"more than {number}"), (">=", f"at least {number}")])
        chosen, words = self.shown(parent)
        return (
            self.say(
                f"Find the {words} of the {parent.many} that have {word} {child.many}.",
                f"What are the {words} of {parent.many} with {word} {child.many}?",
                f"Which {parent.many} have {word} {child.many}? List their {words}.",
            ),
            f"SELECT {self.columns(chosen, 'T2.')} FROM {join} GROUP BY T2.{parent.key} HAVING count(*) {sign} {number}",
        )

    def join_most(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        chosen, words = self.shown(parent)
        down = self.pick.random() < 0.75
        word = (
            self.say("most", "largest number of")
            if down
            else self.say("fewest", "smallest number of")
        )
        return (
            self.say(
                f"Which {parent.one} has the {word} {child.many}? Show its {words}.",
                f"What is the {words} of the {parent.one} with the {word} {child.many}?",
                f"Find the {words} of the {parent.one} that has the {word} {child.many}.",
            ),
            f"SELECT {self.columns(chosen, 'T2.')} FROM {join} GROUP BY T2.{parent.key} ORDER BY count(*){' DESC' if down else ''} LIMIT 1",
        )

    def join_extreme(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        number, attribute = self.any(*NUMBERS, entity=child), self.any(
            "name", "cat", "int", entity=parent
        )
        if not number:
            return None
        down = self.pick.random() < 0.65
        word = self.say("highest", "largest") if down else self.say("lowest", "smallest")
        return (
            self.say(
                f"What is the {attribute.words} of the {parent.one} of the {child.one} with the {word} {number.words}?",
                f"Find the {attribute.words} of the {parent.one} that has the {child.one} with the {word} {number.words}.",
            ),
            f"SELECT T2.{attribute.column} FROM {join} ORDER BY T1.{number.column}{' DESC' if down else ''} LIMIT 1",
        )

    def join_sorted(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        attribute = self.any("int", "real", "date", entity=parent)
        if not attribute:
            return None
        down = self.pick.random() < 0.5
        return (
            self.say(
                f"List the {child.label.words} of the {child.many} in {'descending' if down else 'ascending'} order of the {attribute.words} of their {parent.one}.",
                f"What are the {child.label.words} of {child.many}, sorted by the {attribute.words} of the {parent.one}{' from high to low' if down else ''}?",
            ),
            f"SELECT T1.{child.label.column} FROM {join} ORDER BY T2.{attribute.column}{' DESC' if down else ''}",
        )

    def without(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, _ = found
        chosen, words = self.shown(parent)
        counted = self.pick.random() < 0.25
        selected = "count(*)" if counted else self.columns(chosen)
        query = f"SELECT {selected} FROM {parent.table} WHERE {parent.key} NOT IN (SELECT {self.database.reference(parent)} FROM {child.table})"
        if counted:
            return (
                self.say(
                    f"How many {parent.many} do not have any {child.one}?",
                    f"Count the {parent.many} without {child.many}.",
                ),
                query,
            )
        return (
            self.say(
                f"What are the {words} of {parent.many} that do not have any {child.one}?",
                f"Find the {words} of the {parent.many} without {child.many}.",
                f"List the {words} of all {parent.many} that have no {child.many}.",
            ),
            query,
        )
