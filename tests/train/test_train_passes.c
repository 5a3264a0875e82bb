/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer's passes on a small real model: their gradients against torch's, which
 * tools/reference/train_torch.py computed in binary64 from the method's formulas, and against
 * differences of their own losses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf/gguf.h"
#include "train_bench.h"

#define VECTORS "tests/data/train_vectors.gguf"
/* Binary32 sums of up to a few hundred terms, through five layers and back: 2^-24 grows to some
 * 1e-6 of a tensor's norm; ten times that is allowed. */
#define GRADIENT_BOUND 2e-5

typedef struct vectors {
    ssi_source source;
    ssi_gguf gguf;
} vectors;

static vectors *open_vectors(void)
{
    vectors *stored = calloc(1, sizeof *stored);
    ssi_memory memory = ssi_memory_from(NULL);
    ss_error error = {.struct_size = sizeof error};
    if (ssi_source_open(&stored->source, VECTORS, &error) != SS_OK ||
        ssi_gguf_open(&stored->gguf, &stored->source, &memory, &error) != SS_OK)
        fail_msg("%s: %s", VECTORS, error.message);
    return stored;
}

static void close_vectors(vectors *stored)
{
    ssi_gguf_close(&stored->gguf);
    ssi_source_close(&stored->source);
    free(stored);
}

static float *load(const vectors *stored, const char *group, const char *name, size_t count)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s.%s", group, name);
    const ssi_gguf_tensor *tensor = ssi_gguf_find_tensor(&stored->gguf, whole);
    float *numbers = calloc(count, sizeof *numbers);
    assert_non_null(tensor);
    assert_int_equal(tensor->elements, count);
    assert_int_equal(ssi_source_read(&stored->source, tensor->offset, numbers,
                                     count * sizeof *numbers, NULL),
                     SS_OK);
    return numbers;
}

/* ‖got − want‖ / ‖want‖ */
static double distance(const float *got, const float *want, size_t count)
{
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)got[i] - (double)want[i];
        apart += difference * difference;
        size += (double)want[i] * (double)want[i];
    }
    return sqrt(apart / size);
}

static void expect_near(const train_bench *bench, const float *got, const float *want,
                        double bound, const char *what)
{
    double worst = 0;
    for (uint32_t i = 0; i < bench->parameters.count; i++) {
        const ssi_parameter *item = &bench->items[i];
        double apart = distance(got + item->offset, want + item->offset,
                                (size_t)item->rows * item->columns);
        worst = apart > worst ? apart : worst;
        if (!(apart <= bound))
            fail_msg("%s, %s: %s is %g of its norm away", bench->is->name, what, item->name,
                     apart);
    }
    if (getenv("SS_SHOW"))
        print_message("%s, %s: at most %.2g of a tensor's norm\n", bench->is->name, what,
                      worst);
}

static void gradients_are_those_of_torch(void **state)
{
    (void)state;
    vectors *stored = open_vectors();
    for (uint32_t i = 0; i < BENCH_CASES; i++) {
        train_bench *bench = bench_create(&bench_cases[i], SS_CPU_AUTO, 2, 16);
        size_t count = bench->parameters.value_count;
        float *want = load(stored, bench->is->name, "gradient", count);
        float *sums = load(stored, bench->is->name, "sums", 1 + BENCH_STREAMS);
        ssi_train_sums got = bench_run(bench, BENCH_GRADIENT_SCALE, true);
        assert_true(fabs(got.main_loss - (double)sums[0]) <= 1e-6 * (double)sums[0]);
        for (uint32_t j = 0; j < BENCH_STREAMS; j++)
            assert_true(fabs(got.stream_loss[j] - (double)sums[1 + j]) <=
                        1e-6 * (double)sums[1 + j]);
        expect_near(bench, bench->gradients, want, GRADIENT_BOUND, "torch");
        free(want);
        free(sums);
        bench_free(bench);
    }
    close_vectors(stored);
}

/* Along its own gradient the loss climbs by the gradient's norm. */
static void losses_climb_as_gradients_say(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < BENCH_CASES; i++) {
        train_bench *bench = bench_create(&bench_cases[i], SS_CPU_AUTO, 2, 64);
        size_t count = bench->parameters.value_count;
        float *start = calloc(count, sizeof *start);
        double norm, loss[2];
        bench_run(bench, 1, true);
        memcpy(start, bench->values, count * sizeof *start);
        norm = ssi_optimiser_norm(&bench->parameters, SS_STAGE_STREAMS);
        for (int side = 0; side < 2; side++) {
            for (size_t n = 0; n < count; n++)
                bench->values[n] =
                    start[n] + (float)((side ? 0x1p-9 : -0x1p-9) / norm) * bench->gradients[n];
            bench_merge(bench);
            ssi_train_sums sums = bench_run(bench, 1, false);
            loss[side] = bench_loss(bench, &sums);
        }
        double slope = (loss[1] - loss[0]) / 0x1p-8;
        if (getenv("SS_SHOW"))
            print_message("%s: slope %g, norm %g\n", bench->is->name, slope, norm);
        if (!(fabs(slope - norm) <= 0.01 * norm))
            fail_msg("%s: slope %g, gradient's norm %g", bench->is->name, slope, norm);
        free(start);
        bench_free(bench);
    }
}

static void expect_near_sums(const ssi_train_sums *got, const ssi_train_sums *want)
{
    assert_true(fabs(got->main_loss - want->main_loss) <= 1e-6 * want->main_loss);
    for (uint32_t j = 0; j < BENCH_STREAMS; j++)
        assert_true(fabs(got->stream_loss[j] - want->stream_loss[j]) <=
                    1e-6 * want->stream_loss[j]);
    assert_memory_equal(got->stream_rows, want->stream_rows, sizeof want->stream_rows);
    assert_memory_equal(got->stream_right, want->stream_right, sizeof want->stream_right);
    assert_int_equal(got->main_rows, want->main_rows);
    assert_int_equal(got->main_right, want->main_right);
}

/* Segments of one anchor, of some, of all: the order of sums (over rows; over the keys in a block of
 * rows) is all that differs. */
static void segments_change_roundings_alone(void **state)
{
    (void)state;
    static const uint32_t rows[] = {BENCH_STREAMS, 7, 16};
    for (uint32_t i = 0; i < BENCH_CASES; i++) {
        train_bench *whole = bench_create(&bench_cases[i], SS_CPU_AUTO, 2, 64);
        ssi_train_sums want = bench_run(whole, BENCH_GRADIENT_SCALE, true);
        for (uint32_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            train_bench *cut = bench_create(&bench_cases[i], SS_CPU_AUTO, 2, rows[k]);
            ssi_train_sums got = bench_run(cut, BENCH_GRADIENT_SCALE, true);
            expect_near_sums(&got, &want);
            expect_near(cut, cut->gradients, whole->gradients, GRADIENT_BOUND, "segments");
            bench_free(cut);
        }
        bench_free(whole);
    }
}

/* Sequences that begin alike, in one call that computes the beginning once and in a call each: the
 * second's prompt is longer than the first's, which is as far as a common beginning goes. */
static void a_shared_beginning_changes_roundings_alone(void **state)
{
    (void)state;
    static const uint32_t alike[][2] = {{0, 0}, {3, 3}, {8, 5}}; /* tokens, and rows shared */
    for (uint32_t k = 0; k < 2 * sizeof alike / sizeof alike[0]; k++) {
        const bench_case *is = &bench_cases[k % 2 ? BENCH_JOINT : BENCH_MAIN];
        train_bench *shared = bench_create(is, SS_CPU_AUTO, 2, 16);
        train_bench *alone = bench_create(is, SS_CPU_AUTO, 2, 16);
        size_t bytes = alike[k / 2][0] * sizeof(int32_t);
        ssi_train_sums want = {0};
        memcpy(shared->tokens[1], shared->tokens[0], bytes);
        memcpy(alone->tokens[1], alone->tokens[0], bytes);
        assert_int_equal(ssi_train_main_rows(&shared->main, shared->sequences, 2),
                         20 + 13 - (is->streams ? 0 : alike[k / 2][1]));
        ssi_train_sums got = bench_run(shared, BENCH_GRADIENT_SCALE, true);
        for (uint32_t i = 0; i < BENCH_SEQUENCES; i++)
            ssi_train_main_run(&alone->test->math, &alone->main, alone->main_pass,
                               &alone->sequences[i], 1, BENCH_GRADIENT_SCALE, true, &want);
        expect_near_sums(&got, &want);
        expect_near(shared, shared->gradients, alone->gradients, 1e-5, "a shared beginning");
        bench_free(shared);
        bench_free(alone);
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < BENCH_CASES; i++) {
        train_bench *alone = bench_create(&bench_cases[i], SS_CPU_AUTO, 1, 16);
        train_bench *three = bench_create(&bench_cases[i], SS_CPU_AUTO, 3, 16);
        ssi_train_sums want = bench_run(alone, BENCH_GRADIENT_SCALE, true);
        ssi_train_sums got = bench_run(three, BENCH_GRADIENT_SCALE, true);
        assert_memory_equal(&got, &want, sizeof got);
        assert_memory_equal(three->gradients, alone->gradients, sizeof alone->gradients);
        bench_free(alone);
        bench_free(three);
    }
}

static void evaluation_touches_no_gradient(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < BENCH_CASES; i++) {
        train_bench *bench = bench_create(&bench_cases[i], SS_CPU_AUTO, 2, 16);
        static float before[BENCH_VALUES];
        for (size_t n = 0; n < BENCH_VALUES; n++)
            before[n] = bench->gradients[n] = (float)n;
        ssi_train_sums evaluated = bench_run(bench, BENCH_GRADIENT_SCALE, false);
        assert_memory_equal(bench->gradients, before, sizeof before);
        ssi_train_sums trained = bench_run(bench, BENCH_GRADIENT_SCALE, true);
        assert_memory_equal(&evaluated, &trained, sizeof trained);
        assert_memory_not_equal(bench->gradients, before, sizeof before);
        bench_free(bench);
    }
}

/* Gradients add up; what is frozen has none, and is none the less gone through. */
static void gradients_add_up_and_the_frozen_have_none(void **state)
{
    (void)state;
    train_bench *twice = bench_create(&bench_cases[0], SS_CPU_AUTO, 1, 16);
    train_bench *frozen = bench_create(&bench_cases[0], SS_CPU_AUTO, 1, 16);
    size_t count = twice->parameters.value_count;
    float *once = calloc(count, sizeof *once);
    bench_run(twice, BENCH_GRADIENT_SCALE, true);
    memcpy(once, twice->gradients, count * sizeof *once);
    bench_run(twice, BENCH_GRADIENT_SCALE, true);
    for (size_t i = 0; i < count; i++)
        once[i] *= 2;
    expect_near(twice, twice->gradients, once, 1e-6, "twice");

    ssi_train_streams *streams = &frozen->streams;
    ssi_trained *kept = &streams->init.a; /* the farthest from the loss */
    ssi_trained *others[] = {&streams->embedding, &streams->root_gain, &streams->init.b,
                             &streams->root.a,    &streams->root.b,    &streams->parent.a,
                             &streams->parent.b};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        others[i]->gradient = NULL;
    for (uint32_t layer = 0; layer < BENCH_MSA; layer++)
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
            ssi_trained_pair *pair =
                &frozen->stream_layers[layer].maps[map].pairs[SSI_LORA_STREAM];
            pair->a.gradient = pair->b.gradient = NULL;
        }
    bench_run(frozen, 2 * BENCH_GRADIENT_SCALE, true);
    for (size_t i = 0; i < count; i++) {
        const float *at = &frozen->gradients[i];
        if (at < kept->gradient || at >= kept->gradient + BENCH_RANK * 64)
            assert_true(*at == 0);
        else
            assert_true(fabsf(*at - once[i]) <= 1e-5f);
    }
    free(once);
    bench_free(twice);
    bench_free(frozen);
}

/* Five steps of AdamW on the case `streams`. Where a gradient is next to nothing its rounding decides
 * the direction of a whole step, so the bound is on the way gone, all tensors together. */
static void five_steps_end_where_those_of_torch_do(void **state)
{
    (void)state;
    vectors *stored = open_vectors();
    train_bench *bench = bench_create(&bench_cases[0], SS_CPU_AUTO, 2, 16);
    size_t count = bench->parameters.value_count;
    float *want = load(stored, "adamw", "streams", count);
    float *start = calloc(count, sizeof *start);
    const ssi_optimiser adam = {.peak_rate = 0x1p-7f,
                                .warmup_steps = 2,
                                .steps = 5,
                                .weight_decay = 0.0625f,
                                .gradient_limit = 1};
    memcpy(start, bench->values, count * sizeof *start);
    for (uint32_t step = 1; step <= 5; step++) {
        ssi_optimiser_clear(&bench->parameters, SS_STAGE_STREAMS);
        bench_run(bench, 256 * BENCH_GRADIENT_SCALE, true);
        double norm = ssi_optimiser_norm(&bench->parameters, SS_STAGE_STREAMS);
        assert_true(norm > 1); /* clipped */
        ssi_optimiser_update(&adam, &bench->parameters, SS_STAGE_STREAMS, step, norm);
        bench_merge(bench);
    }
    double apart = 0, way = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)bench->values[i] - (double)want[i];
        double moved = (double)want[i] - (double)start[i];
        apart += difference * difference;
        way += moved * moved;
    }
    if (getenv("SS_SHOW"))
        print_message("five steps: %.2g of the way\n", sqrt(apart / way));
    assert_true(sqrt(apart / way) <= 2e-3);
    free(want);
    free(start);
    bench_free(bench);
    close_vectors(stored);
}

/* The optimiser alone, on gradients of a formula: first clipped, then ever smaller. */
static void adamw_is_that_of_torch(void **state)
{
    (void)state;
    enum { COUNT = 256 };
    vectors *stored = open_vectors();
    float *want = load(stored, "adamw", "synthetic", COUNT);
    float values[COUNT], gradients[COUNT], first[COUNT] = {0}, second[COUNT] = {0};
    ssi_parameter items[2] = {
        {.name = "decays", .rows = 1, .columns = COUNT / 2, .decays = true, .rate = 1},
        {.name = "stays", .rows = 1, .columns = COUNT / 2, .offset = COUNT / 2, .rate = 1},
    };
    ssi_parameters parameters = {2, COUNT, items, values, gradients, first, second};
    const ssi_optimiser adam = {.peak_rate = 0x1p-7f,
                                .warmup_steps = 2,
                                .steps = 5,
                                .weight_decay = 0.0625f,
                                .gradient_limit = 1};
    items[0].stage = items[1].stage = SS_STAGE_STREAMS;
    for (uint32_t i = 0; i < COUNT; i++)
        values[i] = bench_unit(i);
    for (uint32_t step = 1; step <= 5; step++) {
        for (uint32_t i = 0; i < COUNT; i++)
            gradients[i] = ldexpf(bench_unit(1000ull * step + i), 1 - 3 * (int)(step - 1));
        ssi_optimiser_update(&adam, &parameters, SS_STAGE_STREAMS, step,
                             ssi_optimiser_norm(&parameters, SS_STAGE_STREAMS));
    }
    for (uint32_t i = 0; i < COUNT; i++)
        if (!(fabsf(values[i] - want[i]) <= 1e-6f))
            fail_msg("value %u: %.9g, torch has %.9g", i, (double)values[i], (double)want[i]);
    free(want);
    close_vectors(stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_torch),
        cmocka_unit_test(losses_climb_as_gradients_say),
        cmocka_unit_test(segments_change_roundings_alone),
        cmocka_unit_test(a_shared_beginning_changes_roundings_alone),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(evaluation_touches_no_gradient),
        cmocka_unit_test(gradients_add_up_and_the_frozen_have_none),
        cmocka_unit_test(five_steps_end_where_those_of_torch_do),
        cmocka_unit_test(adamw_is_that_of_torch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
