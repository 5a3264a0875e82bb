/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a training: tokens side by side in one growing block, an order for every pass over
 * them, and the draft vocabulary that they suggest. */
#ifndef SSI_TRAIN_DATA_SET_H
#define SSI_TRAIN_DATA_SET_H

#include "base/arena.h"
#include "base/hash.h"

typedef struct ssi_data_row {
    size_t offset; /* of its first token */
    uint32_t token_count, prompt_count;
} ssi_data_row;

typedef struct ssi_data_set {
    ssi_memory memory;
    ssi_data_row *rows;
    int32_t *tokens;
    size_t row_capacity, token_capacity, token_count;
    uint32_t row_count;
    uint32_t longest; /* tokens of the longest row */
    uint32_t *order;  /* [row_count], of `pass`; NULL before ssi_data_begin */
    uint64_t pass;
    uint64_t seed;
} ssi_data_set;

void ssi_data_create(ssi_data_set *set, const ssi_memory *memory);
void ssi_data_free(ssi_data_set *set);
ss_status ssi_data_add(ssi_data_set *set, const int32_t *tokens, uint32_t token_count,
                       uint32_t prompt_count, ss_error *error) SSI_MUST_CHECK;

/* After the last row. */
ss_status ssi_data_begin(ssi_data_set *set, uint64_t seed, ss_error *error) SSI_MUST_CHECK;
/* As before ssi_data_begin: rows may follow. */
void ssi_data_reopen(ssi_data_set *set);

/* Row number `index` of an endless sequence in which every row comes once a pass, in an order that
 * is a function of the seed and the pass. */
const ssi_data_row *ssi_data_row_at(ssi_data_set *set, uint64_t index);

ssi_hash128 ssi_data_hash(const ssi_data_set *set);

/* The `count` tokens that completions use most, likeliest first; where they use fewer, those that
 * prompts use, then by id. scratch: ssi_data_draft_scratch() bytes. */
size_t ssi_data_draft_scratch(uint32_t vocabulary_size);
void ssi_data_draft_vocabulary(const ssi_data_set *set, uint32_t vocabulary_size,
                               uint32_t count, void *scratch, int32_t *tokens);

#endif
