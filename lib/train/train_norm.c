/* SPDX-License-Identifier: Apache-2.0 */
/* The norm of rows, and its gradient. */
#include "train/train_layer.h"

typedef struct norm_work {
    const ssi_kernels *kernels;
    const ssi_hyper *hyper;
    const float *weight, *x, *out_gradient;
    bool add;
    float *out, *x_gradient;
} norm_work;

static void norm_rows(void *context, uint32_t row_begin, uint32_t row_end)
{
    const norm_work *work = context;
    uint32_t count = work->hyper->embedding_length;
    for (size_t row = row_begin; row < row_end; row++)
        work->kernels->rms_norm(work->x + row * count, work->weight, work->hyper->rms_epsilon,
                                count, work->out + row * count);
}

static void norm_rows_backward(void *context, uint32_t row_begin, uint32_t row_end)
{
    const norm_work *work = context;
    uint32_t count = work->hyper->embedding_length;
    for (size_t row = row_begin; row < row_end; row++)
        work->kernels->rms_norm_backward(
            work->x + row * count, work->weight, work->out_gradient + row * count,
            work->hyper->rms_epsilon, count, work->add, work->x_gradient + row * count);
}

void ssi_train_norm(ssi_train_math *math, const ssi_hyper *hyper, const float *weight,
                    const float *x, uint32_t row_count, float *out)
{
    norm_work work = {
        .kernels = math->kernels, .hyper = hyper, .weight = weight, .x = x, .out = out};
    ssi_train_rows_run(math, row_count, norm_rows, &work);
}

void ssi_train_norm_backward(ssi_train_math *math, const ssi_hyper *hyper, const float *weight,
                             const float *x, const float *out_gradient, uint32_t row_count,
                             bool add, float *x_gradient)
{
    norm_work work = {.kernels = math->kernels,
                      .hyper = hyper,
                      .weight = weight,
                      .x = x,
                      .out_gradient = out_gradient,
                      .add = add,
                      .x_gradient = x_gradient};
    ssi_train_rows_run(math, row_count, norm_rows_backward, &work);
}
