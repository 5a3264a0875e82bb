/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix times rows, portable: the specification of every other gemm. Compiled twice, with
 * SSI_NAME giving the names: gemm_ref.c plain, gemm_fma.c with hardware FMA. fmaf is correctly
 * rounded both ways, so the bits agree, but a libm call per product is eight times slower.
 *
 * One virtual lane per weight row. A lane adds one block (float weights: one column) after the
 * other, in ascending order, with one rounding each; lanes never meet. Sums within a block are
 * integers and exact, so their order is free. */
#include <math.h>

#include "base/bytes.h"
#include "kernel/kernel_list.h"

/* dot[lane] = sum over the block of the stored weight times the activation. */
static inline void dot_nibbles(const uint8_t *packed, const int8_t *quants, int32_t *dot)
{
    for (uint32_t lane = 0; lane < SSI_GROUP; lane++)
        dot[lane] = 0;
    for (uint32_t chunk = 0; chunk < 4; chunk++)
        for (uint32_t lane = 0; lane < SSI_GROUP; lane++)
            for (uint32_t c = 0; c < 4; c++) {
                uint32_t byte = packed[(chunk * SSI_GROUP + lane) * 4 + c];
                dot[lane] += (int32_t)(byte & 15u) * quants[4 * chunk + c] +
                             (int32_t)(byte >> 4) * quants[16 + 4 * chunk + c];
            }
}

static inline void dot_bytes(const uint8_t *packed, const int8_t *quants, int32_t *dot)
{
    for (uint32_t lane = 0; lane < SSI_GROUP; lane++)
        dot[lane] = 0;
    for (uint32_t chunk = 0; chunk < 8; chunk++)
        for (uint32_t lane = 0; lane < SSI_GROUP; lane++)
            for (uint32_t c = 0; c < 4; c++)
                dot[lane] += (int32_t)packed[(chunk * SSI_GROUP + lane) * 4 + c] *
                             quants[4 * chunk + c];
}

/* One group of a quantised matrix times one row. `type` is a literal in every call. */
static inline __attribute__((always_inline)) void
group_quantised(const ssi_matrix *weight, ssi_type type, uint32_t group,
                const ssi_activation *x, uint32_t row, float *y)
{
    size_t first = (size_t)group * weight->block_count;
    size_t block_bytes = SSI_GROUP * (type == SSI_TYPE_Q8_0 ? 32u : 16u);
    const uint8_t *packed = (const uint8_t *)weight->plane[0] + first * block_bytes;
    const uint16_t *scales = (const uint16_t *)weight->plane[1] + first * SSI_GROUP;
    const uint16_t *minima = (const uint16_t *)weight->plane[2];
    size_t row_first = (size_t)row * x->block_count;
    float acc[SSI_GROUP] = {0};

    if (type == SSI_TYPE_Q4_1)
        minima += first * SSI_GROUP;
    for (uint32_t block = 0; block < weight->block_count; block++) {
        int32_t dot[SSI_GROUP];
        const ssi_activation_block *in = &x->blocks[row_first + block];
        /* Q4_0 is stored with 8 added, Q8_0 with 128: both come off by way of the sum. */
        int32_t offset = type == SSI_TYPE_Q4_0   ? in->sum8
                         : type == SSI_TYPE_Q8_0 ? 16 * in->sum8
                                                 : 0;
        if (type == SSI_TYPE_Q8_0)
            dot_bytes(packed + block * block_bytes, in->quants, dot);
        else
            dot_nibbles(packed + block * block_bytes, in->quants, dot);
        for (uint32_t lane = 0; lane < SSI_GROUP; lane++) {
            float d = ssi_float_from_f16(scales[block * SSI_GROUP + lane]);
            acc[lane] = fmaf((float)(dot[lane] + offset), d * in->scale,
                             acc[lane]);
            if (type == SSI_TYPE_Q4_1)
                acc[lane] = fmaf(ssi_float_from_f16(minima[block * SSI_GROUP + lane]),
                                 in->scaled_sum, acc[lane]);
        }
    }
    memcpy(y, acc, sizeof acc);
}

static inline float weight_at(const void *plane, ssi_type type, size_t index)
{
    if (type == SSI_TYPE_F32)
        return ((const float *)plane)[index];
    uint16_t half = ((const uint16_t *)plane)[index];
    return type == SSI_TYPE_F16 ? ssi_float_from_f16(half) : ssi_float_from_bf16(half);
}

/* One group of a float matrix times one row. */
static inline __attribute__((always_inline)) void
group_float(const ssi_matrix *weight, ssi_type type, uint32_t group, const ssi_activation *x,
            uint32_t row, float *y)
{
    size_t first = (size_t)group * weight->columns;
    const float *values = x->values + row * x->value_stride;
    float acc[SSI_GROUP] = {0};

    for (uint32_t column = 0; column < weight->columns; column++)
        for (uint32_t lane = 0; lane < SSI_GROUP; lane++) {
            float w = weight_at(weight->plane[0], type, (first + column) * SSI_GROUP + lane);
            acc[lane] = fmaf(w, values[column], acc[lane]);
        }
    memcpy(y, acc, sizeof acc);
}

static inline __attribute__((always_inline)) void
gemm(const ssi_matrix *weight, ssi_type type, uint32_t group_begin, uint32_t group_end,
     const ssi_activation *x, uint32_t row_count, float *y, size_t y_stride)
{
    for (uint32_t group = group_begin; group < group_end; group++)
        for (uint32_t row = 0; row < row_count; row++) {
            float *out = y + row * y_stride + (size_t)group * SSI_GROUP;
            if (type == SSI_TYPE_Q8_0 || type == SSI_TYPE_Q4_0 || type == SSI_TYPE_Q4_1)
                group_quantised(weight, type, group, x, row, out);
            else
                group_float(weight, type, group, x, row, out);
        }
}

void SSI_NAME(ssi_gemm_f32_f32)(const ssi_matrix *weight, uint32_t group_begin,
                                uint32_t group_end, const ssi_activation *x,
                                uint32_t row_count, float *y, size_t y_stride)
{
    gemm(weight, SSI_TYPE_F32, group_begin, group_end, x, row_count, y, y_stride);
}

void SSI_NAME(ssi_gemm_f32_f16)(const ssi_matrix *weight, uint32_t group_begin,
                                uint32_t group_end, const ssi_activation *x,
                                uint32_t row_count, float *y, size_t y_stride)
{
    gemm(weight, SSI_TYPE_F16, group_begin, group_end, x, row_count, y, y_stride);
}

void SSI_NAME(ssi_gemm_f32_bf16)(const ssi_matrix *weight, uint32_t group_begin,
                                 uint32_t group_end, const ssi_activation *x,
                                 uint32_t row_count, float *y, size_t y_stride)
{
    gemm(weight, SSI_TYPE_BF16, group_begin, group_end, x, row_count, y, y_stride);
}

void SSI_NAME(ssi_gemm_q8_q8_0)(const ssi_matrix *weight, uint32_t group_begin,
                                uint32_t group_end, const ssi_activation *x,
                                uint32_t row_count, float *y, size_t y_stride)
{
    gemm(weight, SSI_TYPE_Q8_0, group_begin, group_end, x, row_count, y, y_stride);
}

void SSI_NAME(ssi_gemm_q8_q4_0)(const ssi_matrix *weight, uint32_t group_begin,
                                uint32_t group_end, const ssi_activation *x,
                                uint32_t row_count, float *y, size_t y_stride)
{
    gemm(weight, SSI_TYPE_Q4_0, group_begin, group_end, x, row_count, y, y_stride);
}

void SSI_NAME(ssi_gemm_q8_q4_1)(const ssi_matrix *weight, uint32_t group_begin,
                                uint32_t group_end, const ssi_activation *x,
                                uint32_t row_count, float *y, size_t y_stride)
{
    gemm(weight, SSI_TYPE_Q4_1, group_begin, group_end, x, row_count, y, y_stride);
}
