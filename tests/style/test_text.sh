#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Text as everybody expects it: no tabs (but Makefile's), no trailing blanks, no carriage returns,
# no invisible characters, a newline at the end, a licence line; files and types of unique names.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
complain() { echo "$1"; bad=1; }

files=$(find Makefile README.md CONTRIBUTING.md CHANGELOG.md .ci include lib src examples tests \
    tools docs pkgconfig -type f \( -name '*.[ch]' -o -name '*.inc' -o -name '*.sh' -o -name '*.py' \
    -o -name '*.md' -o -name '*.map' -o -name '*.in' -o -name Makefile -o -path .ci/run \) \
    2>/dev/null | sort)

found=$(grep -nP '\t' $(grep -v '^Makefile$' <<<"$files")) && complain "tabs:
$found"
found=$(grep -nP '[ \t\r]$' $files) && complain "blanks at the end of lines:
$found"
# Soft hyphen, zero-width and bidirectional marks, byte order mark; written as bytes, so that the
# locale doesn't matter.
found=$(LC_ALL=C grep -nP '\xc2\xad|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf' $files) &&
    complain "invisible characters:
$found"
for file in $files; do
    [ -z "$(tail -c 1 "$file")" ] || complain "$file: no newline at the end"
    case $file in
    *.md | *.map | *.in | *.inc) ;;
    *) head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
        complain "$file: no SPDX line" ;;
    esac
done
# Traces, profiles and archives show base names only.
found=$(grep -E '\.c$' <<<"$files" | sed 's|.*/||' | sort | uniq -d)
[ -z "$found" ] || complain "C files of the same name: $found"
for folder in include lib src tests; do
    found=$(grep -E "^$folder/.*\.(h|inc)$" <<<"$files" | sed 's|.*/||' | sort | uniq -d)
    [ -z "$found" ] || complain "headers of the same name in $folder/: $found"
done
# A reader, and a debugger, shall find one thing under a type's name.
found=$(grep -rhoE '^\} ssi?_[a-z0-9_]+;' include lib | sort | uniq -d)
[ -z "$found" ] || complain "types of the same name: $found"
# What ends the host's process or talks past its log hook has no place in the library.
found=$(grep -nE '\b(abort|exit|_exit|printf|puts|fprintf|perror|getenv|setlocale) *\(' \
    -r lib --include='*.c' --include='*.h') && complain "the library neither prints nor exits:
$found"
found=$(grep -nE '\berrno\b' -r lib --include='*.c' --include='*.h' | grep -v '^lib/base/os\.[ch]:') &&
    complain "errno outside lib/base/os.c:
$found"
exit $bad
