/* SPDX-License-Identifier: Apache-2.0 */
/* What a session promises: the same tokens however its sequence came about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/session_fixture.h"

enum { ROOM = 256 };

static void a_story_begins_as_it_should(void **state)
{
    static const char want[] =
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
        "park. One day, she saw a big, red ball. She wanted to play with it, but it was too "
        "high.\nLily's mom said, \"Lily, let's go to the park.\" Lily was sad";
    ss_model *model = open_model();
    ss_session *session = open_session(model);
    int32_t bos = ssi_tokenizer_bos(model->tokenizer), tokens[ROOM];
    char text[2048] = "";
    (void)state;
    prefill(session, &bos, 1);
    generate(session, tokens, 120);
    for (size_t i = 0; i < 120; i++) {
        ssi_text piece = ssi_tokenizer_piece(model->tokenizer, tokens[i], false);
        strncat(text, piece.bytes, piece.length);
    }
    const char *begin = text[0] == ' ' ? text + 1 : text; /* SentencePiece's first blank */
    if (strncmp(begin, want, sizeof want - 1) != 0)
        fail_msg("it began: %s", text);
    ssi_session_free(session);
    ssi_model_free(model);
}

/* Greedy and sampled runs of a fresh session, to compare with. */
typedef struct yardstick {
    ss_model *model;
    ss_session *session; /* under test */
    int32_t story[ROOM];
    size_t story_count;
    float temperature;
    int32_t want[100]; /* what follows the story */
} yardstick;

static void fresh_continuation(const ss_model *model, float temperature, const int32_t *prompt,
                               size_t prompt_count, int32_t *tokens, size_t count)
{
    ss_session *session = open_session(model);
    set_sampled(session, temperature, 42);
    prefill(session, prompt, prompt_count);
    generate(session, tokens, count);
    ssi_session_free(session);
}

static yardstick *open_yardstick(float temperature)
{
    yardstick *y = calloc(1, sizeof *y);
    y->model = open_model();
    y->story_count = story_tokens(y->model, y->story, 150);
    y->temperature = temperature;
    y->session = open_session(y->model);
    set_sampled(y->session, temperature, 42);
    fresh_continuation(y->model, temperature, y->story, y->story_count, y->want, 100);
    return y;
}

static void close_yardstick(yardstick *y)
{
    ssi_session_free(y->session);
    ssi_model_free(y->model);
    free(y);
}

/* Runs a law greedily and sampled. */
static void run_both(void (*law)(yardstick *y))
{
    for (int sampled = 0; sampled < 2; sampled++) {
        yardstick *y = open_yardstick(sampled ? 0.8f : 0.0f);
        law(y);
        close_yardstick(y);
    }
}

static void expect_continuation(yardstick *y, size_t count)
{
    int32_t got[100];
    generate(y->session, got, count);
    assert_memory_equal(got, y->want, count * sizeof *got);
}

static void prefix_reuse_law(yardstick *y)
{
    int32_t other[ROOM];
    ss_stats stats;
    memcpy(other, y->story, y->story_count * sizeof *other);
    for (size_t cut = 1; cut < y->story_count; cut += 29) {
        other[cut] = (y->story[cut] + 1) % 400 + 3;
        prefill(y->session, other, y->story_count); /* shares `cut` tokens */
        other[cut] = y->story[cut];
        generate(y->session, other + y->story_count, 3);
        ssi_session_reset_stats(y->session);
        prefill(y->session, y->story, y->story_count);
        ssi_session_get_stats(y->session, &stats);
        assert_int_equal(stats.prefill_reused, cut);
        assert_int_equal(stats.prefill_tokens, y->story_count - cut);
        expect_continuation(y, 60);
    }
    /* A continued conversation: all of it is there but the last token's row. */
    const int32_t *tokens;
    size_t count;
    ssi_session_get_tokens(y->session, &tokens, &count);
    assert_int_equal(count, y->story_count + 60);
    ssi_session_reset_stats(y->session);
    prefill(y->session, tokens, count);
    ssi_session_get_stats(y->session, &stats);
    assert_int_equal(stats.prefill_reused, count - 1);
    int32_t got[40];
    generate(y->session, got, 40);
    assert_memory_equal(got, y->want + 60, sizeof got);
}

static void a_reused_prefix_gives_the_tokens_of_a_fresh_session(void **state)
{
    (void)state;
    run_both(prefix_reuse_law);
}

static void whole_reuse_law(yardstick *y)
{
    ss_stats stats;
    for (int again = 0; again < 3; again++) { /* kept logits, and after a step */
        prefill(y->session, y->story, y->story_count);
        prefill(y->session, y->story, y->story_count);
        expect_continuation(y, 10);
    }
    prefill(y->session, y->story, y->story_count);
    ssi_session_reset_stats(y->session);
    prefill(y->session, y->story, y->story_count);
    ssi_session_get_stats(y->session, &stats);
    assert_int_equal(stats.prefill_tokens, 0);
    assert_int_equal(stats.prefill_reused, y->story_count);
    prefill(y->session, y->story, y->story_count / 2); /* a mere beginning of what is cached */
    int32_t got[20], want[20];
    generate(y->session, got, 20);
    fresh_continuation(y->model, y->temperature, y->story, y->story_count / 2, want, 20);
    assert_memory_equal(got, want, sizeof got);
}

static void a_prompt_that_is_all_cached_gives_the_tokens_of_a_fresh_session(void **state)
{
    (void)state;
    run_both(whole_reuse_law);
}

static void rewind_law(yardstick *y)
{
    prefill(y->session, y->story, y->story_count);
    expect_continuation(y, 100);
    for (size_t back = 0; back <= 100; back += 20) {
        int32_t got[100];
        assert_int_equal(ssi_session_rewind(y->session, y->story_count + back, NULL), SS_OK);
        generate(y->session, got, 100 - back);
        assert_memory_equal(got, y->want + back, (100 - back) * sizeof *got);
    }
    int32_t got[30], want[30]; /* into the prompt */
    assert_int_equal(ssi_session_rewind(y->session, 17, NULL), SS_OK);
    generate(y->session, got, 30);
    fresh_continuation(y->model, y->temperature, y->story, 17, want, 30);
    assert_memory_equal(got, want, sizeof got);

    prefill(y->session, y->story, y->story_count); /* without a step in between */
    assert_int_equal(ssi_session_rewind(y->session, 1, NULL), SS_OK);
    generate(y->session, got, 30);
    fresh_continuation(y->model, y->temperature, y->story, 1, want, 30);
    assert_memory_equal(got, want, sizeof got);
}

static void a_rewound_session_continues_as_a_fresh_one(void **state)
{
    (void)state;
    run_both(rewind_law);
}

static void bounded_law(yardstick *y)
{
    int32_t got[100];
    for (uint32_t bound = 1; bound <= 3; bound++) {
        prefill(y->session, y->story, y->story_count);
        for (uint32_t done = 0; done < 60;) {
            ss_step step = {.struct_size = sizeof step};
            assert_int_equal(ssi_session_step(y->session, bound, &step, NULL), SS_OK);
            /* The first step draws from kept logits: alone it needs no pass. */
            assert_int_equal(step.count, done == 0 && bound > 1 ? 2 : 1);
            assert_int_equal(step.row_count, done == 0 && bound == 1 ? 0 : 1);
            memcpy(got + done, step.tokens, step.count * sizeof *got);
            done += step.count;
        }
        assert_memory_equal(got, y->want, 60 * sizeof *got);
    }
    ss_stats stats;
    ssi_session_reset_stats(y->session);
    prefill(y->session, y->story, y->story_count);
    generate(y->session, got, 20);
    ssi_session_get_stats(y->session, &stats);
    assert_int_equal(stats.tokens, 20);
    assert_int_equal(stats.first_tokens, 1);
    assert_int_equal(stats.steps, 19);
    assert_int_equal(stats.rows, 19);
}

static void a_bound_changes_the_steps_and_not_the_tokens(void **state)
{
    (void)state;
    run_both(bounded_law);
}

/* The full context is reached at the very token, and what is emitted before it is right. */
static void full_law(yardstick *y)
{
    ss_session_params params = small_params();
    params.context_length = (uint32_t)y->story_count + 10;
    for (uint32_t bound = 0; bound <= 3; bound++) {
        ss_session *session = open_session_with(y->model, &params);
        ss_step step = {.struct_size = sizeof step};
        ss_error error = {.struct_size = sizeof error};
        uint32_t count = 0;
        set_sampled(session, y->temperature, 42);
        prefill(session, y->story, y->story_count);
        ss_status status;
        while ((status = ssi_session_step(session, bound, &step, &error)) == SS_OK) {
            assert_memory_equal(step.tokens, y->want + count, step.count * sizeof(int32_t));
            count += step.count;
        }
        assert_int_equal(status, SS_ERROR_CONTEXT_FULL);
        assert_int_equal(count, 10);
        assert_int_equal(ssi_session_step(session, bound, &step, &error), SS_ERROR_CONTEXT_FULL);
        assert_int_equal(ssi_session_rewind(session, y->story_count + 5, NULL), SS_OK);
        assert_int_equal(ssi_session_step(session, 1, &step, NULL), SS_OK);
        assert_int_equal(step.tokens[0], y->want[5]);
        ssi_session_free(session);
    }
}

static void a_full_context_ends_the_generation_at_its_last_token(void **state)
{
    (void)state;
    run_both(full_law);
}

/* After a slide the session is one that was given what remained. Greedy: the noise goes on by the
 * position in the whole sequence, which a fresh session can't know. */
static void a_slide_leaves_the_state_of_a_fresh_session(void **state)
{
    (void)state;
    for (uint32_t keep = 0; keep <= 7; keep += 7)
        for (uint32_t bound = 0; bound <= 1; bound++) {
            yardstick *y = open_yardstick(0.0f);
            ss_session_params params = small_params();
            uint32_t context = params.context_length = (uint32_t)y->story_count + 20;
            params.on_full = SS_ON_FULL_SLIDE;
            params.keep_count = keep;
            ss_session *session = open_session_with(y->model, &params);
            set_sampled(session, 0.0f, 42);
            prefill(session, y->story, y->story_count);
            int32_t whole[ROOM], got[20], want[20];
            generate(session, got, 20);
            assert_memory_equal(got, y->want, sizeof got);
            memcpy(whole, y->story, y->story_count * sizeof *whole);
            memcpy(whole + y->story_count, got, sizeof got);

            uint32_t drop = (context - keep) / 2;
            memmove(whole + keep, whole + keep + drop, (context - keep - drop) * sizeof *whole);
            for (int i = 0; i < 20;) {
                ss_step step = {.struct_size = sizeof step};
                assert_int_equal(ssi_session_step(session, bound, &step, NULL), SS_OK);
                memcpy(got + i, step.tokens, sizeof *got);
                if (++i < 20 && step.count > 1)
                    got[i++] = step.tokens[1];
            }
            fresh_continuation(y->model, 0.0f, whole, context - drop, want, 20);
            assert_memory_equal(got, want, sizeof got);
            ssi_session_free(session);
            close_yardstick(y);
        }
}

static void a_slide_happens_at_the_same_token_whatever_the_steps(void **state)
{
    int32_t runs[2][150];
    (void)state;
    ss_model *model = open_model();
    ss_session_params params = small_params();
    params.context_length = 50;
    params.on_full = SS_ON_FULL_SLIDE;
    params.keep_count = 3;
    for (uint32_t run = 0; run < 2; run++) {
        ss_session *session = open_session_with(model, &params);
        int32_t bos = 1;
        set_sampled(session, 0.9f, 1);
        prefill(session, &bos, 1);
        if (run == 0)
            generate(session, runs[0], 150);
        else
            for (uint32_t i = 0; i < 150; i++)
                generate(session, runs[1] + i, 1);
        ssi_session_free(session);
    }
    assert_memory_equal(runs[0], runs[1], sizeof runs[0]);
    ssi_model_free(model);
}

static void a_stop_string_ends_with_the_token_that_completes_it(void **state)
{
    const char *const stops[] = {"xyzzy", "girl named"};
    ss_model *model = open_model();
    (void)state;
    ss_session *session = open_session(model);
    int32_t bos = ssi_tokenizer_bos(model->tokenizer);
    char text[512] = "";
    for (int again = 0; again < 3; again++) {
        ss_step step = {.struct_size = sizeof step};
        assert_int_equal(ssi_session_set_stops(session, stops, 2, NULL), SS_OK);
        if (again < 2)
            prefill(session, &bos, 1);
        else /* before the stop string, but within the generation */
            assert_int_equal(ssi_session_rewind(session, 8, NULL), SS_OK);
        do
            assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_OK);
        while (step.stop == SS_STOP_NONE);
        assert_int_equal(step.stop, SS_STOP_STRING);
        const int32_t *tokens;
        size_t count;
        ssi_session_get_tokens(session, &tokens, &count);
        text[0] = 0;
        for (size_t i = 1; i < count; i++) {
            assert_null(strstr(text, stops[1])); /* not one token too late */
            ssi_text piece = ssi_tokenizer_piece(model->tokenizer, tokens[i], false);
            strncat(text, piece.bytes, piece.length);
        }
        assert_non_null(strstr(text, stops[1]));
        assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_ERROR_STATE);
    }
    ssi_session_free(session);
    ssi_model_free(model);
}

static void an_end_token_ends_unless_ignored(void **state)
{
    ss_model *model = open_model();
    ss_session *session = open_session(model);
    int32_t bos = ssi_tokenizer_bos(model->tokenizer), eos = ssi_tokenizer_eos(model->tokenizer);
    float favour = 1000.0f;
    ss_sampler_params params;
    ss_step step = {.struct_size = sizeof step};
    (void)state;
    assert_true(eos >= 0);
    ssi_sampler_params_default(&params);
    params.bias_tokens = &eos;
    params.bias_values = &favour;
    params.bias_count = 1;
    assert_int_equal(ssi_session_set_sampler(session, &params, NULL), SS_OK);
    prefill(session, &bos, 1);
    assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_OK);
    assert_int_equal(step.count, 1);
    assert_int_equal(step.tokens[0], eos);
    assert_int_equal(step.stop, SS_STOP_END);
    assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_ERROR_STATE);
    params.ignore_end = true;
    assert_int_equal(ssi_session_set_sampler(session, &params, NULL), SS_OK);
    prefill(session, &bos, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ssi_session_step(session, 0, &step, NULL), SS_OK);
        assert_int_equal(step.stop, SS_STOP_NONE);
        assert_int_equal(step.tokens[0], eos);
    }
    ssi_session_free(session);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_story_begins_as_it_should),
        cmocka_unit_test(a_reused_prefix_gives_the_tokens_of_a_fresh_session),
        cmocka_unit_test(a_prompt_that_is_all_cached_gives_the_tokens_of_a_fresh_session),
        cmocka_unit_test(a_rewound_session_continues_as_a_fresh_one),
        cmocka_unit_test(a_bound_changes_the_steps_and_not_the_tokens),
        cmocka_unit_test(a_full_context_ends_the_generation_at_its_last_token),
        cmocka_unit_test(a_slide_leaves_the_state_of_a_fresh_session),
        cmocka_unit_test(a_slide_happens_at_the_same_token_whatever_the_steps),
        cmocka_unit_test(a_stop_string_ends_with_the_token_that_completes_it),
        cmocka_unit_test(an_end_token_ends_unless_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
