/* SPDX-License-Identifier: Apache-2.0 */
/* Attention with AVX-512. Scores: a lane is a key, 6 heads x 2 tiles of 16 keys in registers,
 * q[d] broadcast. Outputs: a lane is a dimension, 6 heads x 4 vectors in registers, p broadcast. */
#include "kernel/attention_scratch.h"
#include "kernel/kernel_list.h"
#include "kernel/x86/exp_avx512vnni.h"
#include "kernel/x86/unroll.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m512 load16(const char *at, const bool f32)
{
    return f32 ? _mm512_loadu_ps(at) : _mm512_cvtph_ps(_mm256_loadu_si256((const void *)at));
}

/* factor * v + sum, the factor from memory. Written as the instruction: a compiler loads a factor
 * that is used twice into a register, and 6 queries by 2 tiles then make 0.82 products a cycle on a
 * Zen 4, so 1.00. */
INLINE __m512 fma_broadcast(const float *factor, __m512 v, __m512 sum)
{
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(v), "m"(*factor));
    return sum;
}

/* first and second: one tile of 16 keys each; second may be NULL if `tiles` is 1. A step's keys and
 * values have left the caches since the layer last ran, so they are asked for ahead. */
INLINE void score_body(const ssi_attention_args *args, ssi_attention_state *const *states,
                       bool tree, const char *first, const char *second, const char *values,
                       const uint32_t count, const uint32_t tiles, const bool f32)
{
    const size_t bytes = f32 ? 64 : 32, block = 2 * args->head_length * bytes;
    const float *query[SSI_ATTENTION_GROUP];
    __m512 sum[SSI_ATTENTION_GROUP][2];
    SSI_UNROLL
    for (uint32_t q = 0; q < count; q++) {
        query[q] = states[q]->query;
        sum[q][0] = sum[q][1] = _mm512_setzero_ps();
    }
    for (size_t d = 0; d < args->head_length; d++) {
        __m512 key0 = load16(first + d * bytes, f32), key1 = key0;
        if (tiles == 2)
            key1 = load16(second + d * bytes, f32);
        _mm_prefetch(first + block + d * bytes, _MM_HINT_T0);
        if (tiles == 2)
            _mm_prefetch(second + block + d * bytes, _MM_HINT_T0);
        _mm_prefetch(values + d * 64, _MM_HINT_T0);
        if (f32)
            _mm_prefetch(values + block / 2 + d * 64, _MM_HINT_T0);
        SSI_UNROLL
        for (uint32_t q = 0; q < count; q++) {
            sum[q][0] = fma_broadcast(&query[q][d], key0, sum[q][0]);
            if (tiles == 2)
                sum[q][1] = fma_broadcast(&query[q][d], key1, sum[q][1]);
        }
    }
    __m512 scale = _mm512_set1_ps(args->scale);
    SSI_UNROLL
    for (uint32_t q = 0; q < count; q++) {
        float *score = tree ? states[q]->lane : states[q]->score;
        _mm512_store_ps(score, _mm512_mul_ps(sum[q][0], scale));
        if (tiles == 2)
            _mm512_store_ps(score + 16, _mm512_mul_ps(sum[q][1], scale));
    }
}

/* o[0 .. 16 * vectors) from the bytes at `offset` of each value. */
INLINE void values_body(ssi_attention_state *const *states, const void *const *value,
                        uint32_t begin, uint32_t end, uint32_t d, const uint32_t count,
                        const uint32_t vectors, const bool f32)
{
    const size_t bytes = f32 ? 64 : 32;
    __m512 sum[SSI_ATTENTION_GROUP][4], v[4];
    const float *p[SSI_ATTENTION_GROUP];
    SSI_UNROLL
    for (uint32_t q = 0; q < count; q++) {
        p[q] = states[q]->score;
        SSI_UNROLL
        for (uint32_t k = 0; k < vectors; k++)
            sum[q][k] = _mm512_mul_ps(_mm512_loadu_ps(states[q]->output + d + 16 * k),
                                      _mm512_set1_ps(states[q]->factor));
    }
    for (size_t i = begin; i < end; i++) {
        const char *at = (const char *)value[i] + d / 16 * bytes;
        SSI_UNROLL
        for (uint32_t k = 0; k < vectors; k++)
            v[k] = load16(at + k * bytes, f32);
        SSI_UNROLL
        for (uint32_t q = 0; q < count; q++) {
            __m512 broadcast = _mm512_set1_ps(p[q][i]);
            SSI_UNROLL
            for (uint32_t k = 0; k < vectors; k++)
                sum[q][k] = _mm512_fmadd_ps(broadcast, v[k], sum[q][k]);
        }
    }
    SSI_UNROLL
    for (uint32_t q = 0; q < count; q++)
        SSI_UNROLL
    for (uint32_t k = 0; k < vectors; k++)
        _mm512_storeu_ps(states[q]->output + d + 16 * k, sum[q][k]);
}

INLINE void score_type(const ssi_attention_args *args, ssi_attention_state *const *states,
                       bool tree, const void *first, const void *second, const void *values,
                       const uint32_t count)
{
    if (args->f32 && second)
        score_body(args, states, tree, first, second, values, count, 2, true);
    else if (args->f32)
        score_body(args, states, tree, first, second, values, count, 1, true);
    else if (second)
        score_body(args, states, tree, first, second, values, count, 2, false);
    else
        score_body(args, states, tree, first, second, values, count, 1, false);
}

INLINE void values_type(const ssi_attention_args *args, ssi_attention_state *const *states,
                        const void *const *value, uint32_t begin, uint32_t end,
                        const uint32_t count)
{
    uint32_t d = 0, length = args->head_length;
    for (; length - d >= 64; d += 64)
        if (args->f32)
            values_body(states, value, begin, end, d, count, 4, true);
        else
            values_body(states, value, begin, end, d, count, 4, false);
    for (; d < length; d += 16)
        if (args->f32)
            values_body(states, value, begin, end, d, count, 1, true);
        else
            values_body(states, value, begin, end, d, count, 1, false);
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

static void softmax_group(ssi_attention_state *const *states, uint32_t count)
{
    _Alignas(64) float below[16] = {0}; /* how far the maximum has risen, of each state */
    for (uint32_t q = 0; q < count; q++) {
        ssi_attention_state *state = states[q];
        __m512 low = _mm512_load_ps(state->score), high = _mm512_load_ps(state->score + 16);
        float largest = _mm512_reduce_max_ps(_mm512_max_ps(low, high));
        largest = largest > state->largest ? largest : state->largest;
        below[q] = state->largest - largest;
        state->largest = largest;
    }
    _mm512_store_ps(below, exp_below_avx512(_mm512_load_ps(below)));
    for (uint32_t q = 0; q < count; q++) {
        ssi_attention_state *state = states[q];
        __m512 shift = _mm512_set1_ps(state->largest);
        __m512 low = exp_below_avx512(_mm512_sub_ps(_mm512_load_ps(state->score), shift));
        __m512 high = exp_below_avx512(_mm512_sub_ps(_mm512_load_ps(state->score + 16), shift));
        _mm512_store_ps(state->score, low);
        _mm512_store_ps(state->score + 16, high);
        state->factor = below[q];
        state->sum = state->sum * below[q] + reduce16_avx512(_mm512_add_ps(low, high));
    }
}

static void finish_output(ssi_attention_state *state, uint32_t head_length)
{
    __m512 sum = _mm512_set1_ps(state->sum);
    for (uint32_t d = 0; d < head_length; d += 16) {
        __m512 output = _mm512_loadu_ps(state->output + d);
        _mm512_storeu_ps(state->output + d, _mm512_div_ps(output, sum));
    }
}

#include "kernel/attention_walk.h"

void ssi_attention__avx512vnni(const ssi_attention_args *args)
{
    if (args->head_length % 16 != 0)
        ssi_attention__fma(args); /* small test models: not worth a tail in every loop */
    else
        attend(args);
}
