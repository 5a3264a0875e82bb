/* SPDX-License-Identifier: Apache-2.0 */
/* The specification: portable C, fmaf from the C library. */
#define SSI_NAME(kernel) kernel##__ref
#include "kernel/attention_template.h"

size_t ssi_attention_scratch_bytes(uint32_t head_length, uint32_t heads_per_kv)
{
    size_t bytes = SSI_ATTENTION_ROWS * (size_t)heads_per_kv * sizeof(ssi_attention_state);
    return bytes + ((size_t)head_length + 15) / 16 * 16 * sizeof(float);
}
