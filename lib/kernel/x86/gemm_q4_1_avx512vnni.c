/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_1: a scale and a minimum a block; the tile is gemm_q4_avx512vnni.h's. */
#include "kernel/x86/gemm_q4_avx512vnni.h"

static inline __attribute__((always_inline)) void tile(const ssi_matrix *weight, uint32_t group,
                                                       const ssi_activation *x, uint32_t row,
                                                       uint32_t rows, float *y, size_t y_stride)
{
    tile_q4(weight, true, group, x, row, rows, y, y_stride);
}

#define SSI_TILE tile
#define SSI_ROWS_MAX 16
#define SSI_GEMM ssi_gemm_q8_q4_1_16x16c4__avx512vnni
#include "kernel/x86/gemm_rows.h"
