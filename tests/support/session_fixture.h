/* SPDX-License-Identifier: Apache-2.0 */
/* The small real model and sessions on it. Include after cmocka.h. */
#ifndef TEST_SESSION_FIXTURE_H
#define TEST_SESSION_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "session/session.h"
#include "support/files.h"
#include "tokenizer/tokenizer.h"

static inline ss_model *open_model_of(const char *path, ss_cpu cpu)
{
    ss_model_params params = {.struct_size = sizeof params, .cpu = cpu};
    ss_error error = {.struct_size = sizeof error};
    ssi_source source;
    ss_model *model = NULL;
    test_needs(path);
    if (ssi_source_open(&source, path, &error) != SS_OK ||
        ssi_model_load(&source, &params, &model, &error) != SS_OK)
        fail_msg("%s: %s", path, error.message);
    ssi_source_close(&source);
    return model;
}

static inline ss_model *open_model(void)
{
    return open_model_of(SMALL_MODEL, SS_CPU_AUTO);
}

static inline ss_session *open_session_with(const ss_model *model, const ss_session_params *params)
{
    ss_error error = {.struct_size = sizeof error};
    ss_session *session = NULL;
    if (ssi_session_create(model, params, &session, &error) != SS_OK)
        fail_msg("%s", error.message);
    return session;
}

/* One thread, 256 tokens. */
static inline ss_session_params small_params(void)
{
    ss_session_params params;
    ssi_session_params_default(&params);
    params.thread_count = 1;
    params.context_length = 256;
    return params;
}

static inline ss_session *open_session(const ss_model *model)
{
    ss_session_params params = small_params();
    return open_session_with(model, &params);
}

static inline void set_sampled(ss_session *session, float temperature, uint64_t seed)
{
    ss_sampler_params params;
    ssi_sampler_params_default(&params);
    params.temperature = temperature;
    params.seed = seed;
    params.top_p = 0.95f;
    params.repetition_penalty = 1.1f;
    params.ignore_end = true;
    assert_int_equal(ssi_session_set_sampler(session, &params, NULL), SS_OK);
}

/* Tokens of some story text, BOS first. */
static inline size_t story_tokens(const ss_model *model, int32_t *tokens, size_t capacity)
{
    static const char text[] =
        "Once upon a time there was a small dog who had a red ball and a big blue hat. One day "
        "the dog went to the park with his mom. They saw a bird in a tree and the bird was sad. "
        "The dog said hello to the bird, and the bird sang a song for him and for his mom. Then "
        "they all played in the sun until it was time to go home and eat a warm soup.";
    ss_tokenize_params params = {.struct_size = sizeof params};
    size_t count = 0;
    if (ssi_tokenizer_encode(model->tokenizer, text, sizeof text - 1, &params, tokens, capacity,
                             &count, NULL) != SS_OK)
        fail_msg("the story has %zu tokens", count);
    return count;
}

/* Steps until `count` tokens have come; returns how many. */
static inline uint32_t generate(ss_session *session, int32_t *tokens, size_t count)
{
    ss_error error = {.struct_size = sizeof error};
    uint32_t steps = 0;
    for (size_t done = 0; done < count; steps++) {
        ss_step step = {.struct_size = sizeof step};
        if (ssi_session_step(session, (uint32_t)(count - done), &step, &error) != SS_OK)
            fail_msg("after %zu tokens: %s", done, error.message);
        assert_in_range(step.count, 1, count - done);
        memcpy(tokens + done, step.tokens, step.count * sizeof *tokens);
        done += step.count;
    }
    return steps;
}

/* Both go on with the same tokens. */
static inline void expect_same(ss_session *session, ss_session *fresh, size_t count)
{
    int32_t got[256], want[256];
    assert_in_range(count, 1, 256);
    generate(session, got, count);
    generate(fresh, want, count);
    assert_memory_equal(got, want, count * sizeof *got);
}

static inline void prefill(ss_session *session, const int32_t *tokens, size_t count)
{
    ss_error error = {.struct_size = sizeof error};
    if (ssi_session_prefill(session, tokens, count, &error) != SS_OK)
        fail_msg("%s", error.message);
}

#endif
