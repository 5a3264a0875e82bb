/* SPDX-License-Identifier: Apache-2.0 */
/* How the SIMD versions go through attention: block by block of 32 positions, and in each block
 * tile by tile of up to 6 query heads, so that every key and value loaded is used 6 times. A block
 * that lies wholly in the cache serves all rows of the call at once; one that reaches into the tree
 * is put together for each row.
 *
 * The including file first defines, for `count` <= SSI_ATTENTION_TILE states:
 *   score_pair      score[0..15] of each state from the 16 keys interleaved at first, [16..31] from
 *                   those at second, scaled
 *   softmax_block   one state's scores to p; m, l, o brought to the new maximum
 *   add_values      o[d] = fmaf(p_i, value[i][d], o[d]) for i in [begin, end)
 *   finish_output   o / l */
#include "kernel/attention_scratch.h"

typedef struct block_keys {
    uint32_t begin, end;                     /* the places that have a key: [begin, end) of 0..31 */
    uint32_t tile_count;
    bool in_place;                           /* place i is lane i % 16 of tile i / 16 */
    const void *tile[SSI_ATTENTION_BLOCK];   /* where 16 interleaved keys begin */
    uint16_t lane[SSI_ATTENTION_BLOCK];      /* of place: 16 * tile + lane, if not in place */
    const void *value[SSI_ATTENTION_BLOCK];  /* of place */
} block_keys;

/* Places begin..end of a block whose last key is cached. */
static void take_cached(const ssi_attention_args *args, uint32_t block, block_keys *keys)
{
    uint32_t length = args->head_length;
    keys->in_place = true;
    for (uint32_t i = keys->begin; i < keys->end; i++)
        keys->value[i] =
            ssi_attention_at(args, args->cache_values, (size_t)(block + i) * length);
    const void *low = ssi_attention_at(args, args->cache_keys, (size_t)block * length);
    const void *high = ssi_attention_at(args, args->cache_keys, (size_t)(block + 16) * length);
    /* A tile without a place's key may lie outside the cache: the other one stands in. */
    keys->tile[0] = keys->begin < 16 ? low : high;
    keys->tile[1] = keys->end > 16 ? high : low;
    keys->tile_count = 2;
}

static void take_scattered(const ssi_attention_args *args, const ssi_attention_row *row,
                           uint32_t block, block_keys *keys)
{
    uint32_t length = args->head_length, count = 0;
    keys->in_place = false;
    for (uint32_t i = keys->begin; i < keys->end; i++) {
        ssi_attention_place place = ssi_attention_find(args, row, block + i);
        const void *tile =
            ssi_attention_at(args, place.keys, (size_t)(place.slot / 16) * length * 16);
        uint32_t t = count; /* most often the last one again */
        while (t > 0 && keys->tile[t - 1] != tile)
            t--;
        if (t == 0) {
            keys->tile[count++] = tile;
            t = count;
        }
        keys->lane[i] = (uint16_t)(16 * (t - 1) + place.slot % 16);
        keys->value[i] = ssi_attention_at(args, place.values, (size_t)place.slot * length);
    }
    keys->tile_count = count;
}

/* Scores of keys that lie here and there: whole tiles, two at a time, then each place's lane. */
static void score_scattered(const ssi_attention_args *args, const block_keys *keys,
                            ssi_attention_state *const *states, uint32_t count)
{
    float score[SSI_ATTENTION_TILE][SSI_ATTENTION_BLOCK];
    for (uint32_t t = 0; t < keys->tile_count; t += 2) {
        uint32_t second = t + 1 < keys->tile_count ? t + 1 : t;
        score_pair(args, states, count, keys->tile[t], keys->tile[second]);
        for (uint32_t q = 0; q < count; q++)
            for (uint32_t i = keys->begin; i < keys->end; i++) {
                uint32_t lane = keys->lane[i] - 16 * t; /* wraps for an earlier pair's */
                if (lane < 32)
                    score[q][i] = states[q]->score[lane];
            }
    }
    for (uint32_t q = 0; q < count; q++)
        for (uint32_t i = keys->begin; i < keys->end; i++)
            states[q]->score[i] = score[q][i];
}

static void attend_tile(const ssi_attention_args *args, const block_keys *keys,
                        ssi_attention_state *const *states, uint32_t count)
{
    if (keys->in_place)
        score_pair(args, states, count, keys->tile[0], keys->tile[1]);
    else
        score_scattered(args, keys, states, count);
    for (uint32_t q = 0; q < count; q++) {
        for (uint32_t i = 0; i < keys->begin; i++)
            states[q]->score[i] = -INFINITY;
        for (uint32_t i = keys->end; i < SSI_ATTENTION_BLOCK; i++)
            states[q]->score[i] = -INFINITY;
        softmax_block(states[q], args->head_length);
    }
    add_values(args, states, count, keys->value, keys->begin, keys->end);
}

/* All heads of the listed rows over one block, in tiles as even as can be. */
static void attend_block(const ssi_attention_args *args, const block_keys *keys,
                         const uint32_t *rows, uint32_t row_count)
{
    const uint32_t heads = args->heads_per_kv;
    ssi_attention_state *state = args->scratch, *tile[SSI_ATTENTION_TILE];
    uint32_t left = row_count * heads, row = 0, head = 0;
    while (left > 0) {
        uint32_t tiles = (left + SSI_ATTENTION_TILE - 1) / SSI_ATTENTION_TILE;
        uint32_t count = (left + tiles - 1) / tiles;
        for (uint32_t q = 0; q < count; q++) {
            tile[q] = &state[rows[row] * heads + head];
            if (++head == heads) {
                head = 0;
                row++;
            }
        }
        attend_tile(args, keys, tile, count);
        left -= count;
    }
}

static void attend(const ssi_attention_args *args)
{
    const uint32_t heads = args->heads_per_kv;
    ssi_attention_state *state = args->scratch;
    uint32_t first = UINT32_MAX, last = 0; /* positions any row sees */
    for (uint32_t r = 0; r < args->row_count; r++) {
        const ssi_attention_row *row = &args->rows[r];
        uint32_t count = row->cache_count + row->node_count + row->stream_count;
        first = row->window_start < first ? row->window_start : first;
        last = count > last ? count : last;
        for (uint32_t h = 0; h < heads; h++)
            ssi_attention_begin(args, r, h, &state[r * heads + h]);
    }
    for (uint32_t block = first / SSI_ATTENTION_BLOCK * SSI_ATTENTION_BLOCK; block < last;
         block += SSI_ATTENTION_BLOCK) {
        uint32_t shared[SSI_ATTENTION_ROWS], shared_count = 0;
        block_keys keys;
        for (uint32_t r = 0; r < args->row_count; r++) {
            const ssi_attention_row *row = &args->rows[r];
            uint32_t count = row->cache_count + row->node_count + row->stream_count;
            uint32_t end = block + SSI_ATTENTION_BLOCK < count ? block + SSI_ATTENTION_BLOCK : count;
            uint32_t begin = block > row->window_start ? block : row->window_start;
            if (begin >= end)
                continue;
            if (begin == block && block + SSI_ATTENTION_BLOCK <= row->cache_count) {
                shared[shared_count++] = r;
                continue;
            }
            keys.begin = begin - block;
            keys.end = end - block;
            if (end <= row->cache_count)
                take_cached(args, block, &keys);
            else
                take_scattered(args, row, block, &keys);
            attend_block(args, &keys, &r, 1);
        }
        if (shared_count > 0) {
            keys.begin = 0;
            keys.end = SSI_ATTENTION_BLOCK;
            take_cached(args, block, &keys);
            attend_block(args, &keys, shared, shared_count);
        }
    }
    for (uint32_t i = 0; i < args->row_count * heads; i++)
        finish_output(&state[i], args->head_length);
}
