/* SPDX-License-Identifier: Apache-2.0 */
/* Attention with AVX2. Scores: a lane is a key, 6 heads x 16 keys in registers, q[d] broadcast.
 * Outputs: a lane is a dimension, 6 heads x 16 dimensions in registers, p broadcast. */
#include "kernel/attention_scratch.h"
#include "kernel/kernel_list.h"
#include "kernel/x86/exp_avx2.h"
#include "kernel/x86/unroll.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m256 load8(const char *at, const bool f32)
{
    return f32 ? _mm256_loadu_ps((const float *)at)
               : _mm256_cvtph_ps(_mm_loadu_si128((const void *)at));
}

/* 16 scores of each state from the keys at `key`. */
INLINE void score_body(const ssi_attention_args *args, ssi_attention_state *const *states,
                       bool tree, const char *key, uint32_t place, const char *values,
                       const uint32_t count, const bool f32)
{
    const size_t bytes = f32 ? 32 : 16, tile = 2 * args->head_length * bytes;
    const float *query[SSI_ATTENTION_GROUP];
    __m256 low[SSI_ATTENTION_GROUP], high[SSI_ATTENTION_GROUP];
    SSI_UNROLL
    for (uint32_t q = 0; q < count; q++) {
        query[q] = states[q]->query;
        low[q] = high[q] = _mm256_setzero_ps();
    }
    for (size_t d = 0; d < args->head_length; d++) {
        __m256 key0 = load8(key + 2 * d * bytes, f32),
               key1 = load8(key + (2 * d + 1) * bytes, f32);
        _mm_prefetch(key + 2 * tile + 2 * d * bytes, _MM_HINT_T0);
        _mm_prefetch(values + 2 * d * bytes, _MM_HINT_T0);
        SSI_UNROLL
        for (uint32_t q = 0; q < count; q++) {
            __m256 broadcast = _mm256_broadcast_ss(query[q] + d);
            low[q] = _mm256_fmadd_ps(broadcast, key0, low[q]);
            high[q] = _mm256_fmadd_ps(broadcast, key1, high[q]);
        }
    }
    __m256 scale = _mm256_set1_ps(args->scale);
    SSI_UNROLL
    for (uint32_t q = 0; q < count; q++) {
        float *score = (tree ? states[q]->lane : states[q]->score) + place;
        _mm256_store_ps(score, _mm256_mul_ps(low[q], scale));
        _mm256_store_ps(score + 8, _mm256_mul_ps(high[q], scale));
    }
}

/* o[d .. d + 16) */
INLINE void values_body(ssi_attention_state *const *states, const void *const *value,
                        uint32_t begin, uint32_t end, uint32_t d, const uint32_t count,
                        const bool f32)
{
    const size_t bytes = f32 ? 32 : 16;
    const float *p[SSI_ATTENTION_GROUP];
    __m256 low[SSI_ATTENTION_GROUP], high[SSI_ATTENTION_GROUP];
    SSI_UNROLL
    for (uint32_t q = 0; q < count; q++) {
        p[q] = states[q]->score;
        __m256 factor = _mm256_set1_ps(states[q]->factor);
        low[q] = _mm256_mul_ps(_mm256_loadu_ps(states[q]->output + d), factor);
        high[q] = _mm256_mul_ps(_mm256_loadu_ps(states[q]->output + d + 8), factor);
    }
    for (size_t i = begin; i < end; i++) {
        const char *at = (const char *)value[i] + d / 8 * bytes;
        __m256 value0 = load8(at, f32), value1 = load8(at + bytes, f32);
        SSI_UNROLL
        for (uint32_t q = 0; q < count; q++) {
            __m256 broadcast = _mm256_broadcast_ss(p[q] + i);
            low[q] = _mm256_fmadd_ps(broadcast, value0, low[q]);
            high[q] = _mm256_fmadd_ps(broadcast, value1, high[q]);
        }
    }
    SSI_UNROLL
    for (uint32_t q = 0; q < count; q++) {
        _mm256_storeu_ps(states[q]->output + d, low[q]);
        _mm256_storeu_ps(states[q]->output + d + 8, high[q]);
    }
}

INLINE void score_type(const ssi_attention_args *args, ssi_attention_state *const *states,
                       bool tree, const void *first, const void *second, const void *values,
                       const uint32_t count)
{
    const void *tile[2] = {first, second};
    for (uint32_t t = 0; t < 2 && tile[t]; t++) {
        const char *at = ssi_attention_at(args, values, 16 * t * (size_t)args->head_length);
        if (args->f32)
            score_body(args, states, tree, tile[t], 16 * t, at, count, true);
        else
            score_body(args, states, tree, tile[t], 16 * t, at, count, false);
    }
}

INLINE void values_type(const ssi_attention_args *args, ssi_attention_state *const *states,
                        const void *const *value, uint32_t begin, uint32_t end,
                        const uint32_t count)
{
    for (uint32_t d = 0; d < args->head_length; d += 16)
        if (args->f32)
            values_body(states, value, begin, end, d, count, true);
        else
            values_body(states, value, begin, end, d, count, false);
}

static void score_tiles(const ssi_attention_args *args, ssi_attention_state *const *states,
                        uint32_t count, bool tree, const void *first, const void *second,
                        const void *values)
{
    switch (count) { /* literals, so that each case has its own registers */
    case 1: score_type(args, states, tree, first, second, values, 1); break;
    case 2: score_type(args, states, tree, first, second, values, 2); break;
    case 3: score_type(args, states, tree, first, second, values, 3); break;
    case 4: score_type(args, states, tree, first, second, values, 4); break;
    case 5: score_type(args, states, tree, first, second, values, 5); break;
    default: score_type(args, states, tree, first, second, values, 6);
    }
}

static void add_values(const ssi_attention_args *args, ssi_attention_state *const *states,
                       uint32_t count, const void *const *value, uint32_t begin, uint32_t end)
{
    switch (count) {
    case 1: values_type(args, states, value, begin, end, 1); break;
    case 2: values_type(args, states, value, begin, end, 2); break;
    case 3: values_type(args, states, value, begin, end, 3); break;
    case 4: values_type(args, states, value, begin, end, 4); break;
    case 5: values_type(args, states, value, begin, end, 5); break;
    default: values_type(args, states, value, begin, end, 6);
    }
}

INLINE float largest8(__m256 lane)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(lane), _mm256_extractf128_ps(lane, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static void softmax_group(ssi_attention_state *const *states, uint32_t count)
{
    _Alignas(32) float below[8] = {0}; /* how far the maximum has risen, of each state */
    __m256 p[4];
    for (uint32_t q = 0; q < count; q++) {
        ssi_attention_state *state = states[q];
        SSI_UNROLL
        for (int k = 0; k < 4; k++)
            p[k] = _mm256_load_ps(state->score + 8 * k);
        float largest =
            largest8(_mm256_max_ps(_mm256_max_ps(p[0], p[1]), _mm256_max_ps(p[2], p[3])));
        largest = largest > state->largest ? largest : state->largest;
        below[q] = state->largest - largest;
        state->largest = largest;
    }
    _mm256_store_ps(below, exp_below_avx2(_mm256_load_ps(below)));
    for (uint32_t q = 0; q < count; q++) {
        ssi_attention_state *state = states[q];
        __m256 shift = _mm256_set1_ps(state->largest);
        SSI_UNROLL
        for (int k = 0; k < 4; k++) {
            p[k] = exp_below_avx2(_mm256_sub_ps(_mm256_load_ps(state->score + 8 * k), shift));
            _mm256_store_ps(state->score + 8 * k, p[k]);
        }
        state->factor = below[q];
        float sum = reduce16_avx2(_mm256_add_ps(p[0], p[2]), _mm256_add_ps(p[1], p[3]));
        state->sum = state->sum * below[q] + sum;
    }
}

static void finish_output(ssi_attention_state *state, uint32_t head_length)
{
    __m256 sum = _mm256_set1_ps(state->sum);
    for (uint32_t d = 0; d < head_length; d += 8) {
        __m256 output = _mm256_loadu_ps(state->output + d);
        _mm256_storeu_ps(state->output + d, _mm256_div_ps(output, sum));
    }
}

#include "kernel/attention_walk.h"

void ssi_attention__avx2(const ssi_attention_args *args)
{
    if (args->head_length % 16 != 0)
        ssi_attention__fma(args); /* small test models: not worth a tail in every loop */
    else
        attend(args);
}
