/* SPDX-License-Identifier: Apache-2.0 */
/* One group of a Q8_0 matrix times a few rows: 16 lanes in two halves, one lane per weight row.
 * VPMADDUBSW wants one side unsigned: it gets the weight's magnitude, and the activation its sign.
 * Two products are at most 2 * 128 * 127 = 32512, so they can't saturate. */
#include <immintrin.h>
#include <string.h>

#include "kernel/kernel_list.h"
#include "kernel/x86/gemm_ahead.h"
#include "kernel/x86/unroll.h"

static inline __attribute__((always_inline)) void tile(const ssi_matrix *weight, uint32_t group,
                                                       const ssi_activation *x, uint32_t row,
                                                       uint32_t rows, float *y, size_t y_stride)
{
    const __m256i stored_offset = _mm256_set1_epi8(-128), ones = _mm256_set1_epi16(1);
    const size_t blocks = weight->block_count, first = group * blocks;
    const uint8_t *packed = (const uint8_t *)weight->plane[0] + first * 512;
    const uint16_t *scale = (const uint16_t *)weight->plane[1] + first * SSI_GROUP;
    /* As in gemm_q4_avx2.h: more than two rows take the halves one after the other. */
    const uint32_t halves = rows > 2 ? 1 : 2;

    for (uint32_t first_half = 0; first_half < 2; first_half += halves) {
        __m256 acc[4][2];
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            acc[r][0] = acc[r][1] = _mm256_setzero_ps();
        for (size_t block = 0; block < blocks; block++) {
            __m256i dot[4][2];
            SSI_UNROLL
            for (uint32_t r = 0; r < rows; r++)
                dot[r][0] = dot[r][1] = _mm256_setzero_si256();
            for (uint32_t chunk = 0; chunk < 8; chunk++) {
                ssi_ask_ahead(packed + block * 512 + chunk * 64, 1);
                SSI_UNROLL
                for (uint32_t half = 0; half < halves; half++) {
                    const uint8_t *at =
                        packed + block * 512 + chunk * 64 + (first_half + half) * 32;
                    __m256i w =
                        _mm256_xor_si256(_mm256_load_si256((const __m256i *)at), stored_offset);
                    __m256i magnitude = _mm256_abs_epi8(w);
                    SSI_UNROLL
                    for (uint32_t r = 0; r < rows; r++) {
                        int32_t four;
                        memcpy(&four,
                               x->blocks[(row + r) * blocks + block].quants + 4 * chunk,
                               sizeof four);
                        __m256i pairs = _mm256_maddubs_epi16(
                            magnitude, _mm256_sign_epi8(_mm256_set1_epi32(four), w));
                        dot[r][half] =
                            _mm256_add_epi32(dot[r][half], _mm256_madd_epi16(pairs, ones));
                    }
                }
            }
            SSI_UNROLL
            for (uint32_t half = 0; half < halves; half++) {
                const uint16_t *at = scale + block * SSI_GROUP + (first_half + half) * 8;
                __m256 d = _mm256_cvtph_ps(_mm_load_si128((const __m128i *)at));
                SSI_UNROLL
                for (uint32_t r = 0; r < rows; r++) {
                    __m256 factor =
                        _mm256_mul_ps(d, _mm256_set1_ps(x->blocks[(row + r) * blocks + block].scale));
                    acc[r][half] =
                        _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[r][half]), factor, acc[r][half]);
                }
            }
        }
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            SSI_UNROLL
        for (uint32_t half = 0; half < halves; half++)
            _mm256_store_ps(y + r * y_stride + (first_half + half) * 8, acc[r][half]);
    }
}

#define SSI_GEMM ssi_gemm_q8_q8_0_4x16c4__avx2
#define SSI_TILE(groups, rows) tile(weight, group, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 4
#include "kernel/x86/gemm_rows.h"
