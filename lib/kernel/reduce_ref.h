/* SPDX-License-Identifier: Apache-2.0 */
/* The one order in which 16 lanes are summed: halves onto halves, 8, 4, 2, 1. */
#ifndef SSI_KERNEL_REDUCE_REF_H
#define SSI_KERNEL_REDUCE_REF_H

static inline float ssi_reduce16(const float lane[16])
{
    float eight[8], four[4];
    for (int i = 0; i < 8; i++)
        eight[i] = lane[i] + lane[i + 8];
    for (int i = 0; i < 4; i++)
        four[i] = eight[i] + eight[i + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

#endif
