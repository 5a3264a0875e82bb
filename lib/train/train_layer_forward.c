/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass of a layer, its memory, and the merging of its maps. Products are made over all
 * rows at once with merged weights; what lies between them is done row by row:
 *
 *     norm │ query, key, value │ biases, rotations │ attention │ output, onto the residual stream
 *     norm │ gate, up │ biases, silu │ down, onto the residual stream */
#include <string.h>

#include "train/train_saved.h"

typedef struct layer_work {
    const ssi_kernels *kernels;
    const ssi_hyper *hyper;
    const ssi_train_layer *layer;
    const ssi_train_rows *rows;
    ssi_train_saved *saved;
    ssi_train_scratch *scratch;
    float *hidden;
    const float *norm; /* weight of the norm at hand */
    float *kept;       /* where its input is kept */
} layer_work;

ssi_train_saved *ssi_train_saved_layout(const ssi_hyper *hyper, const ssi_train_capacity *most,
                                        ssi_arena *arena)
{
    size_t d = hyper->embedding_length, feed = hyper->feed_forward_length, rows = most->rows;
    size_t query = (size_t)hyper->head_count * hyper->head_length;
    size_t key = (size_t)hyper->head_count_kv * hyper->head_length;
    ssi_train_saved *saved = ssi_arena_take(arena, 1, sizeof *saved);
    ssi_train_saved laid = {
        .input = ssi_arena_take(arena, rows * d, sizeof(float)),
        .query = ssi_arena_take(arena, rows * query, sizeof(float)),
        .key = ssi_arena_take(arena, rows * key, sizeof(float)),
        .value = ssi_arena_take(arena, rows * key, sizeof(float)),
        .attended = ssi_arena_take(arena, rows * query, sizeof(float)),
        .middle = ssi_arena_take(arena, rows * d, sizeof(float)),
        .gate = ssi_arena_take(arena, rows * feed, sizeof(float)),
        .up = ssi_arena_take(arena, rows * feed, sizeof(float)),
    };
    if (saved)
        *saved = laid;
    return saved;
}

ssi_train_scratch *ssi_train_scratch_layout(const ssi_hyper *hyper,
                                            const ssi_train_capacity *most, uint32_t rank_max,
                                            ssi_arena *arena)
{
    size_t d = hyper->embedding_length, feed = hyper->feed_forward_length, rows = most->rows;
    size_t query = (size_t)hyper->head_count * hyper->head_length;
    size_t key = (size_t)hyper->head_count_kv * hyper->head_length;
    /* Given keys and own ones each end in a panel; a chunk's rows come on top of its first's. */
    uint32_t width = most->seen + SSI_TRAIN_CHUNK_ROWS + 2 * SSI_GROUP;
    size_t parts = (size_t)hyper->head_count_kv * ssi_train_slices(hyper);
    size_t part_floats = ssi_train_part_floats(hyper, most, width);
    ssi_train_scratch *scratch = ssi_arena_take(arena, 1, sizeof *scratch);
    ssi_train_scratch laid = {
        .normed = ssi_arena_take(arena, rows * d, sizeof(float)),
        .normed_gradient = ssi_arena_take(arena, rows * d, sizeof(float)),
        .gated = ssi_arena_take(arena, rows * feed, sizeof(float)),
        .feed = ssi_arena_take(arena, rows * feed, sizeof(float)),
        .attended_gradient = ssi_arena_take(arena, rows * query, sizeof(float)),
        .query_gradient = ssi_arena_take(arena, rows * query, sizeof(float)),
        .key_gradient = ssi_arena_take(arena, rows * key, sizeof(float)),
        .value_gradient = ssi_arena_take(arena, rows * key, sizeof(float)),
        .rank_product = ssi_arena_take(arena, rows * rank_max, sizeof(float)),
        .opposite = ssi_arena_take(arena, rows * (hyper->head_length / 2), sizeof(float)),
        .jobs = ssi_arena_take(arena, rows, sizeof(ssi_train_job)),
        .parts = ssi_arena_take(arena, parts * part_floats, sizeof(float)),
        .part_floats = part_floats,
        .width_max = width,
    };
    if (scratch)
        *scratch = laid;
    return scratch;
}

const float *ssi_train_saved_keys(const ssi_train_saved *saved)
{
    return saved->key;
}

const float *ssi_train_saved_values(const ssi_train_saved *saved)
{
    return saved->value;
}

static void unpack_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    const ssi_train_map *map = context;
    const ssi_type_info *type = ssi_type_get(map->packed->type);
    for (uint32_t row = row_begin; row < row_end; row++)
        type->unpack_row(map->packed, row, map->weight + (size_t)row * map->in);
}

void ssi_train_map_merge(ssi_train_math *math, ssi_train_map *map)
{
    ssi_train_rows_run(math, map->out, unpack_rows, map);
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
        const ssi_trained_pair *pair = &map->pairs[kind];
        if (pair->rank > 0)
            ssi_train_product(math, false, false, map->out, map->in, pair->rank, pair->scale,
                              pair->b.values, pair->rank, pair->a.values, map->in, 1.0f,
                              map->weight, map->in);
    }
}

void ssi_train_layer_merge(ssi_train_math *math, ssi_train_layer *layer)
{
    for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++)
        ssi_train_map_merge(math, &layer->maps[map]);
}

/* y = (beta y +) W x, without the bias. */
static void multiply(ssi_train_math *math, const ssi_train_map *map, uint32_t row_count,
                     const float *x, float beta, float *y)
{
    ssi_train_product(math, false, true, row_count, map->out, map->in, 1.0f, x, map->in,
                      map->weight, map->in, beta, y, map->out);
}

static void add_bias(const layer_work *work, uint32_t map, size_t row, float *y)
{
    const ssi_train_map *linear = &work->layer->maps[map];
    if (linear->bias)
        work->kernels->add(y + row * linear->out, linear->bias, linear->out);
}

static void norm_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    const layer_work *work = context;
    uint32_t d = work->hyper->embedding_length;
    for (size_t row = row_begin; row < row_end; row++) {
        const float *x = work->hidden + row * d;
        memcpy(work->kept + row * d, x, d * sizeof *x);
        work->kernels->rms_norm(x, work->norm, work->hyper->rms_epsilon, d,
                                work->scratch->normed + row * d);
    }
}

static void turn_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    const layer_work *work = context;
    const ssi_hyper *hyper = work->hyper;
    const ssi_train_rows *rows = work->rows;
    size_t length = hyper->head_length, pairs = hyper->rope_length / 2;
    for (size_t row = row_begin; row < row_end; row++) {
        float *query = work->saved->query + row * hyper->head_count * length;
        float *key = work->saved->key + row * hyper->head_count_kv * length;
        float *value = work->saved->value + row * hyper->head_count_kv * length;
        add_bias(work, SSI_QUERY, row, work->saved->query);
        add_bias(work, SSI_KEY, row, work->saved->key);
        add_bias(work, SSI_VALUE, row, work->saved->value);
        for (uint32_t head = 0; head < hyper->head_count; head++)
            work->kernels->rope(query + head * length, rows->cosines + row * pairs,
                                rows->sines + row * pairs, hyper->rope_length / 2,
                                hyper->head_length, hyper->rope_interleaved);
        for (uint32_t head = 0; head < hyper->head_count_kv; head++) {
            work->kernels->rope(key + head * length, rows->cosines + row * pairs,
                                rows->sines + row * pairs, hyper->rope_length / 2,
                                hyper->head_length, hyper->rope_interleaved);
            if (rows->value_cosines)
                work->kernels->rope(
                    value + head * length, rows->value_cosines + row * (length / 2),
                    rows->value_sines + row * (length / 2), hyper->head_length / 2,
                    hyper->head_length, hyper->rope_interleaved);
        }
    }
}

static void gate_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    const layer_work *work = context;
    uint32_t feed = work->hyper->feed_forward_length;
    for (size_t row = row_begin; row < row_end; row++) {
        add_bias(work, SSI_GATE, row, work->saved->gate);
        add_bias(work, SSI_UP, row, work->saved->up);
        work->kernels->silu_mul(work->saved->gate + row * feed, work->saved->up + row * feed,
                                feed, work->scratch->gated + row * feed);
    }
}

static void output_bias_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    for (size_t row = row_begin; row < row_end; row++)
        add_bias(context, SSI_OUTPUT, row, ((const layer_work *)context)->hidden);
}

static void down_bias_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    for (size_t row = row_begin; row < row_end; row++)
        add_bias(context, SSI_DOWN, row, ((const layer_work *)context)->hidden);
}

void ssi_train_layer_forward(ssi_train_math *math, const ssi_hyper *hyper,
                             const ssi_train_layer *layer, const ssi_train_rows *rows,
                             ssi_train_saved *saved, ssi_train_scratch *scratch, float *hidden)
{
    uint32_t row_count = rows->row_count;
    const ssi_train_map *maps = layer->maps;
    layer_work work = {math->kernels, hyper, layer, rows, saved, scratch, hidden, NULL, NULL};

    work.norm = layer->attention_norm;
    work.kept = saved->input;
    ssi_train_rows_run(math, row_count, norm_rows, &work);
    multiply(math, &maps[SSI_QUERY], row_count, scratch->normed, 0.0f, saved->query);
    multiply(math, &maps[SSI_KEY], row_count, scratch->normed, 0.0f, saved->key);
    multiply(math, &maps[SSI_VALUE], row_count, scratch->normed, 0.0f, saved->value);
    ssi_train_rows_run(math, row_count, turn_rows, &work);
    ssi_train_attention_forward(math, hyper, rows, saved, scratch);
    multiply(math, &maps[SSI_OUTPUT], row_count, saved->attended, 1.0f, hidden);
    if (maps[SSI_OUTPUT].bias)
        ssi_train_rows_run(math, row_count, output_bias_rows, &work);

    work.norm = layer->feed_forward_norm;
    work.kept = saved->middle;
    ssi_train_rows_run(math, row_count, norm_rows, &work);
    multiply(math, &maps[SSI_GATE], row_count, scratch->normed, 0.0f, saved->gate);
    multiply(math, &maps[SSI_UP], row_count, scratch->normed, 0.0f, saved->up);
    ssi_train_rows_run(math, row_count, gate_rows, &work);
    multiply(math, &maps[SSI_DOWN], row_count, scratch->gated, 1.0f, hidden);
    if (maps[SSI_DOWN].bias)
        ssi_train_rows_run(math, row_count, down_bias_rows, &work);
}
