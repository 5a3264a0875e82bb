#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens a step from streams alone, by tree size, against what torch got from the same adapter.

    tokens_per_step.py [--model M.gguf] [--adapter A.gguf] [--rows ROWS.jsonl.xz]
                       [--reference A.json] [--program build/specstream]

A.json holds {"prompts", "tokens_per_step_by_tree_nodes"}: the first so many rows are answered in
the chat template, greedily, 96 tokens at most, with trees of best:N. Prints a line for each N and
ends with status 1 where one falls short of its reference by more than 3 %.
"""

import argparse
import json
import lzma
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="models/SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--adapter", default="../shared/adapters/sql-reference.gguf")
    parser.add_argument("--rows", default="../shared/data/sql.dev.jsonl.xz")
    parser.add_argument("--reference", default="../shared/adapters/sql-reference.json")
    parser.add_argument("--program", default="build/specstream")
    of = parser.parse_args()

    with open(of.reference) as file:
        reference = json.load(file)
    with lzma.open(of.rows, "rt") as file:
        rows = [next(file) for _ in range(reference["prompts"])]
    short = False
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as prompts:
        prompts.writelines(rows)
        prompts.flush()
        for nodes, wanted in reference["tokens_per_step_by_tree_nodes"].items():
            command = [of.program, "generate", "-m", of.model, "-a", of.adapter, "--chat", "-n",
                       "96", "--draft", "streams", "--tree", "best:" + nodes, "--prompts",
                       prompts.name]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            answers = [json.loads(line) for line in out.splitlines()]
            later = sum(len(answer["tokens"]) - 1 for answer in answers)
            ours = later / sum(answer["steps"] for answer in answers)
            short |= ours < 0.97 * wanted
            print(f"best:{nodes:<3} {ours:.3f} tokens a step, reference {wanted:.3f}: "
                  f"{ours / wanted:.3f}", flush=True)
    sys.exit(short)


if __name__ == "__main__":
    main()
