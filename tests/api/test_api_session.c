/* SPDX-License-Identifier: Apache-2.0 */
/* Every wrong argument of specstream/session.h, and after each of them the session goes on as if
 * nothing had been asked. */
#include "api_test.h"

#include <math.h>

#define DRAWN 12u

typedef struct world {
    ss_model *model;
    ss_session *session;
    int32_t wanted[DRAWN]; /* what an undisturbed session draws */
} world;

static ss_error error;

static void still_draws_the_same(world *in)
{
    int32_t tokens[DRAWN];
    draw_small(in->session, in->model, tokens, DRAWN);
    assert_memory_equal(tokens, in->wanted, sizeof tokens);
}

static void what_must_be_given_is_asked_for(void **state)
{
    world *in = *state;
    ss_session *created = (ss_session *)&error;
    const int32_t *tokens;
    const float *logits;
    float scores[4];
    int32_t some[4] = {1, 2, 3, 4}, parents[4] = {-1, 0, 1, 2};
    size_t count;
    uint64_t bytes;
    ss_step step = {.struct_size = sizeof step};
    ss_stats stats = {.struct_size = sizeof stats};
    ss_session *session = in->session;
    refuse(SS_ERROR_ARGUMENT, "session", &error,
           ss_session_create(in->model, NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error, ss_session_create(NULL, NULL, &created, &error));
    assert_null(created);
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_session_memory_bytes(NULL, NULL, &bytes, &error));
    refuse(SS_ERROR_ARGUMENT, "bytes", &error,
           ss_session_memory_bytes(in->model, NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error, ss_session_set_sampler(NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error, ss_session_set_stops(NULL, NULL, 0, &error));
    refuse(SS_ERROR_ARGUMENT, "stops", &error, ss_session_set_stops(session, NULL, 1, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error, ss_session_prefill(NULL, some, 4, &error));
    refuse(SS_ERROR_ARGUMENT, "tokens", &error, ss_session_prefill(session, NULL, 4, &error));
    refuse(SS_ERROR_ARGUMENT, "no tokens", &error,
           ss_session_prefill(session, NULL, 0, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error, ss_session_step(NULL, 0, &step, &error));
    refuse(SS_ERROR_ARGUMENT, "ss_step", &error, ss_session_step(session, 0, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error, ss_session_rewind(NULL, 1, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error,
           ss_session_get_tokens(NULL, &tokens, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "tokens", &error,
           ss_session_get_tokens(session, NULL, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "count", &error,
           ss_session_get_tokens(session, &tokens, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error,
           ss_session_evaluate(NULL, some, parents, 4, &logits, &error));
    refuse(SS_ERROR_ARGUMENT, "tokens", &error,
           ss_session_evaluate(session, NULL, parents, 4, &logits, &error));
    refuse(SS_ERROR_ARGUMENT, "parents", &error,
           ss_session_evaluate(session, some, NULL, 4, &logits, &error));
    refuse(SS_ERROR_ARGUMENT, "logits", &error,
           ss_session_evaluate(session, some, parents, 4, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error,
           ss_session_score(NULL, some, 4, 1, scores, &error));
    refuse(SS_ERROR_ARGUMENT, "tokens", &error,
           ss_session_score(session, NULL, 4, 1, scores, &error));
    refuse(SS_ERROR_ARGUMENT, "log_probabilities", &error,
           ss_session_score(session, some, 4, 1, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error, ss_session_get_stats(NULL, &stats, &error));
    refuse(SS_ERROR_ARGUMENT, "ss_stats", &error, ss_session_get_stats(session, NULL, &error));
    ss_session_cancel(NULL);
    ss_session_reset_stats(NULL);
    ss_session_free(NULL);
    still_draws_the_same(in);
}

/* One field out of its range, the message naming it. */
#define refuse_field(field, value, words)                                                      \
    do {                                                                                       \
        ss_session_params_init(&params, sizeof params);                                        \
        params.field = (value);                                                                \
        refuse(SS_ERROR_ARGUMENT, (words), &error,                                             \
               ss_session_create(in->model, &params, &created, &error));                       \
        assert_null(created);                                                                  \
        refuse(SS_ERROR_ARGUMENT, (words), &error,                                             \
               ss_session_memory_bytes(in->model, &params, &bytes, &error));                   \
    } while (0)

static void session_fields_have_ranges(void **state)
{
    world *in = *state;
    ss_session_params params;
    ss_session *created;
    uint64_t bytes;
    refuse_field(thread_count, 257, "thread_count");
    refuse_field(context_length, 513, "context_length");
    refuse_field(context_length, UINT32_MAX, "context_length");
    refuse_field(max_step_rows, 0, "max_step_rows");
    refuse_field(max_step_rows, 65, "max_step_rows");
    refuse_field(prefill_chunk, 1025, "prefill_chunk");
    refuse_field(kv_type, -1, "kv_type -1");
    refuse_field(kv_type, 2, "kv_type");
    refuse_field(on_full, 2, "on_full");
    refuse_field(on_full, INT32_MIN, "on_full -2147483648");
    refuse_field(reserved0, 1, "reserved0");
    ss_session_params_init(&params, sizeof params);
    params.on_full = SS_ON_FULL_SLIDE;
    params.keep_count = UINT32_MAX;
    refuse(SS_ERROR_ARGUMENT, "keep_count", &error,
           ss_session_create(in->model, &params, &created, &error));
    ss_parallel parallel;
    ss_parallel_init(&parallel, sizeof parallel);
    refuse_field(parallel, &parallel, "parallel_for");
}

#define refuse_sampler(field, value, words)                                                    \
    do {                                                                                       \
        ss_sampler_params_init(&params, sizeof params);                                        \
        params.field = (value);                                                                \
        refuse(SS_ERROR_ARGUMENT, (words), &error,                                             \
               ss_session_set_sampler(in->session, &params, &error));                          \
    } while (0)

static void sampler_fields_have_ranges(void **state)
{
    world *in = *state;
    ss_sampler_params params;
    const int32_t ids[] = {1, 512}, twice[] = {7, 7}, negative[] = {-1, 2};
    const float values[] = {0.5f, 1.0f}, wrong[] = {NAN, 0}, infinite[] = {INFINITY, 0};
    refuse_sampler(temperature, -0.5f, "temperature");
    refuse_sampler(temperature, NAN, "temperature");
    refuse_sampler(temperature, INFINITY, "temperature");
    refuse_sampler(top_p, 1.5f, "top_p");
    refuse_sampler(top_p, NAN, "top_p");
    refuse_sampler(min_p, -0.1f, "min_p");
    refuse_sampler(min_p, 1.1f, "min_p");
    refuse_sampler(repetition_penalty, 0.0f, "repetition_penalty");
    refuse_sampler(repetition_penalty, -1.0f, "repetition_penalty");
    refuse_sampler(repetition_penalty, NAN, "repetition_penalty");
    refuse_sampler(frequency_penalty, INFINITY, "frequency_penalty");
    refuse_sampler(presence_penalty, NAN, "presence_penalty");
    refuse_sampler(penalty_window, 1025, "penalty_window");
    refuse_sampler(reserved0[6], 1, "reserved0");
    refuse_sampler(bias_count, 2, "bias_tokens");
    const struct {
        const int32_t *ids;
        const float *values;
        size_t count;
        const char *words;
    } biases[] = {
        {ids, NULL, 2, "bias_values"},  {ids, values, 2, "bias_tokens"},
        {twice, values, 2, "bias"},     {negative, values, 2, "bias_tokens"},
        {ids, wrong, 1, "bias_values"}, {ids, infinite, 1, "bias_values"},
        {ids, values, 4097, "bias_count"},
    };
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++) {
        ss_sampler_params_init(&params, sizeof params);
        params.bias_tokens = biases[i].ids;
        params.bias_values = biases[i].values;
        params.bias_count = biases[i].count;
        refuse(SS_ERROR_ARGUMENT, biases[i].words, &error,
               ss_session_set_sampler(in->session, &params, &error));
    }
    still_draws_the_same(in); /* the sampler before has stayed */
}

static void stop_strings_have_limits(void **state)
{
    world *in = *state;
    char largest[258];
    const char *many[17], *empty[] = {"a", ""}, *large[] = {largest}, *null[] = {NULL};
    memset(largest, 'x', sizeof largest);
    largest[257] = '\0';
    for (size_t i = 0; i < 17; i++)
        many[i] = "stop";
    refuse(SS_ERROR_ARGUMENT, "", &error, ss_session_set_stops(in->session, many, 17, &error));
    refuse(SS_ERROR_ARGUMENT, "", &error, ss_session_set_stops(in->session, empty, 2, &error));
    refuse(SS_ERROR_ARGUMENT, "", &error, ss_session_set_stops(in->session, large, 1, &error));
    refuse(SS_ERROR_ARGUMENT, "", &error, ss_session_set_stops(in->session, null, 1, &error));
    largest[256] = '\0';
    accept(&error, ss_session_set_stops(in->session, large, 1, &error));
    accept(&error, ss_session_set_stops(in->session, NULL, 0, &error));
    still_draws_the_same(in);
}

static void tokens_and_counts_are_checked(void **state)
{
    world *in = *state;
    const float *logits;
    float scores[4];
    int32_t bad[4] = {1, 2, 512, 4}, negative[4] = {1, -1, 3, 4}, good[4] = {1, 2, 3, 4};
    int32_t chain[4] = {-1, 0, 1, 2}, cycle[4] = {-1, 1, 1, 2}, below[4] = {-2, 0, 1, 2};
    int32_t many[129] = {0}, rows[65] = {0}, parents[65];
    for (int32_t i = 0; i < 65; i++)
        parents[i] = -1;
    draw_small(in->session, in->model, many, 1);
    refuse(SS_ERROR_ARGUMENT, "512", &error, ss_session_prefill(in->session, bad, 4, &error));
    refuse(SS_ERROR_ARGUMENT, "-1", &error,
           ss_session_prefill(in->session, negative, 4, &error));
    refuse(SS_ERROR_CONTEXT_FULL, "128", &error,
           ss_session_prefill(in->session, many, 129, &error));
    refuse(SS_ERROR_CONTEXT_FULL, "128", &error, /* of which no token is read */
           ss_session_prefill(in->session, bad, SIZE_MAX, &error));
    refuse(SS_ERROR_CONTEXT_FULL, "128", &error,
           ss_session_score(in->session, bad, SIZE_MAX, 1, scores, &error));
    refuse(SS_ERROR_ARGUMENT, "512", &error,
           ss_session_evaluate(in->session, bad, chain, 4, &logits, &error));
    refuse(SS_ERROR_ARGUMENT, "parents[1]", &error,
           ss_session_evaluate(in->session, good, cycle, 4, &logits, &error));
    refuse(SS_ERROR_ARGUMENT, "parents[0]", &error,
           ss_session_evaluate(in->session, good, below, 4, &logits, &error));
    refuse(SS_ERROR_ARGUMENT, "row_count", &error,
           ss_session_evaluate(in->session, good, chain, 0, &logits, &error));
    refuse(SS_ERROR_ARGUMENT, "row_count", &error,
           ss_session_evaluate(in->session, rows, parents, 33, &logits, &error));
    refuse(SS_ERROR_ARGUMENT, "first", &error,
           ss_session_score(in->session, good, 4, 0, scores, &error));
    refuse(SS_ERROR_ARGUMENT, "first", &error,
           ss_session_score(in->session, good, 4, 4, scores, &error));
    refuse(SS_ERROR_ARGUMENT, "first", &error,
           ss_session_score(in->session, good, 0, SIZE_MAX, scores, &error));
    refuse(SS_ERROR_ARGUMENT, "512", &error,
           ss_session_score(in->session, bad, 4, 1, scores, &error));
    refuse(SS_ERROR_ARGUMENT, "rewind", &error, ss_session_rewind(in->session, 0, &error));
    refuse(SS_ERROR_ARGUMENT, "rewind", &error,
           ss_session_rewind(in->session, SIZE_MAX, &error));
    still_draws_the_same(in);
}

static void a_step_has_its_time(void **state)
{
    world *in = *state;
    ss_session *session = open_small(in->model, NULL);
    ss_step step = {.struct_size = sizeof step};
    int32_t tokens[128] = {0};
    const float *logits;
    int32_t parent = -1;
    refuse(SS_ERROR_STATE, "prefill", &error, ss_session_step(session, 1, &step, &error));
    refuse(SS_ERROR_ARGUMENT, "rewind", &error, ss_session_rewind(session, 1, &error));
    (void)ss_session_evaluate(session, tokens, &parent, 1, &logits, &error); /* defined or not: no crash */
    for (int32_t i = 0; i < 128; i++)
        tokens[i] = i + 1;
    accept(&error, ss_session_prefill(session, tokens, 128, &error));
    for (int i = 0; i < 2; i++)
        refuse(SS_ERROR_CONTEXT_FULL, "128", &error,
               ss_session_step(session, 1, &step, &error));
    accept(&error, ss_session_rewind(session, 100, &error));
    accept(&error, ss_session_step(session, 1, &step, &error));
    ss_session_free(session);
}

static void cancelling_costs_nothing_but_time(void **state)
{
    world *in = *state;
    int32_t prompt[64], rest[DRAWN];
    size_t count = encode_small(in->model, prompt);
    ss_step step = {.struct_size = sizeof step};
    ss_session_cancel(in->session);
    refuse(SS_ERROR_CANCELLED, "", &error,
           ss_session_prefill(in->session, prompt, count, &error));
    accept(&error, ss_session_prefill(in->session, prompt, count, &error));
    for (uint32_t i = 0; i < DRAWN; i++) {
        ss_session_cancel(in->session);
        refuse(SS_ERROR_CANCELLED, "", &error, ss_session_step(in->session, 1, &step, &error));
        accept(&error, ss_session_step(in->session, 1, &step, &error));
        rest[i] = step.tokens[0];
    }
    assert_memory_equal(rest, in->wanted, sizeof rest);
}

static bool stop_reporting(void *context, float fraction)
{
    (void)fraction;
    return --*(int *)context >= 0;
}

static void a_prefill_that_was_cancelled_goes_on(void **state)
{
    world *in = *state;
    ss_session_params params;
    ss_session *session;
    ss_progress progress;
    int32_t tokens[100], next[2];
    size_t held;
    const int32_t *kept;
    int reports = 1;
    ss_step step = {.struct_size = sizeof step};
    for (int32_t i = 0; i < 100; i++)
        tokens[i] = 3 + i;
    ss_progress_init(&progress, sizeof progress);
    progress.context = &reports;
    progress.report = stop_reporting;
    ss_session_params_init(&params, sizeof params);
    params.progress = &progress;
    params.prefill_chunk = 16;
    params.context_length = 128;
    accept(&error, ss_session_create(in->model, &params, &session, &error));
    refuse(SS_ERROR_CANCELLED, "", &error, ss_session_prefill(session, tokens, 100, &error));
    accept(&error, ss_session_get_tokens(session, &kept, &held, &error));
    assert_true(held < 100);
    assert_memory_equal(kept, tokens, held * sizeof *tokens);
    reports = 1000;
    accept(&error, ss_session_prefill(session, tokens, 100, &error));
    accept(&error, ss_session_step(session, 1, &step, &error));
    next[0] = step.tokens[0];
    accept(&error, ss_session_prefill(in->session, tokens, 100, &error));
    accept(&error, ss_session_step(in->session, 1, &step, &error));
    next[1] = step.tokens[0];
    assert_int_equal(next[0], next[1]);
    ss_session_free(session);
}

static void a_bound_leaves_the_state_of_plain_decoding(void **state)
{
    world *in = *state;
    int32_t prompt[64], tokens[DRAWN + 8];
    size_t count = encode_small(in->model, prompt);
    ss_step step = {.struct_size = sizeof step};
    for (uint32_t bound = 1; bound <= 5; bound++) {
        uint32_t drawn = 0;
        accept(&error, ss_session_prefill(in->session, prompt, count, &error));
        while (drawn < DRAWN) {
            accept(&error, ss_session_step(in->session, bound, &step, &error));
            assert_in_range(step.count, 1, bound);
            for (uint32_t i = 0; i < step.count; i++)
                tokens[drawn++] = step.tokens[i];
        }
        assert_memory_equal(tokens, in->wanted, sizeof in->wanted);
    }
}

static void the_memory_said_is_the_memory_taken(void **state)
{
    world *in = *state;
    ss_session_params params;
    ss_session *session;
    counting_memory count = {0};
    uint64_t bytes;
    ss_allocator allocator = counting_allocator(&count);
    ss_session_params_init(&params, sizeof params);
    params.allocator = &allocator;
    params.context_length = 200;
    params.thread_count = 2;
    accept(&error, ss_session_memory_bytes(in->model, &params, &bytes, &error));
    assert_int_equal(count.calls, 0);
    accept(&error, ss_session_create(in->model, &params, &session, &error));
    assert_int_equal(count.held_bytes, bytes);
    ss_session_free(session);
    assert_int_equal(count.held_bytes, 0);
}

static int set_up(void **state)
{
    static world in;
    in.model = load_small(NULL);
    in.session = open_small(in.model, NULL);
    ss_session *undisturbed = open_small(in.model, NULL);
    draw_small(undisturbed, in.model, in.wanted, DRAWN);
    ss_session_free(undisturbed);
    *state = &in;
    return 0;
}

static int tear_down(void **state)
{
    world *in = *state;
    ss_session_free(in->session);
    ss_model_free(in->model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(session_fields_have_ranges),
        cmocka_unit_test(sampler_fields_have_ranges),
        cmocka_unit_test(stop_strings_have_limits),
        cmocka_unit_test(tokens_and_counts_are_checked),
        cmocka_unit_test(a_step_has_its_time),
        cmocka_unit_test(cancelling_costs_nothing_but_time),
        cmocka_unit_test(a_prefill_that_was_cancelled_goes_on),
        cmocka_unit_test(a_bound_leaves_the_state_of_plain_decoding),
        cmocka_unit_test(the_memory_said_is_the_memory_taken),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
