/* SPDX-License-Identifier: Apache-2.0 */
/* Cancelling, broken numbers, memory, looking through a session, wrong arguments: after each of
 * them the session is in the state its header names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "support/counting_memory.h"
#include "support/session_fixture.h"

enum { ROOM = 256 };

static void expect_same(ss_session *session, ss_session *fresh, size_t count)
{
    int32_t got[ROOM], want[ROOM];
    generate(session, got, count);
    generate(fresh, want, count);
    assert_memory_equal(got, want, count * sizeof *got);
}

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

/* Rows above the sequence see the logits of plain decoding, and leave no trace. */
static void evaluating_shows_and_changes_nothing(void **state)
{
    (void)state;
    ss_model *model = open_model();
    size_t size = model->hyper.vocabulary_size, count;
    int32_t story[ROOM], plain[40], rows[20], parents[20];
    const float *logits;
    count = story_tokens(model, story, ROOM);
    ss_session *session = open_session(model), *fresh = open_session(model);
    prefill(session, story, count);
    prefill(fresh, story, count);
    generate(fresh, plain, 40);
    for (size_t done = 0; done < 40; done += 10) { /* after a prefill, and between steps */
        int32_t got[10];
        for (int32_t i = 0; i < 20; i++) {
            rows[i] = i < 10 ? plain[done + (size_t)i] : 3 + i;
            parents[i] = i == 10 ? -1 : i - 1;
        }
        assert_int_equal(ssi_session_evaluate(session, rows, parents, 20, &logits, NULL), SS_OK);
        for (size_t i = 0; i < 10 && done + i + 1 < 40; i++) {
            size_t best = 0;
            for (size_t token = 1; token < size; token++)
                if (logits[i * size + token] > logits[i * size + best])
                    best = token;
            assert_int_equal(best, plain[done + i + 1]);
        }
        generate(session, got, 10);
        assert_memory_equal(got, plain + done, sizeof got);
    }
    ssi_session_free(session);
    ssi_session_free(fresh);
    ssi_model_free(model);
}

static double log_probability(const float *logits, size_t size, int32_t token)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += exp((double)(logits[i] - logits[token]));
    return -log(sum);
}

static void a_score_is_the_log_softmax_of_the_logits(void **state)
{
    (void)state;
    ss_model *model = open_model();
    size_t size = model->hyper.vocabulary_size, count;
    int32_t story[ROOM];
    float scores[ROOM], again[ROOM];
    count = story_tokens(model, story, ROOM);
    ss_session *session = open_session(model), *fresh = open_session(model);
    assert_int_equal(ssi_session_score(session, story, count, 1, scores, NULL), SS_OK);
    for (size_t i = 1; i < count; i += 9) {
        const float *logits;
        int32_t parent = -1;
        if (i > 1)
            prefill(fresh, story, i - 1);
        else
            continue;
        assert_int_equal(ssi_session_evaluate(fresh, &story[i - 1], &parent, 1, &logits, NULL),
                         SS_OK);
        double want = log_probability(logits, size, story[i]);
        assert_true(fabs((double)scores[i - 1] - want) < 1e-4);
    }
    /* Whatever is cached, the bits are the same; and the session goes on from the last token. */
    for (size_t first = 1; first < count; first += 17) {
        assert_int_equal(ssi_session_score(session, story, count, first, again, NULL), SS_OK);
        assert_memory_equal(again, scores + first - 1, (count - first) * sizeof *again);
    }
    prefill(fresh, story, count);
    expect_same(session, fresh, 20);
    ssi_session_free(session);
    ssi_session_free(fresh);
    ssi_model_free(model);
}

/* A head whose first row is so large that its logit leaves the numbers after some tokens. */
static void a_score_that_is_no_number_is_not_given(void **state)
{
    (void)state;
    ss_model *model = open_model();
    uint32_t columns = model->head.weight.columns, groups = model->head.weight.group_count;
    size_t bytes = (size_t)groups * columns * SSI_GROUP * sizeof(float), count, bad, good;
    float *packed = memset(aligned_alloc(64, bytes), 0, bytes), scores[ROOM];
    for (uint32_t column = 0; column < 2; column++)
        packed[column * SSI_GROUP] = 2e38f;
    model->head.weight = (ssi_matrix){.type = SSI_TYPE_F32, .rows = model->head.weight.rows,
                                      .columns = columns, .group_count = groups,
                                      .plane = {packed}};
    ss_session *session = open_session(model);
    ss_error error = {.struct_size = sizeof error};
    int32_t story[ROOM];
    count = story_tokens(model, story, ROOM);
    for (bad = 1; bad < count; bad++)
        if (ssi_session_prefill(session, story, bad, NULL) == SS_ERROR_NUMERIC)
            break;
    for (good = bad + 1; good < count; good++)
        if (ssi_session_prefill(session, story, good, NULL) == SS_OK)
            break;
    assert_true(bad < good && good < count);
    assert_int_equal(ssi_session_score(session, story, good, 1, scores, &error),
                     SS_ERROR_NUMERIC);
    char wanted[80];
    snprintf(wanted, sizeof wanted, "position %zu: the logits are not all finite", bad - 1);
    assert_string_equal(error.message, wanted);
    ssi_session_free(session);
    ssi_model_free(model);
    free(packed);
}

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
        cmocka_unit_test(a_cancelled_prefill_can_go_on),
        cmocka_unit_test(a_cancelled_step_leaves_the_state_before_it),
        cmocka_unit_test(a_cancelled_slide_leaves_the_state_before_it),
        cmocka_unit_test(logits_that_are_not_finite_end_the_generation_by_name),
        cmocka_unit_test(positions_count_what_slides_have_dropped),
        cmocka_unit_test(nothing_is_allocated_after_creation),
        cmocka_unit_test(evaluating_shows_and_changes_nothing),
        cmocka_unit_test(a_score_is_the_log_softmax_of_the_logits),
        cmocka_unit_test(a_score_that_is_no_number_is_not_given),
        cmocka_unit_test(wrong_arguments_are_named_and_change_nothing),
        cmocka_unit_test(wrong_sampler_settings_are_named_and_the_ones_before_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
