/* SPDX-License-Identifier: Apache-2.0 */
/* Most strips hold none of the best, the sooner as the likeliest tokens come first in a draft
 * vocabulary. */
#include "step/best_logits.h"

#include <math.h>

#include "step/strip.h"

uint32_t ssi_best_logits(const float *logits, uint32_t count, uint32_t most,
                         ssi_ranked_logit *best)
{
    uint32_t found = 0;
    float least = -INFINITY; /* once `most` are found: the last one's */
    for (uint32_t strip = 0; strip < count; strip += SSI_STRIP) {
        uint32_t end = ssi_strip_end(logits, strip, count, least);
        for (uint32_t i = strip; i < end; i++) {
            if (found == most && !(logits[i] > least))
                continue;
            uint32_t at = found < most ? found++ : most - 1;
            for (; at > 0 && logits[i] > best[at - 1].logit; at--)
                best[at] = best[at - 1];
            best[at] = (ssi_ranked_logit){logits[i], i};
            if (found == most)
                least = best[most - 1].logit;
        }
    }
    return found;
}
