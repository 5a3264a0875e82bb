/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of activations between the matrices. */
#include "step/rows.h"

void ssi_rows_layout(ssi_activation *x, uint32_t rows, uint32_t columns, ssi_arena *arena)
{
    x->columns = columns;
    x->block_count = (columns + SSI_BLOCK - 1) / SSI_BLOCK;
    x->value_stride = (size_t)x->block_count * SSI_BLOCK;
    x->values = ssi_take_floats(arena, rows, x->value_stride);
    x->blocks = ssi_arena_take(arena, rows, x->block_count * sizeof *x->blocks);
}

/* Below this many rows the calling thread is done before another one is awake. */
#define ROWS_WORTH_SPREADING 4u

void ssi_rows_spread(const ssi_workspace *work, uint32_t row_count,
                     void (*body)(void *context, uint32_t row_begin, uint32_t row_end),
                     void *context)
{
    uint32_t threads = work->parallel->thread_count, parts = 1;
    if (row_count >= ROWS_WORTH_SPREADING && threads > 1)
        parts = row_count < 16 * threads ? threads : 4 * threads;
    ssi_parallel_ranges(work->parallel, row_count, parts, body, context);
}

void ssi_rows_norm_part(ssi_workspace *work, const float *weight, uint32_t first,
                        uint32_t row_begin, uint32_t row_end, bool quantise)
{
    const ssi_hyper *hyper = &work->model->hyper;
    const ssi_kernels *kernels = &work->model->kernels;
    for (uint32_t row = row_begin; row < row_end; row++)
        kernels->rms_norm(work->hidden + (first + row) * work->hidden_stride, weight,
                          hyper->rms_epsilon, hyper->embedding_length,
                          work->normed.values + row * work->normed.value_stride);
    if (quantise)
        kernels->quantize(&work->normed, row_begin, row_end);
}

typedef struct norm_work {
    ssi_workspace *work;
    const float *weight;
    uint32_t first;
    bool quantise;
} norm_work;

static void norm_body(void *context, uint32_t row_begin, uint32_t row_end)
{
    const norm_work *norm = context;
    ssi_rows_norm_part(norm->work, norm->weight, norm->first, row_begin, row_end,
                       norm->quantise);
}

void ssi_rows_norm(ssi_workspace *work, const float *weight, uint32_t first, uint32_t row_count,
                   bool quantise)
{
    norm_work norm = {work, weight, first, quantise};
    ssi_rows_spread(work, row_count, norm_body, &norm);
}

typedef struct quantize_work {
    const ssi_workspace *work;
    ssi_activation *x;
} quantize_work;

static void quantize_body(void *context, uint32_t row_begin, uint32_t row_end)
{
    const quantize_work *rows = context;
    rows->work->model->kernels.quantize(rows->x, row_begin, row_end);
}

void ssi_rows_quantize(ssi_workspace *work, ssi_activation *x, uint32_t row_count)
{
    quantize_work rows = {work, x};
    ssi_rows_spread(work, row_count, quantize_body, &rows);
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
        .blocks = x->blocks + block,
    };
    kernels->quantize(&part, 0, 1);
}

void ssi_rows_multiply(const ssi_kernels *kernels, const ssi_linear *linear,
                       uint32_t group_begin, uint32_t group_end, const ssi_activation *x,
                       uint32_t row_begin, uint32_t row_end, float *y, size_t y_stride)
{
    ssi_activation rows = *x;
    rows.values += row_begin * x->value_stride;
    rows.blocks += (size_t)row_begin * x->block_count;
    float *first = y + row_begin * y_stride;
    kernels->gemm[linear->weight.type](&linear->weight, group_begin, group_end, &rows,
                                       row_end - row_begin, first, y_stride);
    if (linear->bias)
        for (uint32_t row = row_begin; row < row_end; row++)
            kernels->add(y + row * y_stride + group_begin * SSI_GROUP,
                         linear->bias + group_begin * SSI_GROUP,
                         (group_end - group_begin) * SSI_GROUP);
}
