#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes with each given fuzzer for some seconds, from the committed corpus. New inputs go to
# build/fuzz/found/, a crash's input to build/fuzz/crash-*: add it to tests/fuzz/corpus/.
#     tests/fuzz/run.sh SECONDS FUZZER...
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=$1
shift
status=0
for fuzzer in "$@"; do
    name=${fuzzer##*/fuzz_}
    found=build/fuzz/found/$name
    mkdir -p "$found"
    echo "== $name: $seconds s"
    "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=0 \
        -verbosity=0 -artifact_prefix=build/fuzz/ "$found" tests/fuzz/corpus/"$name" \
        >"$found.log" 2>&1 || { status=1; grep -vE '^"|^#####' "$found.log"; }
done
exit $status
