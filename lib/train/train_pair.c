/* SPDX-License-Identifier: Apache-2.0 */
/* B A x and its gradients: with t = A x and g the gradient of y,
 *
 *     dB = scale g' t     dt = scale g B     dA = dt' x     dx = dt A */
#include "train/train_pair.h"

void ssi_train_pair_forward(ssi_train_math *math, const ssi_trained_pair *pair, uint32_t width,
                            uint32_t row_count, const float *x, float *t, float *y)
{
    uint32_t rank = pair->rank;
    if (rank == 0)
        return;
    ssi_train_product(math, false, true, row_count, rank, width, 1, x, width, pair->a.values,
                      width, 0, t, rank);
    ssi_train_product(math, false, true, row_count, width, rank, pair->scale, t, rank,
                      pair->b.values, rank, 1, y, width);
}

void ssi_train_pair_backward(ssi_train_math *math, const ssi_trained_pair *pair, uint32_t out,
                             uint32_t in, uint32_t row_count, const float *x, float *t,
                             const float *y_gradient, float *x_gradient)
{
    uint32_t rank = pair->rank;
    if (rank == 0)
        return;
    if (pair->b.gradient)
        ssi_train_product(math, true, false, out, rank, row_count, pair->scale, y_gradient, out,
                          t, rank, 1, pair->b.gradient, rank);
    if (!pair->a.gradient && !x_gradient)
        return;
    ssi_train_product(math, false, false, row_count, rank, out, pair->scale, y_gradient, out,
                      pair->b.values, rank, 0, t, rank);
    if (pair->a.gradient)
        ssi_train_product(math, true, false, rank, in, row_count, 1, t, rank, x, in, 1,
                          pair->a.gradient, in);
    if (x_gradient)
        ssi_train_product(math, false, false, row_count, in, rank, 1, t, rank, pair->a.values,
                          in, 1, x_gradient, in);
}
