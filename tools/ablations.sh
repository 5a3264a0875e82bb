#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tables of ablations in docs/results.md: streams of every shape over one tuned model, each trained
# for the same few steps on that model's own answers and measured on the same dev prompts; tuning and
# streams one after the other against both at once; the shipped adapter with and without pruning.
#     tools/ablations.sh build/specstream MODEL [STEPS]
# Needs what `tools/adapters.sh PROGRAM MODEL sql` leaves in build/adapters/.
set -eu
program=$1 model=$2 steps=${3:-50}
work=build/adapters out=build/ablations
rows=$work/sql.train.jsonl dev=$work/sql.dev.jsonl
mkdir -p "$out"
"$program" adapter export-lora "$work/sql.2.gguf" -o "$out/tuned.gguf"

# NAME OPTION..: trains, and prints tokens a step on dev.
trained() {
    local name=$1 line
    shift
    line=$(env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$program" train -m "$model" -d "$rows" \
        --dev "$dev" --dev-prompts 32 --eval-every 100000 -o "$out/$name.gguf" --stream-rank 16 \
        --seed 1 --json "$@" 2>>"$out/log" | tail -n 1)
    printf '%-16s %s\n' "$name" "$(sed -E \
        's/.*"dev_tokens_per_step":([0-9.]+).*/\1 tokens a step/' <<<"$line")"
}
# The same for streams alone, over the tuned model.
streams() {
    local name=$1
    shift
    trained "$name" -a "$out/tuned.gguf" --limit 1800 --distill --distill-tokens 96 \
        --distilled "$out/answers.jsonl" --mode shared --shares 0,100,0 --steps "$steps" "$@"
}

for layers in 1 2 4 6 8 15; do streams "Ns=$layers" --streams 4 --msa-layers $layers --root 32 --parent 64; done
for gamma in 1 2 3 5 6 7 8; do streams "gamma=$gamma" --streams $gamma --msa-layers 4 --root 32 --parent 64; done
streams no-root --streams 4 --msa-layers 4 --root 0 --parent 64
streams no-parent --streams 4 --msa-layers 4 --root 32 --parent 0
streams neither --streams 4 --msa-layers 4 --root 0 --parent 0
streams value-rotation --streams 4 --msa-layers 4 --root 32 --parent 64 --value-rotation

# A joint step takes as long as 2.3 of the others, on average.
trained two-stages-time --mode shared --shares 25,75,0 --steps $((23 * steps / 5)) --root 32 --parent 64
trained two-stages --mode shared --shares 50,50,0 --steps $((2 * steps)) --root 32 --parent 64
trained joint --mode joint --shares 100,0,0 --steps $((2 * steps)) --root 32 --parent 64

head -n 60 "$dev" >"$out/prompts.jsonl"
for prune in on off; do
    printf '%-16s ' "prune-$prune"
    "$program" bench -m "$model" -a examples/adapters/sql.gguf --chat --prompts "$out/prompts.jsonl" \
        -n 96 --draft streams --tree best:16 --prune $prune --json |
        sed -E 's/.*"speedup":([0-9.]+).*"tokens_per_step":([0-9.]+),"rows_per_step":([0-9.]+).*/\2 tokens a step, \3 rows a step, \1x/'
done
