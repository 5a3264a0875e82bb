/* SPDX-License-Identifier: Apache-2.0 */
/* The feed-forward gate, 16 lanes. */
#include "kernel/kernel_list.h"
#include "kernel/x86/exp_avx512vnni.h"

void ssi_silu_mul__avx512vnni(const float *gate, const float *up, uint32_t count, float *out)
{
    const __m512 one = _mm512_set1_ps(1.0f), sign = _mm512_set1_ps(-0.0f);
    for (uint32_t i = 0; i < count; i += 16) {
        uint32_t left = count - i;
        __mmask16 here = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffffu);
        __m512 g = _mm512_maskz_loadu_ps(here, gate + i);
        __m512 below = _mm512_add_ps(one, exp_avx512(_mm512_xor_ps(g, sign)));
        __m512 silu = _mm512_div_ps(g, below);
        __m512 product = _mm512_mul_ps(silu, _mm512_maskz_loadu_ps(here, up + i));
        _mm512_mask_storeu_ps(out + i, here, product);
    }
}
