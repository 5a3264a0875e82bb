/* SPDX-License-Identifier: Apache-2.0 */
/* What a call leaves for the next: the host's arrays are its own again, a refused setting changes
 * nothing, what was cancelled or has ended before ends nothing now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "support/adapter_file.h"
#include "support/session_fixture.h"

enum { ROOM = 192, BLOB = 1 << 20 };

static ss_error error = {.struct_size = sizeof error};

static ss_step step_once(ss_session *session, uint32_t most)
{
    ss_step step = {.struct_size = sizeof step};
    if (ssi_session_step(session, most, &step, &error) != SS_OK)
        fail_msg("%s", error.message);
    return step;
}

static size_t save(const ss_session *session, unsigned char *blob)
{
    size_t bytes;
    if (ssi_session_save(session, blob, BLOB, &bytes, &error) != SS_OK)
        fail_msg("%s", error.message);
    return bytes;
}

static void bias_lists_are_copied(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session *session = open_session(model), *other = open_session(model);
    int32_t story[ROOM], got[20], want[20], tokens[] = {300, 301};
    float values[] = {2.0f, -INFINITY};
    unsigned char *blob = malloc(BLOB);
    size_t count = story_tokens(model, story, ROOM);
    ss_sampler_params params;
    ssi_sampler_params_default(&params);
    params.temperature = 1.0f;
    params.top_k = 40;
    params.ignore_end = true;
    params.bias_tokens = tokens;
    params.bias_values = values;
    params.bias_count = 2;
    assert_int_equal(ssi_session_set_sampler(session, &params, NULL), SS_OK);
    tokens[0] = tokens[1] = 9999; /* no token of the model */
    values[0] = values[1] = NAN;
    prefill(session, story, count);
    for (int round = 0; round < 3; round++) { /* saved, restored, drawn from, saved again */
        size_t bytes = save(session, blob);
        if (ssi_session_restore(other, blob, bytes, &error) != SS_OK)
            fail_msg("round %d: %s", round, error.message);
        generate(session, want, 20);
        generate(other, got, 20);
        assert_memory_equal(got, want, sizeof got);
    }
    free(blob);
    ssi_session_free(session);
    ssi_session_free(other);
    ssi_model_free(model);
}

static void refused_stops_leave_the_ones_before(void **state)
{
    (void)state;
    static const char *const good[] = {"the"}, *const bad[] = {"a", "b", ""};
    ss_model *model = open_model();
    ss_session *session = open_session(model);
    int32_t story[ROOM];
    ss_step step = {.stop = SS_STOP_NONE};
    size_t count = story_tokens(model, story, ROOM);
    assert_int_equal(ssi_session_set_stops(session, good, 1, NULL), SS_OK);
    assert_int_equal(ssi_session_set_stops(session, bad, 3, NULL), SS_ERROR_ARGUMENT);
    prefill(session, story, count);
    for (int i = 0; i < 100 && step.stop == SS_STOP_NONE; i++)
        step = step_once(session, 1);
    assert_int_equal(step.stop, SS_STOP_STRING);
    const int32_t *tokens;
    char text[16] = "";
    size_t length, now;
    ssi_session_get_tokens(session, &tokens, &now);
    assert_int_equal(ssi_tokenizer_decode(model->tokenizer, tokens + now - 1, 1, false, text, 15,
                                          &length, NULL), SS_OK);
    assert_null(strchr(text, 'a')); /* not one of the refused */
    ssi_session_free(session);
    ssi_model_free(model);
}

static void a_stop_that_is_behind_ends_nothing(void **state)
{
    (void)state;
    static const char *const stops[] = {"e"};
    ss_model *model = open_model();
    ss_session *session = open_session(model);
    int32_t story[ROOM];
    const int32_t *tokens;
    size_t count = story_tokens(model, story, ROOM), now;
    uint32_t stopped = 0;
    prefill(session, story, count);
    for (int i = 0; i < 30; i++)
        (void)step_once(session, 1); /* says "e" more than once */
    assert_int_equal(ssi_session_set_stops(session, stops, 1, NULL), SS_OK);
    for (int i = 0; i < 30; i++) {
        char text[16] = "";
        size_t length;
        ss_step step = step_once(session, 1);
        assert_int_equal(ssi_tokenizer_decode(model->tokenizer, step.tokens, 1, false, text, 15,
                                              &length, NULL), SS_OK);
        assert_int_equal(step.stop == SS_STOP_STRING, strchr(text, 'e') != NULL);
        stopped += step.stop == SS_STOP_STRING;
        ssi_session_get_tokens(session, &tokens, &now);
        if (step.stop != SS_STOP_NONE)
            assert_int_equal(ssi_session_rewind(session, now, NULL), SS_OK); /* go on */
    }
    assert_in_range(stopped, 2, 28);
    ssi_session_free(session);
    ssi_model_free(model);
}

static bool refuse(void *context, float fraction)
{
    (void)fraction;
    return !*(bool *)context;
}

/* Rows of before the adapter was set are not the model's any more, slide or no slide. */
static void a_cancelled_slide_keeps_no_stale_rows(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_adapter *adapter = load_recipe(
        model, &(adapter_recipe){.deviation = 0.3f, .main_rank = 4}); /* a plain LoRA */
    int32_t story[ROOM], got[2][20];
    bool cancel = false;
    ss_progress progress = {sizeof progress, &cancel, refuse};
    ss_session_params params = small_params();
    params.context_length = 64;
    params.on_full = SS_ON_FULL_SLIDE;
    params.keep_count = 40;
    params.progress = &progress;
    assert_true(story_tokens(model, story, ROOM) >= 64);
    for (int i = 0; i < 2; i++) {
        ss_session *session = open_session_with(model, &params);
        ss_step step = {.struct_size = sizeof step};
        prefill(session, story, 64); /* full */
        assert_int_equal(ssi_session_set_adapter(session, adapter, NULL), SS_OK);
        cancel = i == 1;
        if (cancel)
            assert_int_equal(ssi_session_step(session, 1, &step, NULL), SS_ERROR_CANCELLED);
        cancel = false;
        generate(session, got[i], 20);
        ssi_session_free(session);
    }
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    ssi_adapter_free(adapter);
    ssi_model_free(model);
}

static void a_prefill_cancelled_before_it_began_holds_nothing_else(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session *session = open_session(model);
    int32_t story[ROOM], other[] = {1, 300, 301};
    const int32_t *tokens;
    size_t count = story_tokens(model, story, ROOM), left;
    prefill(session, story, count);
    ssi_session_cancel(session);
    assert_int_equal(ssi_session_prefill(session, other, 3, NULL), SS_ERROR_CANCELLED);
    ssi_session_get_tokens(session, &tokens, &left);
    assert_int_equal(left, 1); /* what both begin with */
    assert_int_equal(tokens[0], 1);
    ssi_session_free(session);
    ssi_model_free(model);
}

static bool note(void *context, float fraction)
{
    *(float *)context = fraction;
    return true;
}

static void progress_ends_at_one(void **state)
{
    (void)state;
    ss_model *model = open_model();
    float last = -1, scores[ROOM];
    int32_t story[ROOM];
    size_t count = story_tokens(model, story, ROOM);
    ss_progress progress = {sizeof progress, &last, note};
    ss_session_params params = small_params();
    params.progress = &progress;
    params.prefill_chunk = 16;
    ss_session *session = open_session_with(model, &params);
    prefill(session, story, count);
    assert_true(last == 1.0f);
    last = 0;
    assert_int_equal(ssi_session_score(session, story, count, 1, scores, NULL), SS_OK);
    assert_true(last == 1.0f);
    ssi_session_free(session);
    ssi_model_free(model);
}

static void where_all_is_banned_nothing_is_drawn(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session *session = open_session(model);
    int32_t story[ROOM], tokens[512];
    float values[512];
    ss_sampler_params params;
    ssi_sampler_params_default(&params);
    for (int i = 0; i < 512; i++) {
        tokens[i] = i;
        values[i] = -INFINITY;
    }
    params.bias_tokens = tokens;
    params.bias_values = values;
    params.bias_count = 512;
    for (int i = 0; i < 2; i++) {
        ss_step step = {.struct_size = sizeof step};
        params.temperature = (float)i;
        params.top_p = 0.5f;
        assert_int_equal(ssi_session_set_sampler(session, &params, NULL), SS_OK);
        prefill(session, story, story_tokens(model, story, ROOM));
        assert_int_equal(ssi_session_step(session, 1, &step, &error), SS_ERROR_NUMERIC);
        assert_non_null(strstr(error.message, "every token is banned"));
    }
    ssi_session_free(session);
    ssi_model_free(model);
}

/* A bias near the largest number, of which a penalty makes more than there is. */
static void a_logit_beyond_all_numbers_is_not_called_banned(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session *session = open_session(model);
    ss_step step = {.struct_size = sizeof step};
    int32_t story[ROOM];
    size_t count = story_tokens(model, story, ROOM);
    ss_sampler_params params;
    ssi_sampler_params_default(&params);
    params.bias_tokens = &story[count - 1];
    params.bias_values = &(float){3e38f};
    params.bias_count = 1;
    params.repetition_penalty = 0.5f;
    assert_int_equal(ssi_session_set_sampler(session, &params, NULL), SS_OK);
    prefill(session, story, count);
    assert_int_equal(ssi_session_step(session, 1, &step, &error), SS_ERROR_NUMERIC);
    assert_non_null(strstr(error.message, "bias and penalties"));
    ssi_session_free(session);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bias_lists_are_copied),
        cmocka_unit_test(refused_stops_leave_the_ones_before),
        cmocka_unit_test(a_stop_that_is_behind_ends_nothing),
        cmocka_unit_test(a_cancelled_slide_keeps_no_stale_rows),
        cmocka_unit_test(a_prefill_cancelled_before_it_began_holds_nothing_else),
        cmocka_unit_test(progress_ends_at_one),
        cmocka_unit_test(where_all_is_banned_nothing_is_drawn),
        cmocka_unit_test(a_logit_beyond_all_numbers_is_not_called_banned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
