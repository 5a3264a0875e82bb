/* SPDX-License-Identifier: Apache-2.0 */
/* Types of one number an element, included once per type. Before: SSI_FLOAT_NAME, _TYPE, _GGML,
 * _TEXT, _BITS (the unsigned integer that holds one), _LOAD (from the file's bytes), _STORE,
 * _EXPONENT (the bits all set in infinities and NaNs), _TO_FLOAT, _FROM_FLOAT. */
#include "quant/pack.h"

enum { FLOAT_BYTES = sizeof(SSI_FLOAT_BITS), FLOATS_PER_WORD = 8 / FLOAT_BYTES };

static void decode(const void *blocks, size_t count, float *values)
{
    const unsigned char *at = blocks;
    for (size_t i = 0; i < count; i++)
        values[i] = SSI_FLOAT_TO_FLOAT(SSI_FLOAT_LOAD(at + i * FLOAT_BYTES));
}

static void encode(const float *values, size_t count, void *blocks)
{
    unsigned char *at = blocks;
    for (size_t i = 0; i < count; i++)
        SSI_FLOAT_STORE(at + i * FLOAT_BYTES, SSI_FLOAT_FROM_FLOAT(values[i]));
}

/* The lane, of a group known to have one, of the first row with a number that is not finite. */
static uint32_t bad_lane(const unsigned char *rows, size_t row_stride, uint32_t columns)
{
    for (uint32_t lane = 0; lane < SSI_GROUP; lane++)
        for (uint32_t i = 0; i < columns; i++) {
            SSI_FLOAT_BITS bits = SSI_FLOAT_LOAD(rows + lane * row_stride + i * FLOAT_BYTES);
            if ((bits & SSI_FLOAT_EXPONENT) == SSI_FLOAT_EXPONENT)
                return lane;
        }
    return 0;
}

/* Returns whether all numbers are finite: adding the exponent's lowest bit to it carries into the
 * sign's place exactly when all its bits are set. */
SSI_INLINE bool pack_group(SSI_FLOAT_BITS *to, const unsigned char *rows, size_t row_stride,
                           uint32_t lanes, uint32_t columns)
{
    const SSI_FLOAT_BITS exponent = SSI_FLOAT_EXPONENT;
    const SSI_FLOAT_BITS lowest = exponent & (SSI_FLOAT_BITS)-exponent;
    SSI_FLOAT_BITS carry = 0;
    uint32_t column = 0;
    for (; columns - column >= FLOATS_PER_WORD; column += FLOATS_PER_WORD, rows += 8) {
        uint64_t word[SSI_GROUP];
        for (uint32_t lane = 0; lane < lanes; lane++)
            word[lane] = ssi_load_u64le(rows + lane * row_stride);
        for (uint32_t i = 0; i < FLOATS_PER_WORD; i++, to += SSI_GROUP)
            for (uint32_t lane = 0; lane < lanes; lane++) {
                to[lane] = (SSI_FLOAT_BITS)(word[lane] >> i * FLOAT_BYTES * 8);
                carry |= (SSI_FLOAT_BITS)((to[lane] & exponent) + lowest);
            }
    }
    for (; column < columns; column++, to += SSI_GROUP, rows += FLOAT_BYTES)
        for (uint32_t lane = 0; lane < lanes; lane++) {
            to[lane] = SSI_FLOAT_LOAD(rows + lane * row_stride);
            carry |= (SSI_FLOAT_BITS)((to[lane] & exponent) + lowest);
        }
    return carry >> (FLOAT_BYTES * 8 - 1) == 0;
}

static bool pack(ssi_matrix *matrix, uint32_t first_row, uint32_t row_count,
                 const void *file_rows, size_t row_stride, uint32_t *bad_row)
{
    const unsigned char *rows = file_rows;
    size_t group_elements = (size_t)matrix->columns * SSI_GROUP;
    for (uint32_t done = 0; done < row_count; done += SSI_GROUP, rows += SSI_GROUP * row_stride) {
        SSI_FLOAT_BITS *to = (SSI_FLOAT_BITS *)matrix->plane[0]
                           + (first_row + done) / SSI_GROUP * group_elements;
        bool finite;
        if (row_count - done >= SSI_GROUP) {
            finite = pack_group(to, rows, row_stride, SSI_GROUP, matrix->columns);
        } else {
            memset(to, 0, group_elements * FLOAT_BYTES);
            finite = pack_group(to, rows, row_stride, row_count - done, matrix->columns);
        }
        if (!finite) {
            *bad_row = first_row + done + bad_lane(rows, row_stride, matrix->columns);
            return false;
        }
    }
    return true;
}

static void unpack_row(const ssi_matrix *matrix, uint32_t row, float *values)
{
    const SSI_FLOAT_BITS *from = (const SSI_FLOAT_BITS *)matrix->plane[0]
                               + (size_t)(row / SSI_GROUP) * matrix->columns * SSI_GROUP
                               + row % SSI_GROUP;
    for (uint32_t column = 0; column < matrix->columns; column++)
        values[column] = SSI_FLOAT_TO_FLOAT(from[(size_t)column * SSI_GROUP]);
}

const ssi_type_info SSI_FLOAT_NAME = {
    .type = SSI_FLOAT_TYPE,
    .ggml_type = SSI_FLOAT_GGML,
    .name = SSI_FLOAT_TEXT,
    .block_elements = 1,
    .block_bytes = FLOAT_BYTES,
    .quantised = false,
    .group_block_bytes = { FLOAT_BYTES * SSI_GROUP },
    .decode = decode,
    .encode = encode,
    .pack = pack,
    .unpack_row = unpack_row,
};
