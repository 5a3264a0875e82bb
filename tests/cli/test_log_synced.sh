#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A power cut leaves no checkpoint that knows more than the log: the log is on the disk before a
# checkpoint takes its place. The order is seen from outside, by a library that notes both calls.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ -z "${SS_SANITIZE:-}" ] || { echo "skipped: a sanitizer wants to be loaded first"; exit 77; }
program=${SS_BUILD:-build}/specstream
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

cat >"$folder/witness.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void note(const char *what, const char *name)
{
    FILE *file = fopen(getenv("WITNESS"), "a");
    fprintf(file, "%s %s\n", what, name);
    fclose(file);
}

int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    char link[64], name[512] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, name, sizeof name - 1) > 0)
        note("synced", name);
    return next(fd);
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) =
        (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    note("placed", to);
    return next(from, to);
}
END
"${CC:-cc}" -shared -fPIC -o "$folder/witness.so" "$folder/witness.c" -ldl || exit 1
for i in {1..6}; do
    echo "{\"prompt\":\"Once upon a time, there was a child.\",\"completion\":\" He had $i red balls.\"}"
done >"$folder/rows.jsonl"
WITNESS=$folder/seen LD_PRELOAD=$folder/witness.so "$program" train -m tests/data/stories260K.gguf --raw \
    --blas none --threads 1 -d "$folder/rows.jsonl" --batch 2 --mode shared --steps 6 -o "$folder/a.gguf" \
    2>"$folder/out" || { cat "$folder/out"; exit 1; }
awk '/^synced .*\.log\.jsonl$/ { synced = 1 }
     /^placed .*\.checkpoint$/ { placed++; if (!synced) late++; synced = 0 }
     END { print placed + 0 " checkpoints, " late + 0 " before their log"; exit placed < 4 || late > 0 }' \
    "$folder/seen"
