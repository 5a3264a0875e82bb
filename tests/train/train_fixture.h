/* SPDX-License-Identifier: Apache-2.0 */
/* A layer of a toy model as the trainer holds it, random rows, and room for the passes. Include
 * after cmocka.h. */
#ifndef TESTS_TRAIN_TRAIN_FIXTURE_H
#define TESTS_TRAIN_TRAIN_FIXTURE_H

#include "step/toy_model.h"
#include "train/train_layer.h"
#include "train_math.h"

enum { FIXTURE_ROWS = 160, FIXTURE_SEEN = 200, FIXTURE_RANK = 5 };

typedef struct layer_fixture {
    toy_model *toy;
    const ssi_hyper *hyper;
    test_math *test;
    ssi_train_layer layer;
    ssi_train_saved *saved;
    ssi_train_scratch *scratch;
    void *block, *owned[256];
    uint32_t owned_count;
} layer_fixture;

static inline float *fixture_floats(layer_fixture *fixture, size_t count, float deviation)
{
    float *values = random_floats(count, deviation, 1000003u * (fixture->owned_count + 1));
    fixture->owned[fixture->owned_count++] = values;
    return values;
}

static inline ssi_trained fixture_trained(layer_fixture *fixture, size_t count, float deviation)
{
    return (ssi_trained){fixture_floats(fixture, count, deviation),
                         fixture_floats(fixture, count, 0.0f)};
}

/* The maps of one layer of a model, unpacked; no pairs. */
static inline void fixture_set_layer(layer_fixture *fixture, const ssi_layer *layer)
{
    fixture->layer.attention_norm = layer->attention_norm;
    fixture->layer.feed_forward_norm = layer->feed_forward_norm;
    for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
        const ssi_linear *linear = &layer->linear[map];
        float *weight = fixture->layer.maps[map].weight;
        fixture->layer.maps[map] = (ssi_train_map){
            .out = linear->weight.rows,
            .in = linear->weight.columns,
            .weight = weight ? weight
                             : fixture_floats(
                                   fixture,
                                   (size_t)linear->weight.rows * linear->weight.columns, 0.0f),
            .bias = linear->bias,
            .packed = &linear->weight,
        };
    }
    ssi_train_layer_merge(&fixture->test->math, &fixture->layer);
}

static inline layer_fixture *fixture_create(const ssi_hyper *hyper, const ssi_layer *layer,
                                            ssi_isa isa, uint32_t threads)
{
    layer_fixture *fixture = calloc(1, sizeof *fixture);
    ssi_train_capacity most = {FIXTURE_ROWS, FIXTURE_SEEN};
    fixture->hyper = hyper;
    fixture->test = test_math_create(isa, threads);
    ssi_arena arena = {NULL, 0, false};
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            fixture->block = aligned_alloc(64, (arena.used + 63) / 64 * 64);
            memset(fixture->block, 0xff, arena.used); /* NaN wherever nothing was written */
            arena = (ssi_arena){fixture->block, 0, false};
        }
        fixture->saved = ssi_train_saved_layout(hyper, &most, &arena);
        fixture->scratch = ssi_train_scratch_layout(hyper, &most, FIXTURE_RANK, &arena);
    }
    fixture_set_layer(fixture, layer);
    return fixture;
}

static inline void fixture_free(layer_fixture *fixture)
{
    test_math_free(fixture->test);
    while (fixture->owned_count > 0)
        free(fixture->owned[--fixture->owned_count]);
    free(fixture->block);
    free(fixture);
}

static inline void fixture_forward(layer_fixture *fixture, const ssi_train_rows *rows,
                                   float *hidden)
{
    ssi_train_layer_forward(&fixture->test->math, fixture->hyper, &fixture->layer, rows,
                            fixture->saved, fixture->scratch, hidden);
}

#endif
