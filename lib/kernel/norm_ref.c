/* SPDX-License-Identifier: Apache-2.0 */
/* Root mean square norm. Column i's square goes to lane i % 16, columns ascending; lanes that have
 * no more columns stay as they are. */
#include <math.h>

#include "kernel/kernel_list.h"
#include "kernel/reduce_ref.h"

void ssi_rms_norm__ref(const float *x, const float *weight, float epsilon, uint32_t count,
                       float *out)
{
    float lane[16] = {0};
    for (uint32_t i = 0; i < count; i++)
        lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    float factor = 1.0f / sqrtf(ssi_reduce16(lane) / (float)count + epsilon);
    for (uint32_t i = 0; i < count; i++)
        out[i] = x[i] * factor * weight[i];
}
