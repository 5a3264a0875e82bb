#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every include in lib/ points down the table of rooms (lib/README.md) and is written
# "room/file.h"; the programs and examples see the public headers alone.
set -u
cd "$(dirname "$0")/../.." || exit 1

declare -A may=(
    [base]="" [quant]="" [gguf]="" [tokenizer]="" [draft]=""
    [kernel]="quant"
    [model]="gguf quant kernel tokenizer"
    [cache]="kernel"
    [step]="model cache draft kernel"
    [session]="step model cache draft tokenizer"
    [train]="session step model cache kernel quant gguf tokenizer"
    [api]="base quant gguf tokenizer draft kernel model cache step session train"
)
bad=0
complain() { echo "$1"; bad=1; }

while IFS=: read -r file line text; do
    room=${file#lib/} room=${room%%/*}
    [ -n "${may[$room]+known}" ] || { complain "$file: room '$room' is not in the table"; continue; }
    target=$(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' <<<"$text")
    case $target in
    specstream/*) [ -f "include/$target" ] || complain "$file:$line: no public header $target" ;;
    */*)
        to=${target%%/*}
        [ -f "lib/$target" ] || complain "$file:$line: no file lib/$target"
        case " $room base ${may[$room]} " in
        *" $to "*) ;;
        *) complain "$file:$line: $room may not include $to ($target)" ;;
        esac ;;
    *) complain "$file:$line: write \"room/$target\"" ;;
    esac
done < <(grep -nE '^ *# *include *"' -r lib --include='*.c' --include='*.h' --include='*.inc')

grep -nE '^ *# *include *[<"]xxhash.h' -r lib | grep -v '^lib/base/hash' && complain "xxhash.h: for lib/base/hash alone"
for folder in src examples; do
    [ -d "$folder" ] || continue
    while IFS=: read -r file line text; do
        target=$(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' <<<"$text")
        [ -f "include/$target" ] || [ -f "$folder/$target" ] ||
            complain "$file:$line: $target is neither public nor in $folder/"
    done < <(grep -nE '^ *# *include *"' -r "$folder")
done
exit $bad
