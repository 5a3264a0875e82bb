/* SPDX-License-Identifier: Apache-2.0 */
/* The portable gemm kernels for any CPU. */
#define SSI_NAME(kernel) kernel##__ref
#include "kernel/gemm_template.h"
