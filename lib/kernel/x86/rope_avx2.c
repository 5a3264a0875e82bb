/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary position, 4 interleaved or 8 split pairs at a time. */
#include <immintrin.h>

#include "kernel/kernel_list.h"

/* Returns how many pairs are done. */
static uint32_t rotate_interleaved(float *head, const float *cosine, const float *sine,
                                   uint32_t pair_count)
{
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    uint32_t i = 0;
    for (; pair_count - i >= 4; i += 4) {
        __m256 c = _mm256_castps128_ps256(_mm_loadu_ps(cosine + i));
        __m256 s = _mm256_castps128_ps256(_mm_loadu_ps(sine + i));
        c = _mm256_permutevar8x32_ps(c, twice);
        s = _mm256_permutevar8x32_ps(s, twice);
        __m256 pairs = _mm256_loadu_ps(head + 2 * i), swapped = _mm256_permute_ps(pairs, 0xb1);
        pairs = _mm256_addsub_ps(_mm256_mul_ps(pairs, c), _mm256_mul_ps(swapped, s));
        _mm256_storeu_ps(head + 2 * i, pairs);
    }
    return i;
}

static uint32_t rotate_split(float *first, float *second, const float *cosine,
                             const float *sine, uint32_t pair_count)
{
    uint32_t i = 0;
    for (; pair_count - i >= 8; i += 8) {
        __m256 a = _mm256_loadu_ps(first + i), b = _mm256_loadu_ps(second + i);
        __m256 c = _mm256_loadu_ps(cosine + i), s = _mm256_loadu_ps(sine + i);
        _mm256_storeu_ps(first + i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(second + i, _mm256_add_ps(_mm256_mul_ps(a, s), _mm256_mul_ps(b, c)));
    }
    return i;
}

void ssi_rope__avx2(float *head, const float *cosine, const float *sine, uint32_t pair_count,
                    uint32_t head_length, bool interleaved)
{
    uint32_t step = interleaved ? 2 : 1, apart = interleaved ? 1 : head_length / 2;
    uint32_t i = interleaved ? rotate_interleaved(head, cosine, sine, pair_count)
                             : rotate_split(head, head + apart, cosine, sine, pair_count);
    for (; i < pair_count; i++) {
        float *first = head + (size_t)i * step, *second = first + apart;
        float a = *first, b = *second;
        *first = a * cosine[i] - b * sine[i];
        *second = a * sine[i] + b * cosine[i];
    }
}
