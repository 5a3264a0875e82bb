/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of the public API, which see nothing but the public headers: the small
 * model, an allocator that counts and can fail, and what a refusal looks like. */
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
#include "support/files.h"

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

/* Counts what is held; the allocation number `fail_at` (from 1; 0: none) gives NULL. */
typedef struct counting {
    size_t held_bytes, held_blocks, calls, fail_at;
    bool wrong_size; /* something was released with another size than it was asked with */
} counting;

typedef struct block { /* before what is handed out */
    size_t bytes;
    void *start;
} block;

static inline void *counting_allocate(void *context, size_t bytes, size_t alignment)
{
    counting *count = context;
    assert_true(alignment > 0 && alignment <= 4096 && (alignment & (alignment - 1)) == 0);
    if (++count->calls == count->fail_at)
        return NULL;
    char *start = malloc(bytes + alignment + sizeof(block));
    assert_non_null(start);
    uintptr_t at = ((uintptr_t)start + sizeof(block) + alignment - 1) & ~(alignment - 1);
    const block head = {bytes, start};
    memcpy((char *)at - sizeof head, &head, sizeof head);
    memset((void *)at, 0xa5, bytes); /* the library may count on nothing */
    count->held_bytes += bytes;
    count->held_blocks++;
    return (void *)at;
}

static inline void counting_release(void *context, void *memory, size_t bytes)
{
    counting *count = context;
    block head;
    memcpy(&head, (char *)memory - sizeof head, sizeof head);
    count->wrong_size |= head.bytes != bytes;
    count->held_bytes -= head.bytes;
    count->held_blocks--;
    free(head.start);
}

static inline ss_allocator counting_allocator(counting *count)
{
    ss_allocator allocator;
    *count = (counting){0};
    ss_allocator_init(&allocator, sizeof allocator);
    allocator.context = count;
    allocator.allocate = counting_allocate;
    allocator.release = counting_release;
    return allocator;
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
