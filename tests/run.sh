#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the given tests from the top folder, one after the other: programs that print cmocka's
# summary, and scripts (status 0 passed, 77 skipped, else failed). The output of a test is shown
# when it fails; what was skipped is named with its reason. The last line is the sum.
set -u
cd "$(dirname "$0")/.." || exit 1

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1} # as malloc does
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:allocator_may_return_null=1}
passed=0 failed=0 skipped=0

# Kernels with 32 bits of address randomness leave this ThreadSanitizer no room for its shadow.
prefix=()
case ${SS_SANITIZE:-} in
*thread*) if setarch "$(uname -m)" -R true 2>/dev/null; then prefix=(setarch "$(uname -m)" -R); fi ;;
esac

sum_of() { # how many tests cmocka counted under this word
    sed -n "s/^\[ *$1 *\] \([0-9]*\) test(s).*/\1/p" "$log" | awk '{n += $1} END {print n + 0}'
}

for test in "$@"; do
    started=$(date +%s%N)
    case $test in
    *.sh) timeout 900 bash "$test" >"$log" 2>&1 ;;
    */fuzz/fuzz_*) name=${test##*/fuzz_}
        timeout 900 "${prefix[@]}" "$test" tests/fuzz/corpus/"$name" >"$log" 2>&1 ;;
    *) timeout 900 "${prefix[@]}" "$test" >"$log" 2>&1 ;;
    esac
    status=$?
    milliseconds=$((($(date +%s%N) - started) / 1000000))
    good=$(sum_of PASSED) bad=$(sum_of FAILED) left=$(sum_of SKIPPED)
    if [ $((good + bad + left)) = 0 ]; then # no summary: the status is all there is
        case $status in
        0) good=1 ;;
        77) left=1 ;;
        *) bad=1 ;;
        esac
    elif [ $status != 0 ] && [ "$bad" = 0 ]; then # fell over after its last test
        bad=1
    fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
    printf '%-44s %4d passed %6d ms\n' "${test#"${SS_BUILD:-build}"/}" "$good" "$milliseconds"
    if [ "$bad" != 0 ]; then
        printf '  %d FAILED, status %d:\n' "$bad" "$status"
        grep -vE '^\[( RUN  |       OK )' "$log" | tail -n 60 | sed 's/^/    /'
    fi
    [ "$left" = 0 ] || grep -i '^skipped: ' "$log" | sort -u | sed 's/^/  /'
done

[ $skipped = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
