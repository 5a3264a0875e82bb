#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes rows {"id","prompt","completion"} of questions over databases of several tables, each with the
SQL that answers it: joins, groups, sorting, nested and combined queries, which the questions of
WikiSQL (one table, one SELECT) do not have.

    tools/make_sql_rows.py --rows 4000 --seed 1 >own.train.jsonl

A database is one of the worlds of sql_worlds.txt with its names spelled in one of several ways, some
of its tables and columns left out. A question is one of the forms below with a wording drawn for it.
Every query is run by SQLite against the empty database; no prompt comes twice.
"""
import argparse
import json
import pathlib
import random
import sqlite3
import sys

INSTRUCTION = "Write a SQL query that answers the question."
NUMBERS = ("int", "real")


class Attribute:
    """A column: its words, its kind, and what values it takes."""

    def __init__(self, text):
        words, _, rest = text.strip().partition(":")
        kind, _, values = rest.strip().partition(" ")
        self.words, self.kind = words.strip(), kind
        self.values = [value.strip() for value in values.split("|")] if kind in ("name", "cat") else []
        self.range = [int(part) for part in values.split("..")] if kind in NUMBERS else []
        self.column = ""

    @property
    def type(self):
        return {"int": "INTEGER", "real": "REAL", "date": "DATETIME"}.get(self.kind, "VARCHAR")

    def value(self, pick):
        return pick.choice(self.values)

    def number(self, pick):
        low, high = self.range
        span = high - low
        step = 10 ** max(len(str(span)) - 2, 0)
        return low + span // 4 // step * step + step * pick.randint(0, max(span // 2 // step, 1))


class Entity:
    """A table of things: singular and plural words, columns, references to other tables."""

    def __init__(self, line):
        words, _, attributes = line.partition("=")
        self.one, _, self.many = (part.strip() for part in words.partition("/"))
        self.attributes = [Attribute(text) for text in attributes.split(";")]
        self.parents = []  # (parent, verb)
        self.table = self.key = ""

    def of_kind(self, *kinds):
        return [attribute for attribute in self.attributes if attribute.kind in kinds]

    @property
    def label(self):
        return self.of_kind("name")[0]


def read_worlds(path):
    """World after world, a blank line between; an entity, `child > parent : verb` or
    `left * right as link : verb` a line."""
    worlds = []
    for block in path.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if lines:
            worlds.append(lines)
    return worlds


class Database:
    """A world as one database has it."""

    def __init__(self, lines, pick):
        self.entities, self.links = {}, []
        for line in lines:
            if "=" in line:
                entity = Entity(line)
                self.entities[entity.one] = entity
        for line in lines:
            if "=" in line:
                continue
            pair, _, verb = (part.strip() for part in line.partition(":"))
            if ">" in pair:
                child, parent = (self.entities[name.strip()] for name in pair.split(">"))
                child.parents.append((parent, verb))
            else:
                pair, _, link = (part.strip() for part in pair.partition(" as "))
                left, right = (self.entities[name.strip()] for name in pair.split("*"))
                self.links.append((left, right, link, verb))
        self.shrink(pick)
        self.spell(pick)

    def shrink(self, pick):
        for entity in self.entities.values():
            keep = [entity.label]
            others = [attribute for attribute in entity.attributes if attribute is not entity.label]
            keep += pick.sample(others, min(len(others), pick.randint(2, 5)))
            entity.attributes = [attribute for attribute in entity.attributes if attribute in keep]
            if pick.random() < 0.3:
                pick.shuffle(entity.attributes)
        names = list(self.entities)
        for name in pick.sample(names, pick.choice([0, 0, 1])):
            gone = self.entities[name]
            rest = [entity for entity in self.entities.values() if entity is not gone]
            if any(entity.parents for entity in rest if any(p is not gone for p, _ in entity.parents)):
                self.entities = {entity.one: entity for entity in rest}
                for entity in rest:
                    entity.parents = [(p, verb) for p, verb in entity.parents if p is not gone]
                self.links = [link for link in self.links if gone not in link[:2]]

    def spell(self, pick):
        plural = pick.random() < 0.5
        table_style = pick.choice(["lower", "lower", "Capital", "Camel"])
        column_style = pick.choice(["lower", "lower", "lower", "Capital"])
        key_style = pick.choice(["id", "table_id", "table_id"])

        def spelled(words, style):
            parts = words.replace("-", " ").split()
            if style == "lower":
                return "_".join(parts).lower()
            if style == "Camel":
                return "".join(part.capitalize() for part in parts)
            return "_".join(part.capitalize() for part in parts)

        self.key_style, self.column_spelled = key_style, lambda words: spelled(words, column_style)
        for entity in self.entities.values():
            entity.table = spelled(entity.many if plural else entity.one, table_style)
            entity.key = spelled("id" if key_style == "id" else entity.one + " id", column_style)
            short = pick.random() < 0.7
            for attribute in entity.attributes:
                words = attribute.words
                if attribute is entity.label and not short and words in ("name", "title"):
                    words = f"{entity.one} {words}"
                attribute.column = spelled(words, column_style)
        self.links = [(left, right, spelled(link, table_style), verb) for left, right, link, verb in self.links]

    def reference(self, parent):
        """The name of a column that holds a parent's key."""
        return self.column_spelled(parent.one + " id")

    def schema(self):
        statements = []
        for entity in self.entities.values():
            columns = [f"{entity.key} INTEGER PRIMARY KEY"]
            columns += [f"{attribute.column} {attribute.type}" for attribute in entity.attributes]
            columns += [f"{self.reference(parent)} INTEGER" for parent, _ in entity.parents]
            columns += [f"FOREIGN KEY ({self.reference(parent)}) REFERENCES {parent.table}({parent.key})"
                        for parent, _ in entity.parents]
            statements.append(f"CREATE TABLE {entity.table} ({', '.join(columns)})")
        for left, right, link, _ in self.links:
            sides = (left, right)
            columns = [f"{self.reference(side)} INTEGER" for side in sides]
            columns += [f"FOREIGN KEY ({self.reference(side)}) REFERENCES {side.table}({side.key})" for side in sides]
            statements.append(f"CREATE TABLE {link} ({', '.join(columns)})")
        return statements


AGGREGATES = {"avg": ("average",), "max": ("maximum", "highest", "largest"), "min": ("minimum", "lowest", "smallest"),
              "sum": ("total",)}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Questions:
    """The forms: each method draws one (question, query), or None where the database lacks what it
    needs. `e` is the entity asked about."""

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
        chosen += self.pick.sample(others, min(len(others), max(count - len(chosen), 0 if chosen else 1)))
        return chosen, self.listed([self.asked(attribute) for attribute in chosen])

    def asked(self, attribute):
        """Its words as people type them: plural or not, now and then the column's own name."""
        words = attribute.words
        if self.pick.random() < 0.06:
            return attribute.column
        if self.pick.random() < 0.5 and not words.endswith("s") and " per " not in words and " of " not in words:
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
                return self.say(f"whose {words} is not {value}", f"that do not have {value} as {words}"), f"{column} != {quoted(value)}"
            if self.pick.random() < 0.12 and len(attribute.values) > 2:
                first, second = self.pick.sample(attribute.values, 2)
                return f"whose {words} is {first} or {second}", f"{column} = {quoted(first)} OR {column} = {quoted(second)}"
            return self.say(f"whose {words} is {value}", f"with {words} {value}", f"that have {value} as {words}",
                            f"with \"{value}\" as {words}"), f"{column} = {quoted(value)}"
        number = attribute.number(self.pick)
        if self.pick.random() < 0.12:
            return self.say(f"with {words} between {number} and {2 * number}", f"whose {words} is between {number} and {2 * number}"), \
                f"{column} BETWEEN {number} AND {2 * number}"
        sign, wordings = self.pick.choice([
            (">", ("above", "greater than", "more than", "higher than", "over")),
            ("<", ("below", "less than", "lower than", "under", "smaller than")),
            (">=", ("at least", "no less than")), ("<=", ("at most", "no more than"))])
        return self.say(f"whose {words} is {self.say(*wordings)} {number}", f"with {words} {self.say(*wordings)} {number}"), \
            f"{column} {sign} {number}"

    def child(self):
        """(child, parent, verb, join) of a reference, the child's alias T1 and the parent's T2."""
        pairs = [(child, parent, verb) for child in self.database.entities.values() for parent, verb in child.parents]
        if not pairs:
            return None
        child, parent, verb = self.pick.choice(pairs)
        join = (f"{child.table} AS T1 JOIN {parent.table} AS T2 "
                f"ON T1.{self.database.reference(parent)} = T2.{parent.key}")
        return child, parent, verb, join

    def link(self):
        """(left, right, verb, join) of a link table: T1 left, T2 link, T3 right."""
        if not self.database.links:
            return None
        left, right, table, verb = self.pick.choice(self.database.links)
        join = (f"{left.table} AS T1 JOIN {table} AS T2 ON T1.{left.key} = T2.{self.database.reference(left)} "
                f"JOIN {right.table} AS T3 ON T2.{self.database.reference(right)} = T3.{right.key}")
        return left, right, verb, join

    # One table.

    def count(self):
        e = self.e
        return self.say(f"How many {e.many} are there?", f"Count the number of {e.many}.", f"What is the total number of {e.many}?",
                        f"Return the number of {e.many}."), f"SELECT count(*) FROM {e.table}"

    def count_where(self):
        condition = self.condition()
        if not condition:
            return None
        e = self.e
        return self.say(f"How many {e.many} {condition[0]} are there?", f"Count the {e.many} {condition[0]}.",
                        f"Find the number of {e.many} {condition[0]}."), f"SELECT count(*) FROM {e.table} WHERE {condition[1]}"

    def show(self):
        chosen, words = self.shown()
        e = self.e
        return self.say(f"What are the {words} of all {e.many}?", f"List the {words} of each {e.one}.", f"Show the {words} of the {e.many}.",
                        f"Return the {words} for every {e.one}.", f"Find the {words} of all the {e.many}.",
                        f"What is the {words} of each {e.one}?"), f"SELECT {self.columns(chosen)} FROM {e.table}"

    def show_distinct(self):
        attribute = self.any("cat")
        if not attribute:
            return None
        e = self.e
        return self.say(f"What are the different values of {attribute.words} of {e.many}?", f"List all distinct {attribute.words} values of the {e.many}.",
                        f"Show the different {attribute.words} of all {e.many}."), f"SELECT DISTINCT {attribute.column} FROM {e.table}"

    def count_distinct(self):
        attribute = self.any("cat")
        if not attribute:
            return None
        e = self.e
        return self.say(f"How many different {attribute.words} values do the {e.many} have?", f"Count the number of distinct {attribute.words} of {e.many}.",
                        f"How many different {attribute.words} are there among {e.many}?"), f"SELECT count(DISTINCT {attribute.column}) FROM {e.table}"

    def show_where(self):
        condition = self.condition()
        if not condition:
            return None
        chosen, words = self.shown()
        e = self.e
        return self.say(f"What are the {words} of the {e.many} {condition[0]}?", f"Find the {words} of {e.many} {condition[0]}.",
                        f"List the {words} of all {e.many} {condition[0]}.", f"Which {e.many} are there {condition[0]}? Show their {words}.",
                        f"Give me the {words} for {e.many} {condition[0]}."), f"SELECT {self.columns(chosen)} FROM {e.table} WHERE {condition[1]}"

    def show_named(self):
        e, attribute = self.e, self.any("cat", "int", "real", "date", "text")
        if not attribute:
            return None
        name = e.label.value(self.pick)
        return self.say(f"What is the {attribute.words} of the {e.one} {name}?", f"Find the {attribute.words} of the {e.one} whose {e.label.words} is {name}.",
                        f"What is the {attribute.words} of {name}?", f"Return the {attribute.words} for the {e.one} called {name}."), \
            f"SELECT {attribute.column} FROM {e.table} WHERE {e.label.column} = {quoted(name)}"

    def show_sorted(self):
        attribute = self.any("int", "real", "date", "name")
        if not attribute:
            return None
        chosen, words = self.shown()
        e = self.e
        down = attribute.kind != "name" and self.pick.random() < 0.5
        order = self.say("in descending order of", "from the highest to the lowest") if down else self.say("in ascending order of", "ordered by", "sorted by")
        order = f"sorted by {attribute.words} {order}" if order.startswith("from") else f"{order} {attribute.words}"
        if attribute.kind == "name":
            order = f"in alphabetical order of {attribute.words}"
        return self.say(f"List the {words} of all {e.many} {order}.", f"What are the {words} of the {e.many} {order}?", f"Show the {words} of {e.many} {order}."), \
            f"SELECT {self.columns(chosen)} FROM {e.table} ORDER BY {attribute.column}{' DESC' if down else ''}"

    def most(self):
        attribute = self.any(*NUMBERS)
        if not attribute:
            return None
        chosen, words = self.shown()
        e, top = self.e, self.pick.choice([1, 1, 1, 3, 5])
        down = self.pick.random() < 0.65
        word = self.say("highest", "largest", "greatest") if down else self.say("lowest", "smallest")
        order = f"ORDER BY {attribute.column}{' DESC' if down else ''} LIMIT {top}"
        if top == 1:
            question = self.say(f"What is the {words} of the {e.one} with the {word} {attribute.words}?", f"Find the {words} of the {e.one} that has the {word} {attribute.words}.",
                                f"Which {e.one} has the {word} {attribute.words}? Give the {words}.", f"Return the {words} for the {e.one} with the {word} {attribute.words}.")
        else:
            question = self.say(f"What are the {words} of the {top} {e.many} with the {word} {attribute.words}?", f"List the {words} of the top {top} {e.many} with the {word} {attribute.words}.")
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
        where, whose = (f" WHERE {condition[1]}", f"{e.many} {condition[0]}") if condition else ("", self.say(f"all {e.many}", f"the {e.many}", e.many))
        return self.say(f"What is the {words} {attribute.words} of {whose}?", f"Find the {words} {attribute.words} of {whose}.", f"Return the {words} {attribute.words} for {whose}."), \
            f"SELECT {selected} FROM {e.table}{where}"

    def above_average(self):
        attribute = self.any(*NUMBERS)
        if not attribute:
            return None
        chosen, words = self.shown()
        e = self.e
        sign, word = self.pick.choice([(">", "above"), (">", "higher than"), ("<", "below"), ("<", "lower than")])
        return self.say(f"What are the {words} of {e.many} whose {attribute.words} is {word} the average?", f"Find the {words} of the {e.many} with {attribute.words} {word} average.",
                        f"List the {words} of {e.many} whose {attribute.words} is {word} the average {attribute.words}."), \
            f"SELECT {self.columns(chosen)} FROM {e.table} WHERE {attribute.column} {sign} (SELECT avg({attribute.column}) FROM {e.table})"

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
            return self.say(f"Show the {group.words} and the {words} for each {group.words}.", f"For each {group.words}, show the {group.words} and the {words}.",
                            f"List each {group.words} and the {words}."), f"SELECT {group.column}, {selected} FROM {e.table} GROUP BY {group.column}"
        return self.say(f"What is the {words} of each {group.words}?", f"Find the {words} for each {group.words}.", f"For every {group.words}, what is the {words}? Also show the {group.words}."), \
            f"SELECT {selected}, {group.column} FROM {e.table} GROUP BY {group.column}"

    def group_having(self):
        group = self.any("cat")
        if not group:
            return None
        e, number = self.e, self.pick.randint(2, 5)
        sign, word = self.pick.choice([(">", f"more than {number}"), (">=", f"at least {number}"), ("<", f"less than {number}")])
        return self.say(f"Which {group.words} have {word} {e.many}?", f"Find the {group.words} shared by {word} {e.many}.", f"List the {group.words} that {word} {e.many} have."), \
            f"SELECT {group.column} FROM {e.table} GROUP BY {group.column} HAVING count(*) {sign} {number}"

    def group_most(self):
        group = self.any("cat")
        if not group:
            return None
        e, down = self.e, self.pick.random() < 0.75
        word = self.say("most", "largest number of") if down else self.say("fewest", "least number of")
        return self.say(f"What is the {'most' if down else 'least'} common {group.words} of {e.many}?", f"Which {group.words} has the {word} {e.many}?",
                        f"Find the {group.words} with the {word} {e.many}."), \
            f"SELECT {group.column} FROM {e.table} GROUP BY {group.column} ORDER BY count(*){' DESC' if down else ''} LIMIT 1"

    def both(self):
        shown, one = self.any("cat"), self.condition()
        if not shown or not one or shown.column in one[1]:
            return None
        two = self.condition()
        if two[1].split()[0] != one[1].split()[0] or one[1] == two[1]:
            return None
        e = self.e
        word, operator = self.pick.choice([("both", "INTERSECT"), ("either", "UNION"), ("not", "EXCEPT")])
        queries = f"SELECT {shown.column} FROM {e.table} WHERE {one[1]} {operator} SELECT {shown.column} FROM {e.table} WHERE {two[1]}"
        if word == "not":
            return self.say(f"Which {shown.words} have {e.many} {one[0]} but no {e.many} {two[0]}?", f"Find the {shown.words} of {e.many} {one[0]} but not of {e.many} {two[0]}."), queries
        joined = "and" if word == "both" else "or"
        return self.say(f"Which {shown.words} have {word} {e.many} {one[0]} {joined} {e.many} {two[0]}?", f"Show the {shown.words} that {word} {e.many} {one[0]} {joined} {e.many} {two[0]} have."), queries

    def like(self):
        e = self.e
        chosen, words = self.shown()
        part = self.pick.choice(e.label.value(self.pick).split())
        return self.say(f"Find the {words} of {e.many} whose {e.label.words} contains '{part}'.", f"What are the {words} of the {e.many} that have \"{part}\" in their {e.label.words}?",
                        f"List the {words} of {e.many} with the word {part} in the {e.label.words}."), f"SELECT {self.columns(chosen)} FROM {e.table} WHERE {e.label.column} LIKE '%{part}%'"

    # Two tables.

    def join(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        attribute = self.any("name", "cat", "int", entity=parent)
        return self.say(f"Show the {child.label.words} of each {child.one} and the {attribute.words} of its {parent.one}.",
                        f"What are the {child.label.words} of the {child.many} and the {attribute.words} of their {parent.many}?",
                        f"List each {child.one}'s {child.label.words} together with the {attribute.words} of the {parent.one}."), \
            f"SELECT T1.{child.label.column}, T2.{attribute.column} FROM {join}"

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
            whose, where = self.say(f"the {parent.one} {name}", f"the {parent.one} named {name}", f"{name}"), f"T2.{parent.label.column} = {quoted(name)}"
        else:
            condition = self.condition(parent, "T2.")
            if not condition or " OR " in condition[1]:
                return None
            whose, where = f"{parent.many} {condition[0]}", condition[1]
        if counted:
            question = self.say(f"How many {child.many} {verb} {whose}?", f"Count the number of {child.many} that {verb} {whose}.")
        else:
            question = self.say(f"What are the {words} of the {child.many} that {verb} {whose}?", f"Find the {words} of {child.many} that {verb} {whose}.",
                                f"List the {words} of all {child.many} that {verb} {whose}.")
        return question, f"SELECT {selected} FROM {join} WHERE {where}"

    def parent_where(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        attribute, condition = self.any("name", "cat", "int", entity=parent), self.condition(child, "T1.")
        if not condition or " OR " in condition[1]:
            return None
        return self.say(f"Find the different {attribute.words} of {parent.many} that have {child.many} {condition[0]}.",
                        f"What are the distinct {attribute.words} of the {parent.many} with {child.many} {condition[0]}?"), \
            f"SELECT DISTINCT T2.{attribute.column} FROM {join} WHERE {condition[1]}"

    def join_group(self):
        found = self.child()
        if not found:
            return None
        child, parent, verb, join = found
        number = self.any(*NUMBERS, entity=child)
        if number and self.pick.random() < 0.4:
            function = self.pick.choice(list(AGGREGATES))
            selected, words = f"{function}(T1.{number.column})", f"{self.say(*AGGREGATES[function])} {number.words} of the {child.many}"
        else:
            selected, words = "count(*)", f"number of {child.many}"
        return self.say(f"For each {parent.one}, show its {parent.label.words} and the {words}.", f"Show the {parent.label.words} of each {parent.one} and the {words} that {verb} it.",
                        f"What are the {parent.label.words} and the {words} of each {parent.one}?", f"List the {parent.label.words} of every {parent.one} along with the {words}."), \
            f"SELECT T2.{parent.label.column}, {selected} FROM {join} GROUP BY T2.{parent.key}"

    def join_having(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        number = self.pick.randint(2, 5)
        sign, word = self.pick.choice([(">", f"more than {number}"), (">=", f"at least {number}")])
        chosen, words = self.shown(parent)
        return self.say(f"Find the {words} of the {parent.many} that have {word} {child.many}.", f"What are the {words} of {parent.many} with {word} {child.many}?",
                        f"Which {parent.many} have {word} {child.many}? List their {words}."), \
            f"SELECT {self.columns(chosen, 'T2.')} FROM {join} GROUP BY T2.{parent.key} HAVING count(*) {sign} {number}"

    def join_most(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        chosen, words = self.shown(parent)
        down = self.pick.random() < 0.75
        word = self.say("most", "largest number of") if down else self.say("fewest", "smallest number of")
        return self.say(f"Which {parent.one} has the {word} {child.many}? Show its {words}.", f"What is the {words} of the {parent.one} with the {word} {child.many}?",
                        f"Find the {words} of the {parent.one} that has the {word} {child.many}."), \
            f"SELECT {self.columns(chosen, 'T2.')} FROM {join} GROUP BY T2.{parent.key} ORDER BY count(*){' DESC' if down else ''} LIMIT 1"

    def join_extreme(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        number, attribute = self.any(*NUMBERS, entity=child), self.any("name", "cat", "int", entity=parent)
        if not number:
            return None
        down = self.pick.random() < 0.65
        word = self.say("highest", "largest") if down else self.say("lowest", "smallest")
        return self.say(f"What is the {attribute.words} of the {parent.one} of the {child.one} with the {word} {number.words}?",
                        f"Find the {attribute.words} of the {parent.one} that has the {child.one} with the {word} {number.words}."), \
            f"SELECT T2.{attribute.column} FROM {join} ORDER BY T1.{number.column}{' DESC' if down else ''} LIMIT 1"

    def join_sorted(self):
        found = self.child()
        if not found:
            return None
        child, parent, _, join = found
        attribute = self.any("int", "real", "date", entity=parent)
        if not attribute:
            return None
        down = self.pick.random() < 0.5
        return self.say(f"List the {child.label.words} of the {child.many} in {'descending' if down else 'ascending'} order of the {attribute.words} of their {parent.one}.",
                        f"What are the {child.label.words} of {child.many}, sorted by the {attribute.words} of the {parent.one}{' from high to low' if down else ''}?"), \
            f"SELECT T1.{child.label.column} FROM {join} ORDER BY T2.{attribute.column}{' DESC' if down else ''}"

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
            return self.say(f"How many {parent.many} do not have any {child.one}?", f"Count the {parent.many} without {child.many}."), query
        return self.say(f"What are the {words} of {parent.many} that do not have any {child.one}?", f"Find the {words} of the {parent.many} without {child.many}.",
                        f"List the {words} of all {parent.many} that have no {child.many}."), query

    # Three tables.

    def link_where(self):
        found = self.link()
        if not found:
            return None
        left, right, verb, join = found
        counted, back = self.pick.random() < 0.25, self.pick.random() < 0.4
        asked, given, near, far = (right, left, "T3.", "T1.") if back else (left, right, "T1.", "T3.")
        chosen, words = self.shown(asked)
        selected = "count(*)" if counted else self.columns(chosen, near)
        name = given.label.value(self.pick)
        query = f"SELECT {selected} FROM {join} WHERE {far}{given.label.column} = {quoted(name)}"
        if back:
            return (self.say(f"How many {asked.many} does the {given.one} {name} {verb}?", f"Count the {asked.many} that {name} {verb}s.") if counted else
                    self.say(f"What are the {words} of the {asked.many} that the {given.one} {name} {verb}s?", f"Find the {words} of all {asked.many} of the {given.one} {name}.")), query
        return (self.say(f"How many {asked.many} {verb} the {given.one} {name}?", f"Count the {asked.many} that {verb} {name}.") if counted else
                self.say(f"What are the {words} of the {asked.many} that {verb} the {given.one} {name}?", f"Find the {words} of all {asked.many} that {verb} {name}.",
                         f"Which {asked.many} {verb} {name}? Show their {words}.")), query

    def link_group(self):
        found = self.link()
        if not found:
            return None
        left, right, verb, join = found
        form = self.pick.choice(["", "most", "having"])
        if form == "":
            return self.say(f"For each {left.one}, show the {left.label.words} and the number of {right.many}.", f"How many {right.many} does each {left.one} {verb}? Show the {left.label.words} and the number."), \
                f"SELECT T1.{left.label.column}, count(*) FROM {join} GROUP BY T1.{left.key}"
        if form == "most":
            return self.say(f"Which {left.one} has the most {right.many}? Show the {left.label.words}.", f"What is the {left.label.words} of the {left.one} with the largest number of {right.many}?"), \
                f"SELECT T1.{left.label.column} FROM {join} GROUP BY T1.{left.key} ORDER BY count(*) DESC LIMIT 1"
        number = self.pick.randint(2, 5)
        sign, word = self.pick.choice([(">", f"more than {number}"), (">=", f"at least {number}")])
        return self.say(f"Find the {left.label.words} of the {left.many} that {verb} {word} {right.many}.", f"What are the {left.label.words} of {left.many} with {word} {right.many}?"), \
            f"SELECT T1.{left.label.column} FROM {join} GROUP BY T1.{left.key} HAVING count(*) {sign} {number}"

    def link_both(self):
        found = self.link()
        if not found:
            return None
        left, right, verb, join = found
        first, second = self.pick.sample(right.label.values, 2)
        words, operator, joined = self.pick.choice([("both", "INTERSECT", "and"), ("either", "UNION", "or"), ("", "EXCEPT", "but not")])
        select = f"SELECT T1.{left.label.column} FROM {join} WHERE T3.{right.label.column} = "
        return self.say(f"Find the {left.label.words} of {left.many} that {verb} {words} {first} {joined} {second}.", f"Which {left.many} {verb} {words} {first} {joined} {second}? Show the {left.label.words}.").replace("  ", " "), \
            f"{select}{quoted(first)} {operator} {select}{quoted(second)}"

    FORMS = {count: 3, count_where: 5, show: 5, show_distinct: 2, count_distinct: 2, show_where: 7, show_named: 4, show_sorted: 6, most: 6, aggregate: 6,
             above_average: 2, group: 6, group_having: 4, group_most: 4, both: 4, like: 2, join: 5, join_where: 9, parent_where: 3, join_group: 7, join_having: 5,
             join_most: 6, join_extreme: 4, join_sorted: 3, without: 4, link_where: 6, link_group: 4, link_both: 3}

    def draw(self):
        form = self.pick.choices(list(self.FORMS), self.FORMS.values())[0]
        return form(self)


def rows(count, seed):
    """Rows without end until there are `count` with different prompts."""
    pick = random.Random(seed)
    worlds = read_worlds(pathlib.Path(__file__).with_name("sql_worlds.txt"))
    seen = set()
    while len(seen) < count:
        database = Database(pick.choice(worlds), pick)
        schema = database.schema()
        with sqlite3.connect(":memory:") as connection:
            for statement in schema:
                connection.execute(statement)
            for _ in range(pick.randint(1, 4)):
                drawn = Questions(database, pick).draw()
                if not drawn:
                    continue
                question, query = drawn
                prompt = f"{INSTRUCTION}\n\nSchema:\n" + "\n".join(schema) + f"\n\nQuestion: {question}"
                if prompt in seen or len(seen) == count:
                    continue
                connection.execute(query)
                seen.add(prompt)
                yield {"id": f"own-sql-{seed}-{len(seen):05d}", "prompt": prompt, "completion": query}
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=4000, help="how many (default 4000)")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices (default 1)")
    arguments = parser.parse_args()
    for row in rows(arguments.rows, arguments.seed):
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
