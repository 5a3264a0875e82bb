/* SPDX-License-Identifier: Apache-2.0 */
/* The specification's source, which the compiler makes vectors of (the Makefile asks for -O3). */
#define SSI_NAME(kernel) kernel##__avx2
#include "kernel/gradient_template.h"
