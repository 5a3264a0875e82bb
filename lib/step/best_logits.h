/* SPDX-License-Identifier: Apache-2.0 */
/* The largest of a vocabulary's logits, in order. */
#ifndef SSI_STEP_BEST_LOGITS_H
#define SSI_STEP_BEST_LOGITS_H

#include <stdint.h>

typedef struct ssi_ranked_logit {
    float logit;
    uint32_t index;
} ssi_ranked_logit;

/* The `most` largest of `count` logits, none of them NaN, into best[], best first; of equals the
 * lower index. Returns how many there are: the lesser of most and count. most at least 1. */
uint32_t ssi_best_logits(const float *logits, uint32_t count, uint32_t most,
                         ssi_ranked_logit *best);

#endif
