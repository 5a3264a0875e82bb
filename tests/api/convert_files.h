/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of files from files have in common: a folder of the test's own, and models and adapters
 * to put there. */
#ifndef CONVERT_FILES_H
#define CONVERT_FILES_H

#include "api_test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static ss_error error;

typedef struct bytes {
    unsigned char *at;
    size_t count;
} bytes;

static inline const char *folder(void)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%.80s-files", test_build_folder(),
             program_invocation_short_name);
    return path;
}

static inline const char *in_folder(const char *name) /* lives until four calls later */
{
    static char paths[4][800];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder(), name);
    return path;
}

static inline size_t files_in_folder(void)
{
    DIR *at = opendir(folder());
    size_t count = 0;
    assert_non_null(at);
    for (struct dirent *entry; (entry = readdir(at)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(at);
    return count;
}

static inline void empty_folder(void)
{
    DIR *at = opendir(folder());
    assert_non_null(at);
    for (struct dirent *entry; (entry = readdir(at)) != NULL;)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlink(in_folder(entry->d_name)), 0);
    closedir(at);
}

static inline bytes bytes_of(const char *path)
{
    bytes read;
    read.at = read_file(path, &read.count);
    return read;
}

static inline size_t find(const bytes *in, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= in->count; i++)
        if (memcmp(in->at + i, text, length) == 0)
            return i;
    fail_msg("no %s", text);
    return 0;
}

static inline void quantize_file(const char *from, ss_weight_type type, const char *to)
{
    ss_quantize_params params;
    ss_quantize_params_init(&params, sizeof params);
    params.type = type;
    accept(&error, ss_model_quantize(from, &params, to, &error));
}

static inline void quantize(ss_weight_type type, const char *to)
{
    quantize_file(SMALL_MODEL, type, to);
}

static inline ss_model *load(const char *path)
{
    ss_model_params params;
    ss_model *model;
    ss_model_params_init(&params, sizeof params);
    params.thread_count = 1;
    accept(&error, ss_model_load(path, &params, &model, &error));
    return model;
}

/* An untrained adapter of that model file, alpha / r = 1. */
static inline void make_adapter(const char *base, bool shared, float deviation, const char *to)
{
    ss_model *model = load(base);
    ss_adapter_init_params params;
    ss_adapter_init_params_init(&params, sizeof params);
    params.shared = shared;
    params.deviation = deviation;
    params.stream_count = 3;
    params.msa_layer_count = 2;
    accept(&error, ss_adapter_write_untrained(model, &params, to, &error));
    ss_model_free(model);
}

static inline int set_up_folder(void **state)
{
    (void)state;
    if (mkdir(folder(), 0777) != 0)
        empty_folder();
    return 0;
}

static inline int tear_down_folder(void **state)
{
    (void)state;
    return rmdir(folder());
}

#endif
