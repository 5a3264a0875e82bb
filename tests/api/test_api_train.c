/* SPDX-License-Identifier: Apache-2.0 */
/* Training through the public API, on the small model: what is refused, that a text anyone could
 * guess is learnt to the last stream, and that a broken-off run ends like an unbroken one. */
#include "api_test.h"

#include <stdio.h>
#include <sys/stat.h>

#define CHECKPOINT "build/test_api_train.checkpoint"
#define ADAPTER "build/test_api_train.gguf"
#define PERIOD 3
#define ROW_TOKENS 40
#define PROMPT_TOKENS 10

static ss_error error;

/* The sequence that begins with 1 and then goes round a few tokens, which depend on `row`. */
static void make_row(uint32_t row, int32_t tokens[ROW_TOKENS])
{
    tokens[0] = 1;
    for (uint32_t i = 1; i < ROW_TOKENS; i++)
        tokens[i] = (int32_t)(270 + row % 4 * 20 + i % PERIOD * 5);
}

static ss_train_params small_params(void)
{
    ss_train_params params;
    assert_int_equal(ss_train_params_init(&params, sizeof params), SS_OK);
    params.msa_layer_count = 3;
    params.stream_count = 4;
    params.main_rank = 4;
    params.stream_rank = 4;
    params.root_rank = 4;
    params.parent_rank = 4;
    params.prune_rank = 2;
    params.draft_vocabulary_size = 64;
    params.batch_rows = 4;
    params.thread_count = 2;
    params.warmup_steps = 4;
    params.steps[SS_STAGE_MAIN] = 3;
    params.steps[SS_STAGE_STREAMS] = 4;
    params.steps[SS_STAGE_PRUNE] = 2;
    return params;
}

static ss_trainer *create(const ss_model *model, const ss_train_params *params)
{
    ss_trainer *trainer;
    int32_t tokens[ROW_TOKENS];
    accept(&error, ss_trainer_create(model, params, &trainer, &error));
    for (uint32_t row = 0; row < 8; row++) {
        make_row(row, tokens);
        accept(&error, ss_trainer_add_row(trainer, tokens, ROW_TOKENS, PROMPT_TOKENS, &error));
        accept(&error, ss_trainer_add_dev_prompt(trainer, tokens, PROMPT_TOKENS, &error));
    }
    return trainer;
}

/* Steps until `count` are made (0: all). */
static ss_train_report train(ss_trainer *trainer, uint32_t count)
{
    ss_train_report report = {.struct_size = sizeof report};
    do
        accept(&error, ss_trainer_step(trainer, &report, &error));
    while (!report.done && report.total_step != count);
    return report;
}

static void fields_out_of_range_are_named(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    ss_trainer *trainer;
    params.stream_count = 9;
    refuse(SS_ERROR_ARGUMENT, "stream_count", &error,
           ss_trainer_create(model, &params, &trainer, &error));
    assert_null(trainer);
    params = small_params();
    params.rates[1] = -1;
    refuse(SS_ERROR_ARGUMENT, "rates[1]", &error,
           ss_trainer_create(model, &params, &trainer, &error));
    /* Cut short it would end amid a character. */
    char name[129];
    memset(name, 'n', sizeof name);
    name[128] = '\0';
    params = small_params();
    params.name = name;
    refuse(SS_ERROR_ARGUMENT, "name has 128 bytes, expected at most 127", &error,
           ss_trainer_create(model, &params, &trainer, &error));
    name[127] = '\0';
    accept(&error, ss_trainer_create(model, &params, &trainer, &error));
    ss_trainer_free(trainer);
    params = small_params();
    params.start = "build/no such adapter";
    refuse(SS_ERROR_IO, "no such adapter", &error,
           ss_trainer_create(model, &params, &trainer, &error));
    ss_model_free(model);
}

static void rows_that_cannot_be_trained_on_are_refused(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    ss_train_report report = {.struct_size = sizeof report};
    ss_trainer *trainer;
    int32_t tokens[ROW_TOKENS];
    make_row(0, tokens);
    params.row_tokens_max = 20;
    accept(&error, ss_trainer_create(model, &params, &trainer, &error));
    refuse(SS_ERROR_STATE, "no rows", &error, ss_trainer_step(trainer, &report, &error));
    refuse(SS_ERROR_ARGUMENT, "at most 20", &error,
           ss_trainer_add_row(trainer, tokens, 21, 5, &error));
    refuse(SS_ERROR_ARGUMENT, "prompt of 0", &error,
           ss_trainer_add_row(trainer, tokens, 20, 0, &error));
    refuse(SS_ERROR_ARGUMENT, "prompt of 19", &error,
           ss_trainer_add_row(trainer, tokens, 20, 19, &error));
    tokens[3] = 512;
    refuse(SS_ERROR_ARGUMENT, "token 3 is 512", &error,
           ss_trainer_add_row(trainer, tokens, 20, 5, &error));
    tokens[3] = 5;
    accept(&error, ss_trainer_add_row(trainer, tokens, 20, 5, &error));
    accept(&error, ss_trainer_begin(trainer, &error));
    refuse(SS_ERROR_STATE, "begun", &error, ss_trainer_add_row(trainer, tokens, 20, 5, &error));
    ss_trainer_free(trainer);
    ss_model_free(model);
}

/* What was laid out for the rows there were has room for no more of them. */
static void rows_may_follow_a_begin_that_failed(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    counting_memory count = {0};
    ss_allocator allocator = counting_allocator(&count);
    int32_t tokens[ROW_TOKENS];
    char folder[512];
    snprintf(folder, sizeof folder, "%s/test_api_train.states", test_build_folder());
    (void)rmdir(folder);
    params.allocator = &allocator;
    params.states_folder = folder; /* which isn't there yet */
    ss_trainer *trainer = create(model, &params);
    refuse(SS_ERROR_IO, folder, &error, ss_trainer_begin(trainer, &error));
    assert_int_equal(mkdir(folder, 0777), 0);
    for (uint32_t row = 8; row < 40; row++) {
        make_row(row, tokens);
        accept(&error, ss_trainer_add_row(trainer, tokens, ROW_TOKENS, PROMPT_TOKENS, &error));
    }
    train(trainer, 0);
    ss_trainer_free(trainer);
    assert_int_equal(count.held_blocks, 0);
    assert_int_equal(rmdir(folder), 0);
    ss_model_free(model);
}

/* Method 9.7: a text of period 3 must train to acceptance 1 for all streams. */
static void learn_period(ss_train_mode mode)
{
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    ss_train_evaluation evaluation = {.struct_size = sizeof evaluation};
    params.mode = mode;
    params.rates[SS_STAGE_MAIN] = 1e-2f;
    params.rates[SS_STAGE_STREAMS] = 1e-2f;
    params.steps[SS_STAGE_MAIN] = mode == SS_TRAIN_JOINT ? 200 : 80;
    params.steps[SS_STAGE_STREAMS] = 120;
    params.stream_weight = 1;
    ss_trainer *trainer = create(model, &params);
    ss_train_report report = train(trainer, 0);
    assert_int_equal(report.stage, SS_STAGE_PRUNE);
    assert_true(report.positions > 0);
    accept(&error, ss_trainer_evaluate(trainer, 4, 30, 4, &evaluation, &error));
    assert_int_equal(evaluation.prompts, 4);
    if (!(evaluation.tokens_per_step > 4.5))
        fail_msg("mode %d: %g tokens a step", mode, evaluation.tokens_per_step);
    ss_trainer_free(trainer);
    ss_model_free(model);
}

static void a_periodic_text_is_learnt_to_the_last_stream(void **state)
{
    (void)state;
    learn_period(SS_TRAIN_SHARED);
    learn_period(SS_TRAIN_JOINT);
}

static void lossless_training_leaves_the_tokens_alone(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    ss_trainer *trainer = create(model, &params);
    ss_train_report report = train(trainer, 0);
    ss_adapter_info info = {.struct_size = sizeof info};
    ss_adapter *adapter;
    assert_int_equal(report.total_steps, 6); /* no main stage */
    accept(&error, ss_trainer_write_adapter(trainer, ADAPTER, &error));
    accept(&error, ss_adapter_load(model, ADAPTER, NULL, &adapter, &error));
    accept(&error, ss_adapter_get_info(adapter, &info, &error));
    assert_string_equal(info.mode, "lossless");
    assert_int_equal(info.main_rank, 0);
    assert_int_equal(info.stream_count, 4);
    assert_int_equal(info.msa_layer_count, 3);
    assert_int_equal(info.draft_vocabulary_size, 64);
    ss_adapter_free(adapter);
    ss_trainer_free(trainer);
    ss_model_free(model);
}

/* The small model's context holds 512 tokens: prompts may have that many, too. */
static void decoding_ends_where_the_context_is_full(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    ss_train_evaluation evaluation = {.struct_size = sizeof evaluation};
    int32_t tokens[513];
    ss_trainer *trainer;
    for (uint32_t i = 0; i < 513; i++)
        tokens[i] = i == 0 ? 1 : (int32_t)(270 + i % PERIOD * 5);
    accept(&error, ss_trainer_create(model, &params, &trainer, &error));
    accept(&error, ss_trainer_add_row(trainer, tokens, ROW_TOKENS, PROMPT_TOKENS, &error));
    refuse(SS_ERROR_ARGUMENT, "513 tokens: expected at most 512", &error,
           ss_trainer_add_dev_prompt(trainer, tokens, 513, &error));
    accept(&error, ss_trainer_add_dev_prompt(trainer, tokens, 500, &error));
    accept(&error, ss_trainer_evaluate(trainer, 1, 64, 4, &evaluation, &error));
    assert_int_equal(evaluation.prompts, 1);
    assert_int_equal(evaluation.tokens, 12);
    ss_trainer_free(trainer);
    accept(&error, ss_trainer_create(model, &params, &trainer, &error));
    accept(&error, ss_trainer_add_row(trainer, tokens, ROW_TOKENS, PROMPT_TOKENS, &error));
    accept(&error, ss_trainer_add_dev_prompt(trainer, tokens, 512, &error));
    accept(&error, ss_trainer_add_dev_prompt(trainer, tokens, PROMPT_TOKENS, &error));
    accept(&error, ss_trainer_evaluate(trainer, 1, 100000, 4, &evaluation, &error));
    assert_int_equal(evaluation.tokens, 0);
    accept(&error, ss_trainer_evaluate(trainer, 2, 5, 4, &evaluation, &error));
    assert_int_equal(evaluation.prompts, 2);
    assert_int_equal(evaluation.tokens, 5);
    ss_trainer_free(trainer);
    ss_model_free(model);
}

/* Bit for bit: broken off after any step, resumed by another trainer. */
static void a_resumed_run_ends_like_an_unbroken_one(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    params.mode = SS_TRAIN_SHARED;
    ss_trainer *trainer = create(model, &params);
    size_t whole_bytes, bytes;
    train(trainer, 0);
    accept(&error, ss_trainer_save(trainer, CHECKPOINT, &error));
    unsigned char *whole = read_file(CHECKPOINT, &whole_bytes);
    ss_trainer_free(trainer);
    for (uint32_t broken = 1; broken < 9; broken += 2) {
        trainer = create(model, &params);
        train(trainer, broken);
        accept(&error, ss_trainer_save(trainer, CHECKPOINT, &error));
        ss_trainer_free(trainer);
        trainer = create(model, &params);
        accept(&error, ss_trainer_resume(trainer, CHECKPOINT, &error));
        train(trainer, 0);
        accept(&error, ss_trainer_save(trainer, CHECKPOINT, &error));
        ss_trainer_free(trainer);
        unsigned char *resumed = read_file(CHECKPOINT, &bytes);
        assert_int_equal(bytes, whole_bytes);
        assert_memory_equal(resumed, whole, bytes);
        free(resumed);
    }
    params.seed = 2;
    trainer = create(model, &params);
    refuse(SS_ERROR_MISMATCH, CHECKPOINT, &error,
           ss_trainer_resume(trainer, CHECKPOINT, &error));
    ss_trainer_free(trainer);
    free(whole);
    ss_model_free(model);
}

/* Rows take several turns: from the disk, with room for all states or for a few, or anew. */
static void states_kept_on_disk_change_no_bit(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    unsigned char *first = NULL;
    size_t bytes, first_bytes = 0;
    params.mode = SS_TRAIN_SHARED;
    params.steps[SS_STAGE_STREAMS] = 8;
    params.steps[SS_STAGE_PRUNE] = 6;
    params.teacher_weight = 0.5f;
    for (uint32_t turn = 0; turn < 3; turn++) {
        params.states_folder = turn > 0 ? "build" : NULL;
        params.states_bytes_max = turn == 2 ? 100000 : 1 << 30;
        ss_trainer *trainer = create(model, &params);
        train(trainer, 0);
        accept(&error, ss_trainer_save(trainer, CHECKPOINT, &error));
        ss_trainer_free(trainer);
        unsigned char *made = read_file(CHECKPOINT, &bytes);
        if (turn == 0) {
            first = made;
            first_bytes = bytes;
            continue;
        }
        assert_int_equal(bytes, first_bytes);
        assert_memory_equal(made, first, bytes);
        free(made);
    }
    free(first);
    params.states_folder = "build/no-such-folder";
    ss_trainer *trainer = create(model, &params);
    refuse(SS_ERROR_IO, "no-such-folder", &error, ss_trainer_begin(trainer, &error));
    ss_trainer_free(trainer);
    ss_model_free(model);
}

static void training_goes_on_from_an_adapter(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    params.mode = SS_TRAIN_SHARED;
    ss_trainer *trainer = create(model, &params);
    size_t bytes, other_bytes;
    train(trainer, 0);
    accept(&error, ss_trainer_write_adapter(trainer, ADAPTER, &error));
    ss_trainer_free(trainer);
    unsigned char *written = read_file(ADAPTER, &bytes);
    params.start = ADAPTER;
    params.main_rank = 7; /* the file's own shape counts */
    params.stream_count = 2;
    trainer = create(model, &params);
    accept(&error, ss_trainer_write_adapter(trainer, ADAPTER ".2", &error));
    ss_trainer_free(trainer);
    unsigned char *again = read_file(ADAPTER ".2", &other_bytes);
    assert_int_equal(bytes, other_bytes);
    assert_memory_equal(written, again, bytes);
    free(written);
    free(again);
    params.mode = SS_TRAIN_LOSSLESS;
    refuse(SS_ERROR_ARGUMENT, "main half", &error,
           ss_trainer_create(model, &params, &trainer, &error));
    ss_model_free(model);
}

static void divergence_is_told_and_changes_nothing(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    ss_train_report report = {.struct_size = sizeof report};
    ss_status status;
    params.rates[SS_STAGE_STREAMS] = 1;
    params.gradient_limit = 1e6f;
    params.steps[SS_STAGE_STREAMS] = 100;
    params.warmup_steps = 1;
    ss_trainer *trainer = create(model, &params);
    do {
        ss_error_init(&error, sizeof error);
        status = ss_trainer_step(trainer, &report, &error);
    } while (status == SS_OK && report.total_step < 100);
    assert_int_equal(status, SS_ERROR_NUMERIC);
    assert_non_null(strstr(error.message, "diverged"));
    assert_int_equal(ss_trainer_step(trainer, &report, &error), SS_ERROR_NUMERIC);
    ss_trainer_free(trainer);
    ss_model_free(model);
}

static void minutes_become_steps(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    ss_trainer *trainer = create(model, &params);
    accept(&error, ss_trainer_plan_minutes(trainer, 0.02, &error));
    ss_train_report report = train(trainer, 1);
    assert_true(report.total_steps >= 2);
    refuse(SS_ERROR_STATE, "steps are made", &error,
           ss_trainer_plan_minutes(trainer, 1, &error));
    ss_trainer_free(trainer);
    ss_model_free(model);
}

/* The n-th allocation fails, n = 1, 2, 3, ...: told, nothing lost, and the next call does it. */
static void out_of_memory_is_survived(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    counting_memory count = {0};
    ss_allocator allocator = counting_allocator(&count);
    params.mode = SS_TRAIN_SHARED;
    params.allocator = &allocator;
    params.states_folder = "build";
    size_t nth = 0, failures = 0;
    ss_status status;
    do {
        ss_trainer *trainer = NULL;
        ss_train_report report = {.struct_size = sizeof report};
        int32_t tokens[ROW_TOKENS];
        count.fail_call = count.calls + ++nth;
        ss_error_init(&error, sizeof error);
        status = ss_trainer_create(model, &params, &trainer, &error);
        make_row(0, tokens);
        for (uint32_t row = 0; row < 4 && status == SS_OK; row++)
            status = ss_trainer_add_row(trainer, tokens, ROW_TOKENS, PROMPT_TOKENS, &error);
        while (status == SS_OK && !report.done)
            status = ss_trainer_step(trainer, &report, &error);
        if (status != SS_OK) {
            assert_int_equal(status, SS_ERROR_MEMORY);
            failures++;
        }
        if (status != SS_OK && trainer != NULL && report.total_step > 0) /* it goes on */
            train(trainer, 0);
        ss_trainer_free(trainer);
        assert_int_equal(count.held_blocks, 0);
    } while (status != SS_OK);
    assert_true(failures > 10);
    ss_model_free(model);
}

/* Makes a call until it has all the memory it wants: of its n-th try the n-th allocation fails. */
#define IN_WANT(call)                                                                          \
    do {                                                                                       \
        unsigned tries = 0;                                                                    \
        do {                                                                                   \
            count.fail_call = wanting ? count.calls + ++tries : 0;                               \
            status = (call);                                                                   \
            assert_true(status == SS_OK || status == SS_ERROR_MEMORY);                         \
        } while (status != SS_OK);                                                             \
        failures += tries > 0 ? tries - 1 : 0;                                                 \
    } while (0)

/* A life with every call, wanting memory or not: one and the same adapter, and evaluation. */
static unsigned live(const ss_model *model, bool wanting, const char *adapter,
                     ss_train_evaluation *evaluation)
{
    ss_train_params params = small_params();
    ss_train_report report = {.struct_size = sizeof report};
    counting_memory count = {0};
    ss_allocator allocator = counting_allocator(&count);
    ss_trainer *trainer, *other;
    int32_t tokens[ROW_TOKENS];
    unsigned failures = 0;
    ss_status status;
    params.mode = SS_TRAIN_SHARED;
    params.teacher_weight = 0.5f;
    params.start = ADAPTER;
    params.states_folder = test_build_folder();
    params.allocator = &allocator;
    IN_WANT(ss_trainer_create(model, &params, &trainer, &error));
    IN_WANT(ss_trainer_create(model, &params, &other, &error));
    for (uint32_t row = 0; row < 8; row++) {
        make_row(row, tokens);
        IN_WANT(ss_trainer_add_row(trainer, tokens, ROW_TOKENS, PROMPT_TOKENS, &error));
        IN_WANT(ss_trainer_add_row(other, tokens, ROW_TOKENS, PROMPT_TOKENS, &error));
        IN_WANT(ss_trainer_add_dev_prompt(other, tokens, PROMPT_TOKENS, &error));
    }
    IN_WANT(ss_trainer_begin(trainer, &error));
    for (int i = 0; i < 5; i++)
        IN_WANT(ss_trainer_step(trainer, &report, &error));
    IN_WANT(ss_trainer_save(trainer, CHECKPOINT, &error));
    IN_WANT(ss_trainer_plan_minutes(other, 1e-6, &error));
    IN_WANT(ss_trainer_resume(other, CHECKPOINT, &error));
    while (!report.done)
        IN_WANT(ss_trainer_step(other, &report, &error));
    IN_WANT(ss_trainer_evaluate(other, 0, 20, 8, evaluation, &error));
    IN_WANT(ss_trainer_write_adapter(other, adapter, &error));
    ss_trainer_free(other);
    ss_trainer_free(trainer);
    assert_int_equal(count.held_blocks, 0);
    return failures;
}

static void want_of_memory_in_any_call_changes_nothing(void **state)
{
    (void)state;
    ss_model *model = load_small(NULL);
    ss_train_params params = small_params();
    ss_train_evaluation rich = {.struct_size = sizeof rich}, poor = {.struct_size = sizeof poor};
    size_t bytes, other_bytes;
    params.mode = SS_TRAIN_SHARED;
    ss_trainer *start = create(model, &params);
    accept(&error, ss_trainer_write_adapter(start, ADAPTER, &error));
    ss_trainer_free(start);
    assert_int_equal(live(model, false, ADAPTER ".2", &rich), 0);
    assert_true(live(model, true, ADAPTER ".3", &poor) > 100);
    unsigned char *wanted = read_file(ADAPTER ".2", &bytes);
    unsigned char *got = read_file(ADAPTER ".3", &other_bytes);
    assert_int_equal(other_bytes, bytes);
    assert_memory_equal(got, wanted, bytes);
    assert_memory_equal(&poor, &rich, sizeof rich);
    free(got);
    free(wanted);
    ss_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_out_of_range_are_named),
        cmocka_unit_test(rows_that_cannot_be_trained_on_are_refused),
        cmocka_unit_test(rows_may_follow_a_begin_that_failed),
        cmocka_unit_test(a_periodic_text_is_learnt_to_the_last_stream),
        cmocka_unit_test(lossless_training_leaves_the_tokens_alone),
        cmocka_unit_test(decoding_ends_where_the_context_is_full),
        cmocka_unit_test(a_resumed_run_ends_like_an_unbroken_one),
        cmocka_unit_test(states_kept_on_disk_change_no_bit),
        cmocka_unit_test(training_goes_on_from_an_adapter),
        cmocka_unit_test(divergence_is_told_and_changes_nothing),
        cmocka_unit_test(minutes_become_steps),
        cmocka_unit_test(out_of_memory_is_survived),
        cmocka_unit_test(want_of_memory_in_any_call_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
