# SPDX-License-Identifier: Apache-2.0
"""Worlds, and databases made of them."""

NUMBERS = ("int", "real")


class Attribute:
    """A column: its words, its kind, and what values it takes."""

    def __init__(self, text):
        words, _, rest = text.strip().partition(":")
        kind, _, values = rest.strip().partition(" ")
        self.words, self.kind = words.strip(), kind
        self.values = (
            [value.strip() for value in values.split("|")] if kind in ("name", "cat") else []
        )
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

    def __init__(self, lines, pick, others=()):
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
        if others:
            self.mix(others, pick)
        self.shrink(pick)
        self.spell(pick)

    def mix(self, worlds, pick):
        """Half of the columns become those of other worlds, up to four of whose tables join in."""
        drawn = (Entity(pick.choice([line for line in world if "=" in line]))
                 for world in pick.choices(worlds, k=100))
        for entity in self.entities.values():
            for i, attribute in enumerate(entity.attributes):
                other = pick.choice(next(drawn).attributes)
                words = {own.words for own in entity.attributes}
                if "name" not in (attribute.kind, other.kind) and other.words not in words:
                    entity.attributes[i] = pick.choice([attribute, other])
        taken = {link for _, _, link, _ in self.links}
        for entity in self.entities.values():
            taken |= {entity.one, entity.many}
        for _ in range(pick.randint(0, 4)):
            other = next(drawn)
            if not taken & {other.one, other.many}:
                self.entities[other.one] = other
                taken |= {other.one, other.many}

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
            if any(p is not gone for entity in rest for p, _ in entity.parents):
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

        self.column_spelled = lambda words: spelled(words, column_style)
        for entity in self.entities.values():
            entity.table = spelled(entity.many if plural else entity.one, table_style)
            entity.key = spelled("id" if key_style == "id" else entity.one + " id", column_style)
            short = pick.random() < 0.7
            for attribute in entity.attributes:
                words = attribute.words
                if attribute is entity.label and not short and words in ("name", "title"):
                    words = f"{entity.one} {words}"
                attribute.column = spelled(words, column_style)
        self.links = [
            (left, right, spelled(link, table_style), verb)
            for left, right, link, verb in self.links
        ]

    def reference(self, parent):
        """The name of a column that holds a parent's key."""
        return self.column_spelled(parent.one + " id")

    def schema(self):
        statements = []
        for entity in self.entities.values():
            columns = [f"{entity.key} INTEGER PRIMARY KEY"]
            columns += [f"{attribute.column} {attribute.type}" for attribute in entity.attributes]
            columns += [f"{self.reference(parent)} INTEGER" for parent, _ in entity.parents]
            columns += [
                f"FOREIGN KEY ({self.reference(parent)}) REFERENCES {parent.table}({parent.key})"
                for parent, _ in entity.parents
            ]
            statements.append(f"CREATE TABLE {entity.table} ({', '.join(columns)})")
        for left, right, link, _ in self.links:
            sides = (left, right)
            columns = [f"{self.reference(side)} INTEGER" for side in sides]
            columns += [
                f"FOREIGN KEY ({self.reference(side)}) REFERENCES {side.table}({side.key})"
                for side in sides
            ]
            statements.append(f"CREATE TABLE {link} ({', '.join(columns)})")
        return statements
