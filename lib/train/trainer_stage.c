/* SPDX-License-Identifier: Apache-2.0 */
/* One stage's memory: weights in binary32 as its rows see them, its passes, a batch's states; and
 * which tensors get gradients in it. */
#include "train/trainer.h"

/* Rows of one pass: enough to keep products efficient, few enough to stay near the caches. */
#define STREAM_ROWS 768u
#define MAIN_ROWS 1024u

static bool needs(const ss_trainer *trainer, ss_train_stage stage, ss_train_stage part)
{
    if (part == SS_STAGE_STREAMS) /* joint: the streams are part of the main stage */
        return stage == SS_STAGE_STREAMS ||
               (stage == SS_STAGE_MAIN && trainer->params.mode == SS_TRAIN_JOINT);
    return stage == part;
}

static ssi_train_layer *layout_layers(const ss_trainer *trainer, uint32_t first,
                                      ssi_arena *arena)
{
    const ss_model *model = trainer->model;
    uint32_t count = model->hyper.layer_count - first;
    ssi_train_layer *layers = ssi_arena_take(arena, count, sizeof *layers);
    for (uint32_t i = 0; i < count; i++) {
        const ssi_layer *from = &model->layers[first + i];
        if (layers)
            layers[i] = (ssi_train_layer){.attention_norm = from->attention_norm,
                                          .feed_forward_norm = from->feed_forward_norm};
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
            const ssi_linear *linear = &from->linear[map];
            size_t row_bytes = linear->weight.columns * sizeof(float);
            float *weight = ssi_arena_take(arena, linear->weight.rows, row_bytes);
            if (layers)
                layers[i].maps[map] = (ssi_train_map){.out = linear->weight.rows,
                                                      .in = linear->weight.columns,
                                                      .weight = weight,
                                                      .bias = linear->bias,
                                                      .packed = &linear->weight};
        }
    }
    return layers;
}

static float *layout_head(const ss_trainer *trainer, uint32_t count, ssi_arena *arena)
{
    return ssi_arena_take(arena, count, trainer->model->hyper.embedding_length * sizeof(float));
}

/* Pairs of every layer from `first` on. */
static void set_pairs(const ss_trainer *trainer, ssi_train_layer *layers, uint32_t first,
                      uint32_t kind, float scale, bool trained)
{
    char stem[SSI_PARAMETER_NAME];
    for (uint32_t layer = first; layer < trainer->model->hyper.layer_count; layer++)
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
            ssi_parameter_stem(trainer->model, layer, map, kind, stem);
            layers[layer - first].maps[map].pairs[kind] =
                ssi_parameters_pair(&trainer->parameters, stem, scale, trained);
        }
}

static void set_streams(const ss_trainer *trainer, ssi_stage_memory *to)
{
    const ss_train_params *params = &trainer->params;
    const ssi_parameters *parameters = &trainer->parameters;
    uint32_t first = trainer->model->hyper.layer_count - params->msa_layer_count;
    bool joint = params->mode == SS_TRAIN_JOINT, trained = to->stage != SS_STAGE_PRUNE;
    float weight = joint ? params->stream_weight : 1;
    to->streams = (ssi_train_streams){
        .model = trainer->model,
        .stream_count = params->stream_count,
        .msa_layer_count = params->msa_layer_count,
        .stream_init =
            params->value_rotation ? SSI_STREAM_VALUE_ROTATION : SSI_STREAM_EMBEDDING,
        .rotation_step = params->value_rotation_step,
        .layers = to->stream_layers,
        .embedding = ssi_parameters_get(parameters, "specstream.stream_embd", trained),
        .root_gain = ssi_parameters_get(parameters, "specstream.root.gain", trained),
        .init = ssi_parameters_pair(parameters, "specstream.stream_init.", 1, trained),
        .root = ssi_parameters_pair(parameters, "specstream.root.", 1, trained),
        .parent = ssi_parameters_pair(parameters, "specstream.parent.", 1, trained),
        .draft_count = trainer->draft_count,
        .draft_head = to->draft_head,
        .draft_bias = to->draft_bias,
        .draft_of_token = trainer->draft_of_token,
        .teacher_weight = params->teacher_weight,
    };
    for (uint32_t j = 0; j < params->stream_count; j++, weight *= params->stream_decay)
        to->streams.loss_weight[j] = weight;
    if (!to->stream_layers)
        return;
    set_pairs(trainer, to->stream_layers, first, SSI_LORA_STREAM,
              trainer->alpha / (float)params->stream_rank, true);
    set_pairs(trainer, to->stream_layers, first, SSI_LORA_MAIN,
              trainer->alpha / (float)params->main_rank, joint);
}

static void set_main(const ss_trainer *trainer, ssi_stage_memory *to)
{
    bool joint = trainer->params.mode == SS_TRAIN_JOINT;
    to->main = (ssi_train_main){
        .model = trainer->model,
        .layers = to->main_layers,
        .head = to->head,
        .loss_weight = joint ? trainer->params.main_weight : 1,
        .streams = joint ? &to->streams : NULL,
        .streams_pass = joint ? to->streams_pass : NULL,
    };
    if (to->main_layers)
        set_pairs(trainer, to->main_layers, 0, SSI_LORA_MAIN,
                  trainer->alpha / (float)trainer->params.main_rank, true);
}

/* Weights first: passes are laid out by what they see. Each layout runs twice (base/arena.h). */
static void layout_weights(const ss_trainer *trainer, ssi_stage_memory *to, ssi_arena *arena)
{
    const ssi_hyper *hyper = &trainer->model->hyper;
    bool main = needs(trainer, to->stage, SS_STAGE_MAIN);
    bool streams = needs(trainer, to->stage, SS_STAGE_STREAMS);
    if (streams)
        to->stream_layers =
            layout_layers(trainer, hyper->layer_count - trainer->params.msa_layer_count, arena);
    if (streams || needs(trainer, to->stage, SS_STAGE_PRUNE)) {
        to->draft_head = layout_head(trainer, trainer->draft_count, arena);
        to->draft_bias = trainer->model->head.bias
                             ? ssi_arena_take(arena, trainer->draft_count, sizeof(float))
                             : NULL;
    }
    if (main) {
        to->main_layers = layout_layers(trainer, 0, arena);
        to->head = layout_head(trainer, hyper->vocabulary_size, arena);
    }
}

/* What the rows of a frozen main stream hand over, for a whole batch. */
static void layout_states(const ss_trainer *trainer, ssi_stage_memory *to, ssi_arena *arena)
{
    const ss_train_params *params = &trainer->params;
    bool teacher = to->stage == SS_STAGE_STREAMS && params->teacher_weight > 0;
    ssi_train_states counted, *states;
    to->contexts = ssi_arena_take(arena, params->batch_rows, sizeof *to->contexts);
    to->states = states = ssi_arena_take(arena, params->batch_rows, sizeof *to->states);
    for (uint32_t i = 0; i < params->batch_rows; i++)
        ssi_train_states_layout(states ? &states[i] : &counted, &trainer->model->hyper,
                                params->msa_layer_count, trainer->rows.longest, teacher, arena);
}

static void layout_passes(const ss_trainer *trainer, ssi_stage_memory *to, ssi_arena *arena)
{
    const ss_train_params *params = &trainer->params;
    uint32_t longest = trainer->rows.longest;
    set_streams(trainer, to);
    if (to->stream_layers) {
        ssi_train_capacity most = {STREAM_ROWS, longest + params->stream_count};
        to->streams_pass = ssi_train_streams_layout(&to->streams, &most, arena);
    }
    set_main(trainer, to);
    if (to->main_layers) {
        to->main_rows = longest > MAIN_ROWS ? longest : MAIN_ROWS;
        ssi_train_capacity most = {to->main_rows, longest};
        to->main_pass = ssi_train_main_layout(&to->main, &most, params->batch_rows, arena);
        to->sequences = ssi_arena_take(arena, params->batch_rows, sizeof *to->sequences);
    } else {
        layout_states(trainer, to, arena);
    }
    if (to->stage == SS_STAGE_PRUNE) {
        to->prune = ssi_parameters_pair(&trainer->parameters, "specstream.prune.", 1, true);
        to->prune_pass =
            ssi_train_prune_layout(&to->streams, params->prune_rank, STREAM_ROWS, arena);
    }
}

typedef struct unpack_work {
    const ssi_matrix *weight;
    const int32_t *tokens; /* NULL: all */
    float *to;
} unpack_work;

static void unpack_rows(void *context, uint32_t begin, uint32_t end)
{
    const unpack_work *region = context;
    const ssi_matrix *weight = region->weight;
    for (uint32_t i = begin; i < end; i++)
        ssi_type_get(weight->type)
            ->unpack_row(weight, region->tokens ? (uint32_t)region->tokens[i] : i,
                         region->to + (size_t)i * weight->columns);
}

/* Rows of the head in binary32. */
static void unpack_head(const ss_trainer *trainer, const int32_t *tokens, uint32_t count,
                        float *to)
{
    unpack_work region = {&trainer->model->head.weight, tokens, to};
    if (to)
        ssi_parallel_ranges(&trainer->parallel, count, 4 * trainer->parallel.thread_count,
                            unpack_rows, &region);
}

void ssi_trainer_leave_stage(ss_trainer *trainer)
{
    ssi_stage_memory *stage = &trainer->stage;
    ssi_release(&trainer->memory, stage->weights, stage->weight_bytes);
    ssi_release(&trainer->memory, stage->passes, stage->pass_bytes);
    *stage = (ssi_stage_memory){0};
}

typedef void layout_function(const ss_trainer *trainer, ssi_stage_memory *to, ssi_arena *arena);

/* Counts, takes the memory and hands it out. */
static ss_status take(const ss_trainer *trainer, layout_function *layout, ssi_stage_memory *to,
                      void **block, size_t *bytes, ss_error *error)
{
    ssi_stage_memory counted = *to;
    ssi_arena arena = {NULL, 0, false};
    layout(trainer, &counted, &arena);
    *block = arena.overflow ? NULL : ssi_allocate(&trainer->memory, arena.used, SSI_ALIGN);
    if (!*block)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for training: %zu bytes",
                        arena.used);
    *bytes = arena.used;
    arena = (ssi_arena){*block, 0, false};
    layout(trainer, to, &arena);
    return SS_OK;
}

ss_status ssi_trainer_enter_stage(ss_trainer *trainer, ss_train_stage stage, ss_error *error)
{
    ssi_stage_memory *to = &trainer->stage;
    ss_status status;
    if (to->passes && to->stage == stage)
        return SS_OK;
    ssi_trainer_leave_stage(trainer);
    if (stage != SS_STAGE_MAIN) {
        /* The main half is final: rows are run with it from here on. */
        SSI_TRY(ssi_trainer_set_engine(trainer, &trainer->engine, error));
        ssi_kept_states_forget(&trainer->kept);
    }
    to->stage = stage;
    if ((status = take(trainer, layout_weights, to, &to->weights, &to->weight_bytes, error)) !=
            SS_OK ||
        (status = take(trainer, layout_passes, to, &to->passes, &to->pass_bytes, error)) !=
            SS_OK) {
        ssi_trainer_leave_stage(trainer);
        return status;
    }
    unpack_head(trainer, trainer->draft_tokens, trainer->draft_count, to->draft_head);
    for (uint32_t i = 0; to->draft_bias && i < trainer->draft_count; i++)
        to->draft_bias[i] = trainer->model->head.bias[trainer->draft_tokens ? trainer->draft_tokens[i]
                                                                            : (int32_t)i];
    unpack_head(trainer, NULL, trainer->model->hyper.vocabulary_size, to->head);
    return SS_OK;
}
