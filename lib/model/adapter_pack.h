/* SPDX-License-Identifier: Apache-2.0 */
/* Floats of an adapter file into packed matrices. What is too large for 8 bits is told, never
 * rounded to infinity. */
#ifndef SSI_MODEL_ADAPTER_PACK_H
#define SSI_MODEL_ADAPTER_PACK_H

#include "kernel/kernel.h"

/* Rows of floats, row_stride apart, as rows of a packed matrix from first_row on, a multiple of
 * SSI_GROUP; `blocks` holds a group of rows encoded. False where a number is too large for the
 * matrix's type. */
bool ssi_pack_rows(ssi_matrix *matrix, uint32_t first_row, uint32_t row_count, const float *rows,
                   size_t row_stride, unsigned char *blocks) SSI_MUST_CHECK;

/* values [rows][rank], times scale, as B of a LoRA: 8 bits and a scale a row. False where a scale is
 * not finite. */
bool ssi_pack_lora_b(const ssi_lora_b *b, const float *values, float scale) SSI_MUST_CHECK;

/* The transpose of values [columns][rows] as an F32 matrix in `planes`, padded rows times columns of
 * them. */
ssi_matrix ssi_pack_transposed(const float *values, uint32_t rows, uint32_t columns,
                               float *planes);

#endif
