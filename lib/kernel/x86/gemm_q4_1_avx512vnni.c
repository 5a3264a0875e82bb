/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_1: a scale and a minimum a block; the tile is gemm_q4_avx512vnni.h's. */
#include "kernel/x86/gemm_q4_avx512vnni.h"

#define SSI_GEMM ssi_gemm_q8_q4_1_12x16c4__avx512vnni
#define SSI_GEMM_PAIRS ssi_gemm_q8_q4_1_12x32c4__avx512vnni
#define SSI_TILE(groups, rows) \
    tile_q4(weight, true, group, groups, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 12
#include "kernel/x86/gemm_rows.h"
