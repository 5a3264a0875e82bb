#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The names a host sees: exported = the linker map = the public headers, by name; none of Debian's
# libss; the archive adds none; the library needs libc and libm alone; nothing in it is writable
# after loading but what the linker needs.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${SS_BUILD:-build}
library=$build/libspecstream.so
bad=0
complain() { echo "$1"; bad=1; }
compare() { # LEFT-NAME LEFT RIGHT-NAME RIGHT
    local difference
    difference=$(diff <(sort -u <<<"$2") <(sort -u <<<"$4")) || complain "$1 (<) and $3 (>) differ:
$difference"
}

in_map=$(sed -n 's/^ *\(ss_[a-z0-9_]*\);.*/\1/p' lib/api/specstream.map)
in_headers=$(cat include/specstream/*.h | tr '\n' ' ' | sed 's|/\*|\n&|g; s|\*/|&\n|g' |
    grep -v '^/\*' | tr '\n' ' ' | tr ';' '\n' | grep -E '\bSS_API\b' |
    sed -n 's/.*\bSS_API\b[^(]*\b\(ss_[a-z0-9_]*\) *(.*/\1/p')
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}')
[ -n "$in_map" ] && [ -n "$in_headers" ] && [ -n "$exported" ] || complain "a list is empty"
grep -q '\*;' lib/api/specstream.map && ! grep -q 'local: *\*;\|^ *\*;' lib/api/specstream.map &&
    complain "specstream.map: a glob that isn't local"
compare map "$in_map" headers "$in_headers"
compare map "$in_map" exported "$exported"

# libss of e2fsprogs: every name its header and its shared library have.
libss="ss_create_invocation ss_delete_invocation ss_listen ss_abort_subsystem ss_quit ss_perror
ss_error ss_name ss_execute_command ss_execute_line ss_parse ss_add_request_table
ss_delete_request_table ss_add_info_dir ss_delete_info_dir ss_get_prompt ss_set_prompt
ss_get_invocation_ptr ss_help ss_list_requests ss_self_identify ss_subsystem_name
ss_subsystem_version ss_unimplemented ss_page_stdin ss_pager_create ss_safe_getenv ss_error_table
initialize_ss_error_table initialize_ss_error_table_r et_ss_error_table _ss_table
_ss_pager_name ss_fdopen ss_info_dir"
found=$(comm -12 <(sort -u <<<"$exported") <(tr -s ' \n' '\n' <<<"$libss" | sort -u))
[ -z "$found" ] || complain "names of libss: $found"

if [ -z "${SS_SANITIZE:-}" ]; then
    needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    found=$(grep -vE '^lib[cm]\.so\.6$' <<<"$needed")
    [ -z "$found" ] || complain "needs more than libc and libm: $found"
    readelf -d "$library" | grep -q 'SONAME.*\[libspecstream\.so\.0\]' || complain "soname"
    in_archive=$(nm --defined-only --extern-only "$build/libspecstream.a" | awk 'NF == 3 {print $3}')
    compare map "$in_map" archive "$in_archive"
    # No mutable globals: .data and .bss hold nothing of ours. (Pointers in constant tables are
    # relocated once, in .data.rel.ro.)
    found=$(nm "$build/libspecstream.a" | awk '$2 ~ /^[bBdDC]$/ {print $3}' |
        while read -r name; do
            objdump -t "$build/libspecstream.a" | grep -E " $name$" | grep -v 'data\.rel\.ro'
        done)
    [ -z "$found" ] || complain "mutable globals: $found"
    found=$(nm -D --undefined-only "$library" | awk '{sub(/@.*/, "", $NF); print $NF}' |
        grep -xE 'abort|exit|_exit|printf|puts|fprintf|perror|signal|setlocale|getenv|__assert_fail')
    [ -z "$found" ] || complain "calls $found"
fi
exit $bad
