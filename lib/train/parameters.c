/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors a training has, what they begin as, and how fast they may change. AdamW moves every
 * number by about its rate a step, whatever the gradient's size; so a term's rate is in proportion
 * to what the term is added to. */
#include "train/parameters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "model/arch.h"

typedef struct listing {
    ssi_parameters *to;
    const ss_model *model;
    const ss_train_params *params;
} listing;

/* Counts while to->items is NULL. */
static void add(listing *list, const char *name, uint32_t rows, uint32_t columns,
                ss_train_stage stage, bool decays)
{
    ssi_parameters *to = list->to;
    if (list->params->mode == SS_TRAIN_JOINT && stage == SS_STAGE_STREAMS)
        stage = SS_STAGE_MAIN;
    if (to->items) {
        ssi_parameter *item = &to->items[to->count];
        *item = (ssi_parameter){.rows = rows,
                                .columns = columns,
                                .offset = to->value_count,
                                .stage = stage,
                                .decays = decays,
                                .rate = 1};
        snprintf(item->name, sizeof item->name, "%.*s", (int)sizeof item->name - 1, name);
    }
    to->count++;
    to->value_count += (size_t)rows * columns;
}

static void add_pair(listing *list, const char *stem, uint32_t rank, uint32_t out, uint32_t in,
                     ss_train_stage stage, bool decays)
{
    char name[SSI_PARAMETER_NAME + 2];
    if (rank == 0)
        return;
    snprintf(name, sizeof name, "%sa", stem);
    add(list, name, rank, in, stage, decays);
    snprintf(name, sizeof name, "%sb", stem);
    add(list, name, out, rank, stage, decays);
}

void ssi_parameter_stem(const ss_model *model, uint32_t layer, uint32_t map, uint32_t kind,
                        char stem[SSI_PARAMETER_NAME])
{
    snprintf(stem, SSI_PARAMETER_NAME, "blk.%u.%s%s", layer, ssi_arch_map_name(model, map),
             kind == SSI_LORA_STREAM ? ".stream.lora_" : ".lora_");
}

static void add_loras(listing *list, uint32_t first, uint32_t kind, uint32_t rank)
{
    const ss_model *model = list->model;
    char stem[SSI_PARAMETER_NAME];
    for (uint32_t layer = first; layer < model->hyper.layer_count; layer++)
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
            const ssi_matrix *weight = &model->layers[layer].linear[map].weight;
            ssi_parameter_stem(model, layer, map, kind, stem);
            add_pair(list, stem, rank, weight->rows, weight->columns,
                     kind == SSI_LORA_STREAM ? SS_STAGE_STREAMS : SS_STAGE_MAIN, true);
        }
}

static void list_all(listing *list)
{
    const ss_train_params *params = list->params;
    const ssi_hyper *hyper = &list->model->hyper;
    uint32_t d = hyper->embedding_length;
    list->to->count = 0;
    list->to->value_count = 0;
    if (!params->value_rotation)
        add(list, "specstream.stream_embd", params->stream_count, d, SS_STAGE_STREAMS, false);
    add_pair(list, "specstream.stream_init.", params->init_rank, d, d, SS_STAGE_STREAMS, false);
    if (params->root_rank > 0)
        add(list, "specstream.root.gain", params->stream_count, d, SS_STAGE_STREAMS, false);
    add_pair(list, "specstream.root.", params->root_rank, d, d, SS_STAGE_STREAMS, false);
    add_pair(list, "specstream.parent.", params->parent_rank, d, d, SS_STAGE_STREAMS, false);
    add_pair(list, "specstream.prune.", params->prune_rank, d, d, SS_STAGE_PRUNE, false);
    add_loras(list, hyper->layer_count - params->msa_layer_count, SSI_LORA_STREAM,
              params->stream_rank);
    if (params->mode != SS_TRAIN_LOSSLESS)
        add_loras(list, 0, SSI_LORA_MAIN, params->main_rank);
}

void ssi_parameters_layout(ssi_parameters *parameters, const ss_model *model,
                           const ss_train_params *params, ssi_arena *arena)
{
    listing list = {parameters, model, params};
    *parameters = (ssi_parameters){0};
    list_all(&list);
    parameters->items = ssi_arena_take(arena, parameters->count, sizeof *parameters->items);
    if (parameters->items)
        list_all(&list);
    parameters->values = ssi_arena_take(arena, parameters->value_count, sizeof(float));
    parameters->gradients = ssi_arena_take(arena, parameters->value_count, sizeof(float));
    parameters->first = ssi_arena_take(arena, parameters->value_count, sizeof(float));
    parameters->second = ssi_arena_take(arena, parameters->value_count, sizeof(float));
}

/* A's of pairs begin so that A x is about as large as x's numbers; B's at zero, so that nothing
 * changes before the first step. */
static void set_scale(ssi_parameter *item, const ssi_train_scale *scale)
{
    const ssi_text name = ssi_text_of(item->name);
    ssi_text stem = name;
    bool is_b = ssi_text_cut_suffix(&stem, ".b") || ssi_text_cut_suffix(&stem, ".lora_b");
    item->deviation = is_b ? 0 : 1 / sqrtf((float)item->columns);
    item->rate = 1;
    if (ssi_text_is(name, "specstream.stream_embd")) {
        item->deviation = 0.02f * scale->entry;
        item->rate = scale->entry;
    } else if (ssi_text_is(name, "specstream.root.gain")) {
        item->deviation = 0;
        item->rate = scale->entry;
    } else if (ssi_text_is(name, "specstream.root.b")) {
        item->rate = scale->entry;
    } else if (ssi_text_is(name, "specstream.parent.a")) {
        item->deviation /= scale->embedding;
        item->rate = 1 / scale->embedding;
    } else if (ssi_text_is(name, "specstream.parent.b")) {
        item->rate = scale->normed;
    }
}

/* Uniform with deviation 1. */
static float noise(uint64_t seed, uint32_t tensor, uint32_t element)
{
    return (ssi_uniform(ssi_noise_bits(seed, tensor, element)) - 0.5f) * 3.4641016f;
}

void ssi_parameters_fill(ssi_parameters *parameters, const ssi_train_scale *scale,
                         uint64_t seed)
{
    memset(parameters->gradients, 0, parameters->value_count * sizeof(float));
    memset(parameters->first, 0, parameters->value_count * sizeof(float));
    memset(parameters->second, 0, parameters->value_count * sizeof(float));
    for (uint32_t i = 0; i < parameters->count; i++) {
        ssi_parameter *item = &parameters->items[i];
        uint32_t count = item->rows * item->columns;
        set_scale(item, scale);
        for (uint32_t n = 0; n < count; n++)
            parameters->values[item->offset + n] = item->deviation * noise(seed, i, n);
    }
}

const ssi_parameter *ssi_parameters_find(const ssi_parameters *parameters, const char *name)
{
    for (uint32_t i = 0; i < parameters->count; i++)
        if (strcmp(parameters->items[i].name, name) == 0)
            return &parameters->items[i];
    return NULL;
}

ssi_trained ssi_parameters_get(const ssi_parameters *parameters, const char *name, bool trained)
{
    const ssi_parameter *item = ssi_parameters_find(parameters, name);
    if (!item)
        return (ssi_trained){NULL, NULL};
    return (ssi_trained){parameters->values + item->offset,
                         trained ? parameters->gradients + item->offset : NULL};
}

ssi_trained_pair ssi_parameters_pair(const ssi_parameters *parameters, const char *stem,
                                     float scale, bool trained)
{
    char name[SSI_PARAMETER_NAME + 2];
    ssi_trained_pair pair = {.scale = scale};
    snprintf(name, sizeof name, "%sa", stem);
    const ssi_parameter *a = ssi_parameters_find(parameters, name);
    if (!a)
        return pair;
    pair.rank = a->rows;
    pair.a = ssi_parameters_get(parameters, name, trained);
    snprintf(name, sizeof name, "%sb", stem);
    pair.b = ssi_parameters_get(parameters, name, trained);
    return pair;
}
