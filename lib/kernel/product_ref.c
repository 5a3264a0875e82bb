/* SPDX-License-Identifier: Apache-2.0 */
/* A panel of at most 16 columns of a matrix product, portable. */
#include <math.h>

#include "kernel/kernel_list.h"

void ssi_product_panel__ref(const ssi_product_args *args)
{
    for (uint32_t row = 0; row < args->row_count; row++)
        for (uint32_t column = 0; column < args->columns; column++) {
            float *c = args->c + row * args->c_stride + column, acc = args->add ? *c : 0.0f;
            for (uint32_t l = 0; l < args->depth; l++)
                acc = fmaf(args->a[row * args->a_row + l * args->a_step],
                           args->b[l * args->b_stride + column], acc);
            *c = acc;
        }
}
