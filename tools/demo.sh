#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer sees first: a model, a question, its answer as it is made, and how fast that was.
#     tools/demo.sh build/specstream MODEL
set -eu
program=$1 model=$2
question='What is the capital of France, and what is it known for?'

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' faint=$'\e[2m' plain=$'\e[0m'; else bold='' faint='' plain=''; fi
heading() { printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"; }

heading 'The model'
"$program" info "$model"

heading "> $question"
"$program" generate -m "$model" --chat -p "$question" -n 120

heading 'This machine'
"$program" bench -m "$model"

printf '\n%sTalk to it:   %s chat -m %s\nFrom C:       examples/minimal.c%s\n' "$faint" "$program" "$model" "$plain"
