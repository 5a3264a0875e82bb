/* SPDX-License-Identifier: Apache-2.0 */
/* Panels of matrix products in tiles of 6 rows: 12 chains of 8 lanes. */
#include <immintrin.h>

#include "kernel/kernel_list.h"
#include "kernel/x86/unroll.h"

enum { TILE = 6 };

/* Lanes below `columns`, of the 8 from `first` on. */
static inline __m256i mask_of(uint32_t columns, int first)
{
    __m256i lane =
        _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)columns), lane);
}

static inline __attribute__((always_inline)) __m256 load(const float *from, bool whole,
                                                         __m256i mask)
{
    return whole ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, mask);
}

static inline __attribute__((always_inline)) void store(float *to, __m256 value, bool whole,
                                                        __m256i mask)
{
    if (whole)
        _mm256_storeu_ps(to, value);
    else
        _mm256_maskstore_ps(to, mask, value);
}

/* `rows` and `whole` are literals in every call. */
static inline __attribute__((always_inline)) void
tile(const ssi_product_args *args, uint32_t first_row, uint32_t rows, bool whole)
{
    const __m256i low = mask_of(args->columns, 0), high = mask_of(args->columns, 8);
    const size_t a_row = args->a_row, a_step = args->a_step, b_stride = args->b_stride;
    const float *a = args->a + first_row * a_row, *b = args->b;
    float *c = args->c + first_row * args->c_stride;
    __m256 acc[TILE][2];
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++) {
        acc[r][0] = acc[r][1] = _mm256_setzero_ps();
        if (args->add) {
            acc[r][0] = load(c + r * args->c_stride, whole, low);
            acc[r][1] = load(c + r * args->c_stride + 8, whole, high);
        }
    }
    for (uint32_t l = 0; l < args->depth; l++, a += a_step, b += b_stride) {
        __m256 b0 = load(b, whole, low), b1 = load(b + 8, whole, high);
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++) {
            __m256 x = _mm256_broadcast_ss(a + r * a_row);
            acc[r][0] = _mm256_fmadd_ps(x, b0, acc[r][0]);
            acc[r][1] = _mm256_fmadd_ps(x, b1, acc[r][1]);
        }
    }
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++) {
        store(c + r * args->c_stride, acc[r][0], whole, low);
        store(c + r * args->c_stride + 8, acc[r][1], whole, high);
    }
}

static inline __attribute__((always_inline)) void all_rows(const ssi_product_args *args,
                                                           bool whole)
{
    uint32_t row = 0;
    for (; args->row_count - row >= TILE; row += TILE)
        tile(args, row, TILE, whole);
    switch (args->row_count - row) {
    case 5: tile(args, row, 5, whole); break;
    case 4: tile(args, row, 4, whole); break;
    case 3: tile(args, row, 3, whole); break;
    case 2: tile(args, row, 2, whole); break;
    case 1: tile(args, row, 1, whole); break;
    }
}

void ssi_product_panel_6x16__avx2(const ssi_product_args *args)
{
    if (args->columns == SSI_GROUP)
        all_rows(args, true);
    else
        all_rows(args, false);
}
