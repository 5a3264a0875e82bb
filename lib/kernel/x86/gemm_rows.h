/* SPDX-License-Identifier: Apache-2.0 */
/* How an x86 gemm walks its groups and rows. Included once per kernel, with
 *   SSI_TILE  an always_inline function that does one group for a literal number of rows:
 *             (weight, group, x, first row, rows, y at the group's first lane, y_stride)
 *   SSI_GEMM  the kernel's name
 *
 * Groups are the outer loop: weights come from memory once, and while the first tile of rows waits
 * for them it already works; further tiles find them in the first cache. The number of rows is a
 * literal in every instance so that a tile's sums stay in registers. */
#define SSI_INSTANCE(rows)                                                                       \
    static __attribute__((noinline)) void tile_##rows(const ssi_matrix *weight, uint32_t group,  \
                                                      const ssi_activation *x, uint32_t row,     \
                                                      float *y, size_t y_stride)                 \
    {                                                                                            \
        SSI_TILE(weight, group, x, row, rows, y, y_stride);                                      \
    }
SSI_INSTANCE(1)
SSI_INSTANCE(2)
SSI_INSTANCE(3)
SSI_INSTANCE(4)
SSI_INSTANCE(5)
SSI_INSTANCE(6)
SSI_INSTANCE(7)
SSI_INSTANCE(8)
SSI_INSTANCE(12)
SSI_INSTANCE(16)
#undef SSI_INSTANCE

void SSI_GEMM(const ssi_matrix *weight, uint32_t group_begin, uint32_t group_end,
              const ssi_activation *x, uint32_t row_count, float *y, size_t y_stride)
{
    typedef void tile_function(const ssi_matrix *, uint32_t, const ssi_activation *, uint32_t,
                               float *, size_t);
    static tile_function *const tiles[17] = {
        [1] = tile_1, [2] = tile_2, [3] = tile_3, [4] = tile_4, [5] = tile_5, [6] = tile_6,
        [7] = tile_7, [8] = tile_8, [12] = tile_12, [16] = tile_16,
    };
    for (uint32_t group = group_begin; group < group_end; group++)
        for (uint32_t row = 0, rows; row < row_count; row += rows) {
            uint32_t left = row_count - row;
            rows = left >= 16 ? 16 : left >= 12 ? 12 : left >= 8 ? 8 : left;
            tiles[rows](weight, group, x, row, y + row * y_stride + (size_t)group * SSI_GROUP,
                        y_stride);
        }
}
