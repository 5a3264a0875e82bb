/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_0: 32 values in 18 bytes: binary16 scale d, 16 bytes of nibbles, column j low in byte j,
 * column 16 + j high; value = d * (q - 8). Packing moves whole words of 4 bytes. */
#include <math.h>

#include "quant/lanes.h"

enum { BLOCK_BYTES = 18, GROUP_QUANTS = 256, GROUP_SCALES = 32 };

static void decode(const void *blocks, size_t count, float *values)
{
    const unsigned char *at = blocks;
    for (size_t i = 0; i < count; i += SSI_BLOCK, at += BLOCK_BYTES) {
        float d = ssi_float_from_f16(ssi_load_u16le(at));
        for (uint32_t j = 0; j < 16; j++) {
            values[i + j] = d * (float)((at[2 + j] & 15) - 8);
            values[i + 16 + j] = d * (float)((at[2 + j] >> 4) - 8);
        }
    }
}

/* x in [-8, 8] to 0..15: the value of the largest magnitude is -8, so that its sign has the code
 * the other side lacks; +8 is cut to 7. NaN gives 0. */
static unsigned nibble(float x)
{
    return x > -8 ? (x < 7 ? (unsigned)(x + 8.5f) : 15u) : 0u;
}

static void encode(const float *values, size_t count, void *blocks)
{
    unsigned char *at = blocks;
    for (size_t i = 0; i < count; i += SSI_BLOCK, at += BLOCK_BYTES) {
        float largest = 0, extreme = 0; /* the first of the largest magnitude, with its sign */
        for (uint32_t j = 0; j < SSI_BLOCK; j++)
            if (fabsf(values[i + j]) > largest) {
                largest = fabsf(values[i + j]);
                extreme = values[i + j];
            }
        float d = extreme / -8.0f, inverse = 1.0f / d;
        if (!isfinite(inverse)) /* the scale is 0 or rounds to it */
            inverse = 0;
        ssi_store_u16le(at, ssi_f16_from_float(d));
        for (uint32_t j = 0; j < 16; j++)
            at[2 + j] = (unsigned char)(nibble(values[i + j] * inverse)
                                        | nibble(values[i + 16 + j] * inverse) << 4);
    }
}

/* -8 .. 7 for four values. */
SSI_INLINE ssi_lanes codes(const float *values, float inverse)
{
    return ssi_lanes_nibbles(ssi_lanes_load(values) * inverse + 8.0f) - 8.0f;
}

/* The scale that fits a block's codes under this inverse best. Returns by how much the weighted
 * squared error is below that of zeros. */
static float try_scale(const float *values, const float *weights, float inverse, uint16_t *scale)
{
    ssi_lanes products = {0}, squares = {0};
    for (uint32_t j = 0; j < SSI_BLOCK; j += 4) {
        ssi_lanes q = codes(values + j, inverse), weighted = ssi_lanes_load(weights + j) * q;
        products += ssi_lanes_load(values + j) * weighted;
        squares += weighted * q;
    }
    float product = ssi_lanes_sum(products), square = ssi_lanes_sum(squares);
    *scale = ssi_f16_from_float(square > 0 ? product / square : 0);
    float d = ssi_float_from_f16(*scale);
    return d * (2 * product - d * square);
}

static void write_block(const float *values, float inverse, uint16_t scale, unsigned char *at)
{
    ssi_store_u16le(at, scale);
    for (uint32_t j = 0; j < 16; j += 4) {
        ssi_lanes low = codes(values + j, inverse), high = codes(values + 16 + j, inverse);
        for (uint32_t i = 0; i < 4; i++)
            at[2 + j + i] = (unsigned char)((int)(low[i] + 8) | (int)(high[i] + 8) << 4);
    }
}

/* The same gain for a block as it was encoded. */
static float gain_of(const float *values, const float *weights, const unsigned char *at)
{
    float decoded[SSI_BLOCK], gain = 0;
    decode(at, SSI_BLOCK, decoded);
    for (uint32_t j = 0; j < SSI_BLOCK; j++)
        gain += weights[j] * decoded[j] * (2 * values[j] - decoded[j]);
    return gain;
}

/* The largest magnitude is put at 7 to 9 steps from zero, on either side, and the scale fitted to
 * the codes this gives; then twice codes to scale and scale to codes, from the best. */
static void encode_best(const float *values, size_t count, void *blocks)
{
    enum { REACHES = 6, REFINEMENTS = 2 };
    unsigned char *at = blocks;
    encode(values, count, blocks);
    for (; count > 0; count -= SSI_BLOCK, values += SSI_BLOCK, at += BLOCK_BYTES) {
        uint16_t scale, best_scale = ssi_load_u16le(at);
        float weights[SSI_BLOCK], best_inverse = 0, largest = 0;
        ssi_block_weights(values, weights);
        float best = gain_of(values, weights, at);
        for (uint32_t j = 0; j < SSI_BLOCK; j++)
            largest = fabsf(values[j]) > largest ? fabsf(values[j]) : largest;
        for (int i = 0; i < 2 * REACHES + REFINEMENTS; i++) {
            float inverse = (7.0f + (float)(i / 2) * (2.0f / (REACHES - 1))) / largest;
            if (i % 2 == 1)
                inverse = -inverse;
            if (i >= 2 * REACHES)
                inverse = 1.0f / ssi_float_from_f16(best_scale);
            if (!isfinite(inverse)) /* next to nothing but zeros */
                continue;
            float gain = try_scale(values, weights, inverse, &scale);
            if (gain > best) {
                best = gain;
                best_inverse = inverse;
                best_scale = scale;
            }
        }
        if (best_inverse != 0)
            write_block(values, best_inverse, best_scale, at);
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
        ssi_interleave4(rows + 2, row_stride, lanes, 4, quants);
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
        (const unsigned char *)matrix->plane[0] + first * GROUP_QUANTS + lane * 4;
    const uint16_t *scales = (const uint16_t *)matrix->plane[1] + first * SSI_GROUP + lane;
    for (uint32_t block = 0; block < matrix->block_count; block++) {
        float d = ssi_float_from_f16(*scales);
        for (uint32_t j = 0; j < 16; j++) {
            unsigned q = quants[j / 4 * SSI_GROUP * 4 + j % 4];
            values[j] = d * (float)((int)(q & 15) - 8);
            values[16 + j] = d * (float)((int)(q >> 4) - 8);
        }
        values += SSI_BLOCK;
        quants += GROUP_QUANTS;
        scales += SSI_GROUP;
    }
}

const ssi_type_info ssi_type_q4_0 = {
    .type = SSI_TYPE_Q4_0,
    .ggml_type = 2,
    .name = "Q4_0",
    .block_elements = SSI_BLOCK,
    .block_bytes = BLOCK_BYTES,
    .quantised = true,
    .group_block_bytes = { GROUP_QUANTS, GROUP_SCALES },
    .decode = decode,
    .encode = encode,
    .encode_best = encode_best,
    .pack = pack,
    .unpack_row = unpack_row,
};
