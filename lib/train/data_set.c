/* SPDX-License-Identifier: Apache-2.0 */
#include "train/data_set.h"

#include <string.h>

#include "base/random.h"
#include "base/sort.h"

void ssi_data_create(ssi_data_set *set, const ssi_memory *memory)
{
    *set = (ssi_data_set){.memory = *memory};
}

void ssi_data_free(ssi_data_set *set)
{
    ssi_data_reopen(set);
    ssi_release(&set->memory, set->rows, set->row_capacity * sizeof *set->rows);
    ssi_release(&set->memory, set->tokens, set->token_capacity * sizeof *set->tokens);
    *set = (ssi_data_set){0};
}

/* Room for `needed` items in a block of *capacity, which at least doubles. */
static ss_status reserve(const ssi_memory *memory, void **items, size_t *capacity, size_t used,
                         size_t needed, size_t item_bytes, ss_error *error)
{
    size_t larger = *capacity * 2 > needed ? *capacity * 2 : needed;
    if (needed <= *capacity)
        return SS_OK;
    void *block = ssi_allocate(memory, larger * item_bytes, SSI_ALIGN);
    if (!block)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for the rows: %zu bytes",
                        larger * item_bytes);
    if (used > 0)
        memcpy(block, *items, used * item_bytes);
    ssi_release(memory, *items, *capacity * item_bytes);
    *items = block;
    *capacity = larger;
    return SS_OK;
}

ss_status ssi_data_add(ssi_data_set *set, const int32_t *tokens, uint32_t token_count,
                       uint32_t prompt_count, ss_error *error)
{
    void *rows = set->rows, *all = set->tokens;
    ss_status status = reserve(&set->memory, &rows, &set->row_capacity, set->row_count,
                               (size_t)set->row_count + 1, sizeof *set->rows, error);
    set->rows = rows;
    if (status == SS_OK)
        status = reserve(&set->memory, &all, &set->token_capacity, set->token_count,
                         set->token_count + token_count, sizeof *set->tokens, error);
    set->tokens = all;
    SSI_TRY(status);
    set->rows[set->row_count++] = (ssi_data_row){set->token_count, token_count, prompt_count};
    memcpy(set->tokens + set->token_count, tokens, token_count * sizeof *tokens);
    set->token_count += token_count;
    set->longest = token_count > set->longest ? token_count : set->longest;
    return SS_OK;
}

/* Fisher and Yates, with numbers that depend on seed, pass and place alone. */
static void shuffle(ssi_data_set *set, uint64_t pass)
{
    set->pass = pass;
    for (uint32_t i = 0; i < set->row_count; i++)
        set->order[i] = i;
    for (uint32_t i = set->row_count - 1; i > 0; i--) {
        uint64_t bits = ssi_noise_bits(ssi_mix64(set->seed + pass), i, 0);
        uint32_t other = (uint32_t)(bits % (i + 1)), kept = set->order[i];
        set->order[i] = set->order[other];
        set->order[other] = kept;
    }
}

ss_status ssi_data_begin(ssi_data_set *set, uint64_t seed, ss_error *error)
{
    size_t bytes = (size_t)set->row_count * sizeof *set->order;
    set->seed = seed;
    set->order = ssi_allocate(&set->memory, bytes, SSI_ALIGN);
    if (!set->order)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for the order of rows: %zu bytes",
                        bytes);
    shuffle(set, 0);
    return SS_OK;
}

void ssi_data_reopen(ssi_data_set *set)
{
    ssi_release(&set->memory, set->order, (size_t)set->row_count * sizeof *set->order);
    set->order = NULL;
}

const ssi_data_row *ssi_data_row_at(ssi_data_set *set, uint64_t index)
{
    uint64_t pass = index / set->row_count;
    if (pass != set->pass)
        shuffle(set, pass);
    return &set->rows[set->order[index % set->row_count]];
}

ssi_hash128 ssi_data_hash(const ssi_data_set *set)
{
    ssi_hash128 parts[2] = {ssi_hash(set->rows, set->row_count * sizeof *set->rows),
                            ssi_hash(set->tokens, set->token_count * sizeof *set->tokens)};
    return ssi_hash(parts, sizeof parts);
}

static bool is_likelier(const void *context, uint32_t a, uint32_t b)
{
    const uint64_t *counts = context;
    return counts[a] != counts[b] ? counts[a] > counts[b] : a < b;
}

size_t ssi_data_draft_scratch(uint32_t vocabulary_size)
{
    return (size_t)vocabulary_size * (sizeof(uint64_t) + sizeof(uint32_t));
}

/* One use in a completion outweighs any in prompts. */
void ssi_data_draft_vocabulary(const ssi_data_set *set, uint32_t vocabulary_size,
                               uint32_t count, void *scratch, int32_t *tokens)
{
    uint64_t *counts = scratch;
    uint32_t *order = (uint32_t *)(counts + vocabulary_size);
    memset(counts, 0, vocabulary_size * sizeof *counts);
    for (uint32_t i = 0; i < set->row_count; i++) {
        const ssi_data_row *row = &set->rows[i];
        const int32_t *text = set->tokens + row->offset;
        for (uint32_t n = 0; n < row->token_count; n++)
            counts[text[n]] += n < row->prompt_count ? 1 : (uint64_t)1 << 32;
    }
    for (uint32_t token = 0; token < vocabulary_size; token++)
        order[token] = token;
    ssi_sort_indices(order, vocabulary_size, is_likelier, counts);
    for (uint32_t i = 0; i < count; i++)
        tokens[i] = (int32_t)order[i];
}
