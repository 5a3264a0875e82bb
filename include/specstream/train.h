/* SPDX-License-Identifier: Apache-2.0 */
/* Training adapters: from a model and rows of tokens to an adapter file.
 *
 * A trainer takes rows (a prompt and what should follow it), then optimiser steps one at a time,
 * in stages: the main LoRA (shared mode), the streams, the pruner. Between steps it can be
 * evaluated by decoding, saved, and written as an adapter. Everything it computes is a function of
 * the model, the parameters, the rows in their order, the threads and the sgemm: a run that was
 * killed and resumed ends with the bytes of one that was not. */
#ifndef SPECSTREAM_TRAIN_H
#define SPECSTREAM_TRAIN_H

#include "specstream/adapter.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ss_trainer ss_trainer;

/* cblas_sgemm, as OpenBLAS, BLIS, MKL and Accelerate have it: row-major is 101, no transpose 111,
 * transpose 112. Called from the thread that calls the trainer; it may use threads of its own. */
typedef void ss_sgemm_function(int32_t order, int32_t transpose_a, int32_t transpose_b, int32_t m,
                               int32_t n, int32_t k, float alpha, const float *a, int32_t lda,
                               const float *b, int32_t ldb, float beta, float *c, int32_t ldc);

typedef int32_t ss_train_mode;
#define SS_TRAIN_LOSSLESS ((ss_train_mode)0) /* the base is frozen: only drafts are learnt */
#define SS_TRAIN_SHARED ((ss_train_mode)1)   /* main LoRA first, then streams over the tuned model */
#define SS_TRAIN_JOINT ((ss_train_mode)2)    /* main LoRA and streams under one loss (paper, eq. 5) */

/* Stages come in this order. */
typedef int32_t ss_train_stage;
#define SS_STAGE_MAIN ((ss_train_stage)0)    /* the main LoRA; joint: the streams with it */
#define SS_STAGE_STREAMS ((ss_train_stage)1)
#define SS_STAGE_PRUNE ((ss_train_stage)2)
#define SS_STAGE_COUNT 3

/* Settings of a training. Call ss_train_params_init(), then change fields. */
typedef struct ss_train_params {
    size_t struct_size;            /* set by _init */
    const ss_allocator *allocator; /* copied; NULL: the model's */
    const ss_parallel *parallel;   /* copied; NULL: threads of our own */
    ss_sgemm_function *sgemm;      /* matrix products; NULL: our own, slower */
    const char *name;              /* general.name of the adapter, at most 127 bytes; NULL: none */
    const char *start;             /* path of an adapter to go on from, whose shape then replaces the
                                    * fields below, but for the ranks of what it lacks: that is added.
                                    * Read again when training begins; NULL: untrained */
    const char *states_folder;     /* where the frozen main stream's states of a row are kept for
                                    * the row's next turn, in a file without a name; NULL (default):
                                    * they are computed again. No bit depends on it */
    uint64_t states_bytes_max;     /* what that may take of the disk; default 4 GiB */
    uint64_t seed;                 /* of the order of rows and of the first values; default 1 */
    ss_train_mode mode;
    uint32_t thread_count;         /* 0: one per core; ignored with parallel */
    uint32_t stream_count;         /* γ, 1 to 8; default 4 */
    uint32_t msa_layer_count;      /* Ns; 0 (default): 8, or all layers of a smaller model */
    uint32_t main_rank;            /* of the main LoRA (shared, joint); default 8 */
    uint32_t stream_rank;          /* of the stream LoRA; default 8 */
    uint32_t init_rank;            /* η; default 0: the identity */
    uint32_t root_rank;            /* default 32; 0: no root terms */
    uint32_t parent_rank;          /* default 32; 0: no parent term */
    uint32_t prune_rank;           /* default 8; 0: no pruner */
    uint32_t draft_vocabulary_size; /* V_d; 0: the whole vocabulary; default 8192 */
    int32_t value_rotation;        /* 1: stream_init value_rotation in place of embeddings */
    uint32_t steps[SS_STAGE_COUNT]; /* optimiser steps of each stage; 0: the stage is left out */
    uint32_t batch_rows;           /* rows of a step; default 8 */
    uint32_t warmup_steps;         /* over which the rate rises; default 20 */
    float rates[SS_STAGE_COUNT];   /* highest learning rate of each stage: AdamW, falling to zero */
    float weight_decay;            /* default 0.01, on LoRA alone */
    float gradient_limit;          /* norm at which gradients are clipped; default 1 */
    float main_weight;             /* α_0 of joint training; default 1 */
    float stream_weight;           /* α_j of joint training; default 0.1 */
    float stream_decay;            /* factor from one stream's weight to the next's; default 1 */
    float teacher_weight;          /* share of the main stream's own distribution in the streams'
                                    * targets, 0 to 1; default 0. Not in joint training, whose main
                                    * stream changes with them */
    float value_rotation_step;     /* radians a stream; 0 (default): 2 pi / (context + γ) */
    uint32_t row_tokens_max;       /* rows of more tokens are refused; default 2048, at most
                                    * the model's context */
} ss_train_params;

SS_API ss_status ss_train_params_init(ss_train_params *params, size_t struct_size);

/* Creates a trainer.
 *
 * model    borrowed; must outlive the trainer.
 * params   read during the call; NULL means defaults.
 * Returns SS_OK; SS_ERROR_ARGUMENT (a field is out of range: named); SS_ERROR_MEMORY;
 * SS_ERROR_IO, SS_ERROR_FORMAT, SS_ERROR_MISMATCH (params->start); SS_ERROR_UNSUPPORTED.
 * Threads: a trainer belongs to one thread at a time. Since 0.1. */
SS_API ss_status ss_trainer_create(const ss_model *model, const ss_train_params *params,
                                   ss_trainer **trainer, ss_error *error);
SS_API void ss_trainer_free(ss_trainer *trainer); /* NULL is allowed */

/* Adds a row to train on: count tokens, the first prompt_count of them a prompt that is not itself
 * trained on; end token included where the row should end. Copied. Before the first step only.
 * Returns SS_OK; SS_ERROR_ARGUMENT (a token outside the vocabulary, an empty prompt, fewer than 2
 * tokens behind it, more than row_tokens_max); SS_ERROR_STATE; SS_ERROR_MEMORY. */
SS_API ss_status ss_trainer_add_row(ss_trainer *trainer, const int32_t *tokens, size_t count,
                                    size_t prompt_count, ss_error *error);
/* A prompt that ss_trainer_evaluate() decodes from: count tokens, 1 to row_tokens_max. Otherwise as
 * ss_trainer_add_row(). */
SS_API ss_status ss_trainer_add_dev_prompt(ss_trainer *trainer, const int32_t *tokens,
                                           size_t count, ss_error *error);

/* Fixes the data: chooses the draft vocabulary, measures the scale of the streams' terms, fills
 * the first values. Called by the first step where the caller doesn't. When it fails, rows may
 * still be added and it may be called again.
 * Returns SS_OK; SS_ERROR_STATE (no rows); SS_ERROR_MEMORY; SS_ERROR_IO, SS_ERROR_FORMAT;
 * SS_ERROR_MISMATCH (the file at params->start has another shape than at creation). */
SS_API ss_status ss_trainer_begin(ss_trainer *trainer, ss_error *error);

/* Sets the stages' steps so that training takes about `minutes` from here, by the time of a few
 * steps of each that change nothing. Stages whose steps are 0 stay left out; the others share the
 * time as their steps stood. After begin, before the first step. Reads the clock: what it chose is
 * in the first checkpoint. */
SS_API ss_status ss_trainer_plan_minutes(ss_trainer *trainer, double minutes, ss_error *error);

/* How a step went. */
typedef struct ss_train_report {
    size_t struct_size;     /* set by the caller */
    ss_train_stage stage;
    uint32_t step;          /* of the stage, from 1 */
    uint32_t stage_steps;   /* of the stage */
    uint32_t total_step;    /* of all stages */
    uint32_t total_steps;
    int32_t done;           /* 1: that was the last one */
    double main_loss;       /* mean cross-entropy; 0 where the stage has none */
    double main_top1;       /* share of rows whose likeliest token is the target */
    double stream_loss[8];  /* per stream */
    double stream_top1[8];
    double gradient_norm;   /* before clipping */
    double rate;
    uint64_t positions;     /* supervised positions so far, stage STREAMS (joint: MAIN) */
    uint64_t step_ns;
    uint64_t engine_ns;     /* of it: the base's own forward pass */
    uint64_t product_ns;    /* of it: matrix products */
    double product_flops;
} ss_train_report;

/* One optimiser step. SS_ERROR_NUMERIC: loss or gradient is not finite, or the loss has grown out
 * of all bounds; the values are those before the step. SS_ERROR_STATE: done already, or no rows. */
SS_API ss_status ss_trainer_step(ss_trainer *trainer, ss_train_report *report, ss_error *error);

/* How drafts do on the dev prompts: greedy decoding with the adapter as it stands. */
typedef struct ss_train_evaluation {
    size_t struct_size;     /* set by the caller */
    uint32_t prompts;
    uint32_t reserved0;
    uint64_t tokens;        /* generated */
    uint64_t steps;         /* passes after prefill */
    double tokens_per_step; /* tokens without the first of each prompt, over steps */
    double acceptance[8];   /* share of steps that accepted more than [depth] drafted tokens */
} ss_train_evaluation;

/* Decodes at most token_count tokens from each of the first prompt_count dev prompts (0: all) with
 * trees of `nodes` nodes below the root; fewer where the model's context is full before, none from a
 * prompt that fills it. Changes nothing.
 * Returns SS_OK; SS_ERROR_ARGUMENT (token_count, nodes); SS_ERROR_STATE (no dev prompts, no rows);
 * SS_ERROR_MEMORY; SS_ERROR_NUMERIC; and what ss_trainer_begin() gives. */
SS_API ss_status ss_trainer_evaluate(ss_trainer *trainer, uint32_t prompt_count,
                                     uint32_t token_count, uint32_t nodes,
                                     ss_train_evaluation *evaluation, ss_error *error);

/* Saves all that later steps depend on, replaced whole or not at all; goes on from it. The trainer
 * that resumes has the same model, parameters, adapter to start from and rows, else
 * SS_ERROR_MISMATCH. */
SS_API ss_status ss_trainer_save(const ss_trainer *trainer, const char *path, ss_error *error);
SS_API ss_status ss_trainer_resume(ss_trainer *trainer, const char *path, ss_error *error);

/* Writes the adapter as it stands, numbers in F16; replaced whole or not at all. */
SS_API ss_status ss_trainer_write_adapter(ss_trainer *trainer, const char *path, ss_error *error);

#ifdef __cplusplus
}
#endif
#endif
