/* SPDX-License-Identifier: Apache-2.0 */
/* The residual sum, and the rounding of keys and values to the cache's type. */
#include "base/bytes.h"
#include "kernel/kernel_list.h"

void ssi_add__ref(float *x, const float *y, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        x[i] += y[i];
}

void ssi_to_f16__ref(const float *values, uint32_t count, uint16_t *halves)
{
    for (uint32_t i = 0; i < count; i++)
        halves[i] = ssi_f16_from_float(values[i]);
}
