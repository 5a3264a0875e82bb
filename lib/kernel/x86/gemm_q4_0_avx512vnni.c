/* SPDX-License-Identifier: Apache-2.0 */
/* Q4_0: a scale a block; the tile is gemm_q4_avx512vnni.h's. */
#include "kernel/x86/gemm_q4_avx512vnni.h"

#define SSI_GEMM ssi_gemm_q8_q4_0_12x16c4__avx512vnni
#define SSI_GEMM_PAIRS ssi_gemm_q8_q4_0_12x32c4__avx512vnni
#define SSI_TILE(groups, rows) \
    tile_q4(weight, false, group, groups, x, row, rows, y, y_stride)
#define SSI_ROWS_MAX 12
#include "kernel/x86/gemm_rows.h"
