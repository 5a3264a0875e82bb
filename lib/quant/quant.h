/* SPDX-License-Identifier: Apache-2.0 */
/* Tensor types of GGUF files: block layouts, decoding, encoding, and packing for the kernels.
 *
 * Packed layout. 16 output rows form a group, one SIMD lane per row, so that a row's dot product
 * is accumulated in its own lane, in the order of its columns, whatever the batch or the thread.
 * Rows are padded with zeros to whole groups, columns of quantised types to whole blocks of 32.
 * The planes of a matrix, each 64-byte aligned:
 *
 *   F32, F16, BF16  plane[0]: [group][column][lane]                       element
 *   Q8_0            plane[0]: [group][block][column / 4 (8)][lane][column % 4]  uint8, value + 128
 *                   plane[1]: [group][block][lane]                        binary16 scale d
 *   Q4_0, Q4_1      plane[0]: [group][block][chunk (4)][lane][column % 4] uint8: low nibble is
 *                             column 4 * chunk + c, high nibble column 16 + 4 * chunk + c
 *                   plane[1]: [group][block][lane] scale d
 *                   plane[2]: Q4_1: [group][block][lane] minimum m
 *
 * so a packed tensor of whole groups has exactly the bytes it has in the file. */
#ifndef SSI_QUANT_QUANT_H
#define SSI_QUANT_QUANT_H

#include "base/arena.h"

#define SSI_GROUP 16u /* output rows interleaved */
#define SSI_BLOCK 32u /* columns under one scale */
#define SSI_PLANES 4u

typedef enum ssi_type { /* values are ours; ggml_type is mapped by ssi_type_from_ggml */
#define SSI_QUANT(NAME, name) SSI_TYPE_##NAME,
#include "quant/quant_list.inc"
#undef SSI_QUANT
    SSI_TYPE_COUNT
} ssi_type;

/* A weight matrix as kernels read it: y = W x, W is [rows][columns]. */
typedef struct ssi_matrix {
    ssi_type type;
    uint32_t rows, columns;
    uint32_t group_count;         /* ceil(rows / 16) */
    uint32_t block_count;         /* ceil(columns / 32) */
    const void *plane[SSI_PLANES]; /* unused: NULL */
} ssi_matrix;

typedef struct ssi_type_info {
    ssi_type type;
    uint32_t ggml_type;
    const char *name;           /* "Q4_1" */
    uint32_t block_elements;    /* 1 or 32 */
    uint32_t block_bytes;       /* in the file */
    bool quantised;             /* takes 8-bit activations */
    uint32_t group_block_bytes[SSI_PLANES]; /* packed bytes of one group's block, by plane; for
                                             * float types of one group's column */

    /* One row of `count` elements (a multiple of block_elements) to float. */
    void (*decode)(const void *blocks, size_t count, float *values);
    /* And back, as llama.cpp's reference quantisers round. */
    void (*encode)(const float *values, size_t count, void *blocks);
    /* As encode, but with the scales that leave the least squared error of a dozen tried, in which
     * large values count for more; for weights that are written once. NULL: no better than encode. */
    void (*encode_best)(const float *values, size_t count, void *blocks);
    /* Packs file rows first_row .. first_row + row_count - 1 (first_row a multiple of 16; rows past
     * the last are zeros) of a matrix whose planes are already allocated; rows are row_stride
     * bytes apart at `file_rows`. Returns false when a scale is not finite; *bad_row names it. */
    bool (*pack)(ssi_matrix *matrix, uint32_t first_row, uint32_t row_count,
                 const void *file_rows, size_t row_stride, uint32_t *bad_row);
    /* One row of the packed matrix to float (the embedding look-up): `columns` values. */
    void (*unpack_row)(const ssi_matrix *matrix, uint32_t row, float *values);
} ssi_type_info;

const ssi_type_info *ssi_type_get(ssi_type type);
const ssi_type_info *ssi_type_from_ggml(uint32_t ggml_type); /* NULL: not supported */

/* Takes the planes of a matrix from an arena (runs twice, see base/arena.h). */
void ssi_matrix_layout(ssi_matrix *matrix, ssi_type type, uint32_t rows, uint32_t columns,
                       ssi_arena *arena);

#endif
