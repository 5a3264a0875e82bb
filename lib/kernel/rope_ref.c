/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary position: pair (a, b) becomes (a cos - b sin, a sin + b cos), each product rounded. */
#include "kernel/kernel_list.h"

void ssi_rope__ref(float *head, const float *cosine, const float *sine, uint32_t pair_count,
                   uint32_t head_length, bool interleaved)
{
    uint32_t step = interleaved ? 2 : 1, apart = interleaved ? 1 : head_length / 2;
    for (uint32_t i = 0; i < pair_count; i++) {
        float *first = head + (size_t)i * step, *second = first + apart;
        float a = *first, b = *second;
        *first = a * cosine[i] - b * sine[i];
        *second = a * sine[i] + b * cosine[i];
    }
}
