/* SPDX-License-Identifier: Apache-2.0 */
/* One group of a Q8_0 matrix times a few rows: 16 lanes, one per weight row. The weights lie in
 * memory as VPDPBUSD wants them, with 128 added; the sum starts at 16 * sums8, which takes it
 * off. */
#include "kernel/kernel_list.h"
#include "kernel/x86/dot_avx512vnni.h"
#include "kernel/x86/gemm_ahead.h"
#include "kernel/x86/unroll.h"

static inline __attribute__((always_inline)) void tile(const ssi_matrix *weight, uint32_t group,
                                                       const ssi_activation *x, uint32_t row,
                                                       uint32_t rows, float *y, size_t y_stride)
{
    const size_t blocks = weight->block_count, first = group * blocks;
    const uint8_t *packed = (const uint8_t *)weight->plane[0] + first * 512;
    const uint16_t *scale = (const uint16_t *)weight->plane[1] + first * SSI_GROUP;
    const int8_t *quants = x->quants + row * blocks * SSI_BLOCK;
    const float *row_scale = x->scales + row * blocks;
    const int32_t *row_sum8 = x->sums8 + row * blocks;
    __m512 acc[16];

    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        acc[r] = _mm512_setzero_ps();
    for (size_t block = 0; block < blocks; block++) {
        __m512i w[8];
        SSI_UNROLL
        for (uint32_t chunk = 0; chunk < 8; chunk++) {
            w[chunk] = _mm512_load_si512(packed + chunk * 64);
            _mm_prefetch((const char *)packed + SSI_AHEAD_BYTES + chunk * 64, _MM_HINT_T1);
        }
        _mm_prefetch((const char *)scale + SSI_AHEAD_BYTES / 16, _MM_HINT_T1);
        __m512 d = _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)scale));
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r += 2) {
            uint32_t pair = rows - r < 2 ? 1 : 2;
            size_t at[2] = {r * blocks + block, (r + 1) * blocks + block};
            __m512i dot[2];
            SSI_UNROLL
            for (uint32_t i = 0; i < pair; i++)
                dot[i] = _mm512_slli_epi32(_mm512_set1_epi32(row_sum8[at[i]]), 4);
            SSI_UNROLL
            for (uint32_t chunk = 0; chunk < 8; chunk++)
                SSI_UNROLL
            for (uint32_t i = 0; i < pair; i++)
                dot[i] = dot4(dot[i], w[chunk], quants + at[i] * SSI_BLOCK + 4 * chunk);
            SSI_UNROLL
            for (uint32_t i = 0; i < pair; i++) {
                __m512 factor = _mm512_mul_ps(d, _mm512_set1_ps(row_scale[at[i]]));
                acc[r + i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[i]), factor, acc[r + i]);
            }
        }
        packed += 512;
        scale += SSI_GROUP;
    }
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        _mm512_store_ps(y + r * y_stride, acc[r]);
}

#define SSI_TILE tile
#define SSI_ROWS_MAX 16
#define SSI_GEMM ssi_gemm_q8_q8_0_16x16c4__avx512vnni
#include "kernel/x86/gemm_rows.h"
