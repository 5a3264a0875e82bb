/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness as a pure function: a 64-bit hash of (seed, position, token id), and its mapping to
 * (0, 1). docs/exactness.md writes both down; changing a bit here raises SS_ARITHMETIC_VERSION. */
#ifndef SSI_BASE_RANDOM_H
#define SSI_BASE_RANDOM_H

#include <stdint.h>

static inline uint64_t ssi_mix64(uint64_t x) /* SplitMix64's finaliser: bijective, avalanching */
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* All 64 bits of the seed, 32 of the position and 32 of the token id count. */
static inline uint64_t ssi_noise_bits(uint64_t seed, uint32_t position, uint32_t token)
{
    uint64_t key = ssi_mix64(seed + 0x9e3779b97f4a7c15u);
    return ssi_mix64(key ^ ssi_mix64(((uint64_t)position << 32 | token) + 0xd1b54a32d192ed03u));
}

/* Uniform in (0, 1), never 0 or 1: (top 23 bits + 1/2) / 2^23, exact in binary32. */
static inline float ssi_uniform(uint64_t bits)
{
    return ((float)(bits >> 41) + 0.5f) * 0x1p-23f;
}

#endif
