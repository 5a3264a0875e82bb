/* SPDX-License-Identifier: Apache-2.0 */
/* The feed-forward gate, 8 lanes. */
#include "kernel/kernel_list.h"
#include "kernel/x86/exp_avx2.h"

void ssi_silu_mul__avx2(const float *gate, const float *up, uint32_t count, float *out)
{
    const __m256 one = _mm256_set1_ps(1.0f), sign = _mm256_set1_ps(-0.0f);
    uint32_t i = 0;
    for (; count - i >= 8; i += 8) {
        __m256 g = _mm256_loadu_ps(gate + i);
        __m256 below = _mm256_add_ps(one, exp_avx2(_mm256_xor_ps(g, sign)));
        __m256 silu = _mm256_div_ps(g, below);
        _mm256_storeu_ps(out + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
    }
    for (; i < count; i++)
        out[i] = gate[i] / (1.0f + ssi_exp_ref(-gate[i])) * up[i];
}
