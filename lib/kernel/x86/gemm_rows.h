/* SPDX-License-Identifier: Apache-2.0 */
/* How an x86 gemm walks its groups and rows. Included once per kernel, with
 *   SSI_GEMM      the kernel's name
 *   SSI_TILE      an always_inline function that does one group for a literal number of rows:
 *                 (weight, group, x, first row, rows, y at the group's first lane, y_stride)
 *   SSI_ROWS_MAX  most rows in a tile: 4 or 16
 *
 * Groups are the outer loop: weights come from memory once, and while the first tile of rows waits
 * for them it already works; further tiles find them in the first cache. The number of rows is a
 * literal in every instance so that a tile's sums stay in registers. */
#define SSI_PASTE_(a, b) a##_##b
#define SSI_PASTE(a, b) SSI_PASTE_(a, b)
#define SSI_INSTANCE(rows)                                                               \
    static __attribute__((noinline)) void SSI_PASTE(SSI_TILE, rows)(                     \
        const ssi_matrix *weight, uint32_t group, const ssi_activation *x, uint32_t row, \
        float *y, size_t y_stride)                                                       \
    {                                                                                    \
        SSI_TILE(weight, group, x, row, rows, y, y_stride);                              \
    }
SSI_INSTANCE(1)
SSI_INSTANCE(2)
SSI_INSTANCE(3)
SSI_INSTANCE(4)
#if SSI_ROWS_MAX == 16
SSI_INSTANCE(5)
SSI_INSTANCE(6)
SSI_INSTANCE(7)
SSI_INSTANCE(8)
SSI_INSTANCE(9)
SSI_INSTANCE(10)
SSI_INSTANCE(11)
SSI_INSTANCE(12)
SSI_INSTANCE(13)
SSI_INSTANCE(14)
SSI_INSTANCE(15)
SSI_INSTANCE(16)
#endif

void SSI_GEMM(const ssi_matrix *weight, uint32_t group_begin, uint32_t group_end,
              const ssi_activation *x, uint32_t row_count, float *y, size_t y_stride)
{
    typedef void tile_function(const ssi_matrix *, uint32_t, const ssi_activation *, uint32_t,
                               float *, size_t);
    static tile_function *const tiles[SSI_ROWS_MAX + 1] = {
        [1] = SSI_PASTE(SSI_TILE, 1),   [2] = SSI_PASTE(SSI_TILE, 2),
        [3] = SSI_PASTE(SSI_TILE, 3),   [4] = SSI_PASTE(SSI_TILE, 4),
#if SSI_ROWS_MAX == 16
        [5] = SSI_PASTE(SSI_TILE, 5),   [6] = SSI_PASTE(SSI_TILE, 6),
        [7] = SSI_PASTE(SSI_TILE, 7),   [8] = SSI_PASTE(SSI_TILE, 8),
        [9] = SSI_PASTE(SSI_TILE, 9),   [10] = SSI_PASTE(SSI_TILE, 10),
        [11] = SSI_PASTE(SSI_TILE, 11), [12] = SSI_PASTE(SSI_TILE, 12),
        [13] = SSI_PASTE(SSI_TILE, 13), [14] = SSI_PASTE(SSI_TILE, 14),
        [15] = SSI_PASTE(SSI_TILE, 15), [16] = SSI_PASTE(SSI_TILE, 16),
#endif
    };
    for (uint32_t group = group_begin; group < group_end; group++)
        for (uint32_t row = 0, rows; row < row_count; row += rows) {
            rows = row_count - row < SSI_ROWS_MAX ? row_count - row : SSI_ROWS_MAX;
            tiles[rows](weight, group, x, row, y + row * y_stride + (size_t)group * SSI_GROUP,
                        y_stride);
        }
}

#undef SSI_INSTANCE
#undef SSI_PASTE
#undef SSI_PASTE_
#undef SSI_GEMM
#undef SSI_TILE
#undef SSI_ROWS_MAX
