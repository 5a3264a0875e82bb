/* SPDX-License-Identifier: Apache-2.0 */
/* A trainer: rows, parameters, and the memory of the stage under way.
 *
 * Life: create, add rows, begin (data fixed, first values there), steps. A stage's memory (weights
 * in binary32, passes) is taken when its first step runs, and given back when the next stage's is
 * taken. A row's number in the whole training is (steps before) * batch_rows + its place, so the
 * state is what parameters hold and how many steps were made. */
#ifndef SSI_TRAIN_TRAINER_H
#define SSI_TRAIN_TRAINER_H

#include "train/data_set.h"
#include "train/engine.h"
#include "train/kept_states.h"
#include "train/optimiser.h"
#include "train/parameters.h"
#include "train/train_passes.h"

/* Memory and views of one stage. */
typedef struct ssi_stage_memory {
    void *weights, *passes; /* the allocations; NULL: no stage is set up */
    size_t weight_bytes, pass_bytes;
    ss_train_stage stage;
    ssi_train_layer *main_layers;   /* [N]: stage MAIN */
    float *head;                    /* [V][d]: stage MAIN */
    ssi_train_layer *stream_layers; /* [Ns]: stage STREAMS, and joint training */
    float *draft_head;              /* [draft_count][d] */
    float *draft_bias;              /* [draft_count], or NULL */
    ssi_train_main main;
    ssi_train_streams streams;
    ssi_trained_pair prune;
    ssi_train_main_pass *main_pass;
    ssi_train_streams_pass *streams_pass;
    ssi_train_prune_pass *prune_pass;
    ssi_train_states *states;      /* [batch_rows] */
    ssi_train_context *contexts;   /* [batch_rows] */
    ssi_train_sequence *sequences; /* [batch_rows] */
    uint32_t main_rows;            /* of one main pass */
    double first_loss;             /* the worst of the first step made here; 0: none yet */
} ssi_stage_memory;

struct ss_trainer {
    ssi_memory memory;
    const ss_model *model;
    ssi_parallel parallel;
    ssi_train_math math;
    ss_train_params params; /* steps as planned; its pointers are not kept */
    char name[128];
    char *start;            /* path of the adapter to go on from, or NULL */
    ssi_hash128 start_head; /* of its keys and table of tensors, when its shape was read */
    char *folder;           /* for what is kept on disk, or NULL */
    float alpha;            /* a LoRA pair's scale is alpha over its rank */
    ssi_data_set rows, dev; /* dev: prompts, whole rows */
    bool begun;
    void *block; /* parameters and draft vocabulary, from begin on */
    size_t block_bytes;
    ssi_parameters parameters;
    ssi_train_scale scale;
    uint32_t draft_count;
    int32_t *draft_tokens;   /* [draft_count], or NULL: the whole vocabulary */
    int32_t *draft_of_token; /* [V], or NULL */
    ssi_train_engine engine;
    ssi_kept_states kept; /* of rows that come again in the stage under way */
    ssi_stage_memory stage;
    uint32_t step; /* steps made, of all stages */
    uint64_t positions;
};

/* The calls of include/specstream/train.h, contracts included; structs are whole and ours. */
void ssi_train_params_default(ss_train_params *params);
ss_status ssi_trainer_create(const ss_model *model, const ss_train_params *params,
                             ss_trainer **trainer, ss_error *error) SSI_MUST_CHECK;
void ssi_trainer_free(ss_trainer *trainer);
ss_status ssi_trainer_add(ss_trainer *trainer, ssi_data_set *to, const int32_t *tokens,
                          size_t count, size_t prompt_count, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_trainer_begin(ss_trainer *trainer, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_trainer_plan_minutes(ss_trainer *trainer, double minutes,
                                   ss_error *error) SSI_MUST_CHECK;
ss_status ssi_trainer_step(ss_trainer *trainer, ss_train_report *report,
                           ss_error *error) SSI_MUST_CHECK;
ss_status ssi_trainer_evaluate(ss_trainer *trainer, uint32_t prompt_count, uint32_t token_count,
                               uint32_t nodes, ss_train_evaluation *evaluation,
                               ss_error *error) SSI_MUST_CHECK;
ss_status ssi_trainer_save(const ss_trainer *trainer, const char *path,
                           ss_error *error) SSI_MUST_CHECK;
ss_status ssi_trainer_resume(ss_trainer *trainer, const char *path,
                             ss_error *error) SSI_MUST_CHECK;

/* trainer_stage.c: takes the stage's memory and sets its views up; nothing to do when it stands. */
ss_status ssi_trainer_enter_stage(ss_trainer *trainer, ss_train_stage stage,
                                  ss_error *error) SSI_MUST_CHECK;
void ssi_trainer_leave_stage(ss_trainer *trainer);

/* trainer_gradient.c: gradients of the batch that step number `step` (from 0, of all stages) of the
 * stage set up takes, and how it went. Changes gradients alone. */
void ssi_trainer_gradient(ss_trainer *trainer, uint32_t step, ssi_train_sums *sums,
                          uint64_t *positions, uint64_t *engine_ns);

/* adapter_file.c: the adapter as it stands, a file as one block of `memory`. */
ss_status ssi_trainer_make_file(const ss_trainer *trainer, void **file, size_t *bytes,
                                ss_error *error) SSI_MUST_CHECK;
ss_status ssi_trainer_write_adapter(const ss_trainer *trainer, const char *path,
                                    ss_error *error) SSI_MUST_CHECK;
/* The engine runs with it from now on. */
ss_status ssi_trainer_set_engine(const ss_trainer *trainer, ssi_train_engine *engine,
                                 ss_error *error) SSI_MUST_CHECK;

/* start.c: the shape of the adapter at params->start takes the place of params' own; and its
 * numbers that of first values: SS_ERROR_MISMATCH where the file has another shape by then. */
ss_status ssi_trainer_read_shape(ss_trainer *trainer, const char *path,
                                 ss_error *error) SSI_MUST_CHECK;
ss_status ssi_trainer_read_start(ss_trainer *trainer, const char *path,
                                 ss_error *error) SSI_MUST_CHECK;

#define SSI_STAGE_STEPS_MAX 100000000u

/* Whether what `params` ask for leaves a stage anything to train. */
static inline bool ssi_trainer_has_stage(const ss_train_params *params, ss_train_stage stage)
{
    switch (stage) {
    case SS_STAGE_MAIN: return params->mode != SS_TRAIN_LOSSLESS;
    case SS_STAGE_STREAMS: return params->mode != SS_TRAIN_JOINT;
    default: return params->prune_rank > 0;
    }
}

/* The stage that step number `step` (from 0) belongs to, and its number in it; SS_STAGE_COUNT: past
 * the last. */
static inline ss_train_stage ssi_trainer_stage_of(const ss_trainer *trainer, uint32_t step,
                                                  uint32_t *in_stage)
{
    ss_train_stage stage = 0;
    for (; stage < SS_STAGE_COUNT && step >= trainer->params.steps[stage]; stage++)
        step -= trainer->params.steps[stage];
    *in_stage = step;
    return stage;
}

static inline uint32_t ssi_trainer_total(const ss_trainer *trainer)
{
    uint32_t total = 0;
    for (uint32_t stage = 0; stage < SS_STAGE_COUNT; stage++)
        total += trainer->params.steps[stage];
    return total;
}

#endif
