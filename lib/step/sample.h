/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing a token: a pure function of (logits, the tokens before, seed, position). No state is
 * carried from one draw to the next, so verification can ask for the very draw that plain decoding
 * would have made. docs/exactness.md has the order of operations. */
#ifndef SSI_STEP_SAMPLE_H
#define SSI_STEP_SAMPLE_H

#include "base/arena.h"
#include "kernel/kernel.h"
#include "specstream/session.h"

#define SSI_BIAS_MAX 4096u
#define SSI_PENALTY_WINDOW_MAX 1024u

typedef struct ssi_contender {
    float score;     /* (logit - largest logit) / temperature */
    uint32_t token;
    uint32_t weight; /* exp(score) in units of 2^-31, cut off */
} ssi_contender;

/* What a row of logits has at its top. */
typedef struct ssi_peak {
    uint32_t token; /* of the largest, the lowest id on a tie */
    bool finite;    /* all of them are */
} ssi_peak;

typedef struct ssi_sampler {
    ss_sampler_params params; /* bias_tokens and bias_values point to the copies below */
    const ssi_kernels *kernels;
    uint32_t vocabulary_size;
    int32_t *bias_tokens;     /* [SSI_BIAS_MAX] */
    float *bias_values;
    /* Scratch of one draw. */
    float *adjusted;          /* [V]: logits with bias and penalties */
    uint16_t *occurrences;    /* [V]: all zero between draws */
    ssi_contender *candidates; /* [V] */
} ssi_sampler;

void ssi_sampler_layout(ssi_sampler *sampler, uint32_t vocabulary_size, ssi_arena *arena);
void ssi_sampler_clear(ssi_sampler *sampler); /* once, after the layout with memory */

/* SS_ERROR_NUMERIC, naming the position whose logits these are, where they are not all finite. */
ss_status ssi_peak_check(const ssi_peak *peak, uint32_t position, ss_error *error) SSI_MUST_CHECK;

/* Draws the token at `position` of the whole sequence, given the history_count tokens before it
 * that the session holds. `peak` is the logits', or NULL: it is looked for. Fails with
 * SS_ERROR_NUMERIC, naming the position before, when the logits are not all finite or every token is
 * banned. */
ss_status ssi_sample(const ssi_sampler *sampler, const float *logits, const ssi_peak *peak,
                     const int32_t *history, uint32_t history_count, uint32_t position,
                     int32_t *token, ss_error *error) SSI_MUST_CHECK;

/* The Gumbel noise of one token at one position: what a draft is ranked with, too. */
float ssi_sample_noise(uint64_t seed, uint32_t position, uint32_t token);

#endif
