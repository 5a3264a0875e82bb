/* SPDX-License-Identifier: Apache-2.0 */
/* Output norm and LM head: the logits of some rows. */
#include "step/cut.h"
#include "step/rows.h"

typedef struct head_work {
    const ssi_workspace *work;
    const ssi_linear *head;
    ssi_cut cut;
    float *logits;
    size_t logit_stride;
} head_work;

static void head_body(void *context, uint32_t task)
{
    const head_work *region = context;
    const ssi_workspace *work = region->work;
    ssi_part part = ssi_cut_part(&region->cut, task);
    uint32_t groups = region->head->weight.group_count, end = part.unit_end * SSI_GEMM_GROUPS;
    ssi_rows_multiply(&work->model->kernels, region->head, part.unit_begin * SSI_GEMM_GROUPS,
                      end < groups ? end : groups, &work->normed, part.row_begin, part.row_end,
                      region->logits, region->logit_stride);
}

void ssi_head_run(ssi_workspace *work, const ssi_linear *head, uint32_t first,
                  uint32_t row_count, float *logits, size_t logit_stride)
{
    ssi_rows_norm(work, work->model->output_norm, first, row_count, ssi_takes_quants(head));
    head_work region = {.work = work, .head = head, .logits = logits,
                        .logit_stride = logit_stride};
    region.cut = ssi_cut_make((head->weight.group_count + SSI_GEMM_GROUPS - 1) / SSI_GEMM_GROUPS,
                              row_count, work->parallel->thread_count);
    ssi_parallel_run(work->parallel, ssi_cut_tasks(&region.cut), head_body, &region);
}

void ssi_main_head_run(ssi_workspace *work, uint32_t first, uint32_t row_count, float *logits)
{
    ssi_head_run(work, &work->model->head, first, row_count, logits, work->logit_stride);
    ssi_contenders_weigh(work, row_count, logits);
}
