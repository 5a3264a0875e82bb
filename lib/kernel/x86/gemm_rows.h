/* SPDX-License-Identifier: Apache-2.0 */
/* A gemm from its tile. Included once per weight type, with
 *   SSI_GEMM                the name of the kernel that takes one group at a time
 *   SSI_GEMM_PAIRS          if defined, the name of one that takes two
 *   SSI_TILE(groups, rows)  a call that does one tile, both counts literals, of what
 *                           ssi_tile_function has in sight
 *   SSI_ROWS_MAX            most rows in a tile: 4 or 12
 *
 * The counts are literals in every instance so that a tile's sums stay in registers. */
#include "kernel/x86/gemm_walk.h"

#define SSI_PASTE_(a, b, c) a##_##b##x##c
#define SSI_PASTE(a, b, c) SSI_PASTE_(a, b, c)
#define SSI_INSTANCE(groups, rows)                                                       \
    static __attribute__((noinline)) void SSI_PASTE(SSI_GEMM, groups, rows)(             \
        const ssi_matrix *weight, uint32_t group, const ssi_activation *x, uint32_t row, \
        float *y, size_t y_stride)                                                       \
    {                                                                                    \
        SSI_TILE(groups, rows);                                                          \
    }
#define SSI_ENTRY(groups, rows) SSI_PASTE(SSI_GEMM, groups, rows),
#define SSI_EACH_4(what, groups) what(groups, 1) what(groups, 2) what(groups, 3) what(groups, 4)
#if SSI_ROWS_MAX == 12
#define SSI_EACH(what, groups)                                                      \
    SSI_EACH_4(what, groups)                                                        \
    what(groups, 5) what(groups, 6) what(groups, 7) what(groups, 8) what(groups, 9) \
        what(groups, 10) what(groups, 11) what(groups, 12)
#else
#define SSI_EACH(what, groups) SSI_EACH_4(what, groups)
#endif

SSI_EACH(SSI_INSTANCE, 1)

void SSI_GEMM(const ssi_matrix *weight, uint32_t group_begin, uint32_t group_end,
              const ssi_activation *x, uint32_t row_count, float *y, size_t y_stride)
{
    static ssi_tile_function *const tiles[] = {SSI_EACH(SSI_ENTRY, 1)};
    ssi_gemm_walk(tiles, 1, SSI_ROWS_MAX, SSI_ROWS_MAX, weight, group_begin, group_end, x,
                  row_count, y, y_stride);
}

#ifdef SSI_GEMM_PAIRS
/* The sums of two groups by 12 rows don't all stay in registers: up to 12 rows are one tile
 * nevertheless, for the weights' sake, but a wide batch is as fast, or faster, by 8. */
SSI_EACH(SSI_INSTANCE, 2)

void SSI_GEMM_PAIRS(const ssi_matrix *weight, uint32_t group_begin, uint32_t group_end,
                    const ssi_activation *x, uint32_t row_count, float *y, size_t y_stride)
{
    static ssi_tile_function *const tiles[] = {SSI_EACH(SSI_ENTRY, 1) SSI_EACH(SSI_ENTRY, 2)};
    ssi_gemm_walk(tiles, 2, SSI_ROWS_MAX, SSI_ROWS_MAX * 2 / 3, weight, group_begin, group_end, x,
                  row_count, y, y_stride);
}
#undef SSI_GEMM_PAIRS
#endif

#undef SSI_EACH
#undef SSI_EACH_4
#undef SSI_ENTRY
#undef SSI_INSTANCE
#undef SSI_PASTE
#undef SSI_PASTE_
#undef SSI_GEMM
#undef SSI_TILE
#undef SSI_ROWS_MAX
