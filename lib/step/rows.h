/* SPDX-License-Identifier: Apache-2.0 */
/* What layers and head do to rows of activations: lay out, normalise, quantise, multiply. */
#ifndef SSI_STEP_ROWS_H
#define SSI_STEP_ROWS_H

#include "step/step.h"

/* [row][stride] numbers of an arena. */
static inline float *ssi_take_floats(ssi_arena *arena, uint32_t rows, size_t stride)
{
    return ssi_arena_take(arena, rows, stride * sizeof(float));
}

/* Rows of whole blocks, in both forms (runs twice, base/arena.h). */
void ssi_rows_layout(ssi_activation *x, uint32_t rows, uint32_t columns, ssi_arena *arena);

/* body(context, row_begin, row_end) for ranges that cover all rows: spread over the threads when
 * there are rows enough to pay for waking them. */
void ssi_rows_spread(const ssi_workspace *work, uint32_t row_count,
                     void (*body)(void *context, uint32_t row_begin, uint32_t row_end),
                     void *context);

/* normed[row] = rms norm of hidden[first + row], row < row_count; its 8-bit form too when
 * `quantise`. Spread. */
void ssi_rows_norm(ssi_workspace *work, const float *weight, uint32_t first, uint32_t row_count,
                   bool quantise);
/* The same for rows [row_begin, row_end), on the calling thread. */
void ssi_rows_norm_part(ssi_workspace *work, const float *weight, uint32_t first,
                        uint32_t row_begin, uint32_t row_end, bool quantise);

/* The 8-bit form of all rows, whatever produced their values. */
void ssi_rows_quantize(ssi_workspace *work, ssi_activation *x, uint32_t row_count);

/* The 8-bit form of one row's columns [column_begin, column_end): column_begin is a multiple of
 * SSI_BLOCK, and so is column_end unless it is the last. */
void ssi_row_quantize_columns(const ssi_kernels *kernels, const ssi_activation *x, uint32_t row,
                              uint32_t column_begin, uint32_t column_end);

/* y[row][16 * group ..] = W x[row] + bias for rows [row_begin, row_end) and a range of groups. */
void ssi_rows_multiply(const ssi_kernels *kernels, const ssi_linear *linear,
                       uint32_t group_begin, uint32_t group_end, const ssi_activation *x,
                       uint32_t row_begin, uint32_t row_end, float *y, size_t y_stride);

static inline bool ssi_takes_quants(const ssi_linear *linear)
{
    return ssi_type_get(linear->weight.type)->quantised;
}

#endif
