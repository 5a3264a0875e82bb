#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sees to the packages (Debian's names) that the given make goals need. What is there already is
# left alone; as root the rest is installed, else it is named and the status is 1. For `all`, which
# is a plain make and may have no other shell than this, nothing is installed: one line says what is
# missing.
# shellcheck disable=SC2086 # lists are split
set -eu

CC=${CC:-cc} # or "ccache gcc"
missing=
need_program() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need_header() { # HEADER PACKAGE; words of CC and CPPFLAGS may be quoted, as in a recipe
    printf '%s\n' '#include <stddef.h>' '#include <stdarg.h>' '#include <stdint.h>' \
        '#include <setjmp.h>' "#include <$1>" |
        eval "$CC ${CPPFLAGS:-} -E -" >/dev/null 2>&1 || missing="$missing $2"
}
need_library() { # FILE PACKAGE: one that programs look up when they run
    echo 'int main(void) { return 0; }' |
        eval "$CC -x c - -o /dev/null -l:$1" 2>/dev/null || missing="$missing $2"
}

need_program "${CC%% *}" build-essential
need_header stdlib.h build-essential
need_program "${LD:-ld}" build-essential
need_header xxhash.h libxxhash-dev
for goal in "$@"; do
    case $goal in
    check | check-quick | check-exact | setup)
        need_program c++ build-essential
        need_header cmocka.h libcmocka-dev ;;
    adapters)
        need_program xz xz-utils ;;
    fuzz)
        need_program clang clang
        echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
            clang -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null ||
            missing="$missing libclang-rt-dev" ;;
    bench-peers)
        need_program cmake cmake
        need_program ninja ninja-build ;;
    esac
    case $goal in
    check | demo | setup | adapters) need_library libopenblas.so.0 libopenblas0-pthread ;;
    check-exact) need_program xz xz-utils ;;
    esac
    case $goal in
    all | check-quick) ;;
    *) python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-pip" ;;
    esac
done
[ -n "$missing" ] || exit 0

missing=$(printf '%s\n' $missing | sort -u | xargs)
if [ "$*" = all ]; then
    echo "Missing packages (Debian's names): $missing. \`make setup\` sees to them." >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing packages (Debian's names): $missing" >&2
    echo "Install them, for example: sudo apt-get install $missing" >&2
    exit 1
fi
echo "Installing $missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing >/dev/null
