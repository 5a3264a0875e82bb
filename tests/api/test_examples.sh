#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every example runs on the small model, and says what it is there to show.
set -u
cd "$(dirname "$0")/../.." || exit 1
examples=${SS_BUILD:-build}/examples
model=tests/data/stories260K.gguf
bad=0

expect() { # NAME WORDS: it ends with 0, quietly, and prints a line that holds the words
    local output
    if ! output=$("$examples/$1" "$model" 2>&1) || ! grep -qF -- "$2" <<<"$output"; then
        echo "$1: no \"$2\" in: $output"
        bad=1
    fi
}

for source in examples/*.c; do
    name=$(basename "$source" .c)
    grep -q "^expect $name " "$0" || { echo "$name is not tested"; bad=1; }
done
expect minimal 'there was a little girl named Lily'
expect shared_model 'seed 2: Once upon a time'
expect host_threads "jobs ran on the host's 3 threads"
expect custom_allocator 'held at the end: 0 bytes'
expect with_drafts ' tokens a step'

# With an adapter, and be it one that guesses at random, drafting says the same words.
words() { "$examples/with_drafts" "$model" 'Once upon a time' "$@" | sed '$d'; }
adapter=$(mktemp)
trap 'rm -f "$adapter"' EXIT
"${examples%/*}/specstream" adapter init -m "$model" -o "$adapter" || bad=1
plain=$(words) drafted=$(words "$adapter")
[ -n "$plain" ] && [ "$plain" = "$drafted" ] || { echo "with_drafts: with an adapter: $drafted"; bad=1; }

"$examples/minimal" no/such.gguf >/dev/null 2>&1 && { echo "minimal: no error without a model"; bad=1; }
exit $bad
