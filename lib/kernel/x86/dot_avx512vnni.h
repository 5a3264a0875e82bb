/* SPDX-License-Identifier: Apache-2.0 */
/* VPDPBUSD with its activations broadcast from memory: sum[lane] += the four unsigned bytes of
 * weights' lane times the four signed bytes at `quants`. Written as the one instruction: gcc 12
 * takes the intrinsic for a broadcast and a VPDPBUSD, and eight rows then cost a third more. */
#ifndef SSI_KERNEL_X86_DOT_AVX512VNNI_H
#define SSI_KERNEL_X86_DOT_AVX512VNNI_H

#include <immintrin.h>
#include <stdint.h>

static inline __attribute__((always_inline)) __m512i dot4(__m512i sum, __m512i weights,
                                                          const int8_t *quants)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0"
            : "+v"(sum)
            : "v"(weights), "m"(*(const int8_t(*)[4])quants));
    return sum;
}

#endif
