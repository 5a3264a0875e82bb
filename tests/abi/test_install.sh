#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What was installed works where it lies, wherever the library's folder is: the program finds the
# library, a host compiles with what pkg-config says, and uninstall leaves nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ -n "${SS_SANITIZE:-}" ] && { echo "skipped: sanitized builds are not installed"; exit 77; }
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
bad=0
complain() { echo "$1"; bad=1; }

try() { # LIBDIR
    local there="PREFIX=$place LIBDIR=$place/$1" flags
    # shellcheck disable=SC2086
    make -s install $there CC="${CC:-cc}" >/dev/null || complain "$1: not installed"
    "$place/bin/specstream" --version >/dev/null || complain "$1: the program does not start"
    readelf -d "$place/bin/specstream" | grep -q "\$ORIGIN/../$1\]" ||
        complain "$1: the program looks elsewhere for its library"
    flags="-I$place/include -L$place/$1 -lspecstream"
    command -v pkg-config >/dev/null &&
        flags=$(PKG_CONFIG_PATH=$place/$1/pkgconfig pkg-config --cflags --libs specstream)
    # shellcheck disable=SC2086
    "${CC:-cc}" -o "$place/minimal" examples/minimal.c $flags -Wl,-rpath,"$place/$1" &&
        "$place/minimal" tests/data/stories260K.gguf >/dev/null || complain "$1: no host"
    rm -f "$place/minimal"
    # shellcheck disable=SC2086
    make -s uninstall $there >/dev/null || complain "$1: not uninstalled"
    find "$place" -type f | grep . && complain "$1: that was left"
}
try lib
try lib64/here
exit $bad
