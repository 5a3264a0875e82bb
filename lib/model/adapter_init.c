/* SPDX-License-Identifier: Apache-2.0 */
/* An untrained adapter: every tensor the format knows for what was asked, filled with noise. The
 * numbers are a pure function of (seed, tensor's index, element), in exact arithmetic, so that the
 * same call gives the same file everywhere. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/params.h"
#include "base/random.h"
#include "gguf/gguf_keys.h"
#include "gguf/gguf_write.h"
#include "model/adapter.h"
#include "model/arch.h"

typedef struct fill {
    const ss_model *model;
    const ss_adapter_init_params *params;
    ssi_gguf_writer writer;
    float *numbers;  /* one tensor */
    uint32_t tensor; /* index of the next one */
} fill;

/* About normal with deviation 1: twelve uniform 16-bit numbers summed, which needs no libm. The
 * sum's deviation is sqrt(2^32 - 1). */
static float noise(uint64_t seed, uint32_t tensor, uint32_t element)
{
    int32_t sum = -12 * 65535 / 2;
    for (uint32_t part = 0; part < 3; part++) {
        uint64_t bits = ssi_noise_bits(seed + part * 0x9e3779b97f4a7c15u, tensor, element);
        for (uint32_t shift = 0; shift < 64; shift += 16)
            sum += (int32_t)(bits >> shift & 0xffff);
    }
    return (float)sum * 0x1p-16f;
}

/* [rows][columns] */
static void add(fill *to, const char *name, uint32_t rows, uint32_t columns)
{
    uint64_t dims[2] = {columns, rows};
    uint32_t count = rows * columns;
    for (uint32_t i = 0; i < count; i++)
        ssi_store_u32le(&to->numbers[i],
                        ssi_bits_from_float(noise(to->params->seed, to->tensor, i) *
                                            to->params->deviation));
    ssi_gguf_write_tensor(&to->writer, name, SSI_TYPE_F32, dims, 2, to->numbers,
                          (size_t)count * sizeof(float));
    to->tensor++;
}

/* <stem>a [rank][in] and <stem>b [out][rank]; none of rank 0. */
static void add_pair(fill *to, const char *stem, uint32_t rank, uint32_t out, uint32_t in)
{
    char name[96];
    if (rank == 0)
        return;
    snprintf(name, sizeof name, "%sa", stem);
    add(to, name, rank, in);
    snprintf(name, sizeof name, "%sb", stem);
    add(to, name, out, rank);
}

/* Pairs on every linear map of the layers from `first` on. */
static void add_loras(fill *to, uint32_t first, const char *suffix)
{
    const ss_model *model = to->model;
    char stem[80];
    for (uint32_t layer = first; layer < model->hyper.layer_count; layer++)
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
            const ssi_matrix *weight = &model->layers[layer].linear[map].weight;
            snprintf(stem, sizeof stem, "blk.%u.%s%s", layer, ssi_arch_map_name(model, map),
                     suffix);
            add_pair(to, stem, to->params->rank, weight->rows, weight->columns);
        }
}

static void write_keys(fill *to)
{
    const ss_adapter_init_params *params = to->params;
    ssi_gguf_writer *writer = &to->writer;
    char hash[33];
    ssi_hash_to_hex(to->model->tensor_hash, hash);
    ssi_gguf_write_text(writer, SSI_KEY_TYPE, ssi_text_of("adapter"));
    ssi_gguf_write_text(writer, SSI_KEY_ARCHITECTURE, ssi_text_of(to->model->architecture));
    if (params->name != NULL)
        ssi_gguf_write_text(writer, SSI_KEY_NAME, ssi_text_of(params->name));
    ssi_gguf_write_text(writer, SSI_KEY_ADAPTER_TYPE, ssi_text_of("specstream"));
    if (params->rank > 0) /* a scale of 1 */
        ssi_gguf_write_f32(writer, SSI_KEY_LORA_ALPHA, (float)params->rank);
    ssi_gguf_write_u32(writer, SSI_KEY_FORMAT_VERSION, 1);
    ssi_gguf_write_text(writer, SSI_KEY_MODE, ssi_text_of(params->shared ? "shared" : "lossless"));
    ssi_gguf_write_u32(writer, SSI_KEY_STREAM_COUNT, params->stream_count);
    ssi_gguf_write_u32(writer, SSI_KEY_MSA_LAYERS, params->msa_layer_count);
    ssi_gguf_write_text(writer, SSI_KEY_STREAM_INIT, ssi_text_of("embedding"));
    ssi_gguf_write_text(writer, SSI_KEY_BASE_HASH, ssi_text_of(hash));
}

static void write_tensors(fill *to)
{
    const ss_adapter_init_params *params = to->params;
    uint32_t d = to->model->hyper.embedding_length;
    add(to, "specstream.stream_embd", params->stream_count, d);
    if (params->root_rank > 0)
        add(to, "specstream.root.gain", params->stream_count, d);
    add_pair(to, "specstream.root.", params->root_rank, d, d);
    add_pair(to, "specstream.parent.", params->parent_rank, d, d);
    add_pair(to, "specstream.prune.", params->prune_rank, d, d);
    add_loras(to, to->model->hyper.layer_count - params->msa_layer_count, ".stream.lora_");
    if (params->shared)
        add_loras(to, 0, ".lora_");
}

static ss_status check(const ss_model *model, const ss_adapter_init_params *params,
                       ss_error *error)
{
    SSI_TRY(ssi_params_check("stream_count", params->stream_count, 1, SSI_STREAMS_MAX, error));
    SSI_TRY(ssi_params_check("msa_layer_count", params->msa_layer_count, 1,
                             model->hyper.layer_count, error));
    SSI_TRY(ssi_params_check("rank", params->rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("root_rank", params->root_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("parent_rank", params->parent_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check("prune_rank", params->prune_rank, 0, SSI_LORA_RANK_MAX, error));
    SSI_TRY(ssi_params_check_number("deviation", params->deviation, 0, 1e6, error));
    for (size_t i = 0; i < sizeof params->reserved0; i++)
        if (params->reserved0[i] != 0)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "reserved0 is not 0");
    return SS_OK;
}

/* Elements of the largest tensor there may be. */
static size_t most_elements(const ss_model *model, const ss_adapter_init_params *params)
{
    size_t longest = model->hyper.embedding_length, most = SSI_STREAMS_MAX;
    const uint32_t ranks[] = {params->rank, params->root_rank, params->parent_rank,
                              params->prune_rank};
    for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
        const ssi_matrix *weight = &model->layers[0].linear[map].weight;
        longest = weight->rows > longest ? weight->rows : longest;
        longest = weight->columns > longest ? weight->columns : longest;
    }
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        most = ranks[i] > most ? ranks[i] : most;
    return longest * most;
}

ss_status ssi_adapter_init(const ss_model *model, const ss_adapter_init_params *params,
                           const ssi_memory *memory, void **file, size_t *bytes,
                           ss_error *error)
{
    fill to = {.model = model, .params = params};
    ssi_memory scratch = *memory;
    SSI_TRY(check(model, params, error));
    size_t number_bytes = most_elements(model, params) * sizeof(float);
    to.numbers = ssi_allocate(&scratch, number_bytes, SSI_ALIGN);
    if (to.numbers == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for a tensor: %zu bytes",
                        number_bytes);
    ssi_gguf_write_begin(&to.writer, 3, 32, memory);
    write_keys(&to);
    write_tensors(&to);
    ssi_release(&scratch, to.numbers, number_bytes);
    return ssi_gguf_write_finish(&to.writer, file, bytes, error);
}
