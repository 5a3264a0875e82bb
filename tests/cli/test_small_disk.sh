#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A disk that holds a training's checkpoint and adapters is large enough: states that are kept for speed
# take none of it away.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=${SS_BUILD:-build}/specstream
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

for i in {1..24}; do
    echo "{\"prompt\":\"Once upon a time, there was a child named Tom.\",\"completion\":\" Tom had $i red balls. He liked to play with them all day.\"}"
done >"$folder/rows.jsonl"
mkdir "$folder/disk"
unshare -rm mount -t tmpfs none "$folder/disk" 2>"$folder/why" || {
    echo "skipped: no disk can be mounted: $(cat "$folder/why")"
    exit 77
}
# The disk is seen by this one process alone, and is gone with it.
unshare -rm bash -c '
    mount -t tmpfs -o size=3000k none "$2/disk" &&
        "$1" train -m tests/data/stories260K.gguf --raw --blas none --threads 1 -d "$2/rows.jsonl" \
            --dev "$2/rows.jsonl" --dev-prompts 1 --batch 4 --mode shared --steps 40 -o "$2/disk/a.gguf" &&
        test -s "$2/disk/a.gguf"' - "$program" "$folder" >"$folder/out" 2>&1 || {
    cat "$folder/out"
    exit 1
}
