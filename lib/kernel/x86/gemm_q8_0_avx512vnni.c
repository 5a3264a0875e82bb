/* SPDX-License-Identifier: Apache-2.0 */
/* One or two groups of a Q8_0 matrix times a few rows: 16 lanes a group, one per weight row. The
 * weights lie in memory as VPDPBUSD wants them, with 128 added; the sum starts at 16 * sum8, which
 * takes it off. */
#include "kernel/kernel_list.h"
#include "kernel/x86/dot_avx512vnni.h"
#include "kernel/x86/gemm_ahead.h"
#include "kernel/x86/unroll.h"

static inline __attribute__((always_inline)) void
tile(const ssi_matrix *weight, uint32_t group, uint32_t groups, const ssi_activation *x,
     uint32_t row, uint32_t rows, float *y, size_t y_stride)
{
    const size_t blocks = weight->block_count, first = group * blocks;
    const uint8_t *packed = (const uint8_t *)weight->plane[0] + first * 512;
    const uint16_t *scale = (const uint16_t *)weight->plane[1] + first * SSI_GROUP;
    const ssi_activation_block *in = x->blocks + row * blocks;
    __m512 acc[2][12];

    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        acc[0][r] = acc[1][r] = _mm512_setzero_ps();
    for (size_t block = 0; block < blocks; block++) {
        __m512i dot[2][12];
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            dot[0][r] = dot[1][r] =
                _mm512_slli_epi32(_mm512_set1_epi32(in[r * blocks].sum8), 4);
        SSI_UNROLL
        for (uint32_t chunk = 0; chunk < 8; chunk++) {
            __m512i w[2];
            SSI_UNROLL
            for (uint32_t g = 0; g < groups; g++) {
                const uint8_t *at = packed + g * blocks * 512 + chunk * 64;
                w[g] = _mm512_load_si512(at);
                ssi_ask_ahead(at, 1);
            }
            SSI_UNROLL
            for (uint32_t r = 0; r < rows; r++) {
                const int8_t *quants = in[r * blocks].quants + 4 * chunk;
                if (groups == 1) {
                    dot[0][r] = dot4(dot[0][r], w[0], quants);
                } else {
                    __m512i four = broadcast4(quants);
                    dot[0][r] = dot4_broadcast(dot[0][r], w[0], four);
                    dot[1][r] = dot4_broadcast(dot[1][r], w[1], four);
                }
            }
        }
        __m512 d[2];
        SSI_UNROLL
        for (uint32_t g = 0; g < groups; g++) {
            const uint16_t *at = scale + g * blocks * SSI_GROUP;
            d[g] = _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)at));
            ssi_ask_ahead(at, 16);
        }
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            __m512 row_scale = _mm512_set1_ps(in[r * blocks].scale);
            SSI_UNROLL
            for (uint32_t g = 0; g < groups; g++)
                acc[g][r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[g][r]),
                                            _mm512_mul_ps(d[g], row_scale), acc[g][r]);
        }
        packed += 512;
        scale += SSI_GROUP;
        in++;
    }
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        SSI_UNROLL
    for (uint32_t g = 0; g < groups; g++)
        _mm512_store_ps(y + r * y_stride + g * SSI_GROUP, acc[g][r]);
}

#define SSI_GEMM ssi_gemm_q8_q8_0_12x16c4__avx512vnni
#define SSI_GEMM_PAIRS ssi_gemm_q8_q8_0_12x32c4__avx512vnni
#define SSI_TILE(groups, rows) tile(weight, group, groups, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 12
#include "kernel/x86/gemm_rows.h"
