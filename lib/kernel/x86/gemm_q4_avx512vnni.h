/* SPDX-License-Identifier: Apache-2.0 */
/* One group of a 4-bit matrix times a few rows: 16 lanes, one per weight row. A block's 32
 * columns are eight vectors of nibbles, unpacked once for all rows; VPDPBUSD takes them unsigned,
 * with four activations broadcast. Q4_0's 8 comes off because its sum starts at sums8. */
#ifndef SSI_KERNEL_X86_GEMM_Q4_AVX512VNNI_H
#define SSI_KERNEL_X86_GEMM_Q4_AVX512VNNI_H

#include "kernel/kernel_list.h"
#include "kernel/x86/dot_avx512vnni.h"
#include "kernel/x86/unroll.h"

/* Nearer than other types, and into the first cache: 8 rows then cost 3.35 ms and not 3.5, 16 rows
 * 6.4 and not 6.8 (bench_kernels q4_0; gemm_ahead.h says where). */
#define NEAR_BYTES 2048

static inline __attribute__((always_inline)) void
tile_q4(const ssi_matrix *weight, bool with_minimum, uint32_t group, const ssi_activation *x,
        uint32_t row, uint32_t rows, float *y, size_t y_stride)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    const size_t blocks = weight->block_count, first = group * blocks;
    const uint8_t *packed = (const uint8_t *)weight->plane[0] + first * 256;
    const uint16_t *scale = (const uint16_t *)weight->plane[1] + first * SSI_GROUP;
    const uint16_t *minimum =
        with_minimum ? (const uint16_t *)weight->plane[2] + first * SSI_GROUP : NULL;
    const int8_t *quants = x->quants + row * blocks * SSI_BLOCK;
    const float *row_scale = x->scales + row * blocks;
    const int32_t *row_sum8 = x->sums8 + row * blocks;
    const float *row_scaled_sum = x->scaled_sums + row * blocks;
    __m512 acc[16];

    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        acc[r] = _mm512_setzero_ps();
    for (size_t block = 0; block < blocks; block++) {
        __m512i w[8];
        SSI_UNROLL
        for (uint32_t chunk = 0; chunk < 4; chunk++) {
            __m512i both = _mm512_load_si512(packed + chunk * 64);
            _mm_prefetch((const char *)packed + NEAR_BYTES + chunk * 64, _MM_HINT_T0);
            w[chunk] = _mm512_and_si512(both, nibble);
            w[4 + chunk] = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
        }
        _mm_prefetch((const char *)scale + NEAR_BYTES / 8, _MM_HINT_T0);
        __m512 d = _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)scale));
        __m512 m = with_minimum ? _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)minimum))
                                : _mm512_setzero_ps();
        if (with_minimum)
            _mm_prefetch((const char *)minimum + NEAR_BYTES / 8, _MM_HINT_T0);
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r += 2) {
            uint32_t pair = rows - r < 2 ? 1 : 2;
            size_t at[2] = {r * blocks + block, (r + 1) * blocks + block};
            __m512i dot[2];
            SSI_UNROLL
            for (uint32_t i = 0; i < pair; i++)
                dot[i] =
                    with_minimum ? _mm512_setzero_si512() : _mm512_set1_epi32(row_sum8[at[i]]);
            SSI_UNROLL
            for (uint32_t chunk = 0; chunk < 8; chunk++)
                SSI_UNROLL
            for (uint32_t i = 0; i < pair; i++)
                dot[i] = dot4(dot[i], w[chunk], quants + at[i] * SSI_BLOCK + 4 * chunk);
            SSI_UNROLL
            for (uint32_t i = 0; i < pair; i++) {
                __m512 factor = _mm512_mul_ps(d, _mm512_set1_ps(row_scale[at[i]]));
                acc[r + i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[i]), factor, acc[r + i]);
                if (with_minimum)
                    acc[r + i] =
                        _mm512_fmadd_ps(m, _mm512_set1_ps(row_scaled_sum[at[i]]), acc[r + i]);
            }
        }
        packed += 256;
        scale += SSI_GROUP;
        minimum = with_minimum ? minimum + SSI_GROUP : NULL;
    }
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        _mm512_store_ps(y + r * y_stride, acc[r]);
}

#endif
