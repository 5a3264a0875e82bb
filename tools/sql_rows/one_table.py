# SPDX-License-Identifier: Apache-2.0
"""Forms over one table."""

from .asking import AGGREGATES, Asking, quoted
from .database import NUMBERS


class OneTable(Asking):
    def count(self):
        e = self.e
        return (
            self.say(
                f"How many {e.many} are there?",
                f"Count the number of {e.many}.",
                f"What is the total number of {e.many}?",
                f"Return the number of {e.many}.",
            ),
            f"SELECT count(*) FROM {e.table}",
        )

    def count_where(self):
        condition = self.condition()
        if not condition:
            return None
        e = self.e
        return (
            self.say(
                f"How many {e.many} {condition[0]} are there?",
                f"Count the {e.many} {condition[0]}.",
                f"Find the number of {e.many} {condition[0]}.",
            ),
            f"SELECT count(*) FROM {e.table} WHERE {condition[1]}",
        )

    def show(self):
        chosen, words = self.shown()
        e = self.e
        return (
            self.say(
                f"What are the {words} of all {e.many}?",
                f"List the {words} of each {e.one}.",
                f"Show the {words} of the {e.many}.",
                f"Return the {words} for every {e.one}.",
                f"Find the {words} of all the {e.many}.",
                f"What is the {words} of each {e.one}?",
            ),
            f"SELECT {self.columns(chosen)} FROM {e.table}",
        )

    def show_distinct(self):
        attribute = self.any("cat")
        if not attribute:
            return None
        e = self.e
        return (
            self.say(
                f"What are the different values of {attribute.words} of {e.many}?",
                f"List all distinct {attribute.words} values of the {e.many}.",
                f"Show the different {attribute.words} of all {e.many}.",
            ),
            f"SELECT DISTINCT {attribute.column} FROM {e.table}",
        )

    def count_distinct(self):
        attribute = self.any("cat")
        if not attribute:
            return None
        e = self.e
        return (
            self.say(
                f"How many different {attribute.words} values do the {e.many} have?",
                f"Count the number of distinct {attribute.words} of {e.many}.",
                f"How many different {attribute.words} are there among {e.many}?",
            ),
            f"SELECT count(DISTINCT {attribute.column}) FROM {e.table}",
        )

    def show_where(self):
        condition = self.condition()
        if not condition:
            return None
        chosen, words = self.shown()
        e = self.e
        return (
            self.say(
                f"What are the {words} of the {e.many} {condition[0]}?",
                f"Find the {words} of {e.many} {condition[0]}.",
                f"List the {words} of all {e.many} {condition[0]}.",
                f"Which {e.many} are there {condition[0]}? Show their {words}.",
                f"Give me the {words} for {e.many} {condition[0]}.",
            ),
            f"SELECT {self.columns(chosen)} FROM {e.table} WHERE {condition[1]}",
        )

    def show_named(self):
        e, attribute = self.e, self.any("cat", "int", "real", "date", "text")
        if not attribute:
            return None
        name = e.label.value(self.pick)
        return (
            self.say(
                f"What is the {attribute.words} of the {e.one} {name}?",
                f"Find the {attribute.words} of the {e.one} whose {e.label.words} is {name}.",
                f"What is the {attribute.words} of {name}?",
                f"Return the {attribute.words} for the {e.one} called {name}.",
            ),
            f"SELECT {attribute.column} FROM {e.table} WHERE {e.label.column} = {quoted(name)}",
        )

    def show_sorted(self):
        attribute = self.any("int", "real", "date", "name")
        if not attribute:
            return None
        chosen, words = self.shown()
        e = self.e
        down = attribute.kind != "name" and self.pick.random() < 0.5
        order = (
            self.say("in descending order of", "from the highest to the lowest")
            if down
            else self.say("in ascending order of", "ordered by", "sorted by")
        )
        order = (
            f"sorted by {attribute.words} {order}"
            if order.startswith("from")
            else f"{order} {attribute.words}"
        )
        if attribute.kind == "name":
            order = f"in alphabetical order of {attribute.words}"
        return (
            self.say(
                f"List the {words} of all {e.many} {order}.",
                f"What are the {words} of the {e.many} {order}?",
                f"Show the {words} of {e.many} {order}.",
            ),
            f"SELECT {self.columns(chosen)} FROM {e.table} ORDER BY {attribute.column}{' DESC' if down else ''}",
        )

    def most(self):
        attribute = self.any(*NUMBERS)
        if not attribute:
            return None
        chosen, words = self.shown()
        e, top = self.e, self.pick.choice([1, 1, 1, 3, 5])
        down = self.pick.random() < 0.65
        word = (
            self.say("highest", "largest", "greatest") if down else self.say("lowest", "smallest")
        )
        order = f"ORDER BY {attribute.column}{' DESC' if down else ''} LIMIT {top}"
        if top == 1:
            question = self.say(
                f"What is the {words} of the {e.one} with the {word} {attribute.words}?",
                f"Find the {words} of the {e.one} that has the {word} {attribute.words}.",
                f"Which {e.one} has the {word} {attribute.words}? Give the {words}.",
                f"Return the {words} for the {e.one} with the {word} {attribute.words}.",
            )
        else:
            question = self.say(
                f"What are the {words} of the {top} {e.many} with the {word} {attribute.words}?",
                f"List the {words} of the top {top} {e.many} with the {word} {attribute.words}.",
            )
        return question, f"SELECT {self.columns(chosen)} FROM {e.table} {order}"

    def aggregate(self):
        attribute = self.any(*NUMBERS)
        if not attribute:
            return None
        e = self.e
        functions = self.pick.sample(list(AGGREGATES), self.pick.choice([1, 1, 2, 3]))
        words = self.listed([self.say(*AGGREGATES[function]) for function in functions])
        selected = ", ".join(f"{function}({attribute.column})" for function in functions)
        condition = self.condition() if self.pick.random() < 0.4 else None
        where, whose = (
            (f" WHERE {condition[1]}", f"{e.many} {condition[0]}")
            if condition
            else ("", self.say(f"all {e.many}", f"the {e.many}", e.many))
        )
        return (
            self.say(
                f"What is the {words} {attribute.words} of {whose}?",
                f"Find the {words} {attribute.words} of {whose}.",
                f"Return the {words} {attribute.words} for {whose}.",
            ),
            f"SELECT {selected} FROM {e.table}{where}",
        )

    def above_average(self):
        attribute = self.any(*NUMBERS)
        if not attribute:
            return None
        chosen, words = self.shown()
        e = self.e
        sign, word = self.pick.choice(
            [(">", "above"), (">", "higher than"), ("<", "below"), ("<", "lower than")]
        )
        return (
            self.say(
                f"What are the {words} of {e.many} whose {attribute.words} is {word} the average?",
                f"Find the {words} of the {e.many} with {attribute.words} {word} average.",
                f"List the {words} of {e.many} whose {attribute.words} is {word} the average {attribute.words}.",
            ),
            f"SELECT {self.columns(chosen)} FROM {e.table} WHERE {attribute.column} {sign} (SELECT avg({attribute.column}) FROM {e.table})",
        )

    def group(self):
        group, number = self.any("cat"), self.any(*NUMBERS)
        if not group:
            return None
        e = self.e
        if number and self.pick.random() < 0.5:
            function = self.pick.choice(list(AGGREGATES))
            word = self.say(*AGGREGATES[function])
            selected, words = f"{function}({number.column})", f"{word} {number.words} of {e.many}"
        else:
            selected, words = "count(*)", f"number of {e.many}"
        if self.pick.random() < 0.5:
            return (
                self.say(
                    f"Show the {group.words} and the {words} for each {group.words}.",
                    f"For each {group.words}, show the {group.words} and the {words}.",
                    f"List each {group.words} and the {words}.",
                ),
                f"SELECT {group.column}, {selected} FROM {e.table} GROUP BY {group.column}",
            )
        return (
            self.say(
                f"What is the {words} of each {group.words}?",
                f"Find the {words} for each {group.words}.",
                f"For every {group.words}, what is the {words}? Also show the {group.words}.",
            ),
            f"SELECT {selected}, {group.column} FROM {e.table} GROUP BY {group.column}",
        )

    def group_having(self):
        group = self.any("cat")
        if not group:
            return None
        e, number = self.e, self.pick.randint(2, 5)
        sign, word = self.pick.choice(
            [
                (">", f"more than {number}"),
                (">=", f"at least {number}"),
                ("<", f"less than {number}"),
            ]
        )
        return (
            self.say(
                f"Which {group.words} have {word} {e.many}?",
                f"Find the {group.words} shared by {word} {e.many}.",
                f"List the {group.words} that {word} {e.many} have.",
            ),
            f"SELECT {group.column} FROM {e.table} GROUP BY {group.column} HAVING count(*) {sign} {number}",
        )

    def group_most(self):
        group = self.any("cat")
        if not group:
            return None
        e, down = self.e, self.pick.random() < 0.75
        word = (
            self.say("most", "largest number of") if down else self.say("fewest", "least number of")
        )
        return (
            self.say(
                f"What is the {'most' if down else 'least'} common {group.words} of {e.many}?",
                f"Which {group.words} has the {word} {e.many}?",
                f"Find the {group.words} with the {word} {e.many}.",
            ),
            f"SELECT {group.column} FROM {e.table} GROUP BY {group.column} ORDER BY count(*){' DESC' if down else ''} LIMIT 1",
        )

    def both(self):
        shown, one = self.any("cat"), self.condition()
        if not shown or not one or shown.column in one[1]:
            return None
        two = self.condition()
        if two[1].split()[0] != one[1].split()[0] or one[1] == two[1]:
            return None
        e = self.e
        word, operator = self.pick.choice(
            [("both", "INTERSECT"), ("either", "UNION"), ("not", "EXCEPT")]
        )
        queries = f"SELECT {shown.column} FROM {e.table} WHERE {one[1]} {operator} SELECT {shown.column} FROM {e.table} WHERE {two[1]}"
        if word == "not":
            return (
                self.say(
                    f"Which {shown.words} have {e.many} {one[0]} but no {e.many} {two[0]}?",
                    f"Find the {shown.words} of {e.many} {one[0]} but not of {e.many} {two[0]}.",
                ),
                queries,
            )
        joined = "and" if word == "both" else "or"
        return (
            self.say(
                f"Which {shown.words} have {word} {e.many} {one[0]} {joined} {e.many} {two[0]}?",
                f"Show the {shown.words} that {word} {e.many} {one[0]} {joined} {e.many} {two[0]} have.",
            ),
            queries,
        )

    def like(self):
        e = self.e
        chosen, words = self.shown()
        part = self.pick.choice(e.label.value(self.pick).split())
        return (
            self.say(
                f"Find the {words} of {e.many} whose {e.label.words} contains '{part}'.",
                f'What are the {words} of the {e.many} that have "{part}" in their {e.label.words}?',
                f"List the {words} of {e.many} with the word {part} in the {e.label.words}.",
            ),
            f"SELECT {self.columns(chosen)} FROM {e.table} WHERE {e.label.column} LIKE '%{part}%'",
        )
