/* SPDX-License-Identifier: Apache-2.0 */
/* What both passes through layers begin with: a row's embedding, its rotation, the layers' rank. */
#ifndef SSI_TRAIN_ROWS_H
#define SSI_TRAIN_ROWS_H

#include "train/train_layer.h"

/* Into row [d]. */
static inline void ssi_train_embed(const ss_model *model, int32_t token, float *row)
{
    ssi_type_get(model->embedding.type)->unpack_row(&model->embedding, (uint32_t)token, row);
}

/* Into [rope_length / 2] each, as ssi_batch_rotate() does. */
static inline void ssi_train_rotate(const ss_model *model, uint32_t position, float *cosines,
                                    float *sines)
{
    for (uint32_t i = 0; i < model->hyper.rope_length / 2; i++) {
        ssi_sincosf(position * model->rope_frequency[i], &sines[i], &cosines[i]);
        cosines[i] *= model->hyper.rope_magnitude;
        sines[i] *= model->hyper.rope_magnitude;
    }
}

/* Largest rank of the layers' pairs. */
static inline uint32_t ssi_train_rank(const ssi_train_layer *layers, uint32_t layer_count)
{
    uint32_t most = 0;
    for (uint32_t layer = 0; layer < layer_count; layer++)
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++)
            for (uint32_t kind = 0; kind < SSI_LORA_KINDS; kind++) {
                uint32_t rank = layers[layer].maps[map].pairs[kind].rank;
                most = rank > most ? rank : most;
            }
    return most;
}

#endif
