/* SPDX-License-Identifier: Apache-2.0 */
/* scale B A x, forward and backward: the small maps beside the layers, and LoRA pairs' gradients. */
#ifndef SSI_TRAIN_PAIR_H
#define SSI_TRAIN_PAIR_H

#include "train/train_layer.h"

/* t = A x, y += scale B t. x, y [row_count][width], t [row_count][rank]. rank 0: nothing. */
void ssi_train_pair_forward(ssi_train_math *math, const ssi_trained_pair *pair, uint32_t width,
                            uint32_t row_count, const float *x, float *t, float *y);

/* Adds to the gradients of A and B that are wanted, and to x_gradient (may be NULL, may be
 * y_gradient). t = A x, wanted where B's gradient is; overwritten. x [row_count][in], y_gradient
 * [row_count][out]. */
void ssi_train_pair_backward(ssi_train_math *math, const ssi_trained_pair *pair, uint32_t out,
                             uint32_t in, uint32_t row_count, const float *x, float *t,
                             const float *y_gradient, float *x_gradient);

#endif
