/* SPDX-License-Identifier: Apache-2.0 */
/* A model of random weights and odd shapes, made without a file: 3 layers, grouped heads, a
 * feed-forward that ends inside a block, any mix of tensor types, biases. It keeps the float value
 * of every weight (after quantisation) for the naive reference. */
#ifndef TESTS_STEP_TOY_MODEL_H
#define TESTS_STEP_TOY_MODEL_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "step/step.h"

enum { TOY_LAYERS = 3 };

typedef struct toy_shape {
    uint32_t d, heads, heads_kv, head_length, feed, vocabulary;
    ssi_type types[SSI_LINEAR_COUNT], embedding;
    bool interleaved, biased;
} toy_shape;

typedef struct toy_model {
    ss_model model;
    toy_shape shape;
    ssi_layer layers[TOY_LAYERS];
    double frequency[64];
    /* Float weights, [out][in]. */
    float *linear[TOY_LAYERS][SSI_LINEAR_COUNT], *embedding, *head;
    void *owned[256];
    uint32_t owned_count;
    uint64_t random;
} toy_model;

static inline void *toy_allocate(toy_model *toy, size_t bytes)
{
    size_t rounded = (bytes + 63) / 64 * 64;
    void *memory = aligned_alloc(64, rounded ? rounded : 64);
    memset(memory, 0, rounded);
    toy->owned[toy->owned_count++] = memory;
    return memory;
}

/* Roughly normal: the sum of four uniforms, scaled to unit variance. */
static inline float toy_random(toy_model *toy)
{
    float sum = -2.0f;
    for (int i = 0; i < 4; i++)
        sum += ssi_uniform(ssi_mix64(toy->random++));
    return sum * 1.7320508f;
}

/* A matrix of a type, packed; *values receives what its numbers stand for. */
static inline ssi_matrix toy_matrix(toy_model *toy, ssi_type type, uint32_t rows,
                                    uint32_t columns, float deviation, float **values)
{
    const ssi_type_info *info = ssi_type_get(type);
    size_t row_bytes = columns / info->block_elements * info->block_bytes;
    unsigned char *file = toy_allocate(toy, rows * row_bytes);
    float *decoded = toy_allocate(toy, (size_t)rows * columns * sizeof(float));
    for (size_t i = 0; i < (size_t)rows * columns; i++)
        decoded[i] = toy_random(toy) * deviation;
    for (uint32_t row = 0; row < rows; row++) {
        info->encode(decoded + (size_t)row * columns, columns, file + row * row_bytes);
        info->decode(file + row * row_bytes, columns, decoded + (size_t)row * columns);
    }
    ssi_arena arena = {NULL, 0, false};
    ssi_matrix matrix;
    ssi_matrix_layout(&matrix, type, rows, columns, &arena);
    arena = (ssi_arena){toy_allocate(toy, arena.used), 0, false};
    ssi_matrix_layout(&matrix, type, rows, columns, &arena);
    uint32_t bad_row;
    if (!info->pack(&matrix, 0, rows, file, row_bytes, &bad_row))
        abort();
    *values = decoded;
    return matrix;
}

static inline float *toy_vector(toy_model *toy, uint32_t count, float mean, float deviation)
{
    float *vector = toy_allocate(toy, (count + 16) * sizeof(float));
    for (uint32_t i = 0; i < count; i++)
        vector[i] = mean + deviation * toy_random(toy);
    return vector;
}

static inline toy_model *toy_create(const toy_shape *shape, ssi_isa isa)
{
    toy_model *toy = calloc(1, sizeof *toy);
    ssi_hyper *hyper = &toy->model.hyper;
    uint32_t query = shape->heads * shape->head_length, key = shape->heads_kv * shape->head_length;
    uint32_t rows[SSI_LINEAR_COUNT] = {query, key, key, shape->d, shape->feed, shape->feed,
                                       shape->d};
    uint32_t columns[SSI_LINEAR_COUNT] = {shape->d, shape->d, shape->d, query,
                                          shape->d, shape->d, shape->feed};
    toy->shape = *shape;
    toy->random = 12345;
    *hyper = (ssi_hyper){
        .layer_count = TOY_LAYERS,
        .embedding_length = shape->d,
        .feed_forward_length = shape->feed,
        .head_count = shape->heads,
        .head_count_kv = shape->heads_kv,
        .head_length = shape->head_length,
        .vocabulary_size = shape->vocabulary,
        .context_length = 512,
        .rope_length = shape->head_length,
        .rope_interleaved = shape->interleaved,
        .rms_epsilon = 1e-5f,
        .attention_scale = 1.0f / sqrtf((float)shape->head_length),
        .rope_magnitude = 1.0f,
    };
    ssi_kernels_select(&toy->model.kernels, isa);
    for (uint32_t i = 0; i < hyper->rope_length / 2; i++)
        toy->frequency[i] = ssi_pow(10000.0, -2.0 * i / hyper->rope_length);
    toy->model.rope_frequency = toy->frequency;
    toy->model.layers = toy->layers;
    toy->model.embedding =
        toy_matrix(toy, shape->embedding, shape->vocabulary, shape->d, 1.0f, &toy->embedding);
    toy->model.head.weight = toy->model.embedding;
    toy->head = toy->embedding;
    toy->model.output_norm = toy_vector(toy, shape->d, 1.0f, 0.1f);
    for (uint32_t l = 0; l < TOY_LAYERS; l++) {
        ssi_layer *layer = &toy->layers[l];
        layer->attention_norm = toy_vector(toy, shape->d, 1.0f, 0.2f);
        layer->feed_forward_norm = toy_vector(toy, shape->d, 1.0f, 0.2f);
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
            layer->linear[map].weight =
                toy_matrix(toy, shape->types[map], rows[map], columns[map],
                           1.0f / sqrtf((float)columns[map]), &toy->linear[l][map]);
            if (shape->biased && map <= SSI_VALUE)
                layer->linear[map].bias = toy_vector(toy, rows[map], 0.0f, 0.3f);
        }
    }
    return toy;
}

static inline void toy_free(toy_model *toy)
{
    while (toy->owned_count > 0)
        free(toy->owned[--toy->owned_count]);
    free(toy);
}

static inline int32_t toy_token(const toy_model *toy, uint64_t seed, uint32_t index)
{
    return (int32_t)(ssi_noise_bits(seed, index, 7) % toy->shape.vocabulary);
}

/* Everything passes need, without a session. */
typedef struct toy_engine {
    ssi_memory memory;
    ssi_parallel parallel;
    ssi_workspace work;
    ssi_sampler sampler;
    void *block;
    float *last_logits;
} toy_engine;

static inline uint64_t toy_clock(void *context)
{
    (void)context;
    return 0;
}

static inline toy_engine *toy_engine_create(const toy_model *toy, uint32_t threads,
                                            uint32_t chunk, bool kv_f32)
{
    toy_engine *engine = calloc(1, sizeof *engine);
    ssi_workspace_shape shape = {256, 32, chunk, kv_f32};
    engine->memory = ssi_memory_from(NULL);
    if (ssi_parallel_create(NULL, threads, &engine->memory, &engine->parallel, NULL) != SS_OK)
        abort();
    engine->work.model = &toy->model;
    engine->work.parallel = &engine->parallel;
    engine->work.clock = toy_clock;
    ssi_arena arena = {NULL, 0, false};
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            engine->block = aligned_alloc(64, (arena.used + 63) / 64 * 64);
            memset(engine->block, 0xff, arena.used); /* NaN wherever nothing was written */
            arena = (ssi_arena){engine->block, 0, false};
        }
        ssi_workspace_layout(&engine->work, &shape, &arena);
        ssi_sampler_layout(&engine->sampler, toy->shape.vocabulary, &arena);
        engine->last_logits =
            ssi_arena_take(&arena, engine->work.logit_stride, sizeof(float));
    }
    ssi_workspace_clear(&engine->work);
    ssi_sampler_clear(&engine->sampler);
    engine->sampler.kernels = &toy->model.kernels;
    return engine;
}

/* Runs what the cache lacks of the tokens; the last one's logits are in last_logits. */
static inline void toy_prefill(toy_engine *engine, int32_t *tokens, uint32_t count)
{
    ssi_sequence sequence = {tokens, count, 0};
    if (ssi_prefill_run(&engine->work, &sequence, engine->last_logits, NULL, NULL) != SS_OK)
        abort();
}

static inline void toy_engine_free(toy_engine *engine)
{
    ssi_parallel_free(&engine->parallel, &engine->memory);
    free(engine->block);
    free(engine);
}

#endif
