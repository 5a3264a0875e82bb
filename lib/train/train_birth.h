/* SPDX-License-Identifier: Apache-2.0 */
/* What is added to streams outside the layers: their birth at the entry of the MSA layers, and the
 * parent's term behind the output norm (adapter-format.md). */
#ifndef SSI_TRAIN_BIRTH_H
#define SSI_TRAIN_BIRTH_H

#include "train/train_segment.h"

typedef struct ssi_train_birth {
    float *entries, *roots; /* [anchor][d]: M; the root's embedding over its root mean square */
    float *shared;          /* [anchor][d]: what an anchor's streams have in common; its gradient */
    float *init_t, *root_t; /* [anchor][rank]: A M, A e */
    float *parents;         /* [row][d]: embeddings */
    float *parent_t;        /* [row][rank] */
} ssi_train_birth;

void ssi_train_birth_layout(ssi_train_birth *birth, const ssi_train_streams *streams,
                            uint32_t row_capacity, ssi_arena *arena);

/* hidden [row][d] = M + B A M + P_j + gain_j * e + B' A' e */
void ssi_train_birth_forward(ssi_train_math *math, const ssi_train_streams *streams,
                             const ssi_train_segment *segment, ssi_train_birth *birth,
                             float *hidden);
/* From the gradient of hidden to those of the terms and of the contexts' entries. */
void ssi_train_birth_backward(ssi_train_math *math, const ssi_train_streams *streams,
                              const ssi_train_segment *segment, ssi_train_birth *birth,
                              const float *gradient);

/* states [row][d] += B A embedding(parent), and the gradients of that pair. */
void ssi_train_parent_forward(ssi_train_math *math, const ssi_train_streams *streams,
                              const ssi_train_segment *segment, ssi_train_birth *birth,
                              float *states);
void ssi_train_parent_backward(ssi_train_math *math, const ssi_train_streams *streams,
                               const ssi_train_segment *segment, ssi_train_birth *birth,
                               const float *state_gradient);

#endif
