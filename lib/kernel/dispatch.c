/* SPDX-License-Identifier: Apache-2.0 */
/* From the list of kernels to the table of one model. */
#include "kernel/kernel_list.h"

bool ssi_kernel_fits(ssi_kernel_needs needs, ssi_isa isa)
{
    switch (needs) {
    case SSI_NEEDS_NOTHING:
        return true;
    case SSI_NEEDS_FMA:
        return ssi_cpu_has_fma();
    case SSI_NEEDS_AVX2:
        return isa >= SSI_ISA_AVX2;
    case SSI_NEEDS_AVX512:
    case SSI_SUITS_AMD:
        return isa >= SSI_ISA_AVX512;
    }
    return false;
}

static bool is_chosen(ssi_kernel_needs needs, ssi_isa isa)
{
    return ssi_kernel_fits(needs, isa) && (needs != SSI_SUITS_AMD || ssi_cpu_is_amd());
}

void ssi_kernels_select(ssi_kernels *kernels, ssi_isa isa)
{
    *kernels = (ssi_kernels){.isa = isa};
#define SSI_KERNEL(function, member, needs) \
    if (is_chosen(needs, isa))              \
        kernels->member = function;
#include "kernel/kernel_list.inc"
#undef SSI_KERNEL
}
