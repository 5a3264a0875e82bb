/* SPDX-License-Identifier: Apache-2.0 */
/* VPDPBUSD: sum[lane] += the four unsigned bytes of weights' lane times four signed bytes that all
 * lanes share. Written as the instructions: gcc 12 takes the intrinsics for other ones, and eight
 * rows then cost a third more. */
#ifndef SSI_KERNEL_X86_DOT_AVX512VNNI_H
#define SSI_KERNEL_X86_DOT_AVX512VNNI_H

#include <immintrin.h>
#include <stdint.h>

/* The four from memory: for a vector of weights alone. */
static inline __attribute__((always_inline)) __m512i dot4(__m512i sum, __m512i weights,
                                                          const int8_t *quants)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0"
            : "+v"(sum)
            : "v"(weights), "m"(*(const int8_t(*)[4])quants));
    return sum;
}

/* The four in a register, for two vectors of weights: an Ice Lake loads 512 bits once a cycle, where
 * it multiplies twice. A Zen 4 loads and multiplies once, and is better off with more rows to one
 * vector of weights: 9 rows of Q4_1 cost 3.9 and not 4.4 ms, 12 rows 5.2 and not 6.1 (bench_kernels,
 * two threads). */
static inline __attribute__((always_inline)) __m512i broadcast4(const int8_t *quants)
{
    __m512i four;
    __asm__("vpbroadcastd %1, %0" : "=v"(four) : "m"(*(const int8_t(*)[4])quants));
    return four;
}

static inline __attribute__((always_inline)) __m512i dot4_broadcast(__m512i sum, __m512i weights,
                                                                    __m512i four)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(four));
    return sum;
}

#endif
