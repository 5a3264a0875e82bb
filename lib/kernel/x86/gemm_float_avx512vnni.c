/* SPDX-License-Identifier: Apache-2.0 */
/* One or two groups of an F32, F16 or BF16 matrix times a few rows of floats: 16 lanes a group,
 * one per weight row, each a chain of fused multiply-adds over the columns. The rows and groups of
 * a tile are independent chains; with one of each a chain's four cycles a column still ask for more
 * bytes than memory gives. */
#include <immintrin.h>

#include "kernel/kernel_list.h"
#include "kernel/x86/gemm_ahead.h"
#include "kernel/x86/unroll.h"

static inline __attribute__((always_inline)) __m512 load_lanes(const void *plane, ssi_type type,
                                                               size_t at)
{
    if (type == SSI_TYPE_F32)
        return _mm512_load_ps((const float *)plane + at);
    __m256i halves = _mm256_load_si256((const __m256i *)((const uint16_t *)plane + at));
    if (type == SSI_TYPE_F16)
        return _mm512_cvtph_ps(halves);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

static inline __attribute__((always_inline)) void
tile(const ssi_matrix *weight, ssi_type type, uint32_t group, uint32_t groups,
     const ssi_activation *x, uint32_t row, uint32_t rows, float *y, size_t y_stride)
{
    const size_t columns = weight->columns, first = group * columns * SSI_GROUP;
    const float *values = x->values + row * x->value_stride;
    __m512 acc[2][12];

    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        acc[0][r] = acc[1][r] = _mm512_setzero_ps();
    for (size_t column = 0; column < columns; column++) {
        __m512 w[2];
        SSI_UNROLL
        for (uint32_t g = 0; g < groups; g++) {
            size_t at = first + (g * columns + column) * SSI_GROUP;
            w[g] = load_lanes(weight->plane[0], type, at);
            ssi_ask_ahead((const char *)weight->plane[0] + at * (type == SSI_TYPE_F32 ? 4 : 2), 1);
        }
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            __m512 value = _mm512_set1_ps(values[r * x->value_stride + column]);
            SSI_UNROLL
            for (uint32_t g = 0; g < groups; g++)
                acc[g][r] = _mm512_fmadd_ps(w[g], value, acc[g][r]);
        }
    }
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        SSI_UNROLL
    for (uint32_t g = 0; g < groups; g++)
        _mm512_store_ps(y + r * y_stride + g * SSI_GROUP, acc[g][r]);
}

#define SSI_GEMM ssi_gemm_f32_f32_12x16__avx512vnni
#define SSI_GEMM_PAIRS ssi_gemm_f32_f32_12x32__avx512vnni
#define SSI_TILE(groups, rows) \
    tile(weight, SSI_TYPE_F32, group, groups, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 12
#include "kernel/x86/gemm_rows.h"

#define SSI_GEMM ssi_gemm_f32_f16_12x16__avx512vnni
#define SSI_GEMM_PAIRS ssi_gemm_f32_f16_12x32__avx512vnni
#define SSI_TILE(groups, rows) \
    tile(weight, SSI_TYPE_F16, group, groups, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 12
#include "kernel/x86/gemm_rows.h"

#define SSI_GEMM ssi_gemm_f32_bf16_12x16__avx512vnni
#define SSI_GEMM_PAIRS ssi_gemm_f32_bf16_12x32__avx512vnni
#define SSI_TILE(groups, rows) \
    tile(weight, SSI_TYPE_BF16, group, groups, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 12
#include "kernel/x86/gemm_rows.h"
