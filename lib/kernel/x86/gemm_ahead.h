/* SPDX-License-Identifier: Apache-2.0 */
/* Weights are asked for this many bytes ahead, into the second cache. A CPU busy with the
 * arithmetic of several rows doesn't look far enough ahead by itself: without, on a Zen 4 with
 * two threads, 8 rows cost 20.2 ms and not 11.4 (F16), 16 rows 10.8 and not 7.2 (Q8_0), and into
 * the first cache 8 rows of Q8_0 5.7 and not 4.5 (bench_kernels). A prefetch past the end of a
 * plane is harmless. */
#ifndef SSI_KERNEL_X86_GEMM_AHEAD_H
#define SSI_KERNEL_X86_GEMM_AHEAD_H

#define SSI_AHEAD_BYTES 8192

#endif
