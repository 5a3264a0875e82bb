/* SPDX-License-Identifier: Apache-2.0 */
/* Output norm and a head, the model's or the streams': the logits of some rows. */
#include "step/cut.h"
#include "step/rows.h"

#define CHUNK_GROUPS (SSI_HEAD_CHUNK / SSI_GROUP)
_Static_assert(CHUNK_GROUPS % SSI_GEMM_GROUPS == 0, "a chunk is whole pairs");

typedef struct head_work {
    const ssi_workspace *work;
    const ssi_linear *head;
    ssi_cut cut; /* units are chunks */
    float *logits;
    size_t logit_stride;
} head_work;

static void head_body(void *context, uint32_t task)
{
    const head_work *region = context;
    const ssi_workspace *work = region->work;
    const ssi_kernels *kernels = &work->model->kernels;
    const ssi_matrix *weight = &region->head->weight;
    ssi_part part = ssi_cut_part(&region->cut, task);
    uint32_t end = part.unit_end * CHUNK_GROUPS;
    ssi_rows_multiply(kernels, region->head, part.unit_begin * CHUNK_GROUPS,
                      end < weight->group_count ? end : weight->group_count, &work->normed,
                      part.row_begin, part.row_end, region->logits, region->logit_stride);
    for (uint32_t row = part.row_begin; row < part.row_end; row++)
        for (uint32_t chunk = part.unit_begin; chunk < part.unit_end; chunk++) {
            uint32_t begin = chunk * SSI_HEAD_CHUNK;
            const float *logits = region->logits + row * region->logit_stride + begin;
            ssi_chunk_peak *peak = &work->chunk_peaks[row * work->chunk_stride + chunk];
            uint32_t count = ssi_head_chunk_end(begin, weight->rows) - begin;
            uint32_t index = kernels->argmax(logits, count, &peak->finite);
            peak->index = begin + index;
            peak->logit = logits[index];
        }
}

/* What the chunks of one row come to. */
static ssi_peak peak_of(const ssi_workspace *work, uint32_t row, uint32_t chunk_count)
{
    const ssi_chunk_peak *chunks = work->chunk_peaks + row * work->chunk_stride;
    ssi_peak peak = {chunks[0].index, chunks[0].finite};
    float largest = chunks[0].logit;
    for (uint32_t chunk = 1; chunk < chunk_count; chunk++) {
        peak.finite &= chunks[chunk].finite;
        if (chunks[chunk].logit > largest) {
            largest = chunks[chunk].logit;
            peak.token = chunks[chunk].index;
        }
    }
    return peak;
}

void ssi_head_run(ssi_workspace *work, const ssi_linear *head, uint32_t first,
                  uint32_t row_count, float *logits, size_t logit_stride)
{
    ssi_rows_norm(work, work->model->output_norm, first, row_count, ssi_takes_quants(head));
    uint32_t chunk_count = ssi_head_chunk_count(head->weight.rows);
    head_work region = {.work = work, .head = head, .logits = logits,
                        .logit_stride = logit_stride};
    region.cut = ssi_cut_make(chunk_count, row_count, work->parallel->thread_count);
    ssi_parallel_run(work->parallel, ssi_cut_tasks(&region.cut), head_body, &region);
    for (uint32_t row = 0; row < row_count; row++)
        work->peaks[row] = peak_of(work, row, chunk_count);
}
