/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_1: a scale and a minimum a block; the tile is gemm_q4_avx2.h's. */
#include "kernel/x86/gemm_q4_avx2.h"

#define SSI_GEMM ssi_gemm_q8_q4_1_4x16c4__avx2
#define SSI_TILE(groups, rows) tile_q4(weight, true, group, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 4
#include "kernel/x86/gemm_rows.h"
