/* SPDX-License-Identifier: Apache-2.0 */
/* A GGUF model small enough to be broken at every byte: one layer, Q4_0, Q8_0 and F32. What a test
 * wants otherwise it says in a toy_change; all tensor data comes from one seed. Include after
 * cmocka.h. */
#ifndef TEST_TOY_FILE_H
#define TEST_TOY_FILE_H

#include <stdlib.h>

#include "base/random.h"
#include "gguf/gguf_write.h"
#include "quant/quant.h"

enum { TOY_WIDTH = 32, TOY_KEYS = 16, TOY_TOKENS = 6 };

/* Fields left zero change nothing. A key of change.key is left out where it would be written and,
 * with a value, written at the end; "llama.x" and so on, whole. */
typedef struct toy_change {
    const char *key;          /* this key ... */
    enum { TOY_DROP, TOY_U32, TOY_F32, TOY_BOOL, TOY_TEXT, TOY_STRINGS } kind; /* ... becomes */
    uint32_t u32;
    float f32;
    const char *text;
    const char *tensor;       /* this tensor is left out */
    const char *extra;        /* this one is added, after the others, with ... */
    uint32_t extra_type;      /* ... this ggml type, F32 ... */
    uint64_t extra_dims[2];   /* ... and these dimensions, 1 or 2 */
    uint32_t bad_element;     /* extra's element that is infinite, from 1 */
} toy_change;

typedef struct toy_file {
    void *bytes;
    size_t count;
} toy_file;

static inline void toy_tensor(ssi_gguf_writer *writer, const toy_change *change, const char *name,
                              uint32_t ggml_type, uint64_t columns, uint64_t rows)
{
    const uint64_t dims[] = { columns, rows };
    const ssi_type_info *info = ssi_type_from_ggml(ggml_type);
    size_t count = (size_t)(columns * (rows > 0 ? rows : 1));
    float *values = calloc(count, sizeof *values);
    /* A type that is not supported: its size is all that matters. */
    const ssi_gguf_type *format = ssi_gguf_type_get(ggml_type);
    size_t bytes = count / format->block_elements * format->block_bytes;
    unsigned char *data = calloc(bytes, 1);
    if (change->tensor == NULL || strcmp(change->tensor, name) != 0) {
        for (size_t i = 0; i < count; i++)
            values[i] = ssi_uniform(ssi_noise_bits(writer->tensor_count, 1, (uint32_t)i)) - 0.5f;
        if (change->extra != NULL && strcmp(change->extra, name) == 0 && change->bad_element > 0)
            values[change->bad_element - 1] = 1e30f * 1e30f;
        if (info != NULL)
            info->encode(values, count, data);
        ssi_gguf_write_tensor(writer, name, ggml_type, dims, rows > 0 ? 2 : 1, data, bytes);
    }
    free(values);
    free(data);
}

static inline bool toy_wants(const toy_change *change, const char *key)
{
    return change->key == NULL || strcmp(change->key, key) != 0;
}

static inline void toy_u32(ssi_gguf_writer *writer, const toy_change *change, const char *key,
                           uint32_t value)
{
    if (toy_wants(change, key))
        ssi_gguf_write_u32(writer, key, value);
}

static inline void toy_changed_key(ssi_gguf_writer *writer, const toy_change *change)
{
    static const ssi_text strings[] = { { "a", 1 }, { "b", 1 } };
    if (change->key == NULL)
        return;
    switch (change->kind) {
    case TOY_DROP: break;
    case TOY_U32: ssi_gguf_write_u32(writer, change->key, change->u32); break;
    case TOY_F32: ssi_gguf_write_f32(writer, change->key, change->f32); break;
    case TOY_BOOL: ssi_gguf_write_bool(writer, change->key, change->u32 != 0); break;
    case TOY_TEXT:
        ssi_gguf_write_text(writer, change->key, (ssi_text){ change->text, strlen(change->text) });
        break;
    case TOY_STRINGS: ssi_gguf_write_texts(writer, change->key, strings, 2); break;
    }
}

static inline void toy_keys(ssi_gguf_writer *writer, const toy_change *change)
{
    static const ssi_text tokens[TOY_TOKENS] = { { "<unk>", 5 }, { "<s>", 3 }, { "</s>", 4 },
                                                 { "a", 1 },     { "b", 1 },   { "ab", 2 } };
    static const float scores[TOY_TOKENS] = { 0, 0, 0, -2, -3, -1 };
    static const int32_t types[TOY_TOKENS] = { 2, 3, 3, 1, 1, 1 };
    if (toy_wants(change, "general.architecture"))
        ssi_gguf_write_text(writer, "general.architecture", (ssi_text){ "llama", 5 });
    toy_u32(writer, change, "llama.block_count", 1);
    toy_u32(writer, change, "llama.context_length", 64);
    toy_u32(writer, change, "llama.embedding_length", TOY_WIDTH);
    toy_u32(writer, change, "llama.feed_forward_length", TOY_WIDTH);
    toy_u32(writer, change, "llama.attention.head_count", 4);
    toy_u32(writer, change, "llama.attention.head_count_kv", 2);
    if (toy_wants(change, "llama.attention.layer_norm_rms_epsilon"))
        ssi_gguf_write_f32(writer, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    if (toy_wants(change, "tokenizer.ggml.model"))
        ssi_gguf_write_text(writer, "tokenizer.ggml.model", (ssi_text){ "llama", 5 });
    if (toy_wants(change, "tokenizer.ggml.tokens"))
        ssi_gguf_write_texts(writer, "tokenizer.ggml.tokens", tokens, TOY_TOKENS);
    if (toy_wants(change, "tokenizer.ggml.scores"))
        ssi_gguf_write_f32s(writer, "tokenizer.ggml.scores", scores, TOY_TOKENS);
    if (toy_wants(change, "tokenizer.ggml.token_type"))
        ssi_gguf_write_i32s(writer, "tokenizer.ggml.token_type", types, TOY_TOKENS);
    toy_u32(writer, change, "tokenizer.ggml.bos_token_id", 1);
    toy_u32(writer, change, "tokenizer.ggml.eos_token_id", 2);
    toy_changed_key(writer, change);
}

static inline toy_file make_toy(const toy_change *change)
{
    static const toy_change none;
    enum { F32 = 0, Q4_0 = 2, Q8_0 = 8 };
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_gguf_writer writer;
    toy_file made = { 0 };
    change = change != NULL ? change : &none;
    ssi_gguf_write_begin(&writer, 3, 32, &memory);
    toy_keys(&writer, change);
    toy_tensor(&writer, change, "token_embd.weight", Q8_0, TOY_WIDTH, TOY_TOKENS);
    toy_tensor(&writer, change, "blk.0.attn_norm.weight", F32, TOY_WIDTH, 0);
    toy_tensor(&writer, change, "blk.0.attn_q.weight", Q4_0, TOY_WIDTH, TOY_WIDTH);
    toy_tensor(&writer, change, "blk.0.attn_k.weight", Q4_0, TOY_WIDTH, TOY_KEYS);
    toy_tensor(&writer, change, "blk.0.attn_v.weight", Q4_0, TOY_WIDTH, TOY_KEYS);
    toy_tensor(&writer, change, "blk.0.attn_output.weight", Q4_0, TOY_WIDTH, TOY_WIDTH);
    toy_tensor(&writer, change, "blk.0.ffn_norm.weight", F32, TOY_WIDTH, 0);
    toy_tensor(&writer, change, "blk.0.ffn_gate.weight", Q4_0, TOY_WIDTH, TOY_WIDTH);
    toy_tensor(&writer, change, "blk.0.ffn_up.weight", Q4_0, TOY_WIDTH, TOY_WIDTH);
    toy_tensor(&writer, change, "blk.0.ffn_down.weight", Q4_0, TOY_WIDTH, TOY_WIDTH);
    toy_tensor(&writer, change, "output_norm.weight", F32, TOY_WIDTH, 0);
    if (change->extra != NULL)
        toy_tensor(&writer, change, change->extra, change->extra_type, change->extra_dims[0],
                   change->extra_dims[1]);
    assert_int_equal(ssi_gguf_write_finish(&writer, &made.bytes, &made.count, NULL), SS_OK);
    return made;
}

static inline void free_toy(toy_file *made)
{
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_release(&memory, made->bytes, made->count);
}

#endif
