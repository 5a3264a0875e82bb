/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the room: what a layer's passes keep and use, and the attention between their halves.
 * Kept is what a product made; what a sweep over rows makes again (norms, the gate, probabilities)
 * is made again. R rows, all dense. */
#ifndef SSI_TRAIN_TRAIN_SAVED_H
#define SSI_TRAIN_TRAIN_SAVED_H

#include "train/train_layer.h"

struct ssi_train_saved {
    float *input;       /* [R][d]: the residual stream before attention */
    float *query;       /* [R][H * d_h], rotated */
    float *key, *value; /* [R][H_kv * d_h], rotated */
    float *attended;    /* [R][H * d_h] */
    float *middle;      /* [R][d]: the residual stream before the feed-forward */
    float *gate, *up;   /* [R][d_ff] */
};

/* A run of rows of one span whose attention one task does for one key/value head: where gradients
 * are summed, no row outside sees a key of these rows, but for the prefix's. */
typedef struct ssi_train_job {
    uint32_t span, row_begin, row_end;
} ssi_train_job;

struct ssi_train_scratch {
    float *normed;                        /* [R][d] */
    float *normed_gradient;               /* [R][d] */
    float *gated, *feed;                  /* [R][d_ff] */
    float *attended_gradient;             /* [R][H * d_h] */
    float *query_gradient;                /* [R][H * d_h] */
    float *key_gradient, *value_gradient; /* [R][H_kv * d_h] */
    float *rank_product;       /* [R][rank_max] */
    float *opposite;                      /* [R][d_h / 2]: minus the sines */
    ssi_train_job *jobs;                  /* [R] */
    float *parts;                         /* [H_kv][ssi_train_slices()][part_floats] */
    size_t part_floats;
    uint32_t width_max; /* most columns of a block of scores */
};

#define SSI_TRAIN_CHUNK_ROWS 32u /* rows whose scores are made at once */

/* train_attention.c: tasks of a key/value head, and the memory that each has of its own. */
uint32_t ssi_train_slices(const ssi_hyper *hyper);
size_t ssi_train_part_floats(const ssi_hyper *hyper, const ssi_train_capacity *most,
                             uint32_t width_max);

/* saved->attended from saved->query, key, value and the given keys. */
void ssi_train_attention_forward(const ssi_train_math *math, const ssi_hyper *hyper,
                                 const ssi_train_rows *rows, ssi_train_saved *saved,
                                 ssi_train_scratch *scratch);
/* scratch->query_gradient from attended_gradient; what the rows' own keys and values get is added
 * to scratch->key_gradient, value_gradient, what the given ones get to the spans'. */
void ssi_train_attention_backward(const ssi_train_math *math, const ssi_hyper *hyper,
                                  const ssi_train_rows *rows, const ssi_train_saved *saved,
                                  ssi_train_scratch *scratch);

#endif
