/* SPDX-License-Identifier: Apache-2.0 */
/* The specification's source with hardware FMA: the same bits without a call per product. */
#define SSI_NAME(kernel) kernel##__fma
#include "kernel/attention_template.h"
