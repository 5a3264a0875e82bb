/* SPDX-License-Identifier: Apache-2.0 */
/* Q8_0: 32 values in 34 bytes: binary16 scale d, 32 signed bytes q; value = d * q. Packed with 128
 * added, the unsigned form that VPDPBUSD multiplies. */
#include <math.h>

#include "quant/pack.h"

enum { BLOCK_BYTES = 34, GROUP_QUANTS = 512, GROUP_SCALES = 32 };

static void decode(const void *blocks, size_t count, float *values)
{
    const unsigned char *at = blocks;
    for (size_t i = 0; i < count; i += SSI_BLOCK, at += BLOCK_BYTES) {
        float d = ssi_float_from_f16(ssi_load_u16le(at));
        for (uint32_t j = 0; j < SSI_BLOCK; j++)
            values[i + j] = d * (float)(int8_t)at[2 + j];
    }
}

/* roundf without a call: halves away from zero. x in [-127, 127] but for rounding; anything else,
 * and NaN, gives 0. */
static unsigned char round_byte(float x)
{
    float inside = x > -127.5f && x < 127.5f ? x : 0.0f;
    int32_t whole = (int32_t)inside;
    float rest = inside - (float)whole; /* exact */
    return (unsigned char)(whole + (rest >= 0.5f) - (rest <= -0.5f));
}

static void encode(const float *values, size_t count, void *blocks)
{
    unsigned char *at = blocks;
    for (size_t i = 0; i < count; i += SSI_BLOCK, at += BLOCK_BYTES) {
        float largest = 0;
        for (uint32_t j = 0; j < SSI_BLOCK; j++) {
            float magnitude = fabsf(values[i + j]);
            largest = magnitude > largest ? magnitude : largest;
        }
        float d = largest / 127.0f, inverse = 1.0f / d;
        if (!isfinite(inverse)) /* the scale is 0 or rounds to it */
            inverse = 0;
        ssi_store_u16le(at, ssi_f16_from_float(d));
        for (uint32_t j = 0; j < SSI_BLOCK; j++)
            at[2 + j] = round_byte(values[i + j] * inverse);
    }
}

SSI_INLINE unsigned pack_group(ssi_matrix *matrix, uint32_t group, const unsigned char *rows,
                               size_t row_stride, uint32_t lanes)
{
    size_t first = (size_t)group * matrix->block_count;
    unsigned char *quants = ssi_plane_at(matrix, 0, first * GROUP_QUANTS);
    uint16_t *scales = (uint16_t *)matrix->plane[1] + first * SSI_GROUP;
    unsigned bad = 0;
    for (uint32_t block = 0; block < matrix->block_count; block++) {
        bad |= ssi_gather_scales(rows, row_stride, lanes, scales);
        ssi_interleave4(rows + 2, row_stride, lanes, 8, quants);
        for (uint32_t i = 0; i < GROUP_QUANTS; i++)
            quants[i] ^= 0x80; /* signed to value + 128; the rows of padding likewise */
        rows += BLOCK_BYTES;
        quants += GROUP_QUANTS;
        scales += SSI_GROUP;
    }
    return bad;
}

static bool pack(ssi_matrix *matrix, uint32_t first_row, uint32_t row_count,
                 const void *file_rows, size_t row_stride, uint32_t *bad_row)
{
    return ssi_pack_blocks(pack_group, 1, matrix, first_row, row_count, file_rows, row_stride,
                           bad_row);
}

static void unpack_row(const ssi_matrix *matrix, uint32_t row, float *values)
{
    uint32_t lane = row % SSI_GROUP;
    size_t first = (size_t)(row / SSI_GROUP) * matrix->block_count;
    const unsigned char *quants =
        (const unsigned char *)matrix->plane[0] + first * GROUP_QUANTS;
    const uint16_t *scales = (const uint16_t *)matrix->plane[1] + first * SSI_GROUP;
    for (uint32_t block = 0; block < matrix->block_count; block++) {
        float d = ssi_float_from_f16(scales[block * SSI_GROUP + lane]);
        for (uint32_t j = 0; j < SSI_BLOCK; j++)
            values[block * SSI_BLOCK + j] =
                d * (float)(quants[(j / 4 * SSI_GROUP + lane) * 4 + j % 4] - 128);
        quants += GROUP_QUANTS;
    }
}

const ssi_type_info ssi_type_q8_0 = {
    .type = SSI_TYPE_Q8_0,
    .ggml_type = 8,
    .name = "Q8_0",
    .block_elements = SSI_BLOCK,
    .block_bytes = BLOCK_BYTES,
    .quantised = true,
    .group_block_bytes = { GROUP_QUANTS, GROUP_SCALES },
    .decode = decode,
    .encode = encode,
    .pack = pack,
    .unpack_row = unpack_row,
};
