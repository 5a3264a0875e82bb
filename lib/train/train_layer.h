/* SPDX-License-Identifier: Apache-2.0 */
/* One decoder layer in binary32, forward and backward, over rows of any kind: main rows of whole
 * sequences, or stream rows beside main keys and values that are given. Base weights are frozen;
 * gradients go to LoRA pairs, to the rows' inputs, and to given keys and values where wanted.
 * Shapes as [row][column]; R rows, d the model's width, all dense (stride = columns). */
#ifndef SSI_TRAIN_LAYER_H
#define SSI_TRAIN_LAYER_H

#include "base/arena.h"
#include "model/model.h"
#include "step/streams.h" /* SSI_LORA_MAIN, SSI_LORA_STREAM, SSI_LORA_KINDS */
#include "train/matrix.h"

/* A tensor or pair that is, or was, trained. gradient NULL: frozen. Gradients are added to. */
typedef struct ssi_trained {
    float *values, *gradient;
} ssi_trained;

/* y += scale B (A x). rank 0: none. */
typedef struct ssi_trained_pair {
    uint32_t rank;
    float scale;
    ssi_trained a, b; /* [rank][in], [out][rank] */
} ssi_trained_pair;

/* A linear map as some kind of row sees it: the base's dequantised weight plus its pairs. */
typedef struct ssi_train_map {
    uint32_t out, in;
    float *weight;      /* [out][in], base + sum of scale B A: ssi_train_map_merge() */
    const float *bias;  /* [out], or NULL */
    const ssi_matrix *packed; /* the base's */
    ssi_trained_pair pairs[SSI_LORA_KINDS];
} ssi_train_map;

typedef struct ssi_train_layer {
    const float *attention_norm, *feed_forward_norm; /* [d] */
    ssi_train_map maps[SSI_LINEAR_COUNT];
} ssi_train_layer;

/* Fills map->weight anew: before the first pass, and after every change of its pairs. */
void ssi_train_map_merge(ssi_train_math *math, ssi_train_map *map);
void ssi_train_layer_merge(ssi_train_math *math, ssi_train_layer *layer); /* all seven */

/* Rows of one sequence, side by side. Row r sees the first `visible[r]` of the given keys, then
 * the keys of rows [group_begin[r], r]. Main rows: no given keys, group_begin = row_begin.
 * Sequences that begin alike share those rows: they stand first, a span of their own, and every
 * row behind sees all of them in the place of given keys. */
typedef struct ssi_train_span {
    uint32_t row_begin, row_end;
    uint32_t key_count;           /* given keys; 0: none */
    const float *keys, *values;   /* [kv_head][key_count][d_h], keys rotated; of this layer */
    float *key_gradient, *value_gradient; /* the same shape, added to; or NULL */
} ssi_train_span;

typedef struct ssi_train_rows {
    uint32_t row_count, span_count;
    const ssi_train_span *spans;  /* in order, together all rows */
    const uint32_t *group_begin;  /* [row] */
    const uint32_t *visible;      /* [row]; NULL: no given keys */
    uint32_t prefix_rows;         /* rows that all others see, the first; 0 where keys are given */
    const float *cosines, *sines; /* [row][rope_length / 2]: rotation of query and key */
    const float *value_cosines, *value_sines; /* [row][d_h / 2]: value_rotation; NULL: none */
} ssi_train_rows;

/* Most of everything in one pass: what memory is laid out for. */
typedef struct ssi_train_capacity {
    uint32_t rows;
    uint32_t seen; /* given keys of a span, or the prefix, plus rows of a group: what one row sees */
} ssi_train_capacity;

/* What the forward pass keeps for the backward one, for one layer. */
typedef struct ssi_train_saved ssi_train_saved;
/* What both use and forget: one for all layers. */
typedef struct ssi_train_scratch ssi_train_scratch;

/* Lay themselves out (run twice, base/arena.h). */
ssi_train_saved *ssi_train_saved_layout(const ssi_hyper *hyper, const ssi_train_capacity *most,
                                        ssi_arena *arena);
ssi_train_scratch *ssi_train_scratch_layout(const ssi_hyper *hyper,
                                            const ssi_train_capacity *most, uint32_t rank_max,
                                            ssi_arena *arena);

/* hidden [R][d]: in: the layer's input, out: its output. */
void ssi_train_layer_forward(ssi_train_math *math, const ssi_hyper *hyper,
                             const ssi_train_layer *layer, const ssi_train_rows *rows,
                             ssi_train_saved *saved, ssi_train_scratch *scratch, float *hidden);

/* gradient [R][d]: in: of the output, out: of the input. For main rows whose keys and values were
 * read by streams: own_key_gradient, own_value_gradient [kv_head][R][d_h] hold what the streams
 * found for these rows' keys (rotated) and values, to be added; NULL: nothing. */
void ssi_train_layer_backward(ssi_train_math *math, const ssi_hyper *hyper,
                              const ssi_train_layer *layer, const ssi_train_rows *rows,
                              const ssi_train_saved *saved, ssi_train_scratch *scratch,
                              const float *own_key_gradient, const float *own_value_gradient,
                              float *gradient);

/* The rows' own keys (rotated) and values after a forward pass: [R][kv_head][d_h]. */
const float *ssi_train_saved_keys(const ssi_train_saved *saved);
const float *ssi_train_saved_values(const ssi_train_saved *saved);

/* norm(x) of every row, and its gradient: dx += or = as `add` says. weight [d]. */
void ssi_train_norm(ssi_train_math *math, const ssi_hyper *hyper, const float *weight,
                    const float *x, uint32_t row_count, float *out);
void ssi_train_norm_backward(ssi_train_math *math, const ssi_hyper *hyper, const float *weight,
                             const float *x, const float *out_gradient, uint32_t row_count,
                             bool add, float *x_gradient);

#endif
