#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sees to the packages (Debian's names) that the given make goals need. What is there already is
# left alone; as root the rest is installed, else it is named and the status is 1. For `all`, which
# is a plain make, nothing is installed: one line says what is missing.
set -eu

read -ra compiler <<<"${CC:-cc}" # it may be "ccache gcc", or have flags
read -ra flags <<<"${CPPFLAGS:-}"
missing=()
need_program() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need_header() { # HEADER PACKAGE
    printf '%s\n' '#include <stddef.h>' '#include <stdarg.h>' '#include <stdint.h>' \
        '#include <setjmp.h>' "#include <$1>" |
        "${compiler[@]}" "${flags[@]}" -E - >/dev/null 2>&1 || missing+=("$2")
}

need_library() { # FILE PACKAGE: one that programs look up when they run
    echo 'int main(void) { return 0; }' |
        "${compiler[@]}" -x c - -o /dev/null "-l:$1" 2>/dev/null || missing+=("$2")
}

need_program "${compiler[0]}" build-essential
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
            missing+=(libclang-rt-dev) ;;
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
    *) python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip) ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if [ "$*" = all ]; then
    echo "Missing packages (Debian's names): ${missing[*]}. \`make setup\` sees to them." >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing packages (Debian's names): ${missing[*]}" >&2
    echo "Install them, for example: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
