/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of kernel_list.inc declared with the type of the ssi_kernels member it fills, and
 * what it asks of the CPU. Kernel files include this, so a definition can't drift from its slot. */
#ifndef SSI_KERNEL_KERNEL_LIST_H
#define SSI_KERNEL_KERNEL_LIST_H

#include "kernel/kernel.h"

typedef enum ssi_kernel_needs {
    SSI_NEEDS_NOTHING = 0, /* portable C: the specification */
    SSI_NEEDS_FMA,         /* the same C with hardware FMA: used at SSI_ISA_PORTABLE too */
    SSI_NEEDS_AVX2,
    SSI_NEEDS_AVX512,
    SSI_SUITS_AMD, /* needs AVX-512, runs on every maker's, is chosen on AMD's: they load an operand
                    * of 512 bits for each that they multiply, an Ice Lake for every other one */
} ssi_kernel_needs;

/* Whether a kernel can run on this machine in a table of `isa`. */
bool ssi_kernel_fits(ssi_kernel_needs needs, ssi_isa isa);

#define SSI_KERNEL(function, member, needs) \
    __typeof__(*((ssi_kernels *)0)->member) function;
#include "kernel/kernel_list.inc"
#undef SSI_KERNEL

#endif
