#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A plain make that lacks a package names it, in one line and before anything is compiled, and
# installs nothing; a compiler may be several words; what is built stays so while its flags are the same;
# `make clean` goes before what is to be built.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MAKELEVEL SANITIZE # called as a person does, by no make above
bad=0
complain() { echo "$1"; bad=1; }

# A header that can't be read is as good as none.
echo '#error unreadable' >"$work/xxhash.h"
make out="$work/build" CPPFLAGS="-I$work" all >"$work/said" 2>"$work/complained" &&
    complain "built without xxhash.h"
[ -s "$work/said" ] && complain "something was begun: $(cat "$work/said")"
[ "$(grep -cv '^make' "$work/complained")" = 1 ] || complain "not one line: $(cat "$work/complained")"
grep -q 'libxxhash-dev.*make setup' "$work/complained" || complain "package or remedy not named"

flags=$work/other/flags
make -s out="$work/other" "$flags" && touch -d 2001-01-01 "$flags"
make -s out="$work/other" "$flags"
[ "$(date -r "$flags" +%Y)" = 2001 ] || complain "built anew with the same flags"
make -s out="$work/other" CPPFLAGS="-DA='\"b c\"' -DD=\\'e\\'" "$flags" || complain "quoted flags are not taken"
[ "$(date -r "$flags" +%Y)" != 2001 ] || complain "not built anew with other flags"

cp -r Makefile include lib src tools "$work"
make -s -C "$work" build/flags
mkdir "$work/slow"
printf '#!/bin/sh\nsleep 0.5\nexec %s "$@"\n' "$(command -v rm)" >"$work/slow/rm"
chmod +x "$work/slow/rm"
PATH=$work/slow:$PATH make -s -C "$work" -j2 clean build/flags build/sources
[ -f "$work/build/flags" ] && [ -f "$work/build/sources" ] || complain "cleaned what was being built"

CC="env ${CC:-cc}" tools/setup.sh all || complain "a compiler of several words is not found"
exit $bad
