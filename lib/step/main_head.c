/* SPDX-License-Identifier: Apache-2.0 */
/* The model's own head: logits, and the close ones again. Where the largest lie close together,
 * the 8-bit activations of the head decide more than they should: of the rounding of a whole pass
 * the head alone makes a quarter. So the tokens that contend are weighed again, their rows of the
 * head against the row's own binary32 numbers. It is a function of the row alone, and costs a few
 * rows of the head. (Over 1,200 next tokens against exact arithmetic: tools/reference/fidelity.py.) */
#include <math.h>
#include <string.h>

#include "step/rows.h"
#include "step/strip.h"

#define MARGIN 0.5f  /* of logits: four times the largest deviation the head was seen to make */
#define CONTENDERS SSI_GROUP /* most, so that they make one group of a float matrix */

typedef struct contender {
    float logit;
    uint32_t token;
} contender;

/* Adds those of tokens [begin, chunk_end) that lie within the margin, the largest first; of equals
 * the lower id. */
static uint32_t find(const float *logits, uint32_t begin, uint32_t chunk_end, float least,
                     contender *list, uint32_t found)
{
    for (uint32_t strip = begin; strip < chunk_end; strip += SSI_STRIP) {
        uint32_t end = ssi_strip_end(logits, strip, chunk_end, least);
        for (uint32_t token = strip; token < end; token++) {
            if (!(logits[token] >= least))
                continue;
            uint32_t at = found < CONTENDERS ? found++ : CONTENDERS;
            for (; at > 0 && logits[token] > list[at - 1].logit; at--)
                if (at < CONTENDERS)
                    list[at] = list[at - 1];
            if (at < CONTENDERS)
                list[at] = (contender){logits[token], token};
        }
    }
    return found;
}

typedef struct weigh_work {
    ssi_workspace *work;
    float *logits;
} weigh_work;

/* The listed tokens' logits from their rows of the head in binary32. */
static void weigh(const ssi_workspace *work, uint32_t row, const contender *list, uint32_t count,
                  float weighed[CONTENDERS])
{
    const ssi_linear *head = &work->model->head;
    float *packed = work->contender_rows + row * CONTENDERS * (size_t)head->weight.columns;
    float *numbers = work->contender_row + row * (size_t)head->weight.columns;
    memset(packed, 0, CONTENDERS * head->weight.columns * sizeof *packed);
    for (uint32_t lane = 0; lane < count; lane++) {
        ssi_type_get(head->weight.type)->unpack_row(&head->weight, list[lane].token, numbers);
        for (uint32_t i = 0; i < head->weight.columns; i++)
            packed[i * CONTENDERS + lane] = numbers[i];
    }
    ssi_matrix group = {.type = SSI_TYPE_F32, .rows = CONTENDERS, .columns = head->weight.columns,
                        .group_count = 1, .plane = {packed}};
    ssi_activation x = {.columns = head->weight.columns, .value_stride = work->normed.value_stride,
                        .values = work->normed.values + row * work->normed.value_stride};
    work->model->kernels.gemm[SSI_TYPE_F32](&group, 0, 1, &x, 1, weighed, CONTENDERS);
    for (uint32_t lane = 0; lane < count; lane++)
        weighed[lane] += head->bias ? head->bias[list[lane].token] : 0.0f;
}

static void weigh_body(void *context, uint32_t row)
{
    const weigh_work *region = context;
    const ssi_workspace *work = region->work;
    const ssi_kernels *kernels = &work->model->kernels;
    const uint32_t size = work->model->head.weight.rows;
    float *logits = region->logits + row * work->logit_stride;
    contender list[CONTENDERS];
    _Alignas(64) float weighed[CONTENDERS];
    const ssi_chunk_peak *chunk = work->chunk_peaks + row * work->chunk_stride;
    ssi_peak *peak = &work->peaks[row];
    if (!peak->finite || !ssi_takes_quants(&work->model->head))
        return;
    const float least = logits[peak->token] - MARGIN;
    uint32_t count = 0;
    for (uint32_t begin = 0; begin < size; begin += SSI_HEAD_CHUNK, chunk++)
        if (chunk->logit >= least)
            count = find(logits, begin, ssi_head_chunk_end(begin, size), least, list, count);
    if (count < 2)
        return;
    weigh(work, row, list, count, weighed);
    uint32_t best = 0;
    for (uint32_t lane = 0; lane < count; lane++) {
        logits[list[lane].token] = weighed[lane];
        peak->finite &= fabsf(weighed[lane]) < INFINITY;
        if (weighed[lane] > weighed[best] ||
            (weighed[lane] == weighed[best] && list[lane].token < list[best].token))
            best = lane;
    }
    /* Of a full list, others may lie as high as its last. */
    if (weighed[best] > (count < CONTENDERS ? least : list[count - 1].logit))
        peak->token = list[best].token;
    else
        peak->token = kernels->argmax(logits, size, &peak->finite);
}

void ssi_main_head_run(ssi_workspace *work, uint32_t first, uint32_t row_count, float *logits)
{
    weigh_work region = {work, logits};
    ssi_head_run(work, &work->model->head, first, row_count, logits, work->logit_stride);
    ssi_parallel_run(work->parallel, row_count, weigh_body, &region);
}
