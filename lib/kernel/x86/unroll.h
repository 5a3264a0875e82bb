/* SPDX-License-Identifier: Apache-2.0 */
/* Before a loop with a literal count: unroll it whole, so that what it indexes stays in
 * registers. */
#ifndef SSI_KERNEL_X86_UNROLL_H
#define SSI_KERNEL_X86_UNROLL_H

#if defined(__clang__)
#define SSI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SSI_UNROLL _Pragma("GCC unroll 32")
#endif

#endif
