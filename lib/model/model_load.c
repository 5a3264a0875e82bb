/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a model, from the outside in: header, hyperparameters, plan, one block of memory,
 * tokenizer, weights. Everything that the model keeps but its tokenizer lies in that block. */
#include "base/bytes.h"
#include "base/params.h"
#include "gguf/gguf_keys.h"
#include "model/load.h"
#include "tokenizer/tokenizer.h"

typedef struct loader {
    const ssi_source *source;
    const ssi_arch *arch;
    ssi_memory memory;
    ssi_gguf gguf;
    ssi_hyper hyper;
    ssi_rope rope;
    ssi_text name;
    ssi_slot *slots; /* [gguf.tensor_count] */
    size_t slots_bytes;
    ss_model *model;
} loader;

static ss_status choose_isa(ss_cpu cpu, ssi_isa *isa, ss_error *error)
{
    ssi_isa best = ssi_cpu_best();
    SSI_TRY(ssi_params_check("cpu", cpu, SS_CPU_AUTO, SS_CPU_AVX512, error));
    *isa = cpu == SS_CPU_AUTO       ? best
         : cpu == SS_CPU_PORTABLE   ? SSI_ISA_PORTABLE
         : cpu == SS_CPU_AVX2       ? SSI_ISA_AVX2
                                    : SSI_ISA_AVX512;
    if (*isa > best)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "cpu: this machine lacks %s, it has %s",
                        ssi_isa_name(*isa), ssi_isa_name(best));
    return SS_OK;
}

static ss_status plan(loader *load, ss_error *error)
{
    SSI_TRY(ssi_arch_read(&load->gguf, &load->arch, error));
    load->name = (ssi_text){ "", 0 };
    SSI_TRY(ssi_gguf_get_text(&load->gguf, SSI_KEY_NAME, SSI_OPTIONAL, &load->name, error));
    SSI_TRY(ssi_hyper_read(&load->gguf, load->arch, &load->hyper, error));
    SSI_TRY(ssi_rope_read(&load->gguf, load->arch, load->hyper.context_length, &load->rope,
                          error));
    load->hyper.rope_magnitude = load->rope.magnitude;
    load->slots_bytes = load->gguf.tensor_count * sizeof *load->slots;
    load->slots = ssi_allocate(&load->memory, load->slots_bytes, SSI_ALIGN);
    if (load->slots == NULL && load->slots_bytes > 0)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes to plan the load",
                        load->slots_bytes);
    return ssi_plan_tensors(&load->gguf, load->arch, &load->hyper, load->slots, error);
}

static const char *copy_text(char **at, ssi_text text)
{
    char *copy = *at;
    if (text.length > 0)
        memcpy(copy, text.bytes, text.length);
    copy[text.length] = 0;
    *at += text.length + 1;
    return copy;
}

static ss_tensor_info describe(const ssi_gguf_tensor *tensor, const ssi_slot *slot)
{
    ss_tensor_info info = { .struct_size = sizeof info,
                            .name = slot->name,
                            .type = slot->type->name,
                            .bytes = tensor->bytes };
    memcpy(info.dims, tensor->dims, sizeof info.dims);
    return info;
}

/* Where a tensor's matrix or vector is found in the model. */
static void *slot_place(ss_model *model, ssi_layer *layers, const ssi_slot *slot)
{
    unsigned char *base = slot->layer == SSI_NO_LAYER ? (unsigned char *)model
                                                      : (unsigned char *)&layers[slot->layer];
    return base + slot->role->slot;
}

/* The block: weights first, in the order of the file, then the small things. */
static void lay_out(loader *load, ssi_arena *arena)
{
    const ssi_gguf *gguf = &load->gguf;
    size_t name_bytes = load->name.length + 1;
    for (uint32_t i = 0; i < gguf->tensor_count; i++) {
        ssi_slot *slot = &load->slots[i];
        name_bytes += gguf->tensors[i].name.length + 1;
        if (slot->role->kind == SSI_SLOT_MATRIX)
            ssi_matrix_layout(&slot->matrix, slot->type->type, slot->rows, slot->columns, arena);
        else
            slot->vector = ssi_arena_take(arena, ssi_round_up(slot->columns, SSI_GROUP),
                                          sizeof *slot->vector);
    }
    ss_model *model = ssi_arena_take(arena, 1, sizeof *model);
    ssi_layer *layers = ssi_arena_take(arena, load->hyper.layer_count, sizeof *layers);
    ss_tensor_info *tensors = ssi_arena_take(arena, gguf->tensor_count, sizeof *tensors);
    double *frequency = ssi_arena_take(arena, load->hyper.rope_length / 2, sizeof *frequency);
    char *names = ssi_arena_take(arena, name_bytes, 1);
    if (names == NULL)
        return;

    *model = (ss_model){ .memory = load->memory,
                         .hyper = load->hyper,
                         .rope_frequency = frequency,
                         .layers = layers,
                         .architecture = load->arch->name,
                         .name = copy_text(&names, load->name),
                         .tensors = tensors,
                         .tensor_count = gguf->tensor_count };
    memset(layers, 0, load->hyper.layer_count * sizeof *layers);
    for (uint32_t i = 0; i < gguf->tensor_count; i++) {
        ssi_slot *slot = &load->slots[i];
        slot->name = copy_text(&names, gguf->tensors[i].name);
        tensors[i] = describe(&gguf->tensors[i], slot);
        model->parameter_count += gguf->tensors[i].elements;
        model->tensor_bytes += gguf->tensors[i].bytes;
        if (slot->role->kind == SSI_SLOT_MATRIX)
            *(ssi_matrix *)slot_place(model, layers, slot) = slot->matrix;
        else
            *(const float **)slot_place(model, layers, slot) = slot->vector;
    }
    if (model->head.weight.plane[0] == NULL) /* tied: the head reads the embedding's planes */
        model->head.weight = model->embedding;
    load->model = model;
}

static ss_status take_block(loader *load, ss_error *error)
{
    ssi_arena arena = { 0 };
    lay_out(load, &arena);
    size_t bytes = arena.used;
    void *block = arena.overflow ? NULL : ssi_allocate(&load->memory, bytes, 4096);
    if (block == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes for the model", bytes);
    arena = (ssi_arena){ .base = block };
    lay_out(load, &arena);
    load->model->block = block;
    load->model->block_bytes = bytes;
    load->model->memory_bytes = bytes;
    return SS_OK;
}

/* Divisors come from the file's data, so frequencies can only be made once that is read. */
static ss_status finish_rope(const loader *load, ss_error *error)
{
    const ss_model *model = load->model;
    uint32_t pairs = model->hyper.rope_length / 2;
    for (uint32_t i = 0; i < pairs && model->rope_divisors != NULL; i++)
        if (!(model->rope_divisors[i] > 0))
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tensor rope_freqs.weight: value %u is %g, expected above 0", i,
                            (double)model->rope_divisors[i]);
    return ssi_rope_frequencies(&load->rope, model->hyper.rope_length, model->rope_divisors,
                                (double *)model->rope_frequency, error);
}

static void hash_u64(ssi_hash_state *state, uint64_t value)
{
    unsigned char bytes[8];
    ssi_store_u64le(bytes, value);
    ssi_hash_update(state, bytes, sizeof bytes);
}

/* Two models with equal tensors but other keys must not share saved sessions. Every field as 8
 * little-endian bytes, floats as their bits. */
static ss_status hash_parsed(ss_model *model, ss_error *error)
{
    const ssi_hyper *hyper = &model->hyper;
    ssi_hash_state *state = ssi_allocate(&model->memory, ssi_hash_state_bytes(), SSI_ALIGN);
    if (state == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes to hash",
                        ssi_hash_state_bytes());
    const uint32_t fields[] = { hyper->layer_count, hyper->embedding_length,
                                hyper->feed_forward_length, hyper->head_count,
                                hyper->head_count_kv, hyper->head_length,
                                hyper->vocabulary_size, hyper->context_length,
                                hyper->rope_length, hyper->rope_interleaved,
                                ssi_bits_from_float(hyper->rms_epsilon),
                                ssi_bits_from_float(hyper->attention_scale),
                                ssi_bits_from_float(hyper->rope_magnitude) };
    ssi_hash_begin(state);
    ssi_hash_update(state, model->architecture, strlen(model->architecture) + 1);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        hash_u64(state, fields[i]);
    for (uint32_t i = 0; i < hyper->rope_length / 2; i++) {
        uint64_t bits;
        memcpy(&bits, &model->rope_frequency[i], sizeof bits);
        hash_u64(state, bits);
    }
    ssi_tokenizer_hash(model->tokenizer, state);
    model->parsed_hash = ssi_hash_end(state);
    ssi_release(&model->memory, state, ssi_hash_state_bytes());
    return SS_OK;
}

static ss_status read_weights(loader *load, const ss_model_params *params, ss_error *error)
{
    ssi_parallel parallel;
    SSI_TRY(ssi_parallel_create(params->parallel, params->thread_count, &load->memory, &parallel,
                                error));
    ss_status status = ssi_weights_pack(load->source, load->slots, load->model->tensor_count,
                                        &parallel, params->progress, &load->memory,
                                        &load->model->tensor_hash, error);
    ssi_parallel_free(&parallel, &load->memory);
    return status;
}

static ss_status load_all(loader *load, const ss_model_params *params, ss_error *error)
{
    ssi_isa isa = SSI_ISA_PORTABLE;
    SSI_TRY(choose_isa(params->cpu, &isa, error));
    SSI_TRY(ssi_gguf_open(&load->gguf, load->source, &load->memory, error));
    SSI_TRY(plan(load, error));
    SSI_TRY(take_block(load, error));
    SSI_TRY(ssi_tokenizer_read(&load->gguf, &load->memory, &load->model->tokenizer, error));
    ssi_gguf_close(&load->gguf); /* its memory is free before the weights come */
    ssi_kernels_select(&load->model->kernels, isa);
    SSI_TRY(read_weights(load, params, error));
    SSI_TRY(finish_rope(load, error));
    return hash_parsed(load->model, error);
}

ss_status ssi_model_load(const ssi_source *source, const ss_model_params *params,
                         ss_model **model, ss_error *error)
{
    static const ss_model_params defaults = { .struct_size = sizeof defaults };
    if (params == NULL)
        params = &defaults;
    loader load = { .source = source, .memory = ssi_memory_from(params->allocator) };
    ss_status status = load_all(&load, params, error);
    ssi_gguf_close(&load.gguf);
    ssi_release(&load.memory, load.slots, load.slots_bytes);
    if (status != SS_OK)
        ssi_model_free(load.model);
    else
        *model = load.model;
    return status;
}

void ssi_model_free(ss_model *model)
{
    if (model == NULL)
        return;
    ssi_memory memory = model->memory; /* the model lies in the block it frees */
    ssi_tokenizer_free(model->tokenizer);
    ssi_release(&memory, model->block, model->block_bytes);
}
