/* SPDX-License-Identifier: Apache-2.0 */
/* Cancelling, broken numbers, memory: after each of them the session is in the state its header
 * names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "support/counting_memory.h"
#include "support/session_fixture.h"

enum { ROOM = 256 };

typedef struct interrupter {
    ss_session *session;
    int calls_left; /* until progress cancels */
    bool by_flag;
} interrupter;

static bool report(void *context, float fraction)
{
    interrupter *interruption = context;
    assert_true(fraction >= 0 && fraction <= 1);
    if (interruption->calls_left < 0 || interruption->calls_left-- > 0)
        return true;
    if (interruption->by_flag) {
        ssi_session_cancel(interruption->session);
        return true;
    }
    return false;
}

static void a_cancelled_prefill_can_go_on(void **state)
{
    (void)state;
    ss_model *model = open_model();
    int32_t story[ROOM];
    size_t count = story_tokens(model, story, ROOM), left;
    const int32_t *tokens;
    for (int chunks = 0; chunks < 4; chunks++)
        for (int by_flag = 0; by_flag < 2; by_flag++) {
            interrupter interruption = {NULL, -1, by_flag != 0};
            ss_progress progress = {sizeof progress, &interruption, report};
            ss_session_params params = small_params();
            params.progress = &progress;
            params.prefill_chunk = 16;
            ss_session *session = open_session_with(model, &params), *fresh = open_session(model);
            interruption.session = session;
            interruption.calls_left = chunks;
            ss_step step = {.struct_size = sizeof step};
            assert_int_equal(ssi_session_prefill(session, story, count, NULL),
                             SS_ERROR_CANCELLED);
            ssi_session_get_tokens(session, &tokens, &left);
            assert_int_equal(left, 16 * chunks);
            assert_memory_equal(tokens, story, left * sizeof *tokens);
            interruption.calls_left = -1;
            if (left == 0)
                assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_ERROR_STATE);
            else { /* it may be continued from here, too */
                prefill(fresh, story, left);
                expect_same(session, fresh, 10);
            }
            prefill(session, story, count);
            prefill(fresh, story, count);
            expect_same(session, fresh, 30);
            ssi_session_free(session);
            ssi_session_free(fresh);
        }
    ssi_model_free(model);
}

/* The host's threads: the second pass asks for cancellation while it runs. */
typedef struct cancelling_threads {
    ss_session *session;
    int regions_left;
} cancelling_threads;

static void run_and_cancel(void *context, uint32_t task_count,
                           void (*body)(void *body_context, uint32_t task), void *body_context)
{
    cancelling_threads *threads = context;
    if (threads->regions_left > 0 && --threads->regions_left == 0)
        ssi_session_cancel(threads->session);
    while (task_count-- > 0)
        body(body_context, task_count); /* any order will do */
}

static void a_cancelled_step_leaves_the_state_before_it(void **state)
{
    (void)state;
    ss_model *model = open_model();
    int32_t story[ROOM];
    size_t count = story_tokens(model, story, ROOM), before, after;
    const int32_t *tokens;
    for (int steps = 0; steps < 3; steps++) {
        cancelling_threads threads = {NULL, 0};
        ss_parallel parallel = {.struct_size = sizeof parallel, .context = &threads,
                                .parallel_for = run_and_cancel, .thread_count = 3};
        ss_session_params params = small_params();
        const char *const stops[] = {"never in any story"};
        params.parallel = &parallel;
        ss_session *session = open_session_with(model, &params), *fresh = open_session(model);
        threads.session = session;
        assert_int_equal(ssi_session_set_stops(session, stops, 1, NULL), SS_OK);
        prefill(session, story, count);
        prefill(fresh, story, count);
        if (steps > 0)
            expect_same(session, fresh, (size_t)steps);
        ssi_session_get_tokens(session, &tokens, &before);
        ss_step step = {.struct_size = sizeof step};
        threads.regions_left = 5; /* in the middle of the pass */
        assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_ERROR_CANCELLED);
        ssi_session_get_tokens(session, &tokens, &after);
        assert_int_equal(after, before);
        ssi_session_cancel(session); /* and between two steps: once */
        assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_ERROR_CANCELLED);
        expect_same(session, fresh, 30);
        ssi_session_free(session);
        ssi_session_free(fresh);
    }
    ssi_model_free(model);
}

static void a_cancelled_slide_leaves_the_state_before_it(void **state)
{
    (void)state;
    ss_model *model = open_model();
    interrupter interruption = {NULL, -1, false};
    ss_progress progress = {sizeof progress, &interruption, report};
    ss_session_params params = small_params();
    int32_t story[ROOM];
    size_t count = story_tokens(model, story, ROOM), left;
    const int32_t *tokens;
    params.context_length = (uint32_t)count;
    params.on_full = SS_ON_FULL_SLIDE;
    params.prefill_chunk = 8;
    ss_session *fresh = open_session_with(model, &params);
    params.progress = &progress;
    ss_session *session = open_session_with(model, &params);
    prefill(session, story, count);
    prefill(fresh, story, count);
    for (int chunks = 0; chunks < 3; chunks++) {
        ss_step step = {.struct_size = sizeof step};
        interruption.calls_left = chunks;
        assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_ERROR_CANCELLED);
        ssi_session_get_tokens(session, &tokens, &left);
        assert_int_equal(left, count);
        assert_memory_equal(tokens, story, count * sizeof *tokens);
    }
    interruption.calls_left = -1;
    expect_same(session, fresh, 30);
    ssi_session_free(session);
    ssi_session_free(fresh);
    ssi_model_free(model);
}

static void logits_that_are_not_finite_end_the_generation_by_name(void **state)
{
    (void)state;
    ss_model *model = open_model();
    int32_t story[ROOM];
    size_t count = story_tokens(model, story, ROOM), now;
    const int32_t *tokens;
    const float *good = model->output_norm;
    float *bad = calloc(model->hyper.embedding_length, sizeof *bad);
    for (uint32_t i = 0; i < model->hyper.embedding_length; i++)
        bad[i] = NAN;
    ss_session *session = open_session(model), *fresh = open_session(model);
    ss_error error = {.struct_size = sizeof error};
    ss_step step = {.struct_size = sizeof step};
    prefill(session, story, count);
    prefill(fresh, story, count);

    model->output_norm = bad;
    assert_int_equal(ssi_session_step(session, 0, &step, &error), SS_OK); /* from good logits */
    assert_int_equal(step.count, 1);
    for (int again = 0; again < 2; again++) {
        char name[40];
        snprintf(name, sizeof name, "position %zu:", count);
        assert_int_equal(ssi_session_step(session, 0, &step, &error), SS_ERROR_NUMERIC);
        assert_int_equal(strncmp(error.message, name, strlen(name)), 0);
        ssi_session_get_tokens(session, &tokens, &now);
        assert_int_equal(now, count + 1);
    }
    assert_int_equal(ssi_session_prefill(session, story, count / 2, &error), SS_ERROR_NUMERIC);
    ssi_session_get_tokens(session, &tokens, &now);
    assert_int_equal(now, count / 2);
    assert_int_equal(ssi_session_step(session, 0, &step, &error), SS_ERROR_NUMERIC);
    model->output_norm = good;
    assert_int_equal(ssi_session_prefill(session, story, count, &error), SS_OK);
    expect_same(session, fresh, 30);
    ssi_session_free(session);
    ssi_session_free(fresh);
    ssi_model_free(model);
    free(bad);
}

static void positions_count_what_slides_have_dropped(void **state)
{
    (void)state;
    ss_model *model = open_model();
    const float *good = model->output_norm;
    float *bad = calloc(model->hyper.embedding_length, sizeof *bad);
    int32_t story[ROOM], made[24];
    ss_session_params params = small_params();
    ss_error error = {.struct_size = sizeof error};
    ss_step step = {.struct_size = sizeof step};
    params.context_length = 16;
    params.on_full = SS_ON_FULL_SLIDE;
    ss_session *session = open_session_with(model, &params);
    for (uint32_t i = 0; i < model->hyper.embedding_length; i++)
        bad[i] = NAN;
    story_tokens(model, story, ROOM);
    prefill(session, story, 16);
    generate(session, made, 24); /* after 8, 16 and 24 the context is full */
    model->output_norm = bad;
    assert_int_equal(ssi_session_step(session, 0, &step, &error), SS_ERROR_NUMERIC);
    assert_string_equal(error.message, "position 39: the logits are not all finite");
    model->output_norm = good;
    ssi_session_free(session);
    ssi_model_free(model);
    free(bad);
}

static void nothing_is_allocated_after_creation(void **state)
{
    (void)state;
    ss_model *model = open_model();
    counting_memory memory = {0};
    ss_allocator allocator = counting_allocator(&memory);
    ss_session_params params = small_params();
    int32_t story[ROOM], tokens[ROOM];
    size_t count = story_tokens(model, story, ROOM);
    uint64_t bytes;
    params.allocator = &allocator;
    params.thread_count = 3;
    params.on_full = SS_ON_FULL_SLIDE;
    params.context_length = (uint32_t)count + 20;
    assert_int_equal(ssi_session_memory_bytes(model, &params, &bytes, NULL), SS_OK);
    ss_session *session = open_session_with(model, &params);
    assert_int_equal(memory.held_bytes, bytes);
    const size_t calls = memory.calls, blocks = memory.held_blocks;
    set_sampled(session, 0.8f, 3);
    prefill(session, story, count);
    generate(session, tokens, 40); /* slides on the way */
    assert_int_equal(memory.calls, calls);
    assert_int_equal(memory.held_blocks, blocks);
    ssi_session_free(session);
    assert_int_equal(memory.held_blocks, 0);
    assert_int_equal(memory.held_bytes, 0);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_prefill_can_go_on),
        cmocka_unit_test(a_cancelled_step_leaves_the_state_before_it),
        cmocka_unit_test(a_cancelled_slide_leaves_the_state_before_it),
        cmocka_unit_test(logits_that_are_not_finite_end_the_generation_by_name),
        cmocka_unit_test(positions_count_what_slides_have_dropped),
        cmocka_unit_test(nothing_is_allocated_after_creation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
