/* SPDX-License-Identifier: Apache-2.0 */
/* A training's state in a file: a GGUF file with the values and both moments, and the number of
 * steps made and planned. What model, settings and rows it belongs to stands in it as a hash: they
 * are not saved, whoever resumes gives them again. */
#include <string.h>

#include "gguf/gguf_keys.h"
#include "gguf/gguf_write.h"
#include "train/trainer.h"

#define KEY_FORMAT "specstream.checkpoint.format_version"
#define KEY_BELONGS "specstream.checkpoint.belongs_to"
#define KEY_STEP "specstream.checkpoint.step"
#define KEY_POSITIONS_LOW "specstream.checkpoint.positions.low"
#define KEY_POSITIONS_HIGH "specstream.checkpoint.positions.high"

static const char *const steps_keys[SS_STAGE_COUNT] = {
    "specstream.checkpoint.steps.main",
    "specstream.checkpoint.steps.streams",
    "specstream.checkpoint.steps.prune",
};

typedef struct saved_array {
    const char *name;
    float *numbers;
} saved_array;

enum { ARRAYS = 3 };

static void list_arrays(const ss_trainer *trainer, saved_array arrays[ARRAYS])
{
    arrays[0] = (saved_array){"values", trainer->parameters.values};
    arrays[1] = (saved_array){"first_moments", trainer->parameters.first};
    arrays[2] = (saved_array){"second_moments", trainer->parameters.second};
}

/* Of all that later steps depend on beside what is saved. */
static ssi_hash128 hash_of(const ss_trainer *trainer)
{
    ss_train_params params = trainer->params;
    ssi_hash128 parts[7] = {trainer->model->tensor_hash, trainer->model->parsed_hash,
                            ssi_data_hash(&trainer->rows)};
    params.allocator = NULL; /* what is handed over, and what is saved, is not part of it */
    params.parallel = NULL;
    params.sgemm = NULL;
    params.name = NULL;
    params.start = NULL;
    params.states_folder = NULL;
    params.states_bytes_max = 0;
    params.thread_count = 0;
    memset(params.steps, 0, sizeof params.steps);
    parts[3] = ssi_hash(&params, sizeof params);
    parts[4] = ssi_hash(trainer->draft_tokens,
                        trainer->draft_tokens ? trainer->draft_count * sizeof(int32_t) : 0);
    parts[5] = ssi_hash(&trainer->alpha, sizeof trainer->alpha);
    parts[6] = ssi_hash(&trainer->scale, sizeof trainer->scale); /* a start's main half is in it */
    return ssi_hash(parts, sizeof parts);
}

ss_status ssi_trainer_save(const ss_trainer *trainer, const char *path, ss_error *error)
{
    saved_array arrays[ARRAYS];
    ssi_memory memory = trainer->memory;
    ssi_gguf_writer writer;
    uint64_t count = trainer->parameters.value_count;
    char hash[33];
    void *file;
    size_t bytes;
    if (!trainer->begun)
        return ssi_fail(error, SS_ERROR_STATE, "nothing to save: training has not begun");
    ssi_hash_to_hex(hash_of(trainer), hash);
    ssi_gguf_write_begin(&writer, 3, 32, &memory);
    ssi_gguf_write_text(&writer, SSI_KEY_TYPE, (ssi_text){"checkpoint", 10});
    ssi_gguf_write_u32(&writer, KEY_FORMAT, 1);
    ssi_gguf_write_text(&writer, KEY_BELONGS, (ssi_text){hash, 32});
    ssi_gguf_write_u32(&writer, KEY_STEP, trainer->step);
    ssi_gguf_write_u32(&writer, KEY_POSITIONS_LOW, (uint32_t)trainer->positions);
    ssi_gguf_write_u32(&writer, KEY_POSITIONS_HIGH, (uint32_t)(trainer->positions >> 32));
    for (uint32_t stage = 0; stage < SS_STAGE_COUNT; stage++)
        ssi_gguf_write_u32(&writer, steps_keys[stage], trainer->params.steps[stage]);
    list_arrays(trainer, arrays);
    for (uint32_t i = 0; i < ARRAYS; i++)
        ssi_gguf_write_tensor(&writer, arrays[i].name, ssi_type_get(SSI_TYPE_F32)->ggml_type,
                              &count, 1, arrays[i].numbers, (size_t)count * sizeof(float));
    SSI_TRY(ssi_gguf_write_finish(&writer, &file, &bytes, error));
    ss_status status = ssi_file_write(path, file, bytes, error);
    ssi_release(&memory, file, bytes);
    return status;
}

typedef struct counters {
    uint32_t step, positions_low, positions_high, steps[SS_STAGE_COUNT];
} counters;

static ss_status read_counters(const ssi_gguf *gguf, counters *read, ss_error *error)
{
    SSI_TRY(ssi_gguf_get_u32(gguf, KEY_STEP, SSI_REQUIRED, &read->step, error));
    SSI_TRY(
        ssi_gguf_get_u32(gguf, KEY_POSITIONS_LOW, SSI_REQUIRED, &read->positions_low, error));
    SSI_TRY(
        ssi_gguf_get_u32(gguf, KEY_POSITIONS_HIGH, SSI_REQUIRED, &read->positions_high, error));
    for (uint32_t stage = 0; stage < SS_STAGE_COUNT; stage++)
        SSI_TRY(ssi_gguf_get_u32(gguf, steps_keys[stage], SSI_REQUIRED, &read->steps[stage],
                                 error));
    return SS_OK;
}

static ss_status check_belongs(const ss_trainer *trainer, const ssi_gguf *gguf,
                               const char *path, ss_error *error)
{
    uint32_t format = 0;
    ssi_text belongs;
    char hash[33];
    SSI_TRY(ssi_gguf_get_u32(gguf, KEY_FORMAT, SSI_REQUIRED, &format, error));
    if (format != 1)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "%s: checkpoint format %u, expected 1",
                        path, format);
    SSI_TRY(ssi_gguf_get_text(gguf, KEY_BELONGS, SSI_REQUIRED, &belongs, error));
    ssi_hash_to_hex(hash_of(trainer), hash);
    if (!ssi_text_is(belongs, hash))
        return ssi_fail(
            error, SS_ERROR_MISMATCH,
            "%s was saved by a training with another model, other settings or other rows%s",
            path, trainer->start ? ", or its start was another file" : "");
    return SS_OK;
}

static ss_status check_arrays(const ss_trainer *trainer, const ssi_gguf *gguf,
                              const saved_array arrays[ARRAYS], ss_error *error)
{
    for (uint32_t i = 0; i < ARRAYS; i++) {
        const ssi_gguf_tensor *tensor = ssi_gguf_find_tensor(gguf, arrays[i].name);
        if (!tensor || tensor->type != ssi_type_get(SSI_TYPE_F32)->ggml_type ||
            tensor->elements != trainer->parameters.value_count)
            return ssi_fail(error, SS_ERROR_FORMAT, "tensor %s: expected %zu numbers in F32",
                            arrays[i].name, trainer->parameters.value_count);
    }
    return SS_OK;
}

/* All is checked before the first number changes; a read that fails half-way is told, and leaves a
 * trainer that must resume or be freed. */
ss_status ssi_trainer_resume(ss_trainer *trainer, const char *path, ss_error *error)
{
    saved_array arrays[ARRAYS];
    ssi_source source;
    ssi_gguf gguf;
    counters read;
    ss_status status;
    SSI_TRY(ssi_trainer_begin(trainer, error));
    SSI_TRY(ssi_source_open(&source, path, error));
    status = ssi_gguf_open(&gguf, &source, &trainer->memory, error);
    if (status != SS_OK)
        goto close;
    list_arrays(trainer, arrays);
    if ((status = check_belongs(trainer, &gguf, path, error)) != SS_OK ||
        (status = read_counters(&gguf, &read, error)) != SS_OK ||
        (status = check_arrays(trainer, &gguf, arrays, error)) != SS_OK)
        goto done;
    for (uint32_t i = 0; i < ARRAYS && status == SS_OK; i++) {
        const ssi_gguf_tensor *tensor = ssi_gguf_find_tensor(&gguf, arrays[i].name);
        status = ssi_source_read(&source, tensor->offset, arrays[i].numbers,
                                 (size_t)tensor->bytes, error);
    }
    if (status == SS_OK) {
        ssi_trainer_leave_stage(trainer);
        trainer->step = read.step;
        trainer->positions = (uint64_t)read.positions_high << 32 | read.positions_low;
        memcpy(trainer->params.steps, read.steps, sizeof read.steps);
    }
done:
    ssi_gguf_close(&gguf);
close:
    ssi_source_close(&source);
    return status;
}
