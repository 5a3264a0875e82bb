/* SPDX-License-Identifier: Apache-2.0 */
/* Weights are asked for twice: far ahead into the second cache, which hides memory's latency behind
 * more lines than the first cache can wait for, and close ahead from there into the first, since a
 * CPU busy with the arithmetic of several rows doesn't look far enough ahead by itself. On a Zen 4
 * with two threads, Q4_1, 1 and 9 rows cost 2.5 and 4.6 ms; with the far one alone 2.7 and 5.1, with
 * one of 6144 bytes into the first cache 3.6 and 4.9, with none 3.5 and 6.6 (bench_kernels). A prefetch
 * past the end of a plane is harmless. */
#ifndef SSI_KERNEL_X86_GEMM_AHEAD_H
#define SSI_KERNEL_X86_GEMM_AHEAD_H

#include <immintrin.h>
#include <stdint.h>

/* Bytes ahead in the plane of weights; a plane with a `share`-th of its bytes moves that much
 * slower. */
#define SSI_FAR_BYTES 16384
#define SSI_NEAR_BYTES 1024

static inline __attribute__((always_inline)) void ssi_ask_ahead(const void *at, uint32_t share)
{
    _mm_prefetch((const char *)at + SSI_FAR_BYTES / share, _MM_HINT_T1);
    _mm_prefetch((const char *)at + SSI_NEAR_BYTES / share, _MM_HINT_T0);
}

#endif
