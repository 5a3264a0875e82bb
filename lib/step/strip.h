/* SPDX-License-Identifier: Apache-2.0 */
/* Logits looked at together. Whoever wants the largest of a vocabulary wants few: most strips hold
 * none, and a loop of fixed length is one that compilers turn into vectors. */
#ifndef SSI_STEP_STRIP_H
#define SSI_STEP_STRIP_H

#include <stdint.h>

#define SSI_STRIP 16u

/* Where the strip of `count` logits that begins at `start` ends, if it may hold one of at least
 * `least`; else `start`: nothing in it to visit. */
static inline uint32_t ssi_strip_end(const float *logits, uint32_t start, uint32_t count,
                                     float least)
{
    if (count - start < SSI_STRIP)
        return count;
    int any = 0;
    for (uint32_t i = 0; i < SSI_STRIP; i++)
        any |= logits[start + i] >= least;
    return any ? start + SSI_STRIP : start;
}

#endif
