/* SPDX-License-Identifier: Apache-2.0 */
/* How an x86 gemm walks its groups and rows. Included once per kernel, with
 *   SSI_GEMM                the kernel's name
 *   SSI_TILE(groups, rows)  a call that does one tile, both counts literals, of what is in sight:
 *                           weight, group, x, row, y (at the tile's first lane and row), y_stride
 *   SSI_GROUPS_MAX          most groups in a tile: 1 or 2
 *   SSI_ROWS_MAX            most rows in a tile: 4 or 12
 *   SSI_ROWS_MANY           most rows in a tile where there are more than SSI_ROWS_MAX
 *
 * Groups are the outer loop: weights come from memory once, and while the first tile of rows waits
 * for them it already works; further tiles find them in the first cache. The counts are literals
 * in every instance so that a tile's sums stay in registers. */
#define SSI_PASTE_(a, b, c) a##_##b##x##c
#define SSI_PASTE(a, b, c) SSI_PASTE_(a, b, c)
#define SSI_INSTANCE(groups, rows)                                                       \
    static __attribute__((noinline)) void SSI_PASTE(SSI_GEMM, groups, rows)(             \
        const ssi_matrix *weight, uint32_t group, const ssi_activation *x, uint32_t row, \
        float *y, size_t y_stride)                                                       \
    {                                                                                    \
        SSI_TILE(groups, rows);                                                          \
    }
#define SSI_ENTRY(groups, rows) [groups - 1][rows - 1] = SSI_PASTE(SSI_GEMM, groups, rows),
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
#if SSI_GROUPS_MAX == 2
SSI_EACH(SSI_INSTANCE, 2)
#endif

void SSI_GEMM(const ssi_matrix *weight, uint32_t group_begin, uint32_t group_end,
              const ssi_activation *x, uint32_t row_count, float *y, size_t y_stride)
{
    typedef void tile_function(const ssi_matrix *, uint32_t, const ssi_activation *, uint32_t,
                               float *, size_t);
    static tile_function *const tiles[SSI_GROUPS_MAX][SSI_ROWS_MAX] = {
        SSI_EACH(SSI_ENTRY, 1)
#if SSI_GROUPS_MAX == 2
            SSI_EACH(SSI_ENTRY, 2)
#endif
    };
    for (uint32_t group = group_begin, groups; group < group_end; group += groups) {
        groups = group_end - group < SSI_GROUPS_MAX ? 1 : SSI_GROUPS_MAX;
        for (uint32_t row = 0, rows; row < row_count; row += rows) { /* as even as can be */
            uint32_t left = row_count - row;
            uint32_t most = row_count > SSI_ROWS_MAX ? SSI_ROWS_MANY : SSI_ROWS_MAX;
            uint32_t tile_count = (left + most - 1) / most;
            rows = (left + tile_count - 1) / tile_count;
            tiles[groups - 1][rows - 1](weight, group, x, row,
                                        y + row * y_stride + (size_t)group * SSI_GROUP,
                                        y_stride);
        }
    }
}

#undef SSI_EACH
#undef SSI_EACH_4
#undef SSI_ENTRY
#undef SSI_INSTANCE
#undef SSI_PASTE
#undef SSI_PASTE_
#undef SSI_GEMM
#undef SSI_TILE
#undef SSI_GROUPS_MAX
#undef SSI_ROWS_MAX
#undef SSI_ROWS_MANY
