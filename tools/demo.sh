#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer sees first: a model, a question, its answer as it is made, how fast that was, and
# what drafting gains: the same answer twice, plain and speculative.
#     tools/demo.sh build/specstream MODEL
set -eu
program=$1 model=$2
question='What is the capital of France, and what is it known for?'
adapter=examples/adapters/sql.gguf # text to SQL, for this model
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' faint=$'\e[2m' plain=$'\e[0m'; else bold='' faint='' plain=''; fi
heading() { printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"; }
json_text() { sed 's/\\/\\\\/g; s/"/\\"/g' "$1" | awk '{printf "%s\\n", $0}'; }

# NAME PROMPT-FILE OPTION..: both answers beside each other, then one interleaved comparison.
side_by_side() {
    local name=$1 prompt=$2 left right row
    shift 2
    heading "$name"
    sed 's/^/  > /' "$prompt"
    mapfile -t left < <("$program" generate -m "$model" --chat -f "$prompt" -n 120 "$@" --no-spec | fold -s -w 46)
    mapfile -t right < <("$program" generate -m "$model" --chat -f "$prompt" -n 120 "$@" | fold -s -w 46)
    printf '\n%s  %-48s%s%s\n' "$bold" 'plain decoding' 'speculative decoding' "$plain"
    for ((row = 0; row < ${#left[@]} || row < ${#right[@]}; row++)); do
        printf '  %-48s%s\n' "${left[row]-}" "${right[row]-}"
    done
    for ((row = 0; row < 3; row++)); do # the same prompt again, so that a busy moment weighs less
        printf '{"prompt":"%s"}\n' "$(json_text "$prompt")"
    done >"$work/rows.jsonl"
    "$program" bench -m "$model" --chat --prompts "$work/rows.jsonl" -n 120 "$@" |
        sed -n '/^plain/p; /^speculative/p; /^speed-up/p; /^tokens a step/p; /^same/p' | sed 's/^/  /'
}

heading 'The model'
"$program" info "$model"

heading "> $question"
"$program" generate -m "$model" --chat -p "$question" -n 120

heading 'This machine'
"$program" bench -m "$model"

cat >"$work/notes" <<'END'
Write these notes again, one on a line:

Monday, 3 March: the board meets in the large hall at nine.
Tuesday, 4 March: the auditors arrive and need the small office.
Wednesday, 5 March: the new press is delivered before noon.
Thursday, 6 March: visitors from Lyon see the workshop.
END
side_by_side 'Drafting from the text itself (n-grams, no adapter)' "$work/notes" --draft ngram

cat >"$work/question" <<'END'
Write a SQL query that answers the question.

Schema:
CREATE TABLE table_1_20260314_1 (bridge_name VARCHAR, county VARCHAR, year_opened INTEGER, total_length_ft VARCHAR)

Question: In which county is the bridge named Powder River Bridge, with a length of 412 ft?
END
side_by_side 'Drafting from speculative streams (an adapter for text to SQL)' "$work/question" -a "$adapter"

printf '\n%sTalk to it:      %s chat -m %s\nWatch it draft:  %s generate -m %s -p "1, 2, 3, 1, 2, 3," --draft ngram --trace\nFrom C:          examples/minimal.c%s\n' \
    "$faint" "$program" "$model" "$program" "$model" "$plain"
