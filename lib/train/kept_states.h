/* SPDX-License-Identifier: Apache-2.0 */
/* States that the engine computed for a row, kept on disk for the row's next turn: reading them back
 * takes a fraction of the time. Written as they are, so no bit of a training depends on whether they
 * were kept; a disk that is full or fails costs time alone, and they don't fill it themselves. */
#ifndef SSI_TRAIN_KEPT_STATES_H
#define SSI_TRAIN_KEPT_STATES_H

#include "base/os.h"
#include "train/engine.h"

typedef struct ssi_kept_states {
    ssi_memory memory;
    ssi_scratch_file file;
    uint64_t bytes_max, bytes_spared;
    uint64_t *place; /* [row_count]: in the file, plus one; 0: not there. NULL: none are kept */
    uint32_t row_count;
    const ssi_hyper *hyper; /* of the states, like the next */
    uint32_t msa_layer_count;
} ssi_kept_states;

/* bytes_spared: of the disk, for others. */
ss_status ssi_kept_states_create(ssi_kept_states *kept, const char *folder, uint64_t bytes_max,
                                 uint64_t bytes_spared, uint32_t row_count, const ssi_hyper *hyper,
                                 uint32_t msa_layer_count, const ssi_memory *memory,
                                 ss_error *error) SSI_MUST_CHECK;
/* The main half is another from here on. */
void ssi_kept_states_forget(ssi_kept_states *kept);
void ssi_kept_states_free(ssi_kept_states *kept); /* everything zero: nothing to free */

/* Into the memory that `states` has and *context points at. Whether the row's were there. */
bool ssi_kept_states_read(const ssi_kept_states *kept, uint32_t row,
                          const ssi_train_states *states, const ssi_train_context *context);
/* Nothing where they don't fit. */
void ssi_kept_states_write(ssi_kept_states *kept, uint32_t row, const ssi_train_states *states,
                           const ssi_train_context *context);

#endif
