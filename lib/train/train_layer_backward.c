/* SPDX-License-Identifier: Apache-2.0 */
/* The backward pass of a layer, the forward one read from its end. A map's input gets W^T dy, one
 * product with the merged weight; its pairs are trained beside it (train_pair.h), frozen ones cost
 * nothing. */
#include <string.h>

#include "train/train_pair.h"
#include "train/train_saved.h"

typedef struct layer_work {
    const ssi_kernels *kernels;
    const ssi_hyper *hyper;
    const ssi_train_rows *rows;
    const ssi_train_saved *saved;
    ssi_train_scratch *scratch;
    const float *own_key_gradient, *own_value_gradient;
} layer_work;

/* x_gradient = (beta x_gradient +) W^T dy. */
static void multiply_transposed(ssi_train_math *math, const ssi_train_map *map,
                                uint32_t row_count, const float *out_gradient, float beta,
                                float *x_gradient)
{
    ssi_train_product(math, false, false, row_count, map->in, map->out, 1.0f, out_gradient,
                      map->out, map->weight, map->in, beta, x_gradient, map->in);
}

static void add_pair_gradients(ssi_train_math *math, const ssi_train_map *map,
                               uint32_t row_count, const float *x, const float *out_gradient,
                               ssi_train_scratch *scratch)
{
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
        const ssi_trained_pair *pair = &map->pairs[kind];
        if (pair->rank > 0 && pair->b.gradient)
            ssi_train_product(math, false, true, row_count, pair->rank, map->in, 1.0f, x,
                              map->in, pair->a.values, map->in, 0.0f, scratch->rank_product,
                              pair->rank);
        ssi_train_pair_backward(math, pair, map->out, map->in, row_count, x,
                                scratch->rank_product, out_gradient, NULL);
    }
}

static bool has_trained_pair(const ssi_train_map *map)
{
    bool trained = false;
    for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++)
        trained |= map->pairs[kind].rank > 0 &&
                   (map->pairs[kind].a.gradient || map->pairs[kind].b.gradient);
    return trained;
}

static void gate_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    const layer_work *work = context;
    uint32_t feed = work->hyper->feed_forward_length;
    for (size_t row = row_begin; row < row_end; row++)
        work->kernels->silu_mul(work->saved->gate + row * feed, work->saved->up + row * feed,
                                feed, work->scratch->gated + row * feed);
}

/* feed: in: gradient of the gated, out: of the gate; gated: out: gradient of up. */
static void gate_rows_backward(void *context, uint32_t row_begin, uint32_t row_end)
{
    const layer_work *work = context;
    uint32_t feed = work->hyper->feed_forward_length;
    for (size_t row = row_begin; row < row_end; row++)
        work->kernels->silu_mul_backward(
            work->saved->gate + row * feed, work->saved->up + row * feed,
            work->scratch->feed + row * feed, feed, work->scratch->feed + row * feed,
            work->scratch->gated + row * feed);
}

/* [kv_head][R][d_h] to [R][kv_head][d_h]; NULL: zeros. */
static void begin_gradient(const layer_work *work, size_t row, const float *from, float *to)
{
    size_t length = work->hyper->head_length, heads = work->hyper->head_count_kv;
    for (size_t head = 0; head < heads; head++) {
        float *gradient = to + (row * heads + head) * length;
        if (from)
            memcpy(gradient, from + (head * work->rows->row_count + row) * length,
                   length * sizeof *gradient);
        else
            memset(gradient, 0, length * sizeof *gradient);
    }
}

static void begin_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    const layer_work *work = context;
    for (size_t row = row_begin; row < row_end; row++) {
        begin_gradient(work, row, work->own_key_gradient, work->scratch->key_gradient);
        begin_gradient(work, row, work->own_value_gradient, work->scratch->value_gradient);
    }
}

static void turn_back(const layer_work *work, size_t row, uint32_t head_count,
                      const float *cosines, const float *sines, uint32_t pairs, float *gradient)
{
    const ssi_hyper *hyper = work->hyper;
    float *opposite = work->scratch->opposite + row * (hyper->head_length / 2);
    for (uint32_t i = 0; i < pairs; i++)
        opposite[i] = -sines[row * pairs + i];
    for (uint32_t head = 0; head < head_count; head++)
        work->kernels->rope(gradient + (row * head_count + head) * hyper->head_length,
                            cosines + row * pairs, opposite, pairs, hyper->head_length,
                            hyper->rope_interleaved);
}

/* The gradient of a rotation is the rotation by the opposite angle. */
static void turn_rows_back(void *context, uint32_t row_begin, uint32_t row_end)
{
    const layer_work *work = context;
    const ssi_hyper *hyper = work->hyper;
    const ssi_train_rows *rows = work->rows;
    ssi_train_scratch *scratch = work->scratch;
    for (size_t row = row_begin; row < row_end; row++) {
        turn_back(work, row, hyper->head_count, rows->cosines, rows->sines,
                  hyper->rope_length / 2, scratch->query_gradient);
        turn_back(work, row, hyper->head_count_kv, rows->cosines, rows->sines,
                  hyper->rope_length / 2, scratch->key_gradient);
        if (rows->value_cosines)
            turn_back(work, row, hyper->head_count_kv, rows->value_cosines, rows->value_sines,
                      hyper->head_length / 2, scratch->value_gradient);
    }
}

static void feed_forward_backward(ssi_train_math *math, const ssi_train_layer *layer,
                                  layer_work *work, float *gradient)
{
    const ssi_hyper *hyper = work->hyper;
    const ssi_train_saved *saved = work->saved;
    ssi_train_scratch *scratch = work->scratch;
    const ssi_train_map *maps = layer->maps;
    uint32_t row_count = work->rows->row_count;

    if (has_trained_pair(&maps[SSI_DOWN])) {
        ssi_train_rows_run(math, row_count, gate_rows, work);
        add_pair_gradients(math, &maps[SSI_DOWN], row_count, scratch->gated, gradient, scratch);
    }
    multiply_transposed(math, &maps[SSI_DOWN], row_count, gradient, 0.0f, scratch->feed);
    ssi_train_rows_run(math, row_count, gate_rows_backward, work);
    if (has_trained_pair(&maps[SSI_GATE]) || has_trained_pair(&maps[SSI_UP])) {
        ssi_train_norm(math, hyper, layer->feed_forward_norm, saved->middle, row_count,
                       scratch->normed);
        add_pair_gradients(math, &maps[SSI_GATE], row_count, scratch->normed, scratch->feed,
                           scratch);
        add_pair_gradients(math, &maps[SSI_UP], row_count, scratch->normed, scratch->gated,
                           scratch);
    }
    float *normed_gradient = scratch->normed_gradient;
    multiply_transposed(math, &maps[SSI_GATE], row_count, scratch->feed, 0.0f, normed_gradient);
    multiply_transposed(math, &maps[SSI_UP], row_count, scratch->gated, 1.0f, normed_gradient);
    ssi_train_norm_backward(math, hyper, layer->feed_forward_norm, saved->middle,
                            normed_gradient, row_count, true, gradient);
}

static void attention_backward(ssi_train_math *math, const ssi_train_layer *layer,
                               layer_work *work, float *gradient)
{
    const ssi_hyper *hyper = work->hyper;
    const ssi_train_saved *saved = work->saved;
    ssi_train_scratch *scratch = work->scratch;
    const ssi_train_map *maps = layer->maps;
    const float *const out_gradients[] = {scratch->query_gradient, scratch->key_gradient,
                                          scratch->value_gradient};
    uint32_t row_count = work->rows->row_count;

    add_pair_gradients(math, &maps[SSI_OUTPUT], row_count, saved->attended, gradient, scratch);
    multiply_transposed(math, &maps[SSI_OUTPUT], row_count, gradient, 0.0f,
                        scratch->attended_gradient);
    ssi_train_rows_run(math, row_count, begin_rows, work);
    ssi_train_attention_backward(math, hyper, work->rows, saved, scratch);
    ssi_train_rows_run(math, row_count, turn_rows_back, work);

    bool trained = false;
    for (uint32_t map = SSI_QUERY; map <= SSI_VALUE; map++)
        trained |= has_trained_pair(&maps[map]);
    if (trained)
        ssi_train_norm(math, hyper, layer->attention_norm, saved->input, row_count,
                       scratch->normed);
    for (uint32_t map = SSI_QUERY; map <= SSI_VALUE; map++) {
        const float *out_gradient = out_gradients[map - SSI_QUERY];
        add_pair_gradients(math, &maps[map], row_count, scratch->normed, out_gradient, scratch);
        multiply_transposed(math, &maps[map], row_count, out_gradient,
                            map == SSI_QUERY ? 0.0f : 1.0f, scratch->normed_gradient);
    }
    ssi_train_norm_backward(math, hyper, layer->attention_norm, saved->input,
                            scratch->normed_gradient, row_count, true, gradient);
}

void ssi_train_layer_backward(ssi_train_math *math, const ssi_hyper *hyper,
                              const ssi_train_layer *layer, const ssi_train_rows *rows,
                              const ssi_train_saved *saved, ssi_train_scratch *scratch,
                              const float *own_key_gradient, const float *own_value_gradient,
                              float *gradient)
{
    layer_work work = {math->kernels,     hyper, rows, saved, scratch, own_key_gradient,
                       own_value_gradient};
    feed_forward_backward(math, layer, &work, gradient);
    attention_backward(math, layer, &work, gradient);
}
