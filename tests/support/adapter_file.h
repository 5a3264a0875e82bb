/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter files made in memory: any mix of parts, filled with noise from one seed, or with what a
 * test wants changed. For models of the llama architecture. Include after cmocka.h. */
#ifndef TEST_ADAPTER_FILE_H
#define TEST_ADAPTER_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "gguf/gguf_write.h"
#include "model/adapter.h"

/* One thing that is different; fields left zero change nothing. */
typedef struct adapter_change {
    const char *key;     /* this key is left out, and with a kind written at the end: */
    enum { CHANGE_DROP, CHANGE_U32, CHANGE_F32, CHANGE_TEXT, CHANGE_I32S } kind;
    uint32_t u32;
    float f32;
    const char *text;
    const int32_t *i32s; /* u32 of them */
    const char *tensor;  /* this tensor is left out */
    const char *extra;   /* this F32 tensor is added, dims fastest first */
    uint64_t extra_dims[2];
    bool infinite;       /* its first number, if so */
} adapter_change;

typedef struct adapter_recipe {
    float deviation;     /* of all numbers; about normal */
    uint64_t seed;
    uint32_t streams, msa_layers; /* streams 0: a plain LoRA file */
    uint32_t main_rank, stream_rank, init_rank, root_rank, parent_rank, prune_rank;
    uint32_t draft_count; /* 0: the whole vocabulary */
    float rotation_step;  /* not 0: value_rotation */
    bool f16;             /* tensors' type; else F32 */
    bool idle_prune;      /* prune.b is zero: the early exit is the output head itself */
    adapter_change change;
} adapter_recipe;

typedef struct adapter_file {
    void *bytes;
    size_t count;
} adapter_file;

typedef struct adapter_maker {
    ssi_gguf_writer writer;
    const adapter_recipe *recipe;
    uint64_t drawn;
    bool adding; /* the change's extra tensor */
} adapter_maker;

static inline void put_tensor(adapter_maker *maker, const char *name, uint32_t rows,
                              uint32_t columns)
{
    const adapter_recipe *recipe = maker->recipe;
    const uint64_t dims[2] = {columns, rows};
    const ssi_type_info *type = ssi_type_get(recipe->f16 ? SSI_TYPE_F16 : SSI_TYPE_F32);
    size_t count = (size_t)rows * columns, bytes = count * type->block_bytes;
    float *values = calloc(count, sizeof *values);
    unsigned char *data = calloc(count, sizeof *values);
    bool zero = recipe->idle_prune && strcmp(name, "specstream.prune.b") == 0;
    for (size_t i = 0; i < count && !zero; i++) {
        float sum = -2.0f; /* four uniforms */
        for (uint32_t part = 0; part < 4; part++)
            sum += ssi_uniform(ssi_mix64(recipe->seed * 0x9e3779b97f4a7c15u + maker->drawn++));
        values[i] = sum * 1.7320508f * recipe->deviation;
    }
    if (maker->adding && recipe->change.infinite)
        values[0] = 1e30f * 1e30f;
    type->encode(values, count, data);
    if (maker->adding || !recipe->change.tensor || strcmp(recipe->change.tensor, name) != 0)
        ssi_gguf_write_tensor(&maker->writer, name, recipe->f16 ? 1 : 0, dims, 2, data, bytes);
    free(values);
    free(data);
}

static inline void put_pair(adapter_maker *maker, const char *stem, const char *suffix,
                            uint32_t rank, uint32_t out, uint32_t in)
{
    char name[96];
    if (rank == 0)
        return;
    snprintf(name, sizeof name, "%s%sa", stem, suffix);
    put_tensor(maker, name, rank, in);
    snprintf(name, sizeof name, "%s%sb", stem, suffix);
    put_tensor(maker, name, out, rank);
}

static inline void put_loras(adapter_maker *maker, const ss_model *model, uint32_t first,
                             const char *suffix, uint32_t rank)
{
    static const char *const maps[SSI_LINEAR_COUNT] = {
        "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
    for (uint32_t layer = first; layer < model->hyper.layer_count; layer++)
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
            const ssi_matrix *weight = &model->layers[layer].linear[map].weight;
            char stem[64];
            snprintf(stem, sizeof stem, "blk.%u.%s.weight", layer, maps[map]);
            put_pair(maker, stem, suffix, rank, weight->rows, weight->columns);
        }
}

static inline bool keeps_key(const adapter_maker *maker, const char *key)
{
    const char *changed = maker->recipe->change.key;
    return !changed || strcmp(changed, key) != 0;
}

static inline void put_text(adapter_maker *maker, const char *key, const char *text)
{
    if (keeps_key(maker, key))
        ssi_gguf_write_text(&maker->writer, key, (ssi_text){text, strlen(text)});
}

static inline void put_u32(adapter_maker *maker, const char *key, uint32_t value)
{
    if (keeps_key(maker, key))
        ssi_gguf_write_u32(&maker->writer, key, value);
}

static inline void put_stream_keys(adapter_maker *maker, const ss_model *model)
{
    const adapter_recipe *recipe = maker->recipe;
    char hash[33];
    ssi_hash_to_hex(model->tensor_hash, hash);
    put_u32(maker, "specstream.format_version", 1);
    put_text(maker, "specstream.mode", recipe->main_rank > 0 ? "shared" : "lossless");
    put_u32(maker, "specstream.stream_count", recipe->streams);
    put_u32(maker, "specstream.msa_layer_count", recipe->msa_layers);
    put_text(maker, "specstream.stream_init",
             recipe->rotation_step != 0 ? "value_rotation" : "embedding");
    if (recipe->rotation_step != 0 && keeps_key(maker, "specstream.value_rotation.step"))
        ssi_gguf_write_f32(&maker->writer, "specstream.value_rotation.step",
                           recipe->rotation_step);
    put_text(maker, "specstream.base.xxh3", hash);
    if (recipe->draft_count > 0 && keeps_key(maker, "specstream.draft_vocabulary")) {
        int32_t *tokens = calloc(recipe->draft_count, sizeof *tokens);
        uint32_t vocabulary = model->hyper.vocabulary_size;
        for (uint32_t i = 0; i < recipe->draft_count; i++) /* distinct, in no order */
            tokens[i] = (int32_t)((i * 2654435761ull + 3) % vocabulary);
        for (uint32_t i = 0; i < recipe->draft_count; i++)
            for (uint32_t j = 0; j < i; j++)
                if (tokens[i] == tokens[j]) {
                    tokens[i] = (tokens[i] + 1) % (int32_t)vocabulary;
                    j = UINT32_MAX; /* look again from the first */
                }
        ssi_gguf_write_i32s(&maker->writer, "specstream.draft_vocabulary", tokens,
                            recipe->draft_count);
        free(tokens);
    }
}

static inline void put_stream_tensors(adapter_maker *maker, const ss_model *model)
{
    const adapter_recipe *recipe = maker->recipe;
    uint32_t d = model->hyper.embedding_length;
    if (recipe->rotation_step == 0)
        put_tensor(maker, "specstream.stream_embd", recipe->streams, d);
    if (recipe->root_rank > 0)
        put_tensor(maker, "specstream.root.gain", recipe->streams, d);
    put_pair(maker, "specstream.stream_init", ".", recipe->init_rank, d, d);
    put_pair(maker, "specstream.root", ".", recipe->root_rank, d, d);
    put_pair(maker, "specstream.parent", ".", recipe->parent_rank, d, d);
    put_pair(maker, "specstream.prune", ".", recipe->prune_rank, d, d);
    put_loras(maker, model, model->hyper.layer_count - recipe->msa_layers, ".stream.lora_",
              recipe->stream_rank);
}

static inline void put_change(adapter_maker *maker)
{
    const adapter_change *change = &maker->recipe->change;
    switch (change->kind) {
    case CHANGE_DROP: break;
    case CHANGE_U32: ssi_gguf_write_u32(&maker->writer, change->key, change->u32); break;
    case CHANGE_F32: ssi_gguf_write_f32(&maker->writer, change->key, change->f32); break;
    case CHANGE_TEXT:
        ssi_gguf_write_text(&maker->writer, change->key,
                            (ssi_text){change->text, strlen(change->text)});
        break;
    case CHANGE_I32S:
        ssi_gguf_write_i32s(&maker->writer, change->key, change->i32s, change->u32);
        break;
    }
}

static inline adapter_file make_adapter(const ss_model *model, const adapter_recipe *recipe)
{
    ssi_memory memory = ssi_memory_from(NULL);
    adapter_maker maker = {.recipe = recipe};
    adapter_file made = {NULL, 0};
    ssi_gguf_write_begin(&maker.writer, 3, 32, &memory);
    put_text(&maker, "general.type", "adapter");
    put_text(&maker, "general.architecture", "llama");
    put_text(&maker, "general.name", "noise");
    put_text(&maker, "adapter.type", recipe->streams > 0 ? "specstream" : "lora");
    if (keeps_key(&maker, "adapter.lora.alpha"))
        ssi_gguf_write_f32(&maker.writer, "adapter.lora.alpha", 8.0f);
    if (recipe->streams > 0)
        put_stream_keys(&maker, model);
    put_change(&maker);
    put_loras(&maker, model, 0, ".lora_", recipe->main_rank);
    if (recipe->streams > 0)
        put_stream_tensors(&maker, model);
    maker.adding = true;
    if (recipe->change.extra)
        put_tensor(&maker, recipe->change.extra, (uint32_t)recipe->change.extra_dims[1],
                   (uint32_t)recipe->change.extra_dims[0]);
    if (ssi_gguf_write_finish(&maker.writer, &made.bytes, &made.count, NULL) != SS_OK)
        abort();
    return made;
}

static inline void free_adapter_file(adapter_file *made)
{
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_release(&memory, made->bytes, made->count);
}

static inline ss_status try_adapter(const ss_model *model, const void *bytes, size_t count,
                                    const ssi_memory *memory, ss_adapter **adapter,
                                    ss_error *error)
{
    ssi_source source;
    ssi_source_from_buffer(&source, bytes, count);
    return ssi_adapter_load(model, &source, memory, adapter, error);
}

static inline ss_adapter *load_recipe(const ss_model *model, const adapter_recipe *recipe)
{
    ssi_memory memory = ssi_memory_from(NULL);
    ss_error error = {.struct_size = sizeof error};
    ss_adapter *adapter;
    adapter_file file = make_adapter(model, recipe);
    if (try_adapter(model, file.bytes, file.count, &memory, &adapter, &error) != SS_OK)
        fail_msg("%s", error.message);
    free_adapter_file(&file);
    return adapter;
}

#endif
