/* SPDX-License-Identifier: Apache-2.0 */
/* One or two groups of a 4-bit matrix times a few rows: 16 lanes a group, one per weight row. A
 * block's 32 columns are eight vectors of nibbles; VPDPBUSD takes them unsigned, with four
 * activations broadcast, which two groups share. Q4_0's 8 comes off because its sum starts at
 * sum8. */
#ifndef SSI_KERNEL_X86_GEMM_Q4_AVX512VNNI_H
#define SSI_KERNEL_X86_GEMM_Q4_AVX512VNNI_H

#include "kernel/kernel_list.h"
#include "kernel/x86/dot_avx512vnni.h"
#include "kernel/x86/gemm_ahead.h"
#include "kernel/x86/unroll.h"

static inline __attribute__((always_inline)) __m512 load_halves(const uint16_t *halves)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)halves));
}

static inline __attribute__((always_inline)) void
tile_q4(const ssi_matrix *weight, bool with_minimum, uint32_t group, uint32_t groups,
        const ssi_activation *x, uint32_t row, uint32_t rows, float *y, size_t y_stride)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    const size_t blocks = weight->block_count, first = group * blocks;
    const uint8_t *packed = (const uint8_t *)weight->plane[0] + first * 256;
    const uint16_t *scale = (const uint16_t *)weight->plane[1] + first * SSI_GROUP;
    const uint16_t *minimum =
        with_minimum ? (const uint16_t *)weight->plane[2] + first * SSI_GROUP : NULL;
    const ssi_activation_block *in = x->blocks + row * blocks;
    __m512 acc[2][12];

    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        acc[0][r] = acc[1][r] = _mm512_setzero_ps();
    for (size_t block = 0; block < blocks; block++) {
        __m512i dot[2][12];
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            dot[0][r] = dot[1][r] = with_minimum ? _mm512_setzero_si512()
                                                 : _mm512_set1_epi32(in[r * blocks].sum8);
        SSI_UNROLL
        for (uint32_t chunk = 0; chunk < 4; chunk++) {
            __m512i both[2], w[2];
            SSI_UNROLL
            for (uint32_t g = 0; g < groups; g++) {
                const uint8_t *at = packed + g * blocks * 256 + chunk * 64;
                both[g] = _mm512_load_si512(at);
                ssi_ask_ahead(at, 1);
            }
            SSI_UNROLL
            for (uint32_t half = 0; half < 2; half++) {
                SSI_UNROLL
                for (uint32_t g = 0; g < groups; g++)
                    w[g] = _mm512_and_si512(half ? _mm512_srli_epi16(both[g], 4) : both[g],
                                            nibble);
                SSI_UNROLL
                for (uint32_t r = 0; r < rows; r++) {
                    const int8_t *quants = in[r * blocks].quants + 16 * half + 4 * chunk;
                    if (groups == 1) {
                        dot[0][r] = dot4(dot[0][r], w[0], quants);
                    } else {
                        __m512i four = broadcast4(quants);
                        dot[0][r] = dot4_broadcast(dot[0][r], w[0], four);
                        dot[1][r] = dot4_broadcast(dot[1][r], w[1], four);
                    }
                }
            }
        }
        __m512 d[2], m[2];
        SSI_UNROLL
        for (uint32_t g = 0; g < groups; g++) {
            const uint16_t *at = scale + g * blocks * SSI_GROUP;
            d[g] = load_halves(at);
            ssi_ask_ahead(at, 8);
            if (with_minimum) {
                at = minimum + g * blocks * SSI_GROUP;
                m[g] = load_halves(at);
                ssi_ask_ahead(at, 8);
            }
        }
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            __m512 row_scale = _mm512_set1_ps(in[r * blocks].scale);
            __m512 row_sum = _mm512_set1_ps(in[r * blocks].scaled_sum);
            SSI_UNROLL
            for (uint32_t g = 0; g < groups; g++) {
                acc[g][r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[g][r]),
                                            _mm512_mul_ps(d[g], row_scale), acc[g][r]);
                if (with_minimum)
                    acc[g][r] = _mm512_fmadd_ps(m[g], row_sum, acc[g][r]);
            }
        }
        packed += 256;
        scale += SSI_GROUP;
        minimum = with_minimum ? minimum + SSI_GROUP : NULL;
        in++;
    }
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        SSI_UNROLL
    for (uint32_t g = 0; g < groups; g++)
        _mm512_store_ps(y + r * y_stride + g * SSI_GROUP, acc[g][r]);
}

#endif
