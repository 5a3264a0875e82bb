/* SPDX-License-Identifier: Apache-2.0 */
#include "train/kept_states.h"

#include <string.h>

enum { PARTS = 5 };

typedef struct part {
    void *data;
    size_t bytes;
} part;

ss_status ssi_kept_states_create(ssi_kept_states *kept, const char *folder, uint64_t bytes_max,
                                 uint64_t bytes_spared, uint32_t row_count, const ssi_hyper *hyper,
                                 uint32_t msa_layer_count, const ssi_memory *memory,
                                 ss_error *error)
{
    size_t bytes = row_count * sizeof *kept->place;
    *kept = (ssi_kept_states){.memory = *memory,
                              .bytes_max = bytes_max,
                              .bytes_spared = bytes_spared,
                              .row_count = row_count,
                              .hyper = hyper,
                              .msa_layer_count = msa_layer_count};
    SSI_TRY(ssi_scratch_open(&kept->file, folder, error));
    kept->place = ssi_allocate(memory, bytes, SSI_ALIGN);
    if (!kept->place) {
        ssi_scratch_close(&kept->file);
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for %u rows", row_count);
    }
    ssi_kept_states_forget(kept);
    return SS_OK;
}

void ssi_kept_states_forget(ssi_kept_states *kept)
{
    if (!kept->place)
        return;
    memset(kept->place, 0, kept->row_count * sizeof *kept->place);
    ssi_scratch_empty(&kept->file);
}

void ssi_kept_states_free(ssi_kept_states *kept)
{
    if (!kept->place)
        return;
    ssi_scratch_close(&kept->file);
    ssi_release(&kept->memory, kept->place, kept->row_count * sizeof *kept->place);
    *kept = (ssi_kept_states){0};
}

/* A row's states, one after the other; the teacher's, which the pruner doesn't ask for, last. */
static void list(const ssi_kept_states *kept, const ssi_train_states *states,
                 const ssi_train_context *context, part parts[PARTS])
{
    const ssi_hyper *hyper = kept->hyper;
    size_t keys = (size_t)kept->msa_layer_count * hyper->head_count_kv * context->key_count *
                  hyper->head_length * sizeof(float);
    size_t taught = states->teacher_tokens ? context->anchor_count * SSI_TEACHER_MAX : 0;
    parts[0] = (part){states->keys, keys};
    parts[1] = (part){states->values, keys};
    parts[2] = (part){states->entries,
                      (size_t)context->anchor_count * hyper->embedding_length * sizeof(float)};
    parts[3] = (part){states->teacher_tokens, taught * sizeof *states->teacher_tokens};
    parts[4] =
        (part){states->teacher_probabilities, taught * sizeof *states->teacher_probabilities};
}

bool ssi_kept_states_read(const ssi_kept_states *kept, uint32_t row,
                          const ssi_train_states *states, const ssi_train_context *context)
{
    part parts[PARTS];
    if (!kept->place || kept->place[row] == 0)
        return false;
    uint64_t at = kept->place[row] - 1;
    list(kept, states, context, parts);
    for (uint32_t i = 0; i < PARTS; at += parts[i++].bytes)
        if (parts[i].bytes > 0 &&
            !ssi_scratch_read(&kept->file, at, parts[i].data, parts[i].bytes))
            return false;
    return true;
}

void ssi_kept_states_write(ssi_kept_states *kept, uint32_t row, const ssi_train_states *states,
                           const ssi_train_context *context)
{
    part parts[PARTS];
    uint64_t bytes = 0, begin = kept->file.size, room;
    if (!kept->place)
        return;
    list(kept, states, context, parts);
    for (uint32_t i = 0; i < PARTS; i++)
        bytes += parts[i].bytes;
    if (bytes > kept->bytes_max || begin > kept->bytes_max - bytes)
        return;
    room = ssi_scratch_room(&kept->file);
    if (room < bytes || room - bytes < kept->bytes_spared)
        return;
    for (uint32_t i = 0; i < PARTS; i++)
        if (!ssi_scratch_append(&kept->file, parts[i].data, parts[i].bytes)) {
            kept->bytes_max = 0; /* no room: not tried again */
            return;
        }
    kept->place[row] = begin + 1;
}
