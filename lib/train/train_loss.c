/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax and cross-entropy, in blocks of rows, so that no more than a block's logits ever exist.
 * Per row, with z the logits, Z = sum of exp(z - largest), q the target's distribution (its hard
 * part the token, its soft part the teacher's, renormalised to what lies inside the classes), |q| 1
 * or, without a target, 0:
 *
 *     loss     = sum over i of q_i (log Z - (z_i - largest))
 *     gradient = weight |q| / Z * sum over i of (exp(z_i - largest) - q_i / |q| * Z) head_i
 *
 * The factor before the sum is applied after the product with the head: to `columns` numbers, not
 * to `count`. */
#include "train/train_passes.h"

enum { BLOCK_ROWS = 128 }; /* a draft vocabulary of 8,192: 4 MiB of logits */

typedef struct loss_work {
    const ssi_train_math *math;
    const ssi_train_loss *loss;
    uint32_t first, rows; /* of the block */
    float factor[BLOCK_ROWS];
} loss_work;

uint32_t ssi_train_loss_rows(void)
{
    return BLOCK_ROWS;
}

/* Shares of the hard target and of the whole soft one; *mass: the teacher's inside the classes. */
static void find_shares(const ssi_train_loss *loss, uint32_t row, float *hard, float *soft,
                        float *mass)
{
    *mass = 0;
    for (uint32_t i = 0; loss->soft_targets && i < SSI_TEACHER_MAX; i++)
        if (loss->soft_targets[row * SSI_TEACHER_MAX + i] >= 0)
            *mass += loss->soft_probabilities[row * SSI_TEACHER_MAX + i];
    *soft = *mass > 0 ? loss->soft_share : 0;
    *hard = loss->targets[row] >= 0 ? 1 - *soft : 0;
}

/* From logits to loss and, where there is to be a gradient, to what is multiplied by the head. */
static void run_row(loss_work *work, uint32_t at)
{
    const ssi_train_loss *loss = work->loss;
    const ssi_kernels *kernels = work->math->kernels;
    uint32_t row = work->first + at;
    float *logits = loss->logits + (size_t)at * loss->count;
    int32_t target = loss->targets[row];
    size_t teacher = (size_t)row * SSI_TEACHER_MAX;
    float hard, soft, mass, sum, share[SSI_TEACHER_MAX];
    double expected = 0; /* sum of q (z - largest) */
    bool finite;

    find_shares(loss, row, &hard, &soft, &mass);
    if (loss->bias)
        kernels->add(logits, loss->bias, loss->count);
    uint32_t best = kernels->argmax(logits, loss->count, &finite);
    float largest = logits[best];
    if (hard > 0)
        expected += (double)hard * (double)(logits[target] - largest);
    for (uint32_t i = 0; soft > 0 && i < SSI_TEACHER_MAX; i++) {
        int32_t token = loss->soft_targets[teacher + i];
        share[i] = token >= 0 ? soft * loss->soft_probabilities[teacher + i] / mass : 0;
        if (token >= 0)
            expected += (double)share[i] * (double)(logits[token] - largest);
    }
    sum = loss->state_gradient ? kernels->exp_each(logits, loss->count, largest)
                               : kernels->exp_sum(logits, loss->count, largest, 1.0f);
    float whole = hard + soft;
    if (loss->loss)
        loss->loss[row] =
            whole > 0 ? (float)((double)whole * (double)ssi_logf(sum) - expected) : 0;
    loss->right[row] = target >= 0 && best == (uint32_t)target;
    if (!loss->state_gradient)
        return;
    work->factor[at] = whole > 0 ? loss->weights[row] * whole / sum : 0;
    if (hard > 0)
        logits[target] -= hard / whole * sum;
    for (uint32_t i = 0; soft > 0 && i < SSI_TEACHER_MAX; i++)
        if (share[i] > 0)
            logits[loss->soft_targets[teacher + i]] -= share[i] / whole * sum;
}

static void rows_body(void *context, uint32_t row_begin, uint32_t row_end)
{
    for (uint32_t at = row_begin; at < row_end; at++)
        run_row(context, at);
}

static void scale_body(void *context, uint32_t row_begin, uint32_t row_end)
{
    const loss_work *work = context;
    const ssi_train_loss *loss = work->loss;
    for (uint32_t at = row_begin; at < row_end; at++) {
        float *gradient = loss->state_gradient + (size_t)(work->first + at) * loss->columns;
        for (uint32_t i = 0; i < loss->columns; i++)
            gradient[i] *= work->factor[at];
    }
}

void ssi_train_loss_run(ssi_train_math *math, const ssi_train_loss *loss)
{
    loss_work work = {.math = math, .loss = loss};
    for (; work.first < loss->row_count; work.first += work.rows) {
        uint32_t left = loss->row_count - work.first;
        size_t at = (size_t)work.first * loss->columns;
        work.rows = left < BLOCK_ROWS ? left : BLOCK_ROWS;
        ssi_train_product(math, false, true, work.rows, loss->count, loss->columns, 1,
                          loss->states + at, loss->columns, loss->head, loss->columns, 0,
                          loss->logits, loss->count);
        ssi_train_rows_run(math, work.rows, rows_body, &work);
        if (!loss->state_gradient)
            continue;
        ssi_train_product(math, false, false, work.rows, loss->columns, loss->count, 1,
                          loss->logits, loss->count, loss->head, loss->columns, 0,
                          loss->state_gradient + at, loss->columns);
        ssi_train_rows_run(math, work.rows, scale_body, &work);
    }
}
