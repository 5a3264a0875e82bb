/* SPDX-License-Identifier: Apache-2.0 */
/* Round to nearest even, denormals kept, no trap: the mode the library's bits are defined in. */
#include "base/float_env.h"

#ifdef __FAST_MATH__
#error "the library's results are defined bit for bit: build without -ffast-math"
#endif

#if defined(__x86_64__)
#include <xmmintrin.h>

ssi_float_env ssi_float_env_enter(void)
{
    ssi_float_env before = _mm_getcsr();
    _mm_setcsr(0x1f80); /* MXCSR at reset: all exceptions masked, nearest, no FTZ, no DAZ */
    return before;
}

void ssi_float_env_leave(ssi_float_env before)
{
    _mm_setcsr((unsigned)before);
}
#elif defined(__aarch64__)
ssi_float_env ssi_float_env_enter(void)
{
    ssi_float_env before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0)); /* nearest, no FZ, no traps */
    return before;
}

void ssi_float_env_leave(ssi_float_env before)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#else
#include <fenv.h>

ssi_float_env ssi_float_env_enter(void)
{
    int before = fegetround();
    fesetround(FE_TONEAREST);
    return (ssi_float_env)before;
}

void ssi_float_env_leave(ssi_float_env before)
{
    fesetround((int)before);
}
#endif
