# SPDX-License-Identifier: Apache-2.0
"""Forms over two tables and the table of pairs between them."""

from .asking import Asking, quoted


class Linked(Asking):
    def link_where(self):
        found = self.link()
        if not found:
            return None
        left, right, verb, join = found
        counted, back = self.pick.random() < 0.25, self.pick.random() < 0.4
        asked, given, near, far = (
            (right, left, "T3.", "T1.") if back else (left, right, "T1.", "T3.")
        )
        chosen, words = self.shown(asked)
        selected = "count(*)" if counted else self.columns(chosen, near)
        name = given.label.value(self.pick)
        query = f"SELECT {selected} FROM {join} WHERE {far}{given.label.column} = {quoted(name)}"
        if back:
            return (
                self.say(
                    f"How many {asked.many} does the {given.one} {name} {verb}?",
                    f"Count the {asked.many} that {name} {verb}s.",
                )
                if counted
                else self.say(
                    f"What are the {words} of the {asked.many} that the {given.one} {name} {verb}s?",
                    f"Find the {words} of all {asked.many} of the {given.one} {name}.",
                )
            ), query
        return (
            self.say(
                f"How many {asked.many} {verb} the {given.one} {name}?",
                f"Count the {asked.many} that {verb} {name}.",
            )
            if counted
            else self.say(
                f"What are the {words} of the {asked.many} that {verb} the {given.one} {name}?",
                f"Find the {words} of all {asked.many} that {verb} {name}.",
                f"Which {asked.many} {verb} {name}? Show their {words}.",
            )
        ), query

    def link_group(self):
        found = self.link()
        if not found:
            return None
        left, right, verb, join = found
        form = self.pick.choice(["", "most", "having"])
        if form == "":
            return (
                self.say(
                    f"For each {left.one}, show the {left.label.words} and the number of {right.many}.",
                    f"How many {right.many} does each {left.one} {verb}? Show the {left.label.words} and the number.",
                ),
                f"SELECT T1.{left.label.column}, count(*) FROM {join} GROUP BY T1.{left.key}",
            )
        if form == "most":
            return (
                self.say(
                    f"Which {left.one} has the most {right.many}? Show the {left.label.words}.",
                    f"What is the {left.label.words} of the {left.one} with the largest number of {right.many}?",
                ),
                f"SELECT T1.{left.label.column} FROM {join} GROUP BY T1.{left.key} ORDER BY count(*) DESC LIMIT 1",
            )
        number = self.pick.randint(2, 5)
        sign, word = self.pick.choice([(">", f"more than {number}"), (">=", f"at least {number}")])
        return (
            self.say(
                f"Find the {left.label.words} of the {left.many} that {verb} {word} {right.many}.",
                f"What are the {left.label.words} of {left.many} with {word} {right.many}?",
            ),
            f"SELECT T1.{left.label.column} FROM {join} GROUP BY T1.{left.key} HAVING count(*) {sign} {number}",
        )

    def link_both(self):
        found = self.link()
        if not found:
            return None
        left, right, verb, join = found
        first, second = self.pick.sample(right.label.values, 2)
        words, operator, joined = self.pick.choice(
            [("both", "INTERSECT", "and"), ("either", "UNION", "or"), ("", "EXCEPT", "but not")]
        )
        select = f"SELECT T1.{left.label.column} FROM {join} WHERE T3.{right.label.column} = "
        return (
            self.say(
                f"Find the {left.label.words} of {left.many} that {verb} {words} {first} {joined} {second}.",
                f"Which {left.many} {verb} {words} {first} {joined} {second}? Show the {left.label.words}.",
            ).replace("  ", " "),
            f"{select}{quoted(first)} {operator} {select}{quoted(second)}",
        )
