/* SPDX-License-Identifier: Apache-2.0 */
/* An adapter's numbers in the layouts that kernels read. */
#include "model/adapter_pack.h"

#include <math.h>
#include <string.h>

bool ssi_pack_rows(ssi_matrix *matrix, uint32_t first_row, uint32_t row_count, const float *rows,
                   size_t row_stride, unsigned char *blocks)
{
    const ssi_type_info *type = ssi_type_get(matrix->type);
    uint32_t columns = type->quantised ? matrix->block_count * SSI_BLOCK : matrix->columns;
    size_t row_bytes = (size_t)columns / type->block_elements * type->block_bytes;
    uint32_t bad_row;
    float row[SSI_BLOCK];
    for (uint32_t at = 0; at < row_count; at += SSI_GROUP) {
        uint32_t lanes = row_count - at < SSI_GROUP ? row_count - at : SSI_GROUP;
        for (uint32_t lane = 0; lane < lanes; lane++)
            for (uint32_t c = 0; c < columns; c += SSI_BLOCK) { /* in pieces, zeros at the tail */
                uint32_t count = columns - c < SSI_BLOCK ? columns - c : SSI_BLOCK;
                for (uint32_t i = 0; i < count; i++)
                    row[i] = c + i < matrix->columns
                                 ? rows[(at + lane) * row_stride + c + i] : 0.0f;
                type->encode(row, count,
                             blocks + lane * row_bytes +
                                 (size_t)c / type->block_elements * type->block_bytes);
            }
        if (!type->pack(matrix, first_row + at, lanes, blocks, row_bytes, &bad_row))
            return false;
    }
    return true;
}

bool ssi_pack_lora_b(const ssi_lora_b *b, const float *values, float scale)
{
    uint32_t chunk_count = (b->rank + 3) / 4;
    uint8_t *quants = (uint8_t *)b->quants;
    float *scales = (float *)b->scales;
    size_t lanes = ssi_round_up(b->rows, SSI_GROUP);
    memset(quants, 128, lanes * chunk_count * 4);
    memset(scales, 0, lanes * sizeof *scales);
    for (uint32_t row = 0; row < b->rows; row++) {
        const float *numbers = values + (size_t)row * b->rank;
        float largest = 0;
        for (uint32_t i = 0; i < b->rank; i++)
            largest = fabsf(numbers[i]) > largest ? fabsf(numbers[i]) : largest;
        float inverse = 127.0f / largest;
        if (!(inverse < INFINITY))
            continue; /* zeros, or too small to matter */
        scales[row] = largest / 127.0f * scale;
        if (!(fabsf(scales[row]) < INFINITY))
            return false;
        for (uint32_t i = 0; i < b->rank; i++)
            quants[((size_t)(row / SSI_GROUP) * chunk_count + i / 4) * SSI_GROUP * 4 +
                   row % SSI_GROUP * 4 + i % 4] =
                (uint8_t)(128 + (int)lrintf(numbers[i] * inverse));
    }
    return true;
}

ssi_matrix ssi_pack_transposed(const float *values, uint32_t rows, uint32_t columns,
                               float *planes)
{
    ssi_matrix matrix = {.type = SSI_TYPE_F32,
                         .rows = rows,
                         .columns = columns,
                         .group_count = (rows + SSI_GROUP - 1) / SSI_GROUP,
                         .block_count = (columns + SSI_BLOCK - 1) / SSI_BLOCK,
                         .plane = {planes}};
    memset(planes, 0, ssi_round_up(rows, SSI_GROUP) * columns * sizeof *planes);
    for (uint32_t column = 0; column < columns; column++)
        for (uint32_t row = 0; row < rows; row++)
            planes[((size_t)(row / SSI_GROUP) * columns + column) * SSI_GROUP +
                   row % SSI_GROUP] = values[(size_t)column * rows + row];
    return matrix;
}
