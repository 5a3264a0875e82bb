/* SPDX-License-Identifier: Apache-2.0 */
/* The gate of the feed-forward layer. gated_ref.c and gated_fma.c compile it under the names
 * SSI_NAME(...) gives. */
#include "kernel/exp_ref.h"
#include "kernel/kernel_list.h"

/* e^-gate is +inf for gate below -88.7: the quotient is then -0. */
void SSI_NAME(ssi_silu_mul)(const float *gate, const float *up, uint32_t count, float *out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = gate[i] / (1.0f + ssi_exp_ref(-gate[i])) * up[i];
}
