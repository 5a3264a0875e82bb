#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What was installed works where it lies, wherever the library's folder is: the program finds the
# library, a host compiles with what pkg-config says, and uninstall leaves nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ -n "${SS_SANITIZE:-}" ] && { echo "skipped: sanitized builds are not installed"; exit 77; }
read -ra compiler <<<"${CC:-cc}"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
place=$work
bad=0
complain() { echo "$1"; bad=1; }

try() { # LIBDIR
    local there=(PREFIX="$place" LIBDIR="$place/$1") flags
    (umask 077; make -s install "${there[@]}" CC="${CC:-cc}") >/dev/null || complain "$1: not installed"
    find "$place/bin" "$place/$1" "$place/include" ! -type l ! -perm -a=r | grep . && complain "$1: not for all"
    [ "$(stat -c %a "$place/bin/specstream")" = 755 ] || complain "$1: mode of the program"
    "$place/bin/specstream" --version >/dev/null || complain "$1: the program does not start"
    readelf -d "$place/bin/specstream" | grep -q "\$ORIGIN/../$1\]" ||
        complain "$1: the program looks elsewhere for its library"
    flags=(-I"$place/include" -L"$place/$1" -lspecstream)
    command -v pkg-config >/dev/null && # which escapes blanks
        mapfile -t flags < <(PKG_CONFIG_PATH=$place/$1/pkgconfig pkg-config --cflags --libs specstream |
            xargs printf '%s\n')
    "${compiler[@]}" -o "$work/minimal" examples/minimal.c "${flags[@]}" -Wl,-rpath,"$place/$1" &&
        "$work/minimal" tests/data/stories260K.gguf >/dev/null || complain "$1: no host"
    rm -f "$work/minimal"
    make -s uninstall "${there[@]}" >/dev/null || complain "$1: not uninstalled"
    find "$place" ! -type d | grep . && complain "$1: that was left"
}
try lib
try lib64/here
place="$work/a folder"
try lib
make -s install DESTDIR="$place" PREFIX=/usr CC="${CC:-cc}" >/dev/null &&
    "$place/usr/bin/specstream" --version >/dev/null || complain "DESTDIR with a blank: not installed"
exit $bad
