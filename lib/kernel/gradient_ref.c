/* SPDX-License-Identifier: Apache-2.0 */
/* The specification: portable C, fmaf from the C library. */
#define SSI_NAME(kernel) kernel##__ref
#include "kernel/gradient_template.h"
