/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of activations between the matrices. */
#include "step/rows.h"

/* Below this many rows the calling thread is done before another one is awake. */
#define ROWS_WORTH_SPREADING 8u

typedef struct row_work {
    const ssi_workspace *work;
    ssi_activation *x;
    const float *weight; /* of the norm */
    uint32_t first, row_count, parts;
    bool quantise;
} row_work;

static void spread(const ssi_workspace *work, row_work *rows,
                   void (*body)(void *context, uint32_t task))
{
    uint32_t threads = work->parallel->thread_count;
    rows->parts = rows->row_count < ROWS_WORTH_SPREADING || threads == 1 ? 1
                  : rows->row_count < 4 * threads                        ? threads
                                                                         : 4 * threads;
    ssi_parallel_run(work->parallel, rows->parts, body, rows);
}

static void range_of(const row_work *rows, uint32_t task, uint32_t *begin, uint32_t *end)
{
    *begin = (uint32_t)((uint64_t)rows->row_count * task / rows->parts);
    *end = (uint32_t)((uint64_t)rows->row_count * (task + 1) / rows->parts);
}

static void norm_body(void *context, uint32_t task)
{
    const row_work *rows = context;
    const ssi_workspace *work = rows->work;
    const ssi_hyper *hyper = &work->model->hyper;
    const ssi_kernels *kernels = &work->model->kernels;
    uint32_t begin, end;
    range_of(rows, task, &begin, &end);
    for (uint32_t row = begin; row < end; row++)
        kernels->rms_norm(work->hidden + (rows->first + row) * work->hidden_stride, rows->weight,
                          hyper->rms_epsilon, hyper->embedding_length,
                          rows->x->values + row * rows->x->value_stride);
    if (rows->quantise)
        kernels->quantize(rows->x, begin, end);
}

void ssi_rows_norm(ssi_workspace *work, const float *weight, uint32_t first, uint32_t row_count,
                   bool quantise)
{
    row_work rows = {work, &work->normed, weight, first, row_count, 1, quantise};
    spread(work, &rows, norm_body);
}

static void quantize_body(void *context, uint32_t task)
{
    const row_work *rows = context;
    uint32_t begin, end;
    range_of(rows, task, &begin, &end);
    rows->work->model->kernels.quantize(rows->x, begin, end);
}

void ssi_rows_quantize(ssi_workspace *work, ssi_activation *x, uint32_t row_count)
{
    row_work rows = {work, x, NULL, 0, row_count, 1, true};
    spread(work, &rows, quantize_body);
}

void ssi_row_quantize_columns(const ssi_kernels *kernels, const ssi_activation *x, uint32_t row,
                              uint32_t column_begin, uint32_t column_end)
{
    size_t block = (size_t)row * x->block_count + column_begin / SSI_BLOCK;
    uint32_t columns = (column_end < x->columns ? column_end : x->columns) - column_begin;
    ssi_activation part = {
        .columns = columns,
        .block_count = (columns + SSI_BLOCK - 1) / SSI_BLOCK,
        .value_stride = x->value_stride,
        .values = x->values + row * x->value_stride + column_begin,
        .quants = x->quants + block * SSI_BLOCK,
        .scales = x->scales + block,
        .sums8 = x->sums8 + block,
        .scaled_sums = x->scaled_sums + block,
    };
    kernels->quantize(&part, 0, 1);
}

void ssi_rows_multiply(const ssi_kernels *kernels, const ssi_linear *linear,
                       uint32_t group_begin, uint32_t group_end, const ssi_activation *x,
                       uint32_t row_begin, uint32_t row_end, float *y, size_t y_stride)
{
    size_t block = (size_t)row_begin * x->block_count;
    ssi_activation rows = *x;
    rows.values += row_begin * x->value_stride;
    rows.quants += block * SSI_BLOCK;
    rows.scales += block;
    rows.sums8 += block;
    rows.scaled_sums += block;
    float *first = y + row_begin * y_stride;
    kernels->gemm[linear->weight.type](&linear->weight, group_begin, group_end, &rows,
                                       row_end - row_begin, first, y_stride);
    if (linear->bias)
        for (uint32_t row = row_begin; row < row_end; row++)
            kernels->add(y + row * y_stride + group_begin * SSI_GROUP,
                         linear->bias + group_begin * SSI_GROUP,
                         (group_end - group_begin) * SSI_GROUP);
}
