#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ours against llama.cpp, interleaved in one run: decode, prefill, cost of rows, first token.

    bench_peers.py [--work DIR] [--threads 2] [--rounds 5] [--types Q4_1,Q4_0,Q8_0] [--json]

Builds llama.cpp natively, once, from the source package of llama-cpp-python 0.3.36 (cmake and
ninja, about seven minutes) in DIR, outside version control, and writes the other types of the
default model beside it with llama-quantize. Every round runs ours, then theirs; the ratios are
those of the medians. Peer figures: llama-bench (decode of 64, prefill of 512), llama-batched-bench
(a step of r rows, each its own sequence behind a shared prompt of 128), llama-simple (one token,
the whole process).
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tarfile
import time

PACKAGE = "llama-cpp-python==0.3.36"
TARGETS = ["llama-bench", "llama-batched-bench", "llama-quantize", "llama-perplexity",
           "llama-simple", "llama-tokenize"]
ROWS = [2, 4, 8, 16]
PROMPT = ("Once upon a time there was a little village by the sea, and in the village there lived "
          "an old man who had three sons and a dog.")


def say(text):
    print(text, file=sys.stderr, flush=True)


def build(work):
    """Returns the folder of llama.cpp's programs."""
    binaries = work / "build" / "bin"
    if all((binaries / name).exists() for name in TARGETS):
        return binaries
    work.mkdir(parents=True, exist_ok=True)
    if not list(work.glob("llama_cpp_python-*.tar.gz")):
        say(f"fetching the source of {PACKAGE}")
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps",
                        "--no-binary=:all:", PACKAGE, "-d", str(work)], check=True)
    if not (work / "src").exists():
        archive = next(work.glob("llama_cpp_python-*.tar.gz"))
        with tarfile.open(archive) as tar:
            tar.extractall(work / "unpacked")
        next((work / "unpacked").iterdir()).rename(work / "src")
    say("building llama.cpp: about seven minutes, once")
    log = open(work / "build.log", "w")
    subprocess.run(["cmake", "-S", str(work / "src/vendor/llama.cpp"), "-B", str(work / "build"),
                    "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON",
                    "-DLLAMA_CURL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_SERVER=OFF"],
                   check=True, stdout=log, stderr=log)
    subprocess.run(["ninja", "-C", str(work / "build"), *TARGETS], check=True, stdout=log,
                   stderr=log)
    return binaries


def model_of_type(base, kind, work, binaries):
    if kind == "Q4_1":
        return base
    path = work / f"SmolLM2-135M-Instruct.{kind}.gguf"
    if not path.exists():
        partial = path.with_suffix(".partial")
        subprocess.run([str(binaries / "llama-quantize"), "--allow-requantize", str(base),
                        str(partial), kind], check=True, capture_output=True)
        partial.rename(path)
    return path


def output_of(command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True,
                          text=True).stdout


def measure_ours(program, model, threads):
    result = json.loads(output_of([program, "bench", "-m", model, "--threads", threads, "--json"]))
    cost = result["cost_ms"]
    figures = {"decode": result["plain_tokens_per_s"], "prefill": result["prefill_tokens_per_s"]}
    for rows in ROWS:
        figures[f"rows_{rows}"] = cost[str(rows)] / cost["1"]
    start = time.monotonic()
    output_of([program, "generate", "-m", model, "-p", PROMPT, "-n", "1", "--threads", threads])
    figures["first_token_ms"] = 1000 * (time.monotonic() - start)
    return figures


def measure_peer(binaries, model, threads):
    figures = {}
    runs = json.loads(output_of([binaries / "llama-bench", "-m", model, "-t", threads, "-p", 512,
                                 "-n", 64, "-r", 1, "-o", "json"]))
    for run in runs:
        figures["decode" if run["n_gen"] else "prefill"] = run["avg_ts"]
    lines = output_of([binaries / "llama-batched-bench", "-m", model, "-c", 4096, "-npp", 128,
                       "-ntg", 16, "-npl", ",".join(map(str, [1] + ROWS)), "-t", threads, "-pps",
                       "--output-format", "jsonl"]).splitlines()
    steps = {run["pl"]: run["t_tg"] for run in map(json.loads, filter(
        lambda line: line.startswith("{"), lines))}
    for rows in ROWS:
        figures[f"rows_{rows}"] = steps[rows] / steps[1]
    start = time.monotonic()
    output_of([binaries / "llama-simple", "-m", model, "-n", 1, PROMPT])
    figures["first_token_ms"] = 1000 * (time.monotonic() - start)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="build/peers")
    parser.add_argument("--program", default="build/specstream")
    parser.add_argument("--model", default="models/SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--types", default="Q4_1,Q4_0,Q8_0")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    work = pathlib.Path(arguments.work)
    binaries = build(work)
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    for kind in arguments.types.split(","):
        model = model_of_type(pathlib.Path(arguments.model), kind, work, binaries)
        ours, theirs = [], []
        for index in range(arguments.rounds):
            say(f"{kind}: round {index + 1} of {arguments.rounds}")
            ours.append(measure_ours(arguments.program, model, arguments.threads))
            theirs.append(measure_peer(binaries, model, arguments.threads))
        median = lambda runs, key: statistics.median(run[key] for run in runs)
        rows = {key: (median(ours, key), median(theirs, key)) for key in ours[0]}
        if arguments.json:
            print(json.dumps({"type": kind, "rounds": arguments.rounds} | {
                key: {"ours": pair[0], "peer": pair[1], "ratio": pair[0] / pair[1]}
                for key, pair in rows.items()}), flush=True)
            continue
        print(f"\n{kind}, {arguments.threads} threads, medians of {arguments.rounds} rounds")
        print(f"{'':18}{'ours':>10}{'llama.cpp':>12}{'ours / theirs':>16}")
        labels = {"decode": "decode, tokens/s", "prefill": "prefill, tokens/s",
                  "first_token_ms": "first token, ms"}
        for key, (mine, other) in rows.items():
            label = labels.get(key, f"{key[5:]} rows / 1 row")
            print(f"{label:18}{mine:10.2f}{other:12.2f}{mine / other:16.2f}", flush=True)


if __name__ == "__main__":
    main()
