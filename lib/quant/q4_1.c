/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_1: 32 values in 20 bytes: binary16 scale d and minimum m, 16 bytes of nibbles as in Q4_0;
 * value = d * q + m. */
#include <math.h>

#include "quant/lanes.h"

enum { BLOCK_BYTES = 20, GROUP_QUANTS = 256, GROUP_SCALES = 32 };

static void decode(const void *blocks, size_t count, float *values)
{
    const unsigned char *at = blocks;
    for (size_t i = 0; i < count; i += SSI_BLOCK, at += BLOCK_BYTES) {
        float d = ssi_float_from_f16(ssi_load_u16le(at));
        float m = ssi_float_from_f16(ssi_load_u16le(at + 2));
        for (uint32_t j = 0; j < 16; j++) {
            values[i + j] = d * (float)(at[4 + j] & 15) + m;
            values[i + 16 + j] = d * (float)(at[4 + j] >> 4) + m;
        }
    }
}

static unsigned nibble(float x) /* x in [0, 15]; NaN gives 0 */
{
    return x > 0 ? (x < 15 ? (unsigned)(x + 0.5f) : 15u) : 0u;
}

static void encode(const float *values, size_t count, void *blocks)
{
    unsigned char *at = blocks;
    for (size_t i = 0; i < count; i += SSI_BLOCK, at += BLOCK_BYTES) {
        float least = values[i], largest = values[i];
        for (uint32_t j = 1; j < SSI_BLOCK; j++) {
            least = values[i + j] < least ? values[i + j] : least;
            largest = values[i + j] > largest ? values[i + j] : largest;
        }
        float d = (largest - least) / 15.0f, inverse = 1.0f / d;
        if (!isfinite(inverse)) /* the scale is 0 or rounds to it */
            inverse = 0;
        ssi_store_u16le(at, ssi_f16_from_float(d));
        ssi_store_u16le(at + 2, ssi_f16_from_float(least));
        for (uint32_t j = 0; j < 16; j++)
            at[4 + j] = (unsigned char)(nibble((values[i + j] - least) * inverse)
                                        | nibble((values[i + 16 + j] - least) * inverse) << 4);
    }
}

typedef struct line { /* what codes stand for */
    uint16_t scale, minimum;
    float low, inverse; /* how values became codes */
} line;

SSI_INLINE ssi_lanes codes(const float *values, const line *by)
{
    return ssi_lanes_nibbles((ssi_lanes_load(values) - by->low) * by->inverse);
}

/* Scale and minimum that fit the codes best, given how values become codes. Returns the weighted
 * squared error. Sums are taken above `base`, the least value, so that a block far from zero loses
 * nothing to cancellation. */
static float fit_line(const float *values, const float *weights, float base, line *by)
{
    ssi_lanes counts = {0}, sums = {0}, products = {0}, own = {0}, ones = {0}, squares = {0};
    for (uint32_t j = 0; j < SSI_BLOCK; j += 4) {
        ssi_lanes q = codes(values + j, by), above = ssi_lanes_load(values + j) - base;
        ssi_lanes weight = ssi_lanes_load(weights + j);
        counts += weight;
        sums += weight * above;
        products += weight * above * q;
        own += weight * above * above;
        ones += weight * q;
        squares += weight * q * q;
    }
    float n = ssi_lanes_sum(counts), sum = ssi_lanes_sum(sums), product = ssi_lanes_sum(products);
    float one = ssi_lanes_sum(ones), square = ssi_lanes_sum(squares);
    float determinant = n * square - one * one; /* 0 but for rounding: one code alone */
    by->scale = ssi_f16_from_float(
        determinant > 1e-5f * n * square ? (n * product - sum * one) / determinant : 0);
    float d = ssi_float_from_f16(by->scale);
    by->minimum = ssi_f16_from_float(base + (sum - d * one) / n);
    float m = ssi_float_from_f16(by->minimum) - base;
    return ssi_lanes_sum(own) - 2 * (d * product + m * sum) + d * (d * square + 2 * m * one) +
           n * m * m;
}

static void write_block(const float *values, const line *by, unsigned char *at)
{
    ssi_store_u16le(at, by->scale);
    ssi_store_u16le(at + 2, by->minimum);
    for (uint32_t j = 0; j < 16; j += 4) {
        ssi_lanes low = codes(values + j, by), high = codes(values + 16 + j, by);
        for (uint32_t i = 0; i < 4; i++)
            at[4 + j + i] = (unsigned char)((int)low[i] | (int)high[i] << 4);
    }
}

static float error_of(const float *values, const float *weights, const unsigned char *at)
{
    float decoded[SSI_BLOCK], error = 0;
    decode(at, SSI_BLOCK, decoded);
    for (uint32_t j = 0; j < SSI_BLOCK; j++)
        error += weights[j] * (values[j] - decoded[j]) * (values[j] - decoded[j]);
    return error;
}

/* The ends of the range are drawn in by 0, 3 or 6 % of it, both together by 6 at most, and the line
 * fitted to the codes this gives; then twice codes to line and line to codes, from the best. */
static void encode_best(const float *values, size_t count, void *blocks)
{
    static const float low_cut[] = {0, 0, 0, 0.03f, 0.03f, 0.06f};
    static const float high_cut[] = {0, 0.03f, 0.06f, 0, 0.03f, 0};
    enum { CUTS = sizeof low_cut / sizeof *low_cut, REFINEMENTS = 2 };
    unsigned char *at = blocks;
    encode(values, count, blocks);
    for (; count > 0; count -= SSI_BLOCK, values += SSI_BLOCK, at += BLOCK_BYTES) {
        line best_line = {ssi_load_u16le(at), ssi_load_u16le(at + 2), 0, 0};
        float weights[SSI_BLOCK], least = values[0], largest = values[0];
        ssi_block_weights(values, weights);
        float best = error_of(values, weights, at);
        for (uint32_t j = 1; j < SSI_BLOCK; j++) {
            least = values[j] < least ? values[j] : least;
            largest = values[j] > largest ? values[j] : largest;
        }
        for (int i = 0; i < CUTS + REFINEMENTS; i++) {
            float range = largest - least;
            line by = {0, 0, ssi_float_from_f16(best_line.minimum),
                       1.0f / ssi_float_from_f16(best_line.scale)};
            if (i < CUTS) {
                by.low = least + low_cut[i] * range;
                by.inverse = 15.0f / (range - (low_cut[i] + high_cut[i]) * range);
            }
            if (!isfinite(by.inverse)) /* all values but the same */
                continue;
            float error = fit_line(values, weights, least, &by);
            if (error < best) {
                best = error;
                best_line = by;
            }
        }
        if (best_line.inverse != 0)
            write_block(values, &best_line, at);
    }
}

SSI_INLINE unsigned pack_group(ssi_matrix *matrix, uint32_t group, const unsigned char *rows,
                               size_t row_stride, uint32_t lanes)
{
    size_t first = (size_t)group * matrix->block_count;
    unsigned char *quants = ssi_plane_at(matrix, 0, first * GROUP_QUANTS);
    uint16_t *scales = (uint16_t *)matrix->plane[1] + first * SSI_GROUP;
    uint16_t *minima = (uint16_t *)matrix->plane[2] + first * SSI_GROUP;
    unsigned bad = 0;
    for (uint32_t block = 0; block < matrix->block_count; block++) {
        bad |= ssi_gather_scales(rows, row_stride, lanes, scales);
        bad |= ssi_gather_scales(rows + 2, row_stride, lanes, minima);
        ssi_interleave4(rows + 4, row_stride, lanes, 4, quants);
        rows += BLOCK_BYTES;
        quants += GROUP_QUANTS;
        scales += SSI_GROUP;
        minima += SSI_GROUP;
    }
    return bad;
}

static bool pack(ssi_matrix *matrix, uint32_t first_row, uint32_t row_count,
                 const void *file_rows, size_t row_stride, uint32_t *bad_row)
{
    return ssi_pack_blocks(pack_group, 2, matrix, first_row, row_count, file_rows, row_stride,
                           bad_row);
}

static void unpack_row(const ssi_matrix *matrix, uint32_t row, float *values)
{
    uint32_t lane = row % SSI_GROUP;
    size_t first = (size_t)(row / SSI_GROUP) * matrix->block_count;
    const unsigned char *quants =
        (const unsigned char *)matrix->plane[0] + first * GROUP_QUANTS + lane * 4;
    const uint16_t *scales = (const uint16_t *)matrix->plane[1] + first * SSI_GROUP + lane;
    const uint16_t *minima = (const uint16_t *)matrix->plane[2] + first * SSI_GROUP + lane;
    for (uint32_t block = 0; block < matrix->block_count; block++) {
        float d = ssi_float_from_f16(*scales), m = ssi_float_from_f16(*minima);
        for (uint32_t j = 0; j < 16; j++) {
            unsigned q = quants[j / 4 * SSI_GROUP * 4 + j % 4];
            values[j] = d * (float)(q & 15) + m;
            values[16 + j] = d * (float)(q >> 4) + m;
        }
        values += SSI_BLOCK;
        quants += GROUP_QUANTS;
        scales += SSI_GROUP;
        minima += SSI_GROUP;
    }
}

const ssi_type_info ssi_type_q4_1 = {
    .type = SSI_TYPE_Q4_1,
    .ggml_type = 3,
    .name = "Q4_1",
    .block_elements = SSI_BLOCK,
    .block_bytes = BLOCK_BYTES,
    .quantised = true,
    .group_block_bytes = { GROUP_QUANTS, GROUP_SCALES, GROUP_SCALES },
    .decode = decode,
    .encode = encode,
    .encode_best = encode_best,
    .pack = pack,
    .unpack_row = unpack_row,
};
