/* SPDX-License-Identifier: Apache-2.0 */
/* Out of memory: the n-th allocation fails, n = 1, 2, 3 ... until the call passes. Each failure
 * gives SS_ERROR_MEMORY, leaks nothing, and leaves what was there as it was. */
#include "api_test.h"

static ss_error error;

/* Whether to go on: the call failed for lack of memory and left `held` blocks. */
static bool failed_cleanly(ss_status status, const counting_memory *count, size_t held)
{
    if (status == SS_OK)
        return false;
    assert_int_equal(status, SS_ERROR_MEMORY);
    assert_int_equal(error.status, SS_ERROR_MEMORY);
    assert_int_not_equal(error.message[0], '\0');
    assert_int_equal(count->held_blocks, held);
    return true;
}

static void fail_next(counting_memory *count, size_t nth)
{
    count->fail_call = count->calls + nth;
    ss_error_init(&error, sizeof error);
}

static void a_load_fails_cleanly(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 2; threads++) {
        counting_memory count = {0};
        ss_allocator allocator = counting_allocator(&count);
        ss_model_params params;
        ss_model *model;
        ss_status status;
        size_t nth = 0;
        ss_model_params_init(&params, sizeof params);
        params.allocator = &allocator;
        params.thread_count = (uint32_t)threads;
        do {
            model = (ss_model *)&error;
            fail_next(&count, ++nth);
            status = ss_model_load(SMALL_MODEL, &params, &model, &error);
            assert_true(status == SS_OK || model == NULL);
        } while (failed_cleanly(status, &count, 0));
        assert_true(nth > 1);
        ss_model_free(model);
        assert_int_equal(count.held_blocks, 0);
        assert_int_equal(count.held_bytes, 0);
    }
}

static void a_session_fails_cleanly(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        counting_memory count = {0};
        ss_allocator allocator = counting_allocator(&count);
        ss_model *model = load_small(NULL);
        ss_session_params params;
        ss_session *session;
        ss_status status;
        size_t nth = 0;
        ss_session_params_init(&params, sizeof params);
        params.allocator = &allocator;
        params.thread_count = (uint32_t)threads;
        do {
            session = (ss_session *)&error;
            fail_next(&count, ++nth);
            status = ss_session_create(model, &params, &session, &error);
            assert_true(status == SS_OK || session == NULL);
        } while (failed_cleanly(status, &count, 0));
        assert_true(nth > 1);
        ss_session_free(session);
        assert_int_equal(count.held_bytes, 0);
        ss_model_free(model);
    }
}

static void text_fails_cleanly(void **state)
{
    (void)state;
    counting_memory count = {0};
    ss_allocator allocator = counting_allocator(&count);
    ss_model *model = load_small(&allocator);
    size_t held = count.held_blocks, nth = 0, token_count;
    int32_t tokens[64];
    const char *stops[] = {"end"};
    ss_text_stream *stream;
    ss_status status;
    do {
        fail_next(&count, ++nth);
        status = ss_tokenize(model, PROMPT, strlen(PROMPT), NULL, tokens, 64, &token_count,
                             &error);
    } while (failed_cleanly(status, &count, held));
    assert_int_equal(count.held_blocks, held);
    nth = 0;
    do {
        stream = (ss_text_stream *)&error;
        fail_next(&count, ++nth);
        status = ss_text_stream_create(model, stops, 1, &stream, &error);
        assert_true(status == SS_OK || stream == NULL);
    } while (failed_cleanly(status, &count, held));
    ss_text_stream_free(stream);
    assert_int_equal(count.held_blocks, held);
    ss_model_free(model);
    assert_int_equal(count.held_blocks, 0);
}

static void nothing_after_creation_asks_for_memory(void **state)
{
    (void)state;
    counting_memory count = {0};
    ss_allocator allocator = counting_allocator(&count);
    ss_model *model = load_small(NULL);
    ss_session *session = open_small(model, &allocator);
    ss_sampler_params sampler;
    const char *stops[] = {"never said"};
    const float *logits;
    float scores[8];
    int32_t tokens[24], parent = -1;
    ss_stats stats = {.struct_size = sizeof stats};
    fail_next(&count, 1);
    size_t calls = count.calls;
    ss_sampler_params_init(&sampler, sizeof sampler);
    sampler.temperature = 0.9f;
    sampler.top_p = 0.95f;
    sampler.repetition_penalty = 1.1f;
    accept(&error, ss_session_set_sampler(session, &sampler, &error));
    accept(&error, ss_session_set_stops(session, stops, 1, &error));
    draw_small(session, model, tokens, 24);
    accept(&error, ss_session_rewind(session, 3, &error));
    accept(&error, ss_session_evaluate(session, tokens, &parent, 1, &logits, &error));
    accept(&error, ss_session_score(session, tokens, 9, 1, scores, &error));
    accept(&error, ss_session_get_stats(session, &stats, &error));
    assert_int_equal(count.calls, calls);
    assert_int_equal(stats.memory_bytes, count.held_bytes);
    ss_session_free(session);
    ss_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_fails_cleanly),
        cmocka_unit_test(a_session_fails_cleanly),
        cmocka_unit_test(text_fails_cleanly),
        cmocka_unit_test(nothing_after_creation_asks_for_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
