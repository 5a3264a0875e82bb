/* SPDX-License-Identifier: Apache-2.0 */
/* Attention with an online softmax over blocks of 32 positions: the order that every version
 * follows (kernel.h has the formulas). Everything hangs on a key's position, nothing on where the
 * key lies, so a token has the same bits in the draft tree as later in the cache.
 *
 *   score   one fused multiply-add chain over d for each key
 *   block   p_i for the block's 32 places, place i % 32; a place without a key (past the row's
 *           last, or before its window) has p = +0 and is no operand of anything else
 *   sum     lane k (of 16) = p_k + p_(16+k), then the tree of reduce_ref.h;  l = l * c + sum, the
 *           product rounded
 *   output  o[d] = o[d] * c, then one fused multiply-add chain over the block's keys; at last o / l
 *
 * c is 1, and o and l stay as they are, where a block brings no new maximum. A row has at least one
 * key that it sees. */
#include "kernel/attention_scratch.h"
#include "kernel/exp_ref.h"
#include "kernel/kernel_list.h"
#include "kernel/reduce_ref.h"

/* binary16 to binary32, exactly, and without a branch, so that compilers use vectors: 2^112 moves the
 * exponent; infinity needs its own. */
static inline float widen(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t moved = ssi_bits_from_float(ssi_float_from_bits(rest) * 0x1p+112f);
    return ssi_float_from_bits(sign | (rest >= 0x0f800000u ? rest | 0x7f800000u : moved));
}

static void load_values(const ssi_attention_args *args, ssi_attention_place place, float *value)
{
    const void *at =
        ssi_attention_at(args, place.values, (size_t)place.slot * args->head_length);
    if (args->f32)
        memcpy(value, at, args->head_length * sizeof(float));
    else
        for (uint32_t d = 0; d < args->head_length; d++)
            value[d] = widen(((const uint16_t *)at)[d]);
}

/* Element d of each place's key. */
static void load_key_lanes(const void *const key[SSI_ATTENTION_BLOCK], bool f32, uint32_t d,
                           float lane[SSI_ATTENTION_BLOCK])
{
    uint16_t half[SSI_ATTENTION_BLOCK];
    if (f32) {
        for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++)
            lane[i] = ((const float *)key[i])[16 * (size_t)d];
        return;
    }
    for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++)
        half[i] = ((const uint16_t *)key[i])[16 * (size_t)d];
    for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++)
        lane[i] = widen(half[i]);
}

/* Scores of places [begin, end); the others are -inf. */
static void score_block(const ssi_attention_args *args, const ssi_attention_row *row,
                        uint32_t block, uint32_t begin, uint32_t end,
                        ssi_attention_state *state)
{
    const void *key[SSI_ATTENTION_BLOCK];
    for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++) {
        bool seen = block + i >= begin && block + i < end; /* else any key: no one looks */
        ssi_attention_place place = ssi_attention_find(args, row, seen ? block + i : begin);
        size_t tile = (size_t)(place.slot / 16) * args->head_length * 16;
        key[i] = ssi_attention_at(args, place.keys, tile + place.slot % 16);
    }
    for (uint32_t h = 0; h < args->heads_per_kv; h++)
        for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++)
            state[h].score[i] = 0.0f;
    for (uint32_t d = 0; d < args->head_length; d++) {
        float lane[SSI_ATTENTION_BLOCK];
        load_key_lanes(key, args->f32, d, lane);
        for (uint32_t h = 0; h < args->heads_per_kv; h++) {
            float *score = state[h].score, q = state[h].query[d];
            for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++)
                score[i] = fmaf(q, lane[i], score[i]);
        }
    }
    for (uint32_t h = 0; h < args->heads_per_kv; h++)
        for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++) {
            bool seen = block + i >= begin && block + i < end;
            state[h].score[i] = seen ? state[h].score[i] * args->scale : -INFINITY;
        }
}

/* Scores to p, and m, l and o to the new maximum. */
static void softmax_block(ssi_attention_state *state, uint32_t head_length)
{
    float largest = state->largest, lane[16];
    for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++)
        largest = state->score[i] > largest ? state->score[i] : largest;
    for (uint32_t i = 0; i < SSI_ATTENTION_BLOCK; i++)
        state->score[i] = ssi_exp_ref(state->score[i] - largest);
    for (uint32_t k = 0; k < 16; k++)
        lane[k] = state->score[k] + state->score[k + 16];
    if (largest > state->largest) {
        float c = ssi_exp_ref(state->largest - largest);
        state->sum *= c;
        for (uint32_t d = 0; d < head_length; d++)
            state->output[d] *= c;
        state->largest = largest;
    }
    state->sum += ssi_reduce16(lane);
}

static void attend_row(const ssi_attention_args *args, uint32_t row_index)
{
    const ssi_attention_row *row = &args->rows[row_index];
    const uint32_t count = row->cache_count + row->node_count + row->stream_count;
    const uint32_t heads = args->heads_per_kv, length = args->head_length;
    ssi_attention_state *state = args->scratch;
    float *value = ssi_attention_value(args);

    for (uint32_t h = 0; h < heads; h++)
        ssi_attention_begin(args, row_index, h, &state[h]);
    uint32_t first = row->window_start / SSI_ATTENTION_BLOCK * SSI_ATTENTION_BLOCK;
    for (uint32_t block = first; block < count; block += SSI_ATTENTION_BLOCK) {
        uint32_t begin = block > row->window_start ? block : row->window_start;
        uint32_t end =
            count - block < SSI_ATTENTION_BLOCK ? count : block + SSI_ATTENTION_BLOCK;
        if (begin >= end)
            break;
        score_block(args, row, block, begin, end, state);
        for (uint32_t h = 0; h < heads; h++)
            softmax_block(&state[h], length);
        for (uint32_t i = begin; i < end; i++) {
            load_values(args, ssi_attention_find(args, row, i), value);
            for (uint32_t h = 0; h < heads; h++) {
                float p = state[h].score[i - block], *output = state[h].output;
                for (uint32_t d = 0; d < length; d++)
                    output[d] = fmaf(p, value[d], output[d]);
            }
        }
    }
    for (uint32_t h = 0; h < heads; h++)
        for (uint32_t d = 0; d < length; d++)
            state[h].output[d] /= state[h].sum;
}

void SSI_NAME(ssi_attention)(const ssi_attention_args *args)
{
    for (uint32_t row = 0; row < args->row_count; row++)
        attend_row(args, row);
}
