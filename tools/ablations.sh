#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The table of ablations in docs/results.md: streams of every shape over one tuned model, each trained
# for the same few steps on the same answers and measured on the same dev prompts.
#     tools/ablations.sh build/specstream MODEL [STEPS]
# Needs what `tools/adapters.sh PROGRAM MODEL sql` leaves in build/adapters/: the tuned model
# (sql.4.gguf) and its answers.
set -eu
program=$1 model=$2 steps=${3:-50}
work=build/adapters out=build/ablations
mkdir -p "$out"
"$program" adapter export-lora "$work/sql.4.gguf" -o "$out/tuned.gguf"
tail -n +2 "$work/sql.train.distilled.jsonl" >"$out/answers.jsonl"

# NAME OPTION..: prints tokens a step, and rows a second in training.
run() {
    local name=$1 line
    shift
    line=$(env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$program" train -m "$model" \
        -a "$out/tuned.gguf" -d "$out/answers.jsonl" \
        --dev "$work/sql.dev.jsonl" --dev-prompts 32 --eval-every 100000 -o "$out/$name.gguf" \
        --mode shared --steps "$steps" --shares 0,100,0 --stream-rank 16 --seed 1 --json "$@" \
        2>>"$out/log" | tail -n 1)
    printf '%-18s %s\n' "$name" "$(sed -E \
        's/.*"positions_per_hour":([0-9.]+).*"dev_tokens_per_step":([0-9.]+).*/\2 tokens a step, \1 positions an hour/' <<<"$line")"
}

for layers in 1 2 4 6 8 15; do run "Ns=$layers" --streams 4 --msa-layers $layers --root 32 --parent 64; done
for streams in 1 2 3 5 6 7 8; do run "gamma=$streams" --streams $streams --msa-layers 4 --root 32 --parent 64; done
run no-root --streams 4 --msa-layers 4 --root 0 --parent 64
run no-parent --streams 4 --msa-layers 4 --root 32 --parent 0
run neither --streams 4 --msa-layers 4 --root 0 --parent 0
run value-rotation --streams 4 --msa-layers 4 --root 32 --parent 64 --value-rotation
