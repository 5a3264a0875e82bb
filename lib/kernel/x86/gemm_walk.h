/* SPDX-License-Identifier: Apache-2.0 */
/* How an x86 gemm walks its groups and rows. Groups are the outer loop: weights come from memory
 * once, and while the first tile of rows waits for them it already works; further tiles find them in
 * the first cache. */
#ifndef SSI_KERNEL_X86_GEMM_WALK_H
#define SSI_KERNEL_X86_GEMM_WALK_H

#include "kernel/kernel.h"

/* y is at the tile's first lane and row. */
typedef void ssi_tile_function(const ssi_matrix *weight, uint32_t group, const ssi_activation *x,
                               uint32_t row, float *y, size_t y_stride);

/* tiles[groups - 1][rows - 1]; `rows_many`: most rows in a tile where there are more than
 * `rows_max`. */
static inline __attribute__((always_inline)) void
ssi_gemm_walk(ssi_tile_function *const *tiles, uint32_t groups_max, uint32_t rows_max,
              uint32_t rows_many, const ssi_matrix *weight, uint32_t group_begin,
              uint32_t group_end, const ssi_activation *x, uint32_t row_count, float *y,
              size_t y_stride)
{
    uint32_t most = row_count > rows_max ? rows_many : rows_max;
    for (uint32_t group = group_begin, groups; group < group_end; group += groups) {
        groups = group_end - group < groups_max ? 1 : groups_max;
        for (uint32_t row = 0, rows; row < row_count; row += rows) { /* as even as can be */
            uint32_t left = row_count - row, tile_count = (left + most - 1) / most;
            rows = (left + tile_count - 1) / tile_count;
            tiles[(groups - 1) * rows_max + rows - 1](
                weight, group, x, row, y + row * y_stride + (size_t)group * SSI_GROUP, y_stride);
        }
    }
}

#endif
