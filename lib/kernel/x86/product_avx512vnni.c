/* SPDX-License-Identifier: Apache-2.0 */
/* Panels of matrix products in tiles of 12 rows: 12 chains of 16 lanes. */
#include <immintrin.h>

#include "kernel/kernel_list.h"
#include "kernel/x86/unroll.h"

enum { TILE = 12 };

/* `rows` is a literal in every call. */
static inline __attribute__((always_inline)) void tile(const ssi_product_args *args,
                                                       uint32_t first_row, uint32_t rows)
{
    const __mmask16 mask = (__mmask16)((1u << args->columns) - 1);
    const size_t a_row = args->a_row, a_step = args->a_step, b_stride = args->b_stride;
    const float *a = args->a + first_row * a_row, *b = args->b;
    float *c = args->c + first_row * args->c_stride;
    __m512 acc[TILE];
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        acc[r] = args->add ? _mm512_maskz_loadu_ps(mask, c + r * args->c_stride)
                           : _mm512_setzero_ps();
    for (uint32_t l = 0; l < args->depth; l++, a += a_step, b += b_stride) {
        __m512 numbers = _mm512_maskz_loadu_ps(mask, b);
        SSI_UNROLL
        for (uint32_t r = 0; r < rows; r++)
            acc[r] = _mm512_fmadd_ps(_mm512_set1_ps(a[r * a_row]), numbers, acc[r]);
    }
    SSI_UNROLL
    for (uint32_t r = 0; r < rows; r++)
        _mm512_mask_storeu_ps(c + r * args->c_stride, mask, acc[r]);
}

void ssi_product_panel_12x16__avx512vnni(const ssi_product_args *args)
{
    uint32_t row = 0;
    for (; args->row_count - row >= TILE; row += TILE)
        tile(args, row, TILE);
    for (; args->row_count - row >= 4; row += 4)
        tile(args, row, 4);
    for (; row < args->row_count; row++)
        tile(args, row, 1);
}
