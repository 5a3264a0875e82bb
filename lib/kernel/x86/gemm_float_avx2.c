/* SPDX-License-Identifier: Apache-2.0 */
/* F32, F16 and BF16 matrices times a few rows of floats: 16 lanes in two vectors, one lane per
 * weight row, each a chain of fused multiply-adds over the columns. */
#include <immintrin.h>

#include "kernel/kernel_list.h"
#include "kernel/x86/gemm_ahead.h"
#include "kernel/x86/unroll.h"

static inline __attribute__((always_inline)) __m256 load_lanes(const void *plane, ssi_type type,
                                                               size_t at)
{
    if (type == SSI_TYPE_F32)
        return _mm256_load_ps((const float *)plane + at);
    __m128i halves = _mm_load_si128((const __m128i *)((const uint16_t *)plane + at));
    if (type == SSI_TYPE_F16)
        return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

static inline __attribute__((always_inline)) void tile(const ssi_matrix *weight, ssi_type type,
                                                       uint32_t group, const ssi_activation *x,
                                                       uint32_t row, uint32_t rows, float *y,
                                                       size_t y_stride)
{
    const size_t columns = weight->columns, first = group * columns * SSI_GROUP;
    const float *values = x->values + row * x->value_stride;
    __m256 acc[4][2];

    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    for (size_t column = 0; column < columns; column++) {
        size_t at = first + column * SSI_GROUP;
        ssi_ask_ahead((const char *)weight->plane[0] + at * (type == SSI_TYPE_F32 ? 4 : 2), 1);
        __m256 low = load_lanes(weight->plane[0], type, at);
        __m256 high = load_lanes(weight->plane[0], type, at + 8);
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            __m256 value = _mm256_set1_ps(values[r * x->value_stride + column]);
            acc[r][0] = _mm256_fmadd_ps(low, value, acc[r][0]);
            acc[r][1] = _mm256_fmadd_ps(high, value, acc[r][1]);
        }
    }
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++) {
        _mm256_store_ps(y + r * y_stride, acc[r][0]);
        _mm256_store_ps(y + r * y_stride + 8, acc[r][1]);
    }
}

#define SSI_GEMM ssi_gemm_f32_f32_4x16__avx2
#define SSI_TILE(groups, rows) tile(weight, SSI_TYPE_F32, group, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 4
#include "kernel/x86/gemm_rows.h"

#define SSI_GEMM ssi_gemm_f32_f16_4x16__avx2
#define SSI_TILE(groups, rows) tile(weight, SSI_TYPE_F16, group, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 4
#include "kernel/x86/gemm_rows.h"

#define SSI_GEMM ssi_gemm_f32_bf16_4x16__avx2
#define SSI_TILE(groups, rows) tile(weight, SSI_TYPE_BF16, group, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 4
#include "kernel/x86/gemm_rows.h"
