/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of training have in common: the small model with our own products, files in the build
 * folder, rows to train on. */
#ifndef CLI_TRAIN_H
#define CLI_TRAIN_H

#include "cli_json.h"

#include <errno.h>

#define TRAIN "train", "-m", SMALL_MODEL, "--raw", "--blas", "none", "--threads", "1"
#define SHAPE                                                                                  \
    "--streams", "3", "--msa-layers", "2", "--root", "4", "--parent", "4", "--batch", "4"

static inline char *file_name(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", test_build_folder(), name);
    return strdup(path);
}

static inline void same_bytes(const char *left, const char *right)
{
    size_t a_bytes, b_bytes;
    char *a = read_file(left, &a_bytes), *b = read_file(right, &b_bytes);
    if (a_bytes != b_bytes || memcmp(a, b, a_bytes) != 0)
        fail_msg("%s and %s differ", left, right);
    free(a);
    free(b);
}

/* The file is as it was. */
static inline void still_holds(const char *path, const char *bytes, size_t count)
{
    size_t now_count;
    char *now = read_file(path, &now_count);
    if (now_count != count || memcmp(now, bytes, count) != 0)
        fail_msg("%s has changed", path);
    free(now);
}

static inline bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* No trace of an earlier test run. Returns the adapter's path. */
static inline char *fresh(const char *name)
{
    static const char *const endings[] = {"", ".checkpoint", ".checkpoint.old", ".log.jsonl",
                                          ".best"};
    char *path = file_name(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char other[600];
        snprintf(other, sizeof other, "%s%s", path, endings[i]);
        unlink(other);
    }
    return path;
}

static inline char *beside(const char *path, const char *ending)
{
    char other[600];
    snprintf(other, sizeof other, "%s%s", path, ending);
    return strdup(other);
}

/* 24 rows of small stories, in a file of the test's own; the path lives until it is freed. */
static inline char *good_rows(void)
{
    static const char *const names[] = {"Lily", "Tom", "Ben", "Mia"};
    static const char *const things[] = {"red ball", "big dog",  "small bird",
                                         "new toy",  "blue hat", "old tree"};
    char name[100];
    snprintf(name, sizeof name, "%.80s-rows.jsonl", program_invocation_short_name);
    char *path = file_name(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 24; i++)
        fprintf(file,
                "{\"id\":%d,\"prompt\":\"Once upon a time, there was a child named %s.\","
                "\"completion\":\" %s had a %s. %s liked to play with the %s all day.\"}\n",
                i, names[i % 4], names[i % 4], things[i % 6], names[i % 4], things[i % 6]);
    fclose(file);
    return path;
}

#endif
