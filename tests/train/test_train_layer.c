/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer's layer: its backward pass against differences of its forward pass, its forward pass
 * against the engine's, and both the same whatever threads and kernels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/session_state.h"
#include "support/session_fixture.h"
#include "train_fixture.h"

#define F32 SSI_TYPE_F32

enum { D = 52, FEED = 44, SAMPLES = 12, MOST_SPANS = 4 };

/* Odd sizes: nothing is a multiple of 16. 10 numbers a head, grouped heads. */
static const toy_shape shape = {
    D, 6, 2, 10, FEED, 50, {F32, F32, F32, F32, F32, F32, F32}, F32, true, true};

/* One problem: rows, inputs, and a loss that is a fixed linear function of the outputs and of the
 * rows' own keys and values. */
typedef struct problem {
    layer_fixture *fixture;
    ssi_train_rows rows;
    ssi_train_span spans[MOST_SPANS];
    float *keys[MOST_SPANS], *values[MOST_SPANS];
    uint32_t group_begin[FIXTURE_ROWS], visible[FIXTURE_ROWS];
    float *input, *hidden, *weights;
    float *key_weights, *value_weights; /* [kv_head][R][d_h], or NULL */
} problem;

static double loss(problem *p)
{
    const ssi_hyper *hyper = p->fixture->hyper;
    size_t count = (size_t)p->rows.row_count * D, length = hyper->head_length;
    size_t heads = hyper->head_count_kv;
    double sum = 0.0;
    memcpy(p->hidden, p->input, count * sizeof *p->hidden);
    fixture_forward(p->fixture, &p->rows, p->hidden);
    for (size_t i = 0; i < count; i++)
        sum += (double)p->weights[i] * (double)p->hidden[i];
    const float *keys = ssi_train_saved_keys(p->fixture->saved);
    const float *values = ssi_train_saved_values(p->fixture->saved);
    for (size_t row = 0; p->key_weights && row < p->rows.row_count; row++)
        for (size_t head = 0; head < heads; head++)
            for (size_t i = 0; i < length; i++) {
                size_t at = (row * heads + head) * length + i;
                size_t weight = (head * p->rows.row_count + row) * length + i;
                sum += (double)p->key_weights[weight] * (double)keys[at];
                sum += (double)p->value_weights[weight] * (double)values[at];
            }
    return sum;
}

static void backward(problem *p, float *gradient)
{
    memcpy(gradient, p->weights, (size_t)p->rows.row_count * D * sizeof *gradient);
    ssi_train_layer_backward(&p->fixture->test->math, p->fixture->hyper, &p->fixture->layer,
                             &p->rows, p->fixture->saved, p->fixture->scratch, p->key_weights,
                             p->value_weights, gradient);
}

/* Sampled numbers of a tensor: the gradient against (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / 12 h,
 * whose own error is h^4 L'''''/30. At h = 1/64 that is below 1e-6 of numbers of size 1, and the
 * rounding of the forward pass, about 3e-7 of every output, gives 1e-4 of a gradient's usual size
 * over the few hundred outputs it sums. The bound is thirty times that; an error in a formula shows
 * as a tenth or more. */
static void check_tensor(problem *p, const char *name, float *values, const float *gradient,
                         size_t count)
{
    const float h = 0x1p-6f;
    double square = 0.0;
    for (size_t i = 0; i < count; i++)
        square += (double)gradient[i] * (double)gradient[i];
    double usual = sqrt(square / (double)count);
    assert_true(usual > 1e-4);
    for (uint32_t sample = 0; sample < SAMPLES; sample++) {
        size_t i = ssi_mix64(sample * 77 + count) % count;
        float before = values[i];
        double loss_at[5];
        for (int step = -2; step <= 2; step++) {
            values[i] = before + h * (float)step;
            ssi_train_layer_merge(&p->fixture->test->math, &p->fixture->layer);
            loss_at[step + 2] = step ? loss(p) : 0.0;
        }
        values[i] = before;
        double slope =
            (8 * (loss_at[3] - loss_at[1]) - (loss_at[4] - loss_at[0])) / (12 * 0x1p-6);
        if (!(fabs(slope - (double)gradient[i]) <= 3e-3 * (usual + fabs(slope))))
            fail_msg("%s[%zu]: %g, by differences %g (usual %g)", name, i, (double)gradient[i],
                     slope, usual);
    }
    ssi_train_layer_merge(&p->fixture->test->math, &p->fixture->layer);
}

static void set_pairs(layer_fixture *fixture)
{
    for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++)
        for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
            ssi_train_map *to = &fixture->layer.maps[map];
            uint32_t rank = kind == SSI_LORA_MAIN ? 3 : FIXTURE_RANK;
            to->pairs[kind] = (ssi_trained_pair){
                .rank = rank,
                .scale = 0.7f,
                .a = fixture_trained(fixture, (size_t)rank * to->in, 0.2f),
                .b = fixture_trained(fixture, (size_t)to->out * rank, 0.2f),
            };
            if (kind == SSI_LORA_MAIN) /* one half frozen */
                *(map % 2 ? &to->pairs[kind].a.gradient : &to->pairs[kind].b.gradient) = NULL;
        }
    ssi_train_layer_merge(&fixture->test->math, &fixture->layer);
}

static void set_rows(problem *p, uint32_t row_count, bool value_rotation)
{
    layer_fixture *fixture = p->fixture;
    size_t turn = row_count * (fixture->hyper->rope_length / 2);
    size_t value_turn = row_count * (fixture->hyper->head_length / 2);
    float *angles = fixture_floats(fixture, turn, 2.0f), *cosines, *sines;
    p->rows.row_count = row_count;
    p->rows.spans = p->spans;
    p->rows.group_begin = p->group_begin;
    p->rows.cosines = cosines = fixture_floats(fixture, turn, 0.0f);
    p->rows.sines = sines = fixture_floats(fixture, turn, 0.0f);
    for (size_t i = 0; i < turn; i++)
        ssi_sincosf((double)angles[i], &sines[i], &cosines[i]);
    if (value_rotation) {
        p->rows.value_cosines = cosines = fixture_floats(fixture, value_turn, 0.0f);
        p->rows.value_sines = sines = fixture_floats(fixture, value_turn, 0.0f);
        for (size_t i = 0; i < value_turn; i++)
            ssi_sincosf(0.3 * (double)(i % 17), &sines[i], &cosines[i]);
    }
    p->input = fixture_floats(fixture, (size_t)row_count * D, 1.0f);
    p->hidden = fixture_floats(fixture, (size_t)row_count * D, 0.0f);
    p->weights = fixture_floats(fixture, (size_t)row_count * D, 1.0f);
}

static void add_span(problem *p, uint32_t row_end, uint32_t key_count, bool gradients)
{
    layer_fixture *fixture = p->fixture;
    size_t count =
        (size_t)fixture->hyper->head_count_kv * key_count * fixture->hyper->head_length;
    uint32_t s = p->rows.span_count++;
    ssi_train_span *span = &p->spans[s];
    span->row_begin = s > 0 ? p->spans[s - 1].row_end : 0;
    span->row_end = row_end;
    span->key_count = key_count;
    span->keys = p->keys[s] = fixture_floats(fixture, count, 1.0f);
    span->values = p->values[s] = fixture_floats(fixture, count, 1.0f);
    if (gradients) {
        span->key_gradient = fixture_floats(fixture, count, 0.0f);
        span->value_gradient = fixture_floats(fixture, count, 0.0f);
    }
}

/* Groups of 1 to 4 rows, whose rows see ever more of the given keys. */
static problem *create_streams(const toy_model *toy, ssi_isa isa, uint32_t threads)
{
    problem *p = calloc(1, sizeof *p);
    p->fixture = fixture_create(&toy->model.hyper, &toy->layers[1], isa, threads);
    set_pairs(p->fixture);
    set_rows(p, 120, true);
    add_span(p, 93, 61, true);
    add_span(p, 96, 0, false);
    add_span(p, 120, 19, false);
    p->rows.visible = p->visible;
    for (uint32_t s = 0, row = 0; s < p->rows.span_count; s++)
        for (uint32_t group = 0; row < p->spans[s].row_end; group++) {
            uint32_t begin = row, most = p->spans[s].key_count, seen = most ? 1 + group * 2 : 0;
            for (; row < p->spans[s].row_end && row - begin < 1 + (group + 3) % 4; row++) {
                p->group_begin[row] = begin;
                p->visible[row] = seen < most ? seen : most;
            }
        }
    return p;
}

/* Whole sequences, the first longer than a block of rows, behind rows that all begin with; their
 * keys are read by others too. */
static problem *create_sequences(const toy_model *toy, ssi_isa isa, uint32_t threads,
                                 uint32_t prefix_rows)
{
    problem *p = calloc(1, sizeof *p);
    p->fixture = fixture_create(&toy->model.hyper, &toy->layers[0], isa, threads);
    set_pairs(p->fixture);
    set_rows(p, 111, false);
    p->rows.prefix_rows = prefix_rows;
    add_span(p, prefix_rows, 0, false);
    add_span(p, 101, 0, false);
    add_span(p, 102, 0, false);
    add_span(p, 111, 0, false);
    for (uint32_t s = 0; s < p->rows.span_count; s++) {
        p->spans[s].keys = p->spans[s].values = NULL;
        for (uint32_t row = p->spans[s].row_begin; row < p->spans[s].row_end; row++)
            p->group_begin[row] = p->spans[s].row_begin;
    }
    size_t own =
        111 * (size_t)p->fixture->hyper->head_count_kv * p->fixture->hyper->head_length;
    p->key_weights = fixture_floats(p->fixture, own, 0.5f);
    p->value_weights = fixture_floats(p->fixture, own, 0.5f);
    return p;
}

static problem *create_main(const toy_model *toy, ssi_isa isa, uint32_t threads)
{
    return create_sequences(toy, isa, threads, 0);
}

static problem *create_prefixed(const toy_model *toy, ssi_isa isa, uint32_t threads)
{
    return create_sequences(toy, isa, threads, 37);
}

static void free_problem(problem *p)
{
    fixture_free(p->fixture);
    free(p);
}

static void check_gradients(problem *p)
{
    static const char *const names[] = {"query", "key", "value", "output",
                                        "gate",  "up",  "down"};
    float *gradient = fixture_floats(p->fixture, (size_t)p->rows.row_count * D, 0.0f);
    size_t length = p->fixture->hyper->head_length, heads = p->fixture->hyper->head_count_kv;
    char name[64];
    loss(p);
    backward(p, gradient);
    check_tensor(p, "input", p->input, gradient, (size_t)p->rows.row_count * D);
    for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++)
        for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
            const ssi_train_map *of = &p->fixture->layer.maps[map];
            const ssi_trained_pair *pair = &of->pairs[kind];
            snprintf(name, sizeof name, "%s, pair %u, A or B", names[map], kind);
            if (pair->a.gradient)
                check_tensor(p, name, pair->a.values, pair->a.gradient, pair->rank * of->in);
            if (pair->b.gradient)
                check_tensor(p, name, pair->b.values, pair->b.gradient, pair->rank * of->out);
        }
    for (uint32_t s = 0; s < p->rows.span_count; s++)
        if (p->spans[s].key_gradient) {
            size_t count = heads * p->spans[s].key_count * length;
            check_tensor(p, "given keys", p->keys[s], p->spans[s].key_gradient, count);
            check_tensor(p, "given values", p->values[s], p->spans[s].value_gradient, count);
        }
}

/* Both pairings of rotations; the NeoX one rotates only a part of the head. */
static toy_model *create_toy(bool interleaved)
{
    toy_shape of = shape;
    of.interleaved = interleaved;
    toy_model *toy = toy_create(&of, ssi_cpu_best());
    toy->model.hyper.rope_length = interleaved ? 10 : 6;
    for (uint32_t l = 0; l < 2; l++)
        for (uint32_t map = SSI_OUTPUT; map < SSI_LINEAR_COUNT; map++)
            toy->layers[l].linear[map].bias =
                toy_vector(toy, toy->layers[l].linear[map].weight.rows, 0.0f, 0.3f);
    return toy;
}

static void gradients_of_streams_are_differences(void **state)
{
    (void)state;
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        toy_model *toy = create_toy(interleaved);
        problem *p = create_streams(toy, ssi_cpu_best(), 1);
        check_gradients(p);
        free_problem(p);
        toy_free(toy);
    }
}

static void gradients_of_sequences_are_differences(void **state)
{
    (void)state;
    toy_model *toy = create_toy(true);
    for (uint32_t prefix_rows = 0; prefix_rows <= 37; prefix_rows += 37) {
        problem *p = create_sequences(toy, ssi_cpu_best(), 1, prefix_rows);
        check_gradients(p);
        free_problem(p);
    }
    toy_free(toy);
}

/* With our own product: outputs, and gradients of the input, a pair and given keys. */
static float *everything(problem *p, size_t *count)
{
    const ssi_hyper *hyper = p->fixture->hyper;
    const ssi_train_map *down = &p->fixture->layer.maps[SSI_DOWN];
    const ssi_train_span *span = &p->spans[0];
    size_t numbers = (size_t)p->rows.row_count * D, pair = (size_t)FIXTURE_RANK * down->in;
    size_t given = (size_t)hyper->head_count_kv * span->key_count * hyper->head_length;
    float *all = calloc(2 * numbers + pair + 2 * given, sizeof *all);
    loss(p);
    memcpy(all, p->hidden, numbers * sizeof *all);
    backward(p, all + numbers);
    *count = 2 * numbers;
    memcpy(all + *count, down->pairs[SSI_LORA_STREAM].a.gradient, pair * sizeof *all);
    *count += pair;
    if (given > 0) {
        memcpy(all + *count, span->key_gradient, given * sizeof *all);
        memcpy(all + *count + given, span->value_gradient, given * sizeof *all);
        *count += 2 * given;
    }
    return all;
}

/* A host that runs tasks in the order least like one thread's. */
static void run_backwards(void *context, uint32_t task_count,
                          void (*body)(void *body_context, uint32_t task), void *body_context)
{
    (void)context;
    while (task_count > 0)
        body(body_context, --task_count);
}

static void threads_tasks_and_kernels_change_no_bit(void **state)
{
    static problem *(*const create[])(const toy_model *, ssi_isa, uint32_t) = {
        create_streams, create_main, create_prefixed};
    const ssi_parallel backwards = {.parallel_for = run_backwards, .thread_count = 5};
    (void)state;
    toy_model *toy = create_toy(false);
    for (int kind = 0; kind < 3; kind++) {
        size_t count;
        problem *plain = create[kind](toy, SSI_ISA_PORTABLE, 1);
        float *want = everything(plain, &count);
        for (ssi_isa isa = SSI_ISA_PORTABLE; isa <= ssi_cpu_best(); isa++) {
            problem *p = create[kind](toy, isa, 1 + (uint32_t)isa);
            if (isa == SSI_ISA_PORTABLE)
                p->fixture->test->math.parallel = &backwards;
            float *got = everything(p, &count);
            assert_memory_equal(got, want, count * sizeof *want);
            free(got);
            free_problem(p);
        }
        free(want);
        free_problem(plain);
    }
    toy_free(toy);
}

/* All layers of a model over a text, as one span of main rows; the largest difference of the last
 * layer's output from the engine's, relative to its usual size. */
static double distance_from_engine(const ss_model *model, const ssi_layer *layers,
                                   ssi_workspace *work, int32_t *tokens, uint32_t count)
{
    const ssi_hyper *hyper = &model->hyper;
    size_t d = hyper->embedding_length, numbers = count * d;
    ssi_sequence sequence = {tokens, count, 0};
    assert_int_equal(ssi_prefill_run(work, &sequence, work->logits, NULL, NULL), SS_OK);
    assert_int_equal(work->batch.row_count, count);

    uint32_t group_begin[FIXTURE_ROWS] = {0};
    ssi_train_span span = {.row_end = count};
    ssi_train_rows rows = {.row_count = count,
                           .span_count = 1,
                           .spans = &span,
                           .group_begin = group_begin,
                           .cosines = work->batch.cosines,
                           .sines = work->batch.sines};
    layer_fixture *fixture = fixture_create(hyper, &layers[0], ssi_cpu_best(), 2);
    float *hidden = fixture_floats(fixture, numbers, 0.0f);
    for (uint32_t row = 0; row < count; row++)
        ssi_type_get(model->embedding.type)
            ->unpack_row(&model->embedding, (uint32_t)tokens[row], hidden + row * d);
    for (uint32_t l = 0; l < hyper->layer_count; l++) {
        fixture_set_layer(fixture, &layers[l]);
        fixture_forward(fixture, &rows, hidden);
    }
    double most = 0.0, square = 0.0;
    for (size_t row = 0; row < count; row++)
        for (size_t i = 0; i < d; i++) {
            double theirs = (double)work->hidden[row * work->hidden_stride + i];
            double difference = fabs((double)hidden[row * d + i] - theirs);
            most = difference > most ? difference : most;
            square += theirs * theirs;
        }
    fixture_free(fixture);
    return most / sqrt(square / (double)numbers);
}

/* Float weights and a binary32 cache: nothing but the order of sums differs, about 1e-6 a layer. */
static void the_forward_pass_is_the_engines(void **state)
{
    (void)state;
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        toy_model *toy = create_toy(interleaved);
        toy_engine *engine = toy_engine_create(toy, 1, 128, true);
        int32_t tokens[100];
        for (uint32_t i = 0; i < 100; i++)
            tokens[i] = toy_token(toy, 3, i);
        double distance =
            distance_from_engine(&toy->model, toy->layers, &engine->work, tokens, 100);
        if (!(distance < 2e-5))
            fail_msg("a toy model: %g", distance);
        toy_engine_free(engine);
        toy_free(toy);
    }
}

/* A model that was really trained: its layers too only sum in another order. */
static void the_forward_pass_of_a_real_model_is_the_engines(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session_params params = small_params();
    params.kv_type = SS_KV_F32;
    params.prefill_chunk = 128;
    ss_session *session = open_session_with(model, &params);
    int32_t tokens[FIXTURE_ROWS];
    uint32_t count = (uint32_t)story_tokens(model, tokens, FIXTURE_ROWS);
    count = count < 100 ? count : 100;
    double distance = distance_from_engine(model, model->layers, &session->work, tokens, count);
    if (!(distance < 1e-4))
        fail_msg("the small model: %g", distance);
    ssi_session_free(session);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_streams_are_differences),
        cmocka_unit_test(gradients_of_sequences_are_differences),
        cmocka_unit_test(threads_tasks_and_kernels_change_no_bit),
        cmocka_unit_test(the_forward_pass_is_the_engines),
        cmocka_unit_test(the_forward_pass_of_a_real_model_is_the_engines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
