/* SPDX-License-Identifier: Apache-2.0 */
/* A head leaves behind the largest of each chunk of its logits, found while they are in its cache:
 * who wants a row's largest, or all that come near it, need not walk the vocabulary again. */
#ifndef SSI_STEP_HEAD_CHUNK_H
#define SSI_STEP_HEAD_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#define SSI_HEAD_CHUNK 512u

typedef struct ssi_chunk_peak {
    float logit;
    uint32_t index; /* in the row; of equals the lowest */
    bool finite;    /* all of the chunk */
} ssi_chunk_peak;

static inline uint32_t ssi_head_chunk_count(uint32_t logits)
{
    return (logits + SSI_HEAD_CHUNK - 1) / SSI_HEAD_CHUNK;
}

/* Of the chunk that begins there, in a row of `count` logits. */
static inline uint32_t ssi_head_chunk_end(uint32_t begin, uint32_t count)
{
    return count - begin < SSI_HEAD_CHUNK ? count : begin + SSI_HEAD_CHUNK;
}

#endif
