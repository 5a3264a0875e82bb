/* SPDX-License-Identifier: Apache-2.0 */
/* A small training on the small model, its insides in sight, and the files it leaves. Include
 * after cmocka.h. */
#ifndef TESTS_TRAIN_TRAINER_FIXTURE_H
#define TESTS_TRAIN_TRAINER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "specstream/specstream.h"
#include "support/files.h"
#include "support/whole_file.h"
#include "train/trainer.h"

enum { TRAINER_ROWS = 6, TRAINER_TOKENS = 24, TRAINER_PROMPT = 6 };

typedef struct trainer_fixture {
    ss_model *model;
    ss_train_params params; /* for the next trainer */
    ss_trainer *trainer;
    ss_error error;
} trainer_fixture;

/* The call must succeed. */
#define accept(is, call)                                                                       \
    do {                                                                                       \
        ss_error_init(&(is)->error, sizeof(is)->error);                                        \
        if ((call) != SS_OK)                                                                   \
            fail_msg("%s", (is)->error.message);                                               \
    } while (0)

/* The call must give `wanted`, and a message that holds `words`. */
#define refuse(is, wanted, words, call)                                                        \
    do {                                                                                       \
        ss_error_init(&(is)->error, sizeof(is)->error);                                        \
        assert_int_equal((call), (wanted));                                                    \
        if (strstr((is)->error.message, (words)) == NULL)                                      \
            fail_msg("\"%s\" does not name \"%s\"", (is)->error.message, (words));             \
    } while (0)

static inline trainer_fixture *fixture_open(ss_train_mode mode)
{
    trainer_fixture *is = calloc(1, sizeof *is);
    ss_model_params params;
    ss_model_params_init(&params, sizeof params);
    params.thread_count = 1;
    accept(is, ss_model_load(SMALL_MODEL, &params, &is->model, &is->error));
    ss_train_params_init(&is->params, sizeof is->params);
    is->params.mode = mode;
    is->params.thread_count = 1;
    is->params.msa_layer_count = 2;
    is->params.stream_count = 2;
    is->params.main_rank = is->params.stream_rank = is->params.root_rank = 2;
    is->params.parent_rank = is->params.prune_rank = 2;
    is->params.draft_vocabulary_size = 64;
    is->params.batch_rows = 2;
    is->params.warmup_steps = 1;
    for (uint32_t stage = 0; stage < SS_STAGE_COUNT; stage++)
        is->params.steps[stage] = 2;
    return is;
}

static inline void fixture_drop_trainer(trainer_fixture *is)
{
    ss_trainer_free(is->trainer);
    is->trainer = NULL;
}

static inline void fixture_close(trainer_fixture *is)
{
    ss_trainer_free(is->trainer);
    ss_model_free(is->model);
    free(is);
}

static inline void fixture_add_rows(trainer_fixture *is)
{
    int32_t tokens[TRAINER_TOKENS];
    for (int32_t row = 0; row < TRAINER_ROWS; row++) {
        for (int32_t i = 0; i < TRAINER_TOKENS; i++)
            tokens[i] = i == 0 ? 1 : 270 + row % 4 * 20 + i % 3 * 5;
        accept(is, ss_trainer_add_row(is->trainer, tokens, TRAINER_TOKENS, TRAINER_PROMPT,
                                      &is->error));
    }
}

/* A new trainer with rows in place of the one before. */
static inline void fixture_create(trainer_fixture *is)
{
    fixture_drop_trainer(is);
    accept(is, ss_trainer_create(is->model, &is->params, &is->trainer, &is->error));
    fixture_add_rows(is);
}

static inline void fixture_step(trainer_fixture *is, uint32_t count)
{
    ss_train_report report = {.struct_size = sizeof report};
    while (count-- > 0)
        accept(is, ss_trainer_step(is->trainer, &report, &is->error));
}

/* Below the build's folder; `number` up to 3 at a time. */
static inline const char *fixture_path(uint32_t number, const char *name)
{
    static char paths[4][256];
    snprintf(paths[number], sizeof paths[number], "%s/%s", test_build_folder(), name);
    return paths[number];
}

#endif
