/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels: what each computes, to the bit. The portable C version (<name>_ref.c) is the
 * specification; every SIMD version gives its bits for finite input. A kernel sees pointers,
 * strides and counts, never a model. One table of function pointers is filled per model:
 * portable first, then each ISA overwrites what it has, so a missing version is never a hole.
 *
 * Laws that every kernel obeys: a row's result depends on that row alone (not on row_count, not on
 * the range of groups asked for); no fused multiply-add but where fmaf is written; no libm but
 * what has one right answer: sqrtf, fma, fmaf, lrintf. */
#ifndef SSI_KERNEL_KERNEL_H
#define SSI_KERNEL_KERNEL_H

#include "base/cpu.h"
#include "quant/quant.h"

/* 32 activations in 8 bits:
 *     largest = max |x|;  scale = largest / 127;  q = x * (127 / largest) rounded to nearest even
 * q in ±127, scale 0 and q 0 for a block of zeros; a block with a value that is not finite gets
 * q = 0 and scale = NaN, so that the damage shows in the logits. All that a gemm reads of a block
 * lies together, at one distance from row to row: it then needs one pointer a row. */
typedef struct ssi_activation_block {
    int8_t quants[SSI_BLOCK];
    float scale;
    float scaled_sum; /* scale * (float)(sum of the quants) */
    int32_t sum8;     /* -8 * sum of the quants */
} ssi_activation_block;

/* Rows of activations, as gemm reads them: the floats for float weights, the blocks for quantised
 * ones. */
typedef struct ssi_activation {
    uint32_t columns, block_count; /* block_count = ceil(columns / 32); the tail is zeros */
    size_t value_stride;           /* floats between rows of `values`; a multiple of 16 */
    float *values;                 /* [row][value_stride], 64-byte aligned */
    ssi_activation_block *blocks;  /* [row][block_count] */
} ssi_activation;

/* y[row][16 * group + lane] for group in [group_begin, group_end), row in [0, row_count).
 * Quantised weights, per lane, blocks in ascending order, acc starting at +0:
 *     dot = sum over the block of (weight quant) * (activation quant), exact in int32
 *           (Q4_0: quant - 8; Q8_0: quant as stored in the file; Q4_1: quant 0..15)
 *     acc = fmaf((float)dot, d * scale, acc);      Q4_1 then: acc = fmaf(m, scaled_sum, acc)
 * Float weights, columns in ascending order: acc = fmaf(weight, x, acc).
 * y_stride floats between rows of y, a multiple of 16; y is 64-byte aligned. */
#define SSI_GEMM_GROUPS 2u /* a gemm works fastest on this many at a time: cut by whole ones */
typedef void ssi_gemm_function(const ssi_matrix *weight, uint32_t group_begin,
                               uint32_t group_end, const ssi_activation *x, uint32_t row_count,
                               float *y, size_t y_stride);

/* B of a LoRA pair, [out][rank], in 8 bits under one scale per output row: quants
 * [group][ceil(rank / 4)][lane][4] as value + 128 (128 where rank ends), scales [group][lane]. */
typedef struct ssi_lora_b {
    uint32_t rows, rank; /* rank at most 256 */
    const uint8_t *quants;
    const float *scales;
} ssi_lora_b;

/* One row of A's products in 8 bits under one scale over all of the rank, as quantize would a
 * block (lora_rank.c). */
#define SSI_LORA_RANK_MAX 256u
typedef struct ssi_lora_rank {
    _Alignas(64) int8_t quants[SSI_LORA_RANK_MAX]; /* zeros up to a multiple of 4 */
    int32_t offset; /* -128 * sum of quants: takes the 128 off every quant of B again */
    float scale;
} ssi_lora_rank;

void ssi_lora_rank_quantize(const float *t, uint32_t rank, ssi_lora_rank *out);

/* y[row][16 * group + lane] += B t[row]:
 *     dot exact in int32;  y = fmaf((float)dot, scale_b * scale_t, y)
 * rank 0 is allowed and does nothing. */
typedef void ssi_lora_add_function(const ssi_lora_b *b, uint32_t group_begin, uint32_t group_end,
                                   const ssi_lora_rank *t, uint32_t row_count, float *y,
                                   size_t y_stride);

/* Attention of some query rows over the keys of one key/value head.
 *
 * A row's keys in position order, key i at position i: first cache_count keys of the cache, then
 * node_count tree nodes (its ancestors from the root, itself last), then stream_count stream keys.
 * Numbers are binary16 or binary32 as the cache is. Keys lie interleaved by 16: element d of key i
 * at keys[(i / 16 * head_length + d) * 16 + i % 16]; values as [i][head_length].
 *
 * For every query head h of the row's heads_per_kv:
 *     score_i = acc * scale, acc = fmaf(q[d], key_i[d], acc) for d ascending from acc = +0
 * Blocks of SSI_ATTENTION_BLOCK positions, at fixed positions, in order, with running maximum m
 * (from -inf), sum l (from 0) and output o (from 0):
 *     m' = max(m, max of the block's scores), c = exp(m - m') (0 for the first block), l *= c, o *= c
 *     p_i = exp(score_i - m');  l += the block's sum, see attention_ref.c for its lanes and tree
 *     o[d] = fmaf(p_i, value_i[d], o[d]) for i ascending
 * Result o[d] / l. */
#define SSI_ATTENTION_BLOCK 32u

typedef struct ssi_attention_row {
    uint32_t cache_count;
    uint32_t node_count;      /* keys from `nodes` */
    const uint16_t *nodes;    /* slots in the node area, root first */
    uint32_t stream_first;    /* first slot in the stream area */
    uint32_t stream_count;
    uint32_t window_start;    /* first position seen (sliding window); 0: all */
} ssi_attention_row;

typedef struct ssi_attention_args {
    const void *cache_keys, *cache_values;   /* of this layer and key/value head */
    const void *node_keys, *node_values;     /* likewise, the tree area */
    const void *stream_keys, *stream_values; /* likewise, the streams' area of the step */
    bool f32;                /* numbers in all six areas: binary32, else binary16 */
    uint32_t head_length;    /* any; SIMD versions are fastest at multiples of 16 */
    uint32_t heads_per_kv;
    float scale;
    uint32_t row_count;
    const ssi_attention_row *rows;
    const float *query;      /* row r, head h of this group: query + r * stride + h * head_length */
    size_t query_stride;
    float *output;           /* the same shape */
    size_t output_stride;
    void *scratch;           /* ssi_attention_scratch_bytes(), 64-byte aligned, one per task */
} ssi_attention_args;

size_t ssi_attention_scratch_bytes(uint32_t head_length, uint32_t heads_per_kv);
/* Most rows in one call: more are the caller's loop. */
#define SSI_ATTENTION_ROWS 8u

/* At most 16 columns of a matrix product: c[row][column] is the chain acc = fmaf(a, b, acc) over
 *     a[row * a_row + l * a_step], b[l * b_stride + column],  l ascending below depth,
 * from acc = c[row][column] where add, else from +0. Nothing needs to be aligned. */
typedef struct ssi_product_args {
    const float *a, *b;
    float *c;
    size_t a_row, a_step, b_stride, c_stride; /* floats */
    uint32_t row_count, columns, depth;       /* columns 1 to 16 */
    bool add;
} ssi_product_args;

typedef struct ssi_kernels {
    ssi_isa isa;
    ssi_gemm_function *gemm[SSI_TYPE_COUNT];
    ssi_lora_add_function *lora_add;

    /* Fills the blocks of rows [row_begin, row_end) from values. */
    void (*quantize)(ssi_activation *x, uint32_t row_begin, uint32_t row_end);

    /* out[i] = x[i] * (1 / sqrtf(mean of squares + epsilon)) * weight[i]; the sum of squares in 16
     * lanes (i % 16) by fmaf, joined by the tree of reduce_ref.h. count any; out may be x. */
    void (*rms_norm)(const float *x, const float *weight, float epsilon, uint32_t count,
                     float *out);

    /* Rotates pairs of a head in place with cosine[i], sine[i], i < pair_count.
     * interleaved: pairs (2i, 2i + 1) (GGUF llama); else (i, i + head_length / 2) (NeoX). */
    void (*rope)(float *head, const float *cosine, const float *sine, uint32_t pair_count,
                 uint32_t head_length, bool interleaved);

    void (*add)(float *x, const float *y, uint32_t count);               /* x += y */
    void (*silu_mul)(const float *gate, const float *up, uint32_t count, /* silu(gate) * up, */
                     float *out);                                        /* silu(x) = x / (1 + exp(-x)) */

    void (*attention)(const ssi_attention_args *args);

    /* Key/value rows into the cache's number type: count floats to binary16, nearest even. */
    void (*to_f16)(const float *values, uint32_t count, uint16_t *halves);

    /* Index of the largest of count values, the lowest index on a tie; *finite tells whether all
     * are. */
    uint32_t (*argmax)(const float *values, uint32_t count, bool *finite);

    /* sum over i of exp((values[i] - largest) * inverse), 16 lanes, the tree of reduce_ref.h. */
    float (*exp_sum)(const float *values, uint32_t count, float largest, float inverse);
    /* The same with inverse = 1, and the values become what is summed: values[i] = exp(values[i] -
     * largest). */
    float (*exp_each)(float *values, uint32_t count, float largest);

    /* Training alone. Sums in 16 lanes and the tree of reduce_ref.h; gradient_template.h says the
     * order of every product. */
    void (*product_panel)(const ssi_product_args *args);

    /* x = softmax(scale x), in place; -inf gives 0, as long as one number is finite. */
    void (*softmax)(float *x, uint32_t count, float scale);
    /* gradient: in: of the probabilities, out: of the x they are the softmax of. */
    void (*softmax_backward)(const float *probabilities, float *gradient, uint32_t count,
                             float scale);
    /* x_gradient = (add: +=) the gradient of rms_norm's x, given that of its out. */
    void (*rms_norm_backward)(const float *x, const float *weight, const float *out_gradient,
                              float epsilon, uint32_t count, bool add, float *x_gradient);
    /* Gradients of silu_mul's gate and up. gate_gradient may be out_gradient. */
    void (*silu_mul_backward)(const float *gate, const float *up, const float *out_gradient,
                              uint32_t count, float *gate_gradient, float *up_gradient);
} ssi_kernels;

/* Fills the table with the fastest kernels of `isa` and below. */
void ssi_kernels_select(ssi_kernels *kernels, ssi_isa isa);

/* Elementary functions without libm, in kernel/math_ref.c: the SIMD versions give these bits. */
float ssi_expf(float x);
float ssi_logf(float x);      /* x > 0 */
/* RoPE: position * frequency reduced in binary64, so that long contexts keep their phase. */
void ssi_sincosf(double angle, float *sine, float *cosine);
double ssi_pow(double base, double exponent); /* base > 0; for RoPE's frequencies, at load */

#endif
