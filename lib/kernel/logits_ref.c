/* SPDX-License-Identifier: Apache-2.0 */
/* What greedy decoding and softmax ask of a row of logits. */
#include "kernel/exp_ref.h"
#include "kernel/kernel_list.h"
#include "kernel/reduce_ref.h"

/* NaN is larger than nothing, so that even a broken row has one answer: 0 if nothing is above
 * -inf. */
uint32_t ssi_argmax__ref(const float *values, uint32_t count, bool *finite)
{
    uint32_t best = 0;
    float largest = -INFINITY;
    bool all = true;
    for (uint32_t i = 0; i < count; i++) {
        all &= (ssi_bits_from_float(values[i]) & 0x7f800000u) != 0x7f800000u;
        if (values[i] > largest) {
            largest = values[i];
            best = i;
        }
    }
    *finite = all;
    return best;
}

/* Value i goes to lane i % 16, ascending. */
float ssi_exp_sum__ref(const float *values, uint32_t count, float largest, float inverse)
{
    float lane[16] = {0};
    for (uint32_t i = 0; i < count; i++)
        lane[i % 16] += ssi_exp_ref((values[i] - largest) * inverse);
    return ssi_reduce16(lane);
}

float ssi_exp_each__ref(float *values, uint32_t count, float largest)
{
    float lane[16] = {0};
    for (uint32_t i = 0; i < count; i++) {
        values[i] = ssi_exp_ref(values[i] - largest);
        lane[i % 16] += values[i];
    }
    return ssi_reduce16(lane);
}
