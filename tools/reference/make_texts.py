#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes 400 texts for fidelity.py from the data beside the checkout: prose, code, dialogue, SQL
and chat, 80 of each, 60 to 900 characters, every one cut at a seeded random place.

    make_texts.py [--data ../shared/data] [--seed 1] > TEXTS.jsonl
"""

import argparse
import json
import lzma
import pathlib
import random

CHATML = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
          "Face<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n")


def rows(path):
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    data, chance = pathlib.Path(arguments.data), random.Random(arguments.seed)

    def pieces(text, count):
        for _ in range(count):
            start, size = chance.randrange(len(text) - 900), chance.randrange(60, 900)
            yield text[start:start + size]

    def openings(texts, count):
        for text in chance.sample([t for t in texts if len(t) >= 60], count):
            yield text[:chance.randrange(60, min(len(text), 900) + 1)]

    code = "".join(path.read_text() for path in sorted(pathlib.Path("lib").glob("*/*.[ch]")))
    dialogue = [row["prompt"] for row in rows(data / "dialogsum.dev.jsonl.xz")]
    sql = [row["prompt"] + "\n" + row["completion"] for row in rows(data / "sql.dev.jsonl.xz")]
    chat = [row["prompt"] for row in rows(data / "instruct.dev.jsonl.xz")]
    groups = {
        "prose": pieces((data / "prose.txt").read_text(), 80),
        "code": pieces(code, 80),
        "dialogue": openings(dialogue, 80),
        "sql": openings(sql, 80),
        "chat": (CHATML.format(text) for text in chance.sample(chat, 80)),
    }
    for name, texts in groups.items():
        for index, text in enumerate(texts):
            print(json.dumps({"id": f"{name}-{index}", "prompt": text}, ensure_ascii=False))


if __name__ == "__main__":
    main()
