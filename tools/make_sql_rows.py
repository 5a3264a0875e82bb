#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes rows {"id","prompt","completion"} of questions over databases of several tables, each with
the SQL that answers it: joins, groups, sorting, nested and combined queries, which the questions of
WikiSQL (one table, one SELECT) do not have.

    tools/make_sql_rows.py --rows 4000 --seed 1 >own.train.jsonl

A database is one of the worlds of sql_rows/worlds.txt with its names spelled in one of several ways,
some of its tables and columns left out. A question is one of the forms in sql_rows/ with a wording
drawn for it. With --mixed a world has columns and tables of others: nonsense, but more kinds of it
than there are worlds. Every query is run by SQLite against the empty database; no prompt comes twice.
"""

import argparse
import json
import pathlib
import random
import sqlite3
import sys

from sql_rows.database import Database, read_worlds
from sql_rows.joined import Joined
from sql_rows.linked import Linked
from sql_rows.one_table import OneTable

INSTRUCTION = "Write a SQL query that answers the question."
WORLDS = pathlib.Path(__file__).parent / "sql_rows" / "worlds.txt"


class Questions(OneTable, Joined, Linked):
    """All forms, and how often each is drawn."""

    FORMS = {
        "count": 3,
        "count_where": 5,
        "show": 5,
        "show_distinct": 2,
        "count_distinct": 2,
        "show_where": 7,
        "show_named": 4,
        "show_sorted": 6,
        "most": 6,
        "aggregate": 6,
        "above_average": 2,
        "group": 6,
        "group_having": 4,
        "group_most": 4,
        "both": 4,
        "like": 2,
        "join": 5,
        "join_where": 9,
        "parent_where": 3,
        "join_group": 7,
        "join_having": 5,
        "join_most": 6,
        "join_extreme": 4,
        "join_sorted": 3,
        "without": 4,
        "link_where": 6,
        "link_group": 4,
        "link_both": 3,
    }

    def draw(self):
        form = self.pick.choices(list(self.FORMS), self.FORMS.values())[0]
        return getattr(self, form)()


def rows(count, seed, mixed):
    """Rows without end until there are `count` with different prompts."""
    pick = random.Random(seed)
    worlds = read_worlds(WORLDS)
    seen = set()
    while len(seen) < count:
        database = Database(pick.choice(worlds), pick, worlds if mixed else ())
        schema = database.schema()
        with sqlite3.connect(":memory:") as connection:
            for statement in schema:
                connection.execute(statement)
            for _ in range(pick.randint(1, 4)):
                drawn = Questions(database, pick).draw()
                if not drawn:
                    continue
                question, query = drawn
                prompt = (
                    f"{INSTRUCTION}\n\nSchema:\n" + "\n".join(schema) + f"\n\nQuestion: {question}"
                )
                if prompt in seen or len(seen) == count:
                    continue
                connection.execute(query)
                seen.add(prompt)
                yield {
                    "id": f"{'mixed' if mixed else 'own'}-sql-{seed}-{len(seen):05d}",
                    "prompt": prompt,
                    "completion": query,
                }
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=4000, help="how many (default 4000)")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices (default 1)")
    parser.add_argument(
        "--mixed", action="store_true", help="worlds take columns and tables from each other"
    )
    arguments = parser.parse_args()
    for row in rows(arguments.rows, arguments.seed, arguments.mixed):
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
