/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID says what the CPU has, XGETBV which registers the operating system saves: both count. */
#include "base/cpu.h"

#include "base/os.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum { /* CPUID bits */
    LEAF1_ECX_FMA = 1 << 12,
    LEAF1_ECX_OSXSAVE = 1 << 27,
    LEAF1_ECX_AVX = 1 << 28,
    LEAF1_ECX_F16C = 1 << 29,
    LEAF7_EBX_AVX2 = 1 << 5,
    LEAF7_EBX_AVX512F = 1 << 16,
    LEAF7_EBX_AVX512DQ = 1 << 17,
    LEAF7_EBX_AVX512BW = 1 << 30,
    LEAF7_ECX_AVX512VNNI = 1 << 11,
    XCR0_YMM = 0x06, /* XMM and YMM state */
    XCR0_ZMM = 0xe6  /* and mask registers and both halves of the ZMM state */
};
#define LEAF7_EBX_AVX512VL (1u << 31)

static bool has_all(unsigned value, unsigned bits)
{
    return (value & bits) == bits;
}

static unsigned read_xcr0(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Leaf 1's ECX if the system saves YMM registers, else 0. */
static unsigned leaf1_with_avx(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) ||
        !has_all(ecx, LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX) || !has_all(read_xcr0(), XCR0_YMM))
        return 0;
    return ecx;
}

ssi_isa ssi_cpu_best(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!has_all(leaf1_with_avx(), LEAF1_ECX_FMA | LEAF1_ECX_F16C) ||
        !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !has_all(ebx, LEAF7_EBX_AVX2))
        return SSI_ISA_PORTABLE;
    if (!has_all(ebx, LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW) ||
        !has_all(ebx, LEAF7_EBX_AVX512VL) || !has_all(ecx, LEAF7_ECX_AVX512VNNI) ||
        !has_all(read_xcr0(), XCR0_ZMM))
        return SSI_ISA_AVX2;
    return SSI_ISA_AVX512;
}

bool ssi_cpu_has_fma(void)
{
    return has_all(leaf1_with_avx(), LEAF1_ECX_FMA);
}

bool ssi_cpu_is_amd(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_AMD_ebx &&
           ecx == signature_AMD_ecx && edx == signature_AMD_edx;
}
#else
ssi_isa ssi_cpu_best(void)
{
    return SSI_ISA_PORTABLE;
}

bool ssi_cpu_has_fma(void)
{
    return false;
}

bool ssi_cpu_is_amd(void)
{
    return false;
}
#endif

const char *ssi_isa_name(ssi_isa isa)
{
    switch (isa) {
    case SSI_ISA_AVX512: return "avx512";
    case SSI_ISA_AVX2: return "avx2";
    default: return "portable";
    }
}
