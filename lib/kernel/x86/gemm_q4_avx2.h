/* SPDX-License-Identifier: Apache-2.0 */
/* One group of a 4-bit matrix times a few rows: 16 lanes in two halves, one lane per weight row.
 * VPMADDUBSW gives sums of two products in 16 bits; a block adds eight of them to a lane's half,
 * at most 8 * 2 * 15 * 127 = 30480, so they are widened once per block. Q4_0's 8 comes off because
 * its sum starts at sums8. */
#ifndef SSI_KERNEL_X86_GEMM_Q4_AVX2_H
#define SSI_KERNEL_X86_GEMM_Q4_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "kernel/kernel_list.h"
#include "kernel/x86/gemm_ahead.h"
#include "kernel/x86/unroll.h"

static inline __attribute__((always_inline)) __m256i four_quants(const int8_t *quants)
{
    int32_t four;
    memcpy(&four, quants, sizeof four);
    return _mm256_set1_epi32(four);
}

static inline __attribute__((always_inline)) __m256 load_halves(const uint16_t *halves)
{
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)halves));
}

static inline __attribute__((always_inline)) void
tile_q4(const ssi_matrix *weight, bool with_minimum, uint32_t group, const ssi_activation *x,
        uint32_t row, uint32_t rows, float *y, size_t y_stride)
{
    const __m256i nibble = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    const size_t blocks = weight->block_count, first = group * blocks;
    const uint8_t *packed = (const uint8_t *)weight->plane[0] + first * 256;
    const uint16_t *scale = (const uint16_t *)weight->plane[1] + first * SSI_GROUP;
    const uint16_t *minimum =
        with_minimum ? (const uint16_t *)weight->plane[2] + first * SSI_GROUP : NULL;
    /* One or two rows take both halves at once; more take one after the other, for want of
     * registers, and find the weights in the first cache the second time. */
    const uint32_t halves = rows > 2 ? 1 : 2;

    for (uint32_t first_half = 0; first_half < 2; first_half += halves) {
        __m256 acc[4][2];
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            acc[r][0] = acc[r][1] = _mm256_setzero_ps();
        for (size_t block = 0; block < blocks; block++) {
            __m256i pairs[4][2];
            SSI_UNROLL
            for (uint32_t r = 0; r < rows; r++)
                pairs[r][0] = pairs[r][1] = _mm256_setzero_si256();
            for (uint32_t chunk = 0; chunk < 4; chunk++) {
                ssi_ask_ahead(packed + block * 256 + chunk * 64, 1);
                SSI_UNROLL
                for (uint32_t half = 0; half < halves; half++) {
                    const uint8_t *at =
                        packed + block * 256 + chunk * 64 + (first_half + half) * 32;
                    __m256i both = _mm256_load_si256((const __m256i *)at);
                    __m256i low = _mm256_and_si256(both, nibble);
                    __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
                    SSI_UNROLL
                    for (uint32_t r = 0; r < rows; r++) {
                        const int8_t *quants =
                            x->blocks[(row + r) * blocks + block].quants + 4 * chunk;
                        pairs[r][half] = _mm256_add_epi16(
                            pairs[r][half], _mm256_maddubs_epi16(low, four_quants(quants)));
                        pairs[r][half] = _mm256_add_epi16(
                            pairs[r][half],
                            _mm256_maddubs_epi16(high, four_quants(quants + 16)));
                    }
                }
            }
            SSI_UNROLL
            for (uint32_t half = 0; half < halves; half++) {
                size_t lanes = block * SSI_GROUP + (first_half + half) * 8;
                __m256 d = load_halves(scale + lanes);
                SSI_UNROLL
                for (uint32_t r = 0; r < rows; r++) {
                    const ssi_activation_block *in = &x->blocks[(row + r) * blocks + block];
                    __m256i dot = _mm256_madd_epi16(pairs[r][half], ones);
                    if (!with_minimum)
                        dot = _mm256_add_epi32(dot, _mm256_set1_epi32(in->sum8));
                    __m256 factor = _mm256_mul_ps(d, _mm256_set1_ps(in->scale));
                    acc[r][half] =
                        _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), factor, acc[r][half]);
                    if (with_minimum)
                        acc[r][half] =
                            _mm256_fmadd_ps(load_halves(minimum + lanes),
                                            _mm256_set1_ps(in->scaled_sum), acc[r][half]);
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

#endif
