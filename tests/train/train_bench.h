/* SPDX-License-Identifier: Apache-2.0 */
/* The small real model with every trained tensor there is, filled by a formula, and two short
 * sequences: what tools/reference/train_torch.py computes in torch. Include after cmocka.h. */
#ifndef TESTS_TRAIN_TRAIN_BENCH_H
#define TESTS_TRAIN_TRAIN_BENCH_H

#include "support/session_fixture.h"
#include "train/optimiser.h"
#include "train/parameters.h"
#include "train/train_passes.h"
#include "train_math.h"

enum {
    BENCH_LAYERS = 5,
    BENCH_MSA = 2,
    BENCH_STREAMS = 3,
    BENCH_RANK = 2,
    BENCH_SEQUENCES = 2,
    BENCH_TOKENS = 32, /* most of a sequence */
    BENCH_ITEMS = 128,
    BENCH_VALUES = 32768,
};
#define BENCH_LORA_SCALE 1.5f
#define BENCH_ROTATION 0.3125f
#define BENCH_GRADIENT_SCALE 0.015625f
#define BENCH_TEACHER 0.375f

typedef struct bench_case {
    const char *name;
    bool main, streams, prune; /* what is there, and trained */
    bool rotation;
    float teacher;
    float weights[BENCH_STREAMS];
} bench_case;

static const bench_case bench_cases[] = {
    {"streams", false, true, false, false, BENCH_TEACHER, {1, 0.5f, 0.25f}},
    {"rotation", false, true, false, true, 0, {1, 0.5f, 0.25f}},
    {"main", true, false, false, false, 0, {0}},
    {"joint", true, true, false, false, 0, {0.125f, 0.125f, 0.125f}},
    {"prune", false, false, true, false, 0, {0}},
};
enum { BENCH_MAIN = 2, BENCH_JOINT, BENCH_CASES = sizeof bench_cases / sizeof bench_cases[0] };

typedef struct train_bench {
    const bench_case *is;
    ss_model *model;
    test_math *test;
    void *owned[512];
    uint32_t owned_count;

    ssi_parameters parameters;
    ssi_parameter items[BENCH_ITEMS];
    float values[BENCH_VALUES], gradients[BENCH_VALUES];
    float first[BENCH_VALUES], second[BENCH_VALUES];

    ssi_train_layer main_layers[BENCH_LAYERS], stream_layers[BENCH_MSA];
    ssi_train_streams streams;
    ssi_train_main main;
    ssi_trained_pair prune;
    ssi_train_streams_pass *streams_pass;
    ssi_train_main_pass *main_pass;
    ssi_train_prune_pass *prune_pass;
    int32_t draft_of_token[512];

    int32_t tokens[BENCH_SEQUENCES][BENCH_TOKENS];
    ssi_train_sequence sequences[BENCH_SEQUENCES];
    ssi_train_context contexts[BENCH_SEQUENCES];
} train_bench;

static inline void *bench_take(train_bench *bench, size_t bytes)
{
    size_t rounded = (bytes + 63) / 64 * 64;
    void *memory = aligned_alloc(64, rounded ? rounded : 64);
    memset(memory, 0xff, rounded); /* NaN wherever nothing is written */
    assert_true(bench->owned_count < sizeof bench->owned / sizeof bench->owned[0]);
    bench->owned[bench->owned_count++] = memory;
    return memory;
}

static inline float *bench_floats(train_bench *bench, size_t count)
{
    return bench_take(bench, count * sizeof(float));
}

/* In [-1, 1), exact in binary32. */
static inline float bench_unit(uint64_t index)
{
    return (float)((int32_t)(ssi_mix64(index + 1) >> 40) - (1 << 23)) * 0x1p-23f;
}

/* ── parameters, in the order of the reference's PARAMETERS ── */

static inline bool bench_has(const bench_case *is, const char *name)
{
    if (strstr(name, "specstream.prune."))
        return is->prune;
    if (strstr(name, ".weight.lora_"))
        return is->main;
    return is->streams && !(is->rotation && strcmp(name, "specstream.stream_embd") == 0);
}

/* What the case lacks is skipped, but counts in the formula of the values. */
static inline void bench_add(train_bench *bench, size_t *index, const char *name, uint32_t rows,
                             uint32_t columns, float size)
{
    ssi_parameters *to = &bench->parameters;
    size_t count = (size_t)rows * columns, offset = to->value_count;
    if (bench_has(bench->is, name)) {
        ssi_parameter *item = &bench->items[to->count++];
        *item = (ssi_parameter){.rows = rows,
                                .columns = columns,
                                .offset = offset,
                                .stage = SS_STAGE_STREAMS,
                                .decays = strstr(name, ".lora_") != NULL,
                                .rate = 1};
        snprintf(item->name, sizeof item->name, "%s", name);
        for (size_t i = 0; i < count; i++)
            bench->values[offset + i] = bench_unit(*index + i) * size;
        to->value_count += count;
        assert_true(to->count <= BENCH_ITEMS && to->value_count <= BENCH_VALUES);
    }
    *index += count;
}

static inline void bench_add_pair(train_bench *bench, size_t *index, const char *stem,
                                  uint32_t out, uint32_t in, float size)
{
    char name[SSI_PARAMETER_NAME + 2];
    snprintf(name, sizeof name, "%sa", stem);
    bench_add(bench, index, name, BENCH_RANK, in, size);
    snprintf(name, sizeof name, "%sb", stem);
    bench_add(bench, index, name, out, BENCH_RANK, size);
}

static inline void bench_fill(train_bench *bench)
{
    const ss_model *model = bench->model;
    uint32_t d = model->hyper.embedding_length;
    size_t index = 0;
    char stem[SSI_PARAMETER_NAME];
    bench->parameters = (ssi_parameters){.items = bench->items,
                                         .values = bench->values,
                                         .gradients = bench->gradients,
                                         .first = bench->first,
                                         .second = bench->second};
    for (uint32_t kind = SSI_LORA_MAIN; kind <= SSI_LORA_STREAM; kind++)
        for (uint32_t layer = kind == SSI_LORA_MAIN ? 0 : BENCH_LAYERS - BENCH_MSA;
             layer < BENCH_LAYERS; layer++)
            for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
                const ssi_matrix *weight = &model->layers[layer].linear[map].weight;
                ssi_parameter_stem(model, layer, map, kind, stem);
                bench_add_pair(bench, &index, stem, weight->rows, weight->columns, 0x1p-2f);
            }
    bench_add(bench, &index, "specstream.stream_embd", BENCH_STREAMS, d, 0x1p-1f);
    bench_add(bench, &index, "specstream.root.gain", BENCH_STREAMS, d, 0x1p-1f);
    bench_add_pair(bench, &index, "specstream.stream_init.", d, d, 0x1p-3f);
    bench_add_pair(bench, &index, "specstream.root.", d, d, 0x1p-3f);
    bench_add_pair(bench, &index, "specstream.parent.", d, d, 0x1p-2f);
    bench_add_pair(bench, &index, "specstream.prune.", d, d, 0x1p-2f);
}

/* ── layers, heads, passes ── */

static inline void bench_set_layer(train_bench *bench, ssi_train_layer *layer, uint32_t index,
                                   bool of_streams)
{
    const ssi_layer *base = &bench->model->layers[index];
    char stem[SSI_PARAMETER_NAME];
    *layer = (ssi_train_layer){.attention_norm = base->attention_norm,
                               .feed_forward_norm = base->feed_forward_norm};
    for (uint32_t m = 0; m < SSI_LINEAR_COUNT; m++) {
        ssi_train_map *map = &layer->maps[m];
        const ssi_matrix *packed = &base->linear[m].weight;
        *map = (ssi_train_map){.out = packed->rows, .in = packed->columns, .packed = packed};
        map->weight = bench_floats(bench, (size_t)map->out * map->in);
        for (uint32_t kind = 0; kind < (of_streams ? SSI_LORA_KINDS : 1u); kind++) {
            ssi_parameter_stem(bench->model, index, m, kind, stem);
            map->pairs[kind] =
                ssi_parameters_pair(&bench->parameters, stem, BENCH_LORA_SCALE, true);
        }
    }
    ssi_train_layer_merge(&bench->test->math, layer);
}

/* After the values have changed. */
static inline void bench_merge(train_bench *bench)
{
    for (uint32_t layer = 0; layer < BENCH_LAYERS; layer++)
        ssi_train_layer_merge(&bench->test->math, &bench->main_layers[layer]);
    for (uint32_t layer = 0; layer < BENCH_MSA; layer++)
        ssi_train_layer_merge(&bench->test->math, &bench->stream_layers[layer]);
}

static inline float *bench_head(train_bench *bench, bool draft, uint32_t *count)
{
    const ss_model *model = bench->model;
    uint32_t d = model->hyper.embedding_length;
    float *head = bench_floats(bench, (size_t)model->hyper.vocabulary_size * d);
    *count = 0;
    for (uint32_t token = 0; token < model->hyper.vocabulary_size; token++) {
        bool taken = !draft || ssi_mix64(token + 1000) % 4 != 0;
        if (draft)
            bench->draft_of_token[token] = taken ? (int32_t)*count : -1;
        if (taken)
            ssi_type_get(model->head.weight.type)
                ->unpack_row(&model->head.weight, token, head + (size_t)(*count)++ * d);
    }
    return head;
}

static inline void bench_set_streams(train_bench *bench)
{
    const ssi_parameters *from = &bench->parameters;
    ssi_train_streams *streams = &bench->streams;
    *streams = (ssi_train_streams){
        .model = bench->model,
        .stream_count = BENCH_STREAMS,
        .msa_layer_count = BENCH_MSA,
        .stream_init = bench->is->rotation ? SSI_STREAM_VALUE_ROTATION : SSI_STREAM_EMBEDDING,
        .rotation_step = BENCH_ROTATION,
        .layers = bench->stream_layers,
        .embedding = ssi_parameters_get(from, "specstream.stream_embd", true),
        .root_gain = ssi_parameters_get(from, "specstream.root.gain", true),
        .init = ssi_parameters_pair(from, "specstream.stream_init.", 1, true),
        .root = ssi_parameters_pair(from, "specstream.root.", 1, true),
        .parent = ssi_parameters_pair(from, "specstream.parent.", 1, true),
        .draft_of_token = bench->draft_of_token,
        .teacher_weight = bench->is->teacher,
    };
    memcpy(streams->loss_weight, bench->is->weights, sizeof bench->is->weights);
    streams->draft_head = bench_head(bench, true, &streams->draft_count);
    bench->prune = ssi_parameters_pair(from, "specstream.prune.", 1, true);
}

static inline void bench_lay_out(train_bench *bench, uint32_t segment_rows)
{
    const ssi_train_capacity segment = {segment_rows, BENCH_TOKENS + BENCH_STREAMS};
    const ssi_train_capacity rows = {BENCH_SEQUENCES * BENCH_TOKENS, BENCH_TOKENS};
    ssi_arena arena = {NULL, 0, false};
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            arena = (ssi_arena){bench_take(bench, arena.used), 0, false};
        bench->streams_pass = ssi_train_streams_layout(&bench->streams, &segment, &arena);
        bench->main_pass = ssi_train_main_layout(&bench->main, &rows, BENCH_SEQUENCES, &arena);
        bench->prune_pass =
            ssi_train_prune_layout(&bench->streams, BENCH_RANK, segment_rows, &arena);
    }
    bench->main.streams_pass = bench->streams_pass;
}

/* ── data ── */

static inline void bench_set_teacher(train_bench *bench, uint32_t number)
{
    ssi_train_context *context = &bench->contexts[number];
    size_t count = (size_t)context->anchor_count * SSI_TEACHER_MAX;
    int32_t *tokens = bench_take(bench, count * sizeof *tokens);
    float *probabilities = bench_floats(bench, count);
    for (uint32_t anchor = 0; anchor < context->anchor_count; anchor++) {
        uint64_t base = 1000000ull * (number + 1) + anchor * SSI_TEACHER_MAX;
        uint64_t first = ssi_mix64(base) % 512;
        for (uint32_t i = 0; i < SSI_TEACHER_MAX; i++) {
            size_t at = (size_t)anchor * SSI_TEACHER_MAX + i;
            tokens[at] = bench->draft_of_token[(first + 7 * i) % 512];
            probabilities[at] =
                (float)(ssi_mix64(base + 500000 + i) >> 40) * 0x1p-24f / SSI_TEACHER_MAX;
        }
    }
    context->teacher_tokens = tokens;
    context->teacher_probabilities = probabilities;
}

/* The main stream's keys, values and entry states, by the trainer's own layers. */
static inline void bench_run_context(train_bench *bench, uint32_t number)
{
    const ss_model *model = bench->model;
    const ssi_hyper *hyper = &model->hyper;
    const ssi_train_sequence *sequence = &bench->sequences[number];
    uint32_t rows = sequence->token_count - 1, d = hyper->embedding_length;
    uint32_t heads = hyper->head_count_kv, length = hyper->head_length;
    uint32_t pairs = hyper->rope_length / 2, entry = BENCH_LAYERS - BENCH_MSA;
    const ssi_train_capacity most = {rows, rows};
    const ssi_train_span span = {.row_end = rows};
    uint32_t *group_begin = bench_take(bench, rows * sizeof *group_begin);
    float *cosines = bench_floats(bench, (size_t)rows * pairs);
    float *sines = bench_floats(bench, (size_t)rows * pairs);
    float *hidden = bench_floats(bench, (size_t)rows * d);
    float *entries = bench_floats(bench, (size_t)rows * d);
    size_t key_count = (size_t)BENCH_MSA * heads * rows * length;
    float *keys = bench_floats(bench, key_count), *values = bench_floats(bench, key_count);
    for (uint32_t row = 0; row < rows; row++) {
        group_begin[row] = 0;
        ssi_type_get(model->embedding.type)
            ->unpack_row(&model->embedding, (uint32_t)sequence->tokens[row],
                         hidden + (size_t)row * d);
        for (uint32_t i = 0; i < pairs; i++)
            ssi_sincosf(row * model->rope_frequency[i], &sines[row * pairs + i],
                        &cosines[row * pairs + i]);
    }
    const ssi_train_rows is = {.row_count = rows,
                               .span_count = 1,
                               .spans = &span,
                               .group_begin = group_begin,
                               .cosines = cosines,
                               .sines = sines};
    ssi_arena arena = {NULL, 0, false};
    ssi_train_saved *saved = NULL;
    ssi_train_scratch *scratch = NULL;
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            arena = (ssi_arena){bench_take(bench, arena.used), 0, false};
        saved = ssi_train_saved_layout(hyper, &most, &arena);
        scratch = ssi_train_scratch_layout(hyper, &most, BENCH_RANK, &arena);
    }
    for (uint32_t layer = 0; layer < BENCH_LAYERS; layer++) {
        if (layer == entry)
            memcpy(entries, hidden, (size_t)rows * d * sizeof *hidden);
        ssi_train_layer_forward(&bench->test->math, hyper, &bench->main_layers[layer], &is,
                                saved, scratch, hidden);
        for (uint32_t row = 0; layer >= entry && row < rows; row++)
            for (uint32_t head = 0; head < heads; head++) {
                size_t from = ((size_t)row * heads + head) * length;
                size_t to = (((layer - entry) * (size_t)heads + head) * rows + row) * length;
                memcpy(keys + to, ssi_train_saved_keys(saved) + from, length * sizeof *keys);
                memcpy(values + to, ssi_train_saved_values(saved) + from,
                       length * sizeof *keys);
            }
    }
    bench->contexts[number] = (ssi_train_context){
        .tokens = sequence->tokens,
        .token_count = sequence->token_count,
        .first_anchor = sequence->prompt_count - 1,
        .anchor_count = sequence->token_count - sequence->prompt_count,
        .key_count = rows,
        .keys = keys,
        .values = values,
        .entries = entries + (size_t)(sequence->prompt_count - 1) * d,
    };
}

static inline train_bench *bench_create(const bench_case *is, ss_cpu cpu, uint32_t threads,
                                        uint32_t segment_rows)
{
    static const uint32_t counts[BENCH_SEQUENCES][2] = {{21, 6}, {14, 9}};
    train_bench *bench = calloc(1, sizeof *bench);
    uint32_t vocabulary;
    bench->is = is;
    bench->model = open_model_of(SMALL_MODEL, cpu);
    bench->test = test_math_create(bench->model->kernels.isa, threads);
    bench_fill(bench);
    for (uint32_t layer = 0; layer < BENCH_LAYERS; layer++)
        bench_set_layer(bench, &bench->main_layers[layer], layer, false);
    for (uint32_t layer = 0; layer < BENCH_MSA; layer++)
        bench_set_layer(bench, &bench->stream_layers[layer], BENCH_LAYERS - BENCH_MSA + layer,
                        true);
    bench_set_streams(bench);
    bench->main = (ssi_train_main){.model = bench->model,
                                   .layers = bench->main_layers,
                                   .head = bench_head(bench, false, &vocabulary),
                                   .loss_weight = 1,
                                   .streams = is->main && is->streams ? &bench->streams : NULL};
    bench_lay_out(bench, segment_rows);
    for (uint32_t i = 0; i < BENCH_SEQUENCES; i++) {
        for (uint32_t at = 0; at < counts[i][0]; at++)
            bench->tokens[i][at] =
                (int32_t)(ssi_mix64(100000ull * (i + 1) + at) % (512 - 3) + 3);
        bench->sequences[i] =
            (ssi_train_sequence){bench->tokens[i], counts[i][0], counts[i][1]};
        bench_run_context(bench, i);
        if (is->teacher > 0)
            bench_set_teacher(bench, i);
    }
    return bench;
}

static inline void bench_free(train_bench *bench)
{
    while (bench->owned_count > 0)
        free(bench->owned[--bench->owned_count]);
    test_math_free(bench->test);
    ssi_model_free(bench->model);
    free(bench);
}

/* The case's pass over both sequences. */
static inline ssi_train_sums bench_run(train_bench *bench, float scale, bool backward)
{
    ssi_train_math *math = &bench->test->math;
    ssi_train_sums sums = {0};
    if (bench->is->main)
        ssi_train_main_run(math, &bench->main, bench->main_pass, bench->sequences,
                           BENCH_SEQUENCES, scale, backward, &sums);
    else if (bench->is->prune)
        ssi_train_prune_run(math, &bench->streams, &bench->prune, bench->prune_pass,
                            bench->contexts, BENCH_SEQUENCES, scale, backward, &sums);
    else
        ssi_train_streams_run(math, &bench->streams, bench->streams_pass, bench->contexts,
                              BENCH_SEQUENCES, scale, backward, &sums);
    return sums;
}

/* What was minimised. */
static inline double bench_loss(const train_bench *bench, const ssi_train_sums *sums)
{
    double loss = sums->main_loss;
    for (uint32_t j = 0; j < BENCH_STREAMS; j++)
        loss += (double)bench->is->weights[j] * sums->stream_loss[j];
    return loss;
}

#endif
