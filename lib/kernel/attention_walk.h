/* SPDX-License-Identifier: Apache-2.0 */
/* How the SIMD versions go through attention: block by block of 32 positions, and in each block
 * group by group of up to 6 query heads, of any rows, so that a key or value once loaded is used 6
 * times. Rows of one call see much the same keys: the cached ones, and the tiles of 16 in the tree
 * where their ancestors are. So scores are taken for all of them, a row picks its places', and
 * values are added together as far as all rows have them in the cache, then row by row.
 *
 * The including file first defines, for `count` <= SSI_ATTENTION_GROUP states:
 *   score_tiles     16 scaled scores from the keys interleaved at first, and if second isn't NULL
 *                   another 16 from there, into each state's score[] or lane[]; meanwhile asks for
 *                   the values, and for the keys of the block after
 *   softmax_group   scores to p, m and l brought to the new maximum; for o that is left to factor
 *                   (1 where m stays), so that nothing branches on where a maximum lies
 *   add_values      o[d] *= factor, then o[d] = fmaf(p_i, value[i][d], o[d]) for i in [begin, end)
 *   finish_output   o / l */
#include "kernel/attention_scratch.h"

enum { NODE_AREA, STREAM_AREA, AREA_COUNT };

/* What a row sees of a block: places [begin, end) of 0..31, those before `cached` in the cache. */
typedef struct block_view {
    const ssi_attention_row *row;
    ssi_attention_state *states; /* of the row's heads */
    uint32_t begin, cached, end;
    uint16_t area[SSI_ATTENTION_BLOCK]; /* of places [cached, end) */
    uint32_t slot[SSI_ATTENTION_BLOCK];
} block_view;

typedef struct block_work {
    uint32_t position; /* of place 0 */
    uint32_t view_count;
    block_view view[SSI_ATTENTION_ROWS];
    uint32_t begin, shared; /* places all rows have in the cache: [begin, shared) */
    const void *value[SSI_ATTENTION_BLOCK]; /* of those */
    const void *tile[2]; /* cached keys of places 0..15, 16..31; NULL: no row has any there */
    const void *values;  /* cached ones of place 0 on */
    /* Tree tiles that some row needs: tile t in [first, end) of its area if bit t % 64 is set. */
    uint32_t tile_first[AREA_COUNT], tile_end[AREA_COUNT];
    uint64_t tile_used[AREA_COUNT];
} block_work;

static void note_tree_place(block_work *block, block_view *view, uint32_t place, uint32_t index)
{
    const ssi_attention_row *row = view->row;
    bool node = index < row->node_count;
    uint32_t area = node ? NODE_AREA : STREAM_AREA;
    uint32_t slot = node ? row->nodes[index] : row->stream_first + index - row->node_count;
    uint32_t tile = slot / 16;
    view->area[place] = (uint16_t)area;
    view->slot[place] = slot;
    block->tile_used[area] |= 1ull << tile % 64;
    if (tile < block->tile_first[area])
        block->tile_first[area] = tile;
    if (tile >= block->tile_end[area])
        block->tile_end[area] = tile + 1;
}

/* Adds the row's view of the block, if it sees any of it. */
static void look_at(const ssi_attention_args *args, uint32_t r, block_work *block)
{
    const ssi_attention_row *row = &args->rows[r];
    uint32_t count = row->cache_count + row->node_count + row->stream_count;
    if (count <= block->position || row->window_start >= count)
        return;
    uint32_t end = count - block->position, begin = 0, cached = 0;
    end = end < SSI_ATTENTION_BLOCK ? end : SSI_ATTENTION_BLOCK;
    if (row->window_start > block->position)
        begin = row->window_start - block->position;
    if (begin >= end)
        return;
    if (row->cache_count > block->position)
        cached = row->cache_count - block->position;
    cached = cached < end ? cached : end;

    block_view *view = &block->view[block->view_count++];
    view->row = row;
    view->states = (ssi_attention_state *)args->scratch + (size_t)r * args->heads_per_kv;
    view->begin = begin;
    view->cached = cached;
    view->end = end;
    for (uint32_t i = cached > begin ? cached : begin; i < end; i++)
        note_tree_place(block, view, i, block->position + i - row->cache_count);
}

/* What the views have in common. */
static void join_views(const ssi_attention_args *args, block_work *block)
{
    uint32_t begin = block->view[0].begin, shared = block->view[0].cached;
    bool low = false, high = false, even = true;
    for (uint32_t v = 0; v < block->view_count; v++) {
        const block_view *view = &block->view[v];
        even &= view->begin == begin;
        shared = view->cached < shared ? view->cached : shared;
        low |= view->begin < 16 && view->begin < view->cached;
        high |= view->cached > 16 && view->begin < view->cached;
    }
    block->begin = begin;
    block->shared = even && shared > begin ? shared : begin;
    const size_t length = args->head_length, position = block->position;
    block->tile[0] = low ? ssi_attention_at(args, args->cache_keys, position * length) : NULL;
    block->tile[1] =
        high ? ssi_attention_at(args, args->cache_keys, (position + 16) * length) : NULL;
    block->values = ssi_attention_at(args, args->cache_values, position * length);
    for (uint32_t i = begin; i < block->shared; i++)
        block->value[i] = ssi_attention_at(args, args->cache_values, (position + i) * length);
}

static const void *tree_tile(const ssi_attention_args *args, const void *area, uint32_t tile)
{
    return ssi_attention_at(args, area, (size_t)tile * args->head_length * 16);
}

typedef struct query_group {
    uint32_t count;
    ssi_attention_state *state[SSI_ATTENTION_GROUP];
    const block_view *view[SSI_ATTENTION_GROUP]; /* whose the state is */
} query_group;

/* From the 16 lanes of one tree tile to the places that are there. */
static void pick_lanes(const query_group *group, uint32_t area, uint32_t tile, uint32_t half)
{
    for (uint32_t q = 0; q < group->count; q++) {
        const block_view *view = group->view[q];
        ssi_attention_state *state = group->state[q];
        uint32_t i = view->cached > view->begin ? view->cached : view->begin;
        for (; i < view->end; i++)
            if (view->area[i] == area && view->slot[i] / 16 == tile)
                state->score[i] = state->lane[16 * half + view->slot[i] % 16];
    }
}

/* Two tree tiles at a time, the second perhaps missing. */
static void score_tree(const ssi_attention_args *args, const block_work *block,
                       const query_group *group)
{
    for (uint32_t area = 0; area < AREA_COUNT; area++) {
        const void *keys = area == NODE_AREA ? args->node_keys : args->stream_keys;
        const void *values = area == NODE_AREA ? args->node_values : args->stream_values;
        uint32_t tile[2], held = 0;
        for (uint32_t t = block->tile_first[area]; t < block->tile_end[area]; t++) {
            if (block->tile_used[area] >> t % 64 & 1)
                tile[held++] = t;
            if (held == 0 || (held == 1 && t + 1 < block->tile_end[area]))
                continue;
            score_tiles(args, group->state, group->count, true, tree_tile(args, keys, tile[0]),
                        held == 2 ? tree_tile(args, keys, tile[1]) : NULL,
                        tree_tile(args, values, tile[0]));
            for (uint32_t half = 0; half < held; half++)
                pick_lanes(group, area, tile[half], half);
            held = 0;
        }
    }
}

static void attend_group(const ssi_attention_args *args, const block_work *block,
                         const query_group *group)
{
    if (block->tile[0])
        score_tiles(args, group->state, group->count, false, block->tile[0], block->tile[1],
                    block->values);
    else if (block->tile[1]) /* a window that begins late: the first half will be masked */
        score_tiles(args, group->state, group->count, false, block->tile[1], block->tile[1],
                    block->values);
    score_tree(args, block, group);
    for (uint32_t q = 0; q < group->count; q++) {
        const block_view *view = group->view[q];
        float *score = group->state[q]->score;
        for (uint32_t i = 0; i < view->begin; i++)
            score[i] = -INFINITY;
        for (uint32_t i = view->end; i < SSI_ATTENTION_BLOCK; i++)
            score[i] = -INFINITY;
    }
    softmax_group(group->state, group->count);
    if (block->begin == block->shared)
        return;
    add_values(args, group->state, group->count, block->value, block->begin, block->shared);
    for (uint32_t q = 0; q < group->count; q++)
        group->state[q]->factor = 1.0f;
}

/* The places of one row that not all rows have in the cache. */
static void add_rest(const ssi_attention_args *args, const block_work *block,
                     const block_view *view)
{
    const void *value[SSI_ATTENTION_BLOCK];
    const size_t length = args->head_length;
    uint32_t begin = block->shared > block->begin ? block->shared : view->begin;
    if (begin >= view->end)
        return;
    for (uint32_t i = begin; i < view->end; i++) {
        const void *area = args->cache_values;
        size_t slot = block->position + i;
        if (i >= view->cached) {
            area = view->area[i] == NODE_AREA ? args->node_values : args->stream_values;
            slot = view->slot[i];
        }
        value[i] = ssi_attention_at(args, area, slot * length);
    }
    ssi_attention_state *state[SSI_ATTENTION_GROUP];
    for (uint32_t h = 0, count; h < args->heads_per_kv; h += count) {
        count = args->heads_per_kv - h;
        count = count < SSI_ATTENTION_GROUP ? count : SSI_ATTENTION_GROUP;
        for (uint32_t q = 0; q < count; q++)
            state[q] = &view->states[h + q];
        add_values(args, state, count, value, begin, view->end);
    }
}

static void attend_block(const ssi_attention_args *args, block_work *block)
{
    join_views(args, block);
    uint32_t left = block->view_count * args->heads_per_kv, v = 0, head = 0;
    while (left > 0) { /* in groups as even as can be */
        uint32_t groups = (left + SSI_ATTENTION_GROUP - 1) / SSI_ATTENTION_GROUP;
        query_group group = {.count = (left + groups - 1) / groups};
        for (uint32_t q = 0; q < group.count; q++) {
            group.view[q] = &block->view[v];
            group.state[q] = &block->view[v].states[head];
            if (++head == args->heads_per_kv) {
                head = 0;
                v++;
            }
        }
        attend_group(args, block, &group);
        left -= group.count;
    }
    for (v = 0; v < block->view_count; v++)
        add_rest(args, block, &block->view[v]);
}

/* Collects who sees what of the block at `position`. */
static void look_around(const ssi_attention_args *args, uint32_t position, block_work *block)
{
    block->position = position;
    block->view_count = 0;
    for (uint32_t area = 0; area < AREA_COUNT; area++) {
        block->tile_first[area] = UINT32_MAX;
        block->tile_end[area] = 0;
        block->tile_used[area] = 0;
    }
    for (uint32_t r = 0; r < args->row_count; r++)
        look_at(args, r, block);
}

static void attend(const ssi_attention_args *args)
{
    ssi_attention_state *state = args->scratch;
    const uint32_t heads = args->heads_per_kv;
    uint32_t first = UINT32_MAX, last = 0;            /* positions any row sees */
    uint32_t whole_begin = 0, whole_end = UINT32_MAX; /* and all rows, in the cache */
    for (uint32_t r = 0; r < args->row_count; r++) {
        const ssi_attention_row *row = &args->rows[r];
        uint32_t count = row->cache_count + row->node_count + row->stream_count;
        first = row->window_start < first ? row->window_start : first;
        last = count > last ? count : last;
        whole_begin = row->window_start > whole_begin ? row->window_start : whole_begin;
        whole_end = row->cache_count < whole_end ? row->cache_count : whole_end;
        for (uint32_t h = 0; h < heads; h++)
            ssi_attention_begin(args, r, h, &state[r * heads + h]);
    }
    block_work block;
    bool was_whole = false;
    for (uint32_t at = first / SSI_ATTENTION_BLOCK * SSI_ATTENTION_BLOCK; at < last;
         at += SSI_ATTENTION_BLOCK) {
        bool whole = at >= whole_begin && at + SSI_ATTENTION_BLOCK <= whole_end;
        if (whole && was_whole)
            block.position = at; /* the same views as the last block's */
        else
            look_around(args, at, &block);
        was_whole = whole;
        if (block.view_count > 0)
            attend_block(args, &block);
    }
    for (uint32_t i = 0; i < args->row_count * heads; i++)
        finish_output(&state[i], args->head_length);
}
