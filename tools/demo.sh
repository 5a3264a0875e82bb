#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer sees first: a question, its answer as it is made, and how fast that was.
#     tools/demo.sh build/specstream MODEL
set -eu
program=$1 model=$2
question='What is the capital of France, and what is it known for?'

echo
"$program" info "$model"
echo
echo "> $question"
echo
"$program" generate -m "$model" --chat -p "$question" -n 120
echo
echo
echo "Measuring (a few seconds) ..."
"$program" bench -m "$model"
echo
echo "Talk to it:  $program chat -m $model"
