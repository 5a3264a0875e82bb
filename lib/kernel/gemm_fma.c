/* SPDX-License-Identifier: Apache-2.0 */
/* The portable gemm kernels, built for CPUs with hardware FMA. */
#define SSI_NAME(kernel) kernel##__fma
#include "kernel/gemm_template.h"
