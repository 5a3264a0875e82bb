/* SPDX-License-Identifier: Apache-2.0 */
/* Many known tokens: a chain of rows in chunks, their keys straight into the context. */
#include "step/rows.h"

void ssi_prefill_chunk(ssi_workspace *work, const int32_t *tokens, uint32_t count)
{
    ssi_batch_chain(work, tokens, count);
    ssi_batch_embed(work);
    ssi_lower_run(work);
    ssi_msa_run(work, false);
    work->cache.length += count;
    ssi_msa_settle(work, count - 1, false);
}

static ss_status check_going(ssi_workspace *work, uint32_t count, const ss_progress *progress,
                             ss_error *error)
{
    float fraction = (float)work->cache.length / (float)count;
    bool wanted = !progress || progress->report(progress->context, fraction);
    if (ssi_workspace_cancelled(work) || !wanted)
        return ssi_fail(error, SS_ERROR_CANCELLED, "cancelled after %u of %u tokens",
                        work->cache.length, count);
    return SS_OK;
}

static uint32_t chunk_rows(const ssi_workspace *work, uint32_t count)
{
    uint32_t rest = count - work->cache.length;
    return rest < work->chunk_rows ? rest : work->chunk_rows;
}

/* Of the head's last run, whose first row stands at `index` of the sequence. */
static ss_status check_finite(const ssi_workspace *work, const ssi_sequence *sequence,
                              uint32_t index, uint32_t row_count, ss_error *error)
{
    for (uint32_t row = 0; row < row_count; row++)
        SSI_TRY(ssi_peak_check(&work->peaks[row], sequence->dropped + index + row, error));
    return SS_OK;
}

/* The last row's logits, if they are wanted; then all is done. */
static ss_status finish(ssi_workspace *work, const ssi_sequence *sequence, float *last_logits,
                        const ss_progress *progress, ss_error *error)
{
    if (last_logits) {
        ssi_main_head_run(work, work->batch.row_count - 1, 1, last_logits);
        SSI_TRY(check_finite(work, sequence, sequence->count - 1, 1, error));
    }
    if (progress)
        (void)progress->report(progress->context, 1.0f);
    return SS_OK;
}

ss_status ssi_prefill_run(ssi_workspace *work, const ssi_sequence *sequence, float *last_logits,
                          const ss_progress *progress, ss_error *error)
{
    const uint32_t count = sequence->count;
    while (work->cache.length < count) {
        SSI_TRY(check_going(work, count, progress, error));
        ssi_prefill_chunk(work, sequence->tokens + work->cache.length, chunk_rows(work, count));
    }
    return finish(work, sequence, last_logits, progress, error);
}

typedef struct score_work {
    const ssi_workspace *work;
    const int32_t *targets;
    float *log_probabilities;
} score_work;

static void score_body(void *context, uint32_t task)
{
    const score_work *scoring = context;
    const ssi_workspace *work = scoring->work;
    const ssi_kernels *kernels = &work->model->kernels;
    uint32_t count = work->model->hyper.vocabulary_size;
    const float *logits = work->logits + task * work->logit_stride;
    float largest = logits[work->peaks[task].token];
    float sum = kernels->exp_sum(logits, count, largest, 1.0f);
    scoring->log_probabilities[task] =
        logits[scoring->targets[task]] - largest - ssi_logf(sum);
}

ss_status ssi_prefill_score(ssi_workspace *work, const ssi_sequence *sequence, uint32_t first,
                            float *log_probabilities, float *last_logits,
                            const ss_progress *progress, ss_error *error)
{
    const int32_t *tokens = sequence->tokens;
    const uint32_t count = sequence->count;
    while (work->cache.length < count) {
        SSI_TRY(check_going(work, count, progress, error));
        uint32_t begin = work->cache.length, rows = chunk_rows(work, count);
        ssi_prefill_chunk(work, tokens + begin, rows);
        uint32_t row = begin < first ? first - begin : 0;
        uint32_t end = begin + rows < count ? rows : rows - 1; /* nothing follows the last */
        while (row < end) {
            uint32_t width = end - row < work->logit_rows ? end - row : work->logit_rows;
            score_work scoring = {work, tokens + begin + row + 1,
                               log_probabilities + (begin + row - first)};
            ssi_main_head_run(work, row, width, work->logits);
            SSI_TRY(check_finite(work, sequence, begin + row, width, error));
            ssi_parallel_run(work->parallel, width, score_body, &scoring);
            row += width;
        }
    }
    return finish(work, sequence, last_logits, progress, error);
}
