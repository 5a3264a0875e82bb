#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each public header compiles alone, as C99 and as C++, with warnings; and includes nothing but
# <stdbool.h>, <stddef.h>, <stdint.h> and its siblings.
set -u
cd "$(dirname "$0")/../.." || exit 1
read -ra compiler <<<"${CC:-cc}"
read -ra compiler_cxx <<<"${CXX:-c++}"
bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for header in include/specstream/*.h; do
    name=specstream/${header##*/}
    printf '#include "%s"\n#include "%s"\n' "$name" "$name" >"$work/header.c"
    cp "$work/header.c" "$work/header.cc"
    "${compiler[@]}" -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror -Iinclude -fsyntax-only \
        "$work/header.c" || { echo "$name: not C99 by itself"; bad=1; }
    "${compiler_cxx[@]}" -std=c++11 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only \
        "$work/header.cc" || { echo "$name: not C++ by itself"; bad=1; }
    grep -nE '^ *# *include' "$header" |
        grep -vE '<std(bool|def|int)\.h>|"specstream/[a-z]+\.h"' &&
        { echo "$name: includes something private"; bad=1; }
done
exit $bad
