#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often does the library's next token differ from exact arithmetic's?

    fidelity.py --texts TEXTS.jsonl --model M.gguf [--program build/specstream] [--cache DIR]
                [--llama-tokenize PATH]

TEXTS.jsonl holds {"id", "prompt"} lines (make_texts.py writes such a file). For every text the
program's ids and its greedy next token are compared with torch on the dequantised weights
(llama_torch.py), whose results are kept in DIR; with --llama-tokenize the ids are compared with
llama.cpp's as well. Prints one JSON line. Needs the packages torch, numpy and gguf.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess

import torch

from llama_torch import Llama


def program_results(program, model, texts):
    command = [program, "generate", "-m", model, "--prompts", texts, "-n", "1", "--json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def ids_of(command, text):
    out = subprocess.run(command, input=text.encode(), check=True, capture_output=True).stdout
    return [int(word) for word in out.decode().replace("[", " ").replace("]", " ")
            .replace(",", " ").split()]


def exact_results(model_path, all_ids, cache):
    """(next token, margin to the second best) for every sequence."""
    key = hashlib.sha256(json.dumps([pathlib.Path(model_path).stat().st_size, all_ids]).encode())
    kept = pathlib.Path(cache) / f"exact-{key.hexdigest()[:16]}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    model, results = Llama(model_path), []
    with torch.no_grad():
        for ids in all_ids:
            best = model.logits(ids, last=True)[0].topk(2)
            results.append([int(best.indices[0]), float(best.values[0] - best.values[1])])
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(results))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--program", default="build/specstream")
    parser.add_argument("--cache", default="build/fidelity")
    parser.add_argument("--llama-tokenize")
    arguments = parser.parse_args()
    texts = [json.loads(line)["prompt"] for line in open(arguments.texts, encoding="utf-8")]
    ours = program_results(arguments.program, arguments.model, arguments.texts)
    ids = [ids_of([arguments.program, "tokenize", "-m", arguments.model], text) for text in texts]
    exact = exact_results(arguments.model, ids, arguments.cache)
    report = {"model": pathlib.Path(arguments.model).name, "texts": len(texts), "differ": 0,
              "clear": 0, "clear_differ": 0, "prompt_tokens_wrong": 0}
    for mine, sequence, (token, margin) in zip(ours, ids, exact):
        report["prompt_tokens_wrong"] += mine["prompt_tokens"] != len(sequence)
        report["differ"] += mine["tokens"] != [token]
        report["clear"] += margin > 0.25
        report["clear_differ"] += margin > 0.25 and mine["tokens"] != [token]
    if arguments.llama_tokenize:
        peer = [arguments.llama_tokenize, "-m", arguments.model, "--ids", "--stdin",
                "--log-disable", "--no-bos", "--no-escape"]
        report["ids_differ_from_llama_cpp"] = sum(
            ids_of(peer, text) != sequence for text, sequence in zip(texts, ids))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
