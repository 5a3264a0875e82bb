/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_0: a scale a block; the tile is gemm_q4_avx2.h's. */
#include "kernel/x86/gemm_q4_avx2.h"

#define SSI_GEMM ssi_gemm_q8_q4_0_4x16c4__avx2
#define SSI_TILE(groups, rows) tile_q4(weight, false, group, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 4
#include "kernel/x86/gemm_rows.h"
