/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian loads and stores at any alignment, and the two half-width float formats. */
#ifndef SSI_BASE_BYTES_H
#define SSI_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t ssi_load_u16le(const void *at)
{
    const unsigned char *b = at;
    return (uint16_t)(b[0] | (unsigned)b[1] << 8);
}

static inline uint32_t ssi_load_u32le(const void *at)
{
    const unsigned char *b = at;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t ssi_load_u64le(const void *at)
{
    return ssi_load_u32le(at) | (uint64_t)ssi_load_u32le((const unsigned char *)at + 4) << 32;
}

static inline void ssi_store_u16le(void *at, uint16_t value)
{
    unsigned char *b = at;
    b[0] = (unsigned char)value;
    b[1] = (unsigned char)(value >> 8);
}

static inline void ssi_store_u32le(void *at, uint32_t value)
{
    ssi_store_u16le(at, (uint16_t)value);
    ssi_store_u16le((unsigned char *)at + 2, (uint16_t)(value >> 16));
}

static inline void ssi_store_u64le(void *at, uint64_t value)
{
    ssi_store_u32le(at, (uint32_t)value);
    ssi_store_u32le((unsigned char *)at + 4, (uint32_t)(value >> 32));
}

static inline float ssi_float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t ssi_bits_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float ssi_float_from_bf16(uint16_t half)
{
    return ssi_float_from_bits((uint32_t)half << 16);
}

/* Round to nearest even; a NaN becomes quiet. */
static inline uint16_t ssi_bf16_from_float(float value)
{
    uint32_t bits = ssi_bits_from_float(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* IEEE binary16 to binary32, exact; as VCVTPH2PS (denormals kept, whatever the host's mode). */
static inline float ssi_float_from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31u, fraction = half & 1023u;
    if (exponent == 31)
        return ssi_float_from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) { /* zero or denormal: fraction * 2^-24, exact in binary32 */
        float magnitude = (float)fraction * 0x1p-24f;
        return ssi_float_from_bits(sign | ssi_bits_from_float(magnitude));
    }
    return ssi_float_from_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

/* binary32 to binary16, round to nearest even, overflow to infinity; as VCVTPS2PH. */
static inline uint16_t ssi_f16_from_float(float value)
{
    uint32_t bits = ssi_bits_from_float(value), sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) /* NaN: quiet, payload cut */
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) /* 65520 and up */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { /* denormal: adding 0.5 aligns and rounds */
        uint32_t shifted = ssi_bits_from_float(ssi_float_from_bits(magnitude) + 0.5f);
        return (uint16_t)(sign | (shifted - 0x3f000000u));
    }
    magnitude += 0xc8000fffu + (magnitude >> 13 & 1u); /* rebias and round */
    return (uint16_t)(sign | magnitude >> 13);
}

#endif
