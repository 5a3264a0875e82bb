/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of the public API, which see nothing but the public headers: the small
 * model, and what a refusal looks like. */
#ifndef API_TEST_H
#define API_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "specstream/specstream.h"
#include "support/counting_memory.h"
#include "support/files.h"
#include "support/whole_file.h"

#define PROMPT "Once upon a time"

/* The call must give `wanted`, and a message that holds `words`; the error is reset before. */
#define refuse(wanted, words, error, call)                                                     \
    do {                                                                                       \
        ss_error_init((error), sizeof *(error));                                               \
        assert_int_equal((call), (wanted));                                                    \
        assert_int_equal((error)->status, (wanted));                                           \
        if (strstr((error)->message, (words)) == NULL)                                         \
            fail_msg("\"%s\" does not name \"%s\"", (error)->message, (words));                \
    } while (0)

/* The call must succeed and leave the error alone. */
#define accept(error, call)                                                                    \
    do {                                                                                       \
        ss_error_init((error), sizeof *(error));                                               \
        if ((call) != SS_OK)                                                                   \
            fail_msg("%s", (error)->message);                                                  \
        assert_int_equal((error)->status, SS_OK);                                              \
    } while (0)

/* FNV-1a of a file's bytes. */
static inline uint64_t sum_of(const char *path)
{
    size_t count;
    unsigned char *bytes = read_file(path, &count);
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3u;
    free(bytes);
    return sum;
}

/* The small model and a session on it; one thread, a context of 128. */
static inline ss_model *load_small(const ss_allocator *allocator)
{
    ss_model_params params;
    ss_model *model;
    ss_error error;
    ss_model_params_init(&params, sizeof params);
    params.allocator = allocator;
    params.thread_count = 1;
    accept(&error, ss_model_load(SMALL_MODEL, &params, &model, &error));
    return model;
}

/* The small model as a group's state. */
static inline int set_up_small(void **state)
{
    *state = load_small(NULL);
    return 0;
}

static inline int tear_down_small(void **state)
{
    ss_model_free(*state);
    return 0;
}

static inline ss_session *open_small(const ss_model *model, const ss_allocator *allocator)
{
    ss_session_params params;
    ss_session *session;
    ss_error error;
    ss_session_params_init(&params, sizeof params);
    params.allocator = allocator;
    params.thread_count = 1;
    params.context_length = 128;
    accept(&error, ss_session_create(model, &params, &session, &error));
    return session;
}

/* The prompt's ids; returns how many. */
static inline size_t encode_small(const ss_model *model, int32_t tokens[64])
{
    size_t count;
    ss_error error;
    accept(&error,
           ss_tokenize(model, PROMPT, strlen(PROMPT), NULL, tokens, 64, &count, &error));
    return count;
}

/* Prefills the prompt, draws `count` tokens, one a step. */
static inline void draw_small(ss_session *session, const ss_model *model, int32_t *tokens, uint32_t count)
{
    int32_t prompt[64];
    size_t prompt_count = encode_small(model, prompt);
    ss_step step = {.struct_size = sizeof step};
    ss_error error;
    accept(&error, ss_session_prefill(session, prompt, prompt_count, &error));
    for (uint32_t i = 0; i < count; i++) {
        accept(&error, ss_session_step(session, 1, &step, &error));
        assert_int_equal(step.count, 1);
        tokens[i] = step.tokens[0];
    }
}

#endif
