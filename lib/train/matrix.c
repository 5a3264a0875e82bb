/* SPDX-License-Identifier: Apache-2.0 */
/* Our own product: the output is cut into tasks of whole panels of 16 columns; a task copies 64 rows
 * of b at a time into a panel on its stack, times alpha, and runs the kernel over its rows of a. An
 * output is one chain of fused multiply-adds, k ascending, from beta c: no bit depends on the cut. */
#include "train/matrix.h"

enum {
    PANEL = 16, /* columns */
    DEPTH = 64, /* rows of b in a panel: 4 KiB */
    BLOCK_ROWS =
        192, /* rows of a in one task: 48 KiB of every DEPTH columns, in the L2 cache */
    ROW_TASKS_PER_THREAD = 4
};

typedef struct product {
    const ssi_kernels *kernels;
    bool a_transposed, b_transposed;
    size_t m, n, k, a_stride, b_stride, c_stride;
    float alpha, beta;
    const float *a, *b;
    float *c;
    uint32_t row_parts, column_parts;
} product;

static size_t part_at(size_t count, uint32_t parts, uint32_t part)
{
    return count / parts * part + count % parts * part / parts;
}

/* b[first .. first + depth) of `columns` columns from `column` on, times alpha. */
static void fill_panel(const product *work, size_t first, uint32_t depth, size_t column,
                       uint32_t columns, float panel[DEPTH * PANEL])
{
    if (work->b_transposed)
        for (uint32_t j = 0; j < columns; j++) {
            const float *from = work->b + (column + j) * work->b_stride + first;
            for (uint32_t l = 0; l < depth; l++)
                panel[l * PANEL + j] = work->alpha * from[l];
        }
    else
        for (uint32_t l = 0; l < depth; l++) {
            const float *from = work->b + (first + l) * work->b_stride + column;
            for (uint32_t j = 0; j < columns; j++)
                panel[l * PANEL + j] = work->alpha * from[j];
        }
}

static void scale_rows(const product *work, size_t row_begin, size_t row_end,
                       size_t column_begin, size_t column_end)
{
    for (size_t row = row_begin; row < row_end; row++)
        for (size_t column = column_begin; column < column_end; column++) {
            float *c = work->c + row * work->c_stride + column;
            *c = work->beta == 0.0f ? 0.0f : work->beta * *c;
        }
}

static void product_body(void *context, uint32_t task)
{
    const product *work = context;
    float panel[DEPTH * PANEL];
    uint32_t column_part = task / work->row_parts, row_part = task % work->row_parts;
    size_t panels = (work->n + PANEL - 1) / PANEL;
    size_t column_begin = part_at(panels, work->column_parts, column_part) * PANEL;
    size_t column_end = part_at(panels, work->column_parts, column_part + 1) * PANEL;
    size_t row_begin = part_at(work->m, work->row_parts, row_part);
    size_t row_end = part_at(work->m, work->row_parts, row_part + 1);
    column_end = column_end < work->n ? column_end : work->n;

    if (work->k == 0 || (work->beta != 0.0f && work->beta != 1.0f))
        scale_rows(work, row_begin, row_end, column_begin, column_end);
    for (size_t first = 0; first < work->k; first += DEPTH)
        for (size_t column = column_begin; column < column_end; column += PANEL) {
            size_t depth = work->k - first, columns = column_end - column;
            ssi_product_args args = {
                .a = work->a_transposed ? work->a + first * work->a_stride + row_begin
                                        : work->a + row_begin * work->a_stride + first,
                .a_row = work->a_transposed ? 1 : work->a_stride,
                .a_step = work->a_transposed ? work->a_stride : 1,
                .b = panel,
                .b_stride = PANEL,
                .c = work->c + row_begin * work->c_stride + column,
                .c_stride = work->c_stride,
                .row_count = (uint32_t)(row_end - row_begin),
                .columns = (uint32_t)(columns < PANEL ? columns : PANEL),
                .depth = (uint32_t)(depth < DEPTH ? depth : DEPTH),
                .add = first > 0 || work->beta != 0.0f,
            };
            fill_panel(work, first, args.depth, column, args.columns, panel);
            work->kernels->product_panel(&args);
        }
}

static void multiply(const ssi_train_math *math, product *work)
{
    uint32_t panels = (uint32_t)((work->n + PANEL - 1) / PANEL);
    uint32_t tasks = math->parallel->thread_count * ROW_TASKS_PER_THREAD;
    work->row_parts = (uint32_t)((work->m + BLOCK_ROWS - 1) / BLOCK_ROWS);
    work->column_parts = (tasks + work->row_parts - 1) / work->row_parts;
    if (work->column_parts > panels)
        work->column_parts = panels;
    ssi_parallel_run(math->parallel, work->row_parts * work->column_parts, product_body, work);
}

void ssi_train_product(ssi_train_math *math, bool a_transposed, bool b_transposed, size_t m,
                       size_t n, size_t k, float alpha, const float *a, size_t a_stride,
                       const float *b, size_t b_stride, float beta, float *c, size_t c_stride)
{
    enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };
    if (m == 0 || n == 0)
        return;
    uint64_t begin = math->clock ? math->clock(NULL) : 0;
    if (math->sgemm && k > 0) {
        math->sgemm(ROW_MAJOR, a_transposed ? TRANSPOSED : AS_IS,
                    b_transposed ? TRANSPOSED : AS_IS, (int32_t)m, (int32_t)n, (int32_t)k,
                    alpha, a, (int32_t)a_stride, b, (int32_t)b_stride, beta, c,
                    (int32_t)c_stride);
    } else {
        product work = {.kernels = math->kernels,
                        .a_transposed = a_transposed,
                        .b_transposed = b_transposed,
                        .m = m,
                        .n = n,
                        .k = k,
                        .a_stride = a_stride,
                        .b_stride = b_stride,
                        .c_stride = c_stride,
                        .alpha = alpha,
                        .beta = beta,
                        .a = a,
                        .b = b,
                        .c = c};
        multiply(math, &work);
    }
    math->product_flops += 2.0 * (double)m * (double)n * (double)k;
    math->product_ns += math->clock ? math->clock(NULL) - begin : 0;
}

void ssi_train_rows_run(const ssi_train_math *math, uint32_t row_count,
                        void (*body)(void *context, uint32_t row_begin, uint32_t row_end),
                        void *context)
{
    uint32_t threads = math->parallel->thread_count;
    uint32_t parts = threads > 1 ? threads * ROW_TASKS_PER_THREAD : 1;
    ssi_parallel_ranges(math->parallel, row_count, parts < row_count ? parts : row_count, body,
                        context);
}
