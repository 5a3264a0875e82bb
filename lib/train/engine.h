/* SPDX-License-Identifier: Apache-2.0 */
/* The main stream where it is frozen: our own prefill, so that streams learn on the very states that
 * they will see when decoding. */
#ifndef SSI_TRAIN_ENGINE_H
#define SSI_TRAIN_ENGINE_H

#include "session/session_state.h"
#include "train/train_passes.h"

typedef struct ssi_train_engine {
    ssi_memory memory;
    const ss_model *model;
    ss_session *session;
    ss_adapter *adapter; /* set on the session; its main half tunes the main rows */
    int32_t *tokens;     /* [token_capacity]: the sequence whose rows are in the cache */
    uint32_t token_capacity, token_count;
} ssi_train_engine;

/* Room for one sequence's states, [token_capacity] rows: laid out by its user. */
typedef struct ssi_train_states {
    float *keys, *values;    /* [Ns][kv_head][key_count][d_h] */
    float *entries;          /* [anchor][d] */
    int32_t *teacher_tokens; /* [anchor][SSI_TEACHER_MAX], or NULL: no teacher */
    float *teacher_probabilities;
} ssi_train_states;

/* Everything zero is an engine that can be freed. parallel: borrowed. */
ss_status ssi_train_engine_create(ssi_train_engine *engine, const ss_model *model,
                                  const ssi_parallel *parallel, uint32_t token_capacity,
                                  const ssi_memory *memory, ss_error *error) SSI_MUST_CHECK;
void ssi_train_engine_free(ssi_train_engine *engine);

/* Replaces the adapter by the one in this file; the one before stays on failure. */
ss_status ssi_train_engine_set(ssi_train_engine *engine, const void *file, size_t bytes,
                               ss_error *error) SSI_MUST_CHECK;

void ssi_train_states_layout(ssi_train_states *states, const ssi_hyper *hyper,
                             uint32_t msa_layer_count, uint32_t token_capacity, bool teacher,
                             ssi_arena *arena);

/* Makes *context of a row point at its states, which are still to be filled. */
void ssi_train_states_point(const ssi_train_states *states, const int32_t *tokens,
                            uint32_t token_count, uint32_t prompt_count,
                            ssi_train_context *context);

/* Runs a row's tokens but the last and fills the states that *context points at. What the row
 * shares with the one before is not computed again. draft_of_token as in ssi_train_streams. */
void ssi_train_engine_run(ssi_train_engine *engine, const ssi_train_context *context,
                          const int32_t *draft_of_token, ssi_train_states *states);

#endif
