/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong arguments are named, and change nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/session_fixture.h"

enum { ROOM = 256 };

static void wrong_arguments_are_named_and_change_nothing(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session_params params;
    ss_session *session;
    ss_error error = {.struct_size = sizeof error};
    ss_step step = {.struct_size = sizeof step};
    int32_t story[ROOM], parent = 0, size = (int32_t)model->hyper.vocabulary_size;
    size_t count = story_tokens(model, story, ROOM);
    const float *logits;
    float scores[ROOM];
#define REFUSED(change, word)                                                                  \
    do {                                                                                       \
        params = small_params();                                                               \
        change;                                                                                \
        assert_int_equal(ssi_session_create(model, &params, &session, &error),                 \
                         SS_ERROR_ARGUMENT);                                                   \
        assert_null(session);                                                                  \
        assert_non_null(strstr(error.message, word));                                          \
    } while (0)
    REFUSED(params.context_length = 513, "context_length 513");
    REFUSED(params.max_step_rows = 0, "max_step_rows 0");
    REFUSED(params.max_step_rows = 65, "max_step_rows 65");
    REFUSED(params.prefill_chunk = 1025, "prefill_chunk 1025");
    REFUSED(params.thread_count = 257, "thread_count 257");
    REFUSED(params.kv_type = 2, "kv_type 2");
    REFUSED(params.on_full = -1, "on_full");
    REFUSED((params.on_full = SS_ON_FULL_SLIDE, params.keep_count = 255), "keep_count 255");
    REFUSED(params.reserved0 = 1, "reserved0");
#undef REFUSED

    ss_session *fresh = open_session(model);
    session = open_session(model);
    assert_int_equal(ssi_session_step(session, 0, &step, &error), SS_ERROR_STATE);
    assert_int_equal(ssi_session_rewind(session, 1, &error), SS_ERROR_ARGUMENT);
    prefill(session, story, count);
    prefill(fresh, story, count);
    assert_int_equal(ssi_session_prefill(session, story, 0, &error), SS_ERROR_ARGUMENT);
    assert_int_equal(ssi_session_prefill(session, &size, 1, &error), SS_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "token 0 is 512"));
    int32_t *many = calloc(300, sizeof *many);
    assert_int_equal(ssi_session_prefill(session, many, 257, &error), SS_ERROR_CONTEXT_FULL);
    assert_int_equal(ssi_session_rewind(session, 0, &error), SS_ERROR_ARGUMENT);
    assert_int_equal(ssi_session_rewind(session, count + 1, &error), SS_ERROR_ARGUMENT);
    assert_int_equal(ssi_session_evaluate(session, story, &parent, 0, &logits, &error),
                     SS_ERROR_ARGUMENT);
    assert_int_equal(ssi_session_evaluate(session, story, &parent, 33, &logits, &error),
                     SS_ERROR_ARGUMENT);
    assert_int_equal(ssi_session_evaluate(session, story, &parent, 1, &logits, &error),
                     SS_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "parents[0] is 0"));
    assert_int_equal(ssi_session_score(session, story, count, 0, scores, &error),
                     SS_ERROR_ARGUMENT);
    assert_int_equal(ssi_session_score(session, story, count, count, scores, &error),
                     SS_ERROR_ARGUMENT);
    expect_same(session, fresh, 20);
    ssi_session_free(session);
    ssi_session_free(fresh);
    ssi_model_free(model);
    free(many);
}

static void wrong_sampler_settings_are_named_and_the_ones_before_stay(void **state)
{
    (void)state;
    ss_model *model = open_model();
    int32_t story[ROOM], twice[2] = {5, 5}, outside = 512;
    float values[2] = {1, 1}, infinite = INFINITY;
    size_t count = story_tokens(model, story, ROOM);
    ss_session *session = open_session(model), *fresh = open_session(model);
    ss_error error = {.struct_size = sizeof error};
    ss_sampler_params params;
    set_sampled(session, 0.8f, 9);
    set_sampled(fresh, 0.8f, 9);
#define REFUSED(change, word)                                                                  \
    do {                                                                                       \
        ssi_sampler_params_default(&params);                                                   \
        change;                                                                                \
        assert_int_equal(ssi_session_set_sampler(session, &params, &error),                    \
                         SS_ERROR_ARGUMENT);                                                   \
        assert_non_null(strstr(error.message, word));                                          \
    } while (0)
    REFUSED(params.temperature = -1.0f, "temperature -1");
    REFUSED(params.temperature = NAN, "temperature");
    REFUSED(params.top_p = 1.5f, "top_p 1.5");
    REFUSED(params.min_p = -0.5f, "min_p");
    REFUSED(params.repetition_penalty = 0.0f, "repetition_penalty 0");
    REFUSED(params.frequency_penalty = INFINITY, "frequency_penalty");
    REFUSED(params.presence_penalty = NAN, "presence_penalty");
    REFUSED(params.penalty_window = 1025, "penalty_window 1025");
    REFUSED(params.reserved0[3] = 1, "reserved0");
    REFUSED((params.bias_tokens = twice, params.bias_values = values, params.bias_count = 2),
            "bias_tokens[1] is 5");
    REFUSED((params.bias_tokens = &outside, params.bias_values = values, params.bias_count = 1),
            "bias_tokens[0] is 512");
    REFUSED((params.bias_tokens = twice, params.bias_values = &infinite, params.bias_count = 1),
            "bias_values[0]");
    REFUSED(params.bias_count = 4097, "bias_count 4097");
#undef REFUSED
    prefill(session, story, count);
    prefill(fresh, story, count);
    expect_same(session, fresh, 40);
    ssi_session_free(session);
    ssi_session_free(fresh);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_arguments_are_named_and_change_nothing),
        cmocka_unit_test(wrong_sampler_settings_are_named_and_the_ones_before_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
