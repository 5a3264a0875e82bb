/* SPDX-License-Identifier: Apache-2.0 */
/* What this CPU and its operating system can do (CPUID and XGETBV). */
#ifndef SSI_BASE_CPU_H
#define SSI_BASE_CPU_H

#include "base/status.h"

typedef enum ssi_isa { /* each includes the ones before it */
    SSI_ISA_PORTABLE = 0,
    SSI_ISA_AVX2 = 1,    /* AVX2, FMA, F16C */
    SSI_ISA_AVX512 = 2,  /* AVX-512 F, BW, VL, DQ, VNNI */
    SSI_ISA_COUNT
} ssi_isa;

ssi_isa ssi_cpu_best(void);
bool ssi_cpu_has_fma(void); /* hardware FMA: the portable kernels' fast twin may run */
bool ssi_cpu_is_amd(void);
const char *ssi_isa_name(ssi_isa isa); /* "portable", "avx2", "avx512" */

#endif
