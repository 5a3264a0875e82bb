/* SPDX-License-Identifier: Apache-2.0 */
/* A training's state in a file: a GGUF file with the values and both moments, and the number of
 * steps made and planned, with a hash of it all. What model, settings and rows it belongs to stands
 * in it as a hash: they are not saved, whoever resumes gives them again. */
#include <math.h>
#include <string.h>

#include "gguf/gguf_keys.h"
#include "gguf/gguf_write.h"
#include "train/trainer.h"

#define FORMAT_VERSION 2u
#define KEY_FORMAT "specstream.checkpoint.format_version"
#define KEY_BELONGS "specstream.checkpoint.belongs_to"
#define KEY_CONTENTS "specstream.checkpoint.xxh3"
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

typedef struct counters {
    uint32_t step, positions_low, positions_high, steps[SS_STAGE_COUNT];
} counters;

static ssi_hash128 hash_of_contents(const counters *counted, const saved_array arrays[ARRAYS],
                                    size_t count)
{
    ssi_hash128 parts[1 + ARRAYS] = {ssi_hash(counted, sizeof *counted)};
    for (uint32_t i = 0; i < ARRAYS; i++)
        parts[1 + i] = ssi_hash(arrays[i].numbers, count * sizeof(float));
    return ssi_hash(parts, sizeof parts);
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
    parts[6] =
        ssi_hash(&trainer->scale, sizeof trainer->scale); /* a start's main half is in it */
    return ssi_hash(parts, sizeof parts);
}

ss_status ssi_trainer_save(const ss_trainer *trainer, const char *path, ss_error *error)
{
    saved_array arrays[ARRAYS];
    ssi_memory memory = trainer->memory;
    ssi_gguf_writer writer;
    uint64_t count = trainer->parameters.value_count;
    counters counted = {
        trainer->step, (uint32_t)trainer->positions, (uint32_t)(trainer->positions >> 32), {0}};
    char belongs[33], contents[33];
    void *file;
    size_t bytes;
    if (!trainer->begun)
        return ssi_fail(error, SS_ERROR_STATE, "nothing to save: training has not begun");
    memcpy(counted.steps, trainer->params.steps, sizeof counted.steps);
    list_arrays(trainer, arrays);
    ssi_hash_to_hex(hash_of(trainer), belongs);
    ssi_hash_to_hex(hash_of_contents(&counted, arrays, (size_t)count), contents);
    ssi_gguf_write_begin(&writer, 3, 32, &memory);
    ssi_gguf_write_text(&writer, SSI_KEY_TYPE, (ssi_text){"checkpoint", 10});
    ssi_gguf_write_u32(&writer, KEY_FORMAT, FORMAT_VERSION);
    ssi_gguf_write_text(&writer, KEY_BELONGS, (ssi_text){belongs, 32});
    ssi_gguf_write_text(&writer, KEY_CONTENTS, (ssi_text){contents, 32});
    ssi_gguf_write_u32(&writer, KEY_STEP, counted.step);
    ssi_gguf_write_u32(&writer, KEY_POSITIONS_LOW, counted.positions_low);
    ssi_gguf_write_u32(&writer, KEY_POSITIONS_HIGH, counted.positions_high);
    for (uint32_t stage = 0; stage < SS_STAGE_COUNT; stage++)
        ssi_gguf_write_u32(&writer, steps_keys[stage], counted.steps[stage]);
    for (uint32_t i = 0; i < ARRAYS; i++)
        ssi_gguf_write_tensor(&writer, arrays[i].name, ssi_type_get(SSI_TYPE_F32)->ggml_type,
                              &count, 1, arrays[i].numbers, (size_t)count * sizeof(float));
    SSI_TRY(ssi_gguf_write_finish(&writer, &file, &bytes, error));
    ss_status status = ssi_file_write(path, file, bytes, error);
    ssi_release(&memory, file, bytes);
    return status;
}

/* `most` is what the training can have at all. */
static ss_status check_counter(const char *key, uint32_t value, uint32_t most, ss_error *error)
{
    if (value <= most)
        return SS_OK;
    return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u, expected 0 to %u", key, value, most);
}

static ss_status read_counters(const ss_trainer *trainer, const ssi_gguf *gguf, counters *read,
                               ss_error *error)
{
    uint32_t total = 0;
    SSI_TRY(ssi_gguf_get_u32(gguf, KEY_STEP, SSI_REQUIRED, &read->step, error));
    SSI_TRY(
        ssi_gguf_get_u32(gguf, KEY_POSITIONS_LOW, SSI_REQUIRED, &read->positions_low, error));
    SSI_TRY(
        ssi_gguf_get_u32(gguf, KEY_POSITIONS_HIGH, SSI_REQUIRED, &read->positions_high, error));
    for (ss_train_stage stage = 0; stage < SS_STAGE_COUNT; stage++) {
        uint32_t *steps = &read->steps[stage];
        uint32_t most =
            ssi_trainer_has_stage(&trainer->params, stage) ? SSI_STAGE_STEPS_MAX : 0;
        SSI_TRY(ssi_gguf_get_u32(gguf, steps_keys[stage], SSI_REQUIRED, steps, error));
        SSI_TRY(check_counter(steps_keys[stage], *steps, most, error));
        total += *steps;
    }
    return check_counter(KEY_STEP, read->step, total, error);
}

static ss_status check_belongs(const ss_trainer *trainer, const ssi_gguf *gguf,
                               const char *path, ss_error *error)
{
    uint32_t format = 0;
    ssi_text belongs;
    char hash[33];
    SSI_TRY(ssi_gguf_get_u32(gguf, KEY_FORMAT, SSI_REQUIRED, &format, error));
    if (format != FORMAT_VERSION)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "%s: checkpoint format %u, expected %u",
                        path, format, FORMAT_VERSION);
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

/* Sums of squares, of which roots are taken, are not negative. */
static ss_status check_numbers(const saved_array *array, size_t count, bool squares,
                               ss_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(array->numbers[i]) < INFINITY) || (squares && array->numbers[i] < 0))
            return ssi_fail(error, SS_ERROR_FORMAT, "tensor %s: number %zu is %g", array->name,
                            i, (double)array->numbers[i]);
    return SS_OK;
}

/* The arrays into a block of their own, [ARRAYS][count], checked. */
static ss_status read_arrays(const ssi_source *source, const ssi_gguf *gguf,
                             const counters *counted, const char *path, size_t count,
                             saved_array arrays[ARRAYS], ss_error *error)
{
    ssi_text contents;
    char hash[33];
    SSI_TRY(ssi_gguf_get_text(gguf, KEY_CONTENTS, SSI_REQUIRED, &contents, error));
    for (uint32_t i = 0; i < ARRAYS; i++)
        SSI_TRY(ssi_source_read(source, ssi_gguf_find_tensor(gguf, arrays[i].name)->offset,
                                arrays[i].numbers, count * sizeof(float), error));
    ssi_hash_to_hex(hash_of_contents(counted, arrays, count), hash);
    if (!ssi_text_is(contents, hash))
        return ssi_fail(error, SS_ERROR_FORMAT, "%s is damaged: its hash is %s, expected %.*s",
                        path, hash, SSI_SHOW(contents));
    for (uint32_t i = 0; i < ARRAYS; i++)
        SSI_TRY(check_numbers(&arrays[i], count, i == ARRAYS - 1, error));
    return SS_OK;
}

static ss_status resume(ss_trainer *trainer, const ssi_source *source, const ssi_gguf *gguf,
                        const char *path, ss_error *error)
{
    saved_array arrays[ARRAYS], read[ARRAYS];
    counters counted;
    size_t count = trainer->parameters.value_count, bytes = ARRAYS * count * sizeof(float);
    list_arrays(trainer, arrays);
    SSI_TRY(check_belongs(trainer, gguf, path, error));
    SSI_TRY(read_counters(trainer, gguf, &counted, error));
    SSI_TRY(check_arrays(trainer, gguf, arrays, error));
    float *block = ssi_allocate(&trainer->memory, bytes, SSI_ALIGN);
    if (!block)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for a checkpoint: %zu bytes", bytes);
    for (uint32_t i = 0; i < ARRAYS; i++)
        read[i] = (saved_array){arrays[i].name, block + i * count};
    ss_status status = read_arrays(source, gguf, &counted, path, count, read, error);
    for (uint32_t i = 0; i < ARRAYS && status == SS_OK; i++)
        memcpy(arrays[i].numbers, read[i].numbers, count * sizeof(float));
    ssi_release(&trainer->memory, block, bytes);
    SSI_TRY(status);
    ssi_trainer_leave_stage(trainer);
    trainer->step = counted.step;
    trainer->positions = (uint64_t)counted.positions_high << 32 | counted.positions_low;
    memcpy(trainer->params.steps, counted.steps, sizeof counted.steps);
    return SS_OK;
}

/* All is checked before the first number changes. */
ss_status ssi_trainer_resume(ss_trainer *trainer, const char *path, ss_error *error)
{
    ssi_source source;
    ssi_gguf gguf;
    SSI_TRY(ssi_trainer_begin(trainer, error));
    SSI_TRY(ssi_source_open(&source, path, error));
    ss_status status = ssi_gguf_open(&gguf, &source, &trainer->memory, error);
    if (status == SS_OK)
        status = resume(trainer, &source, &gguf, path, error);
    ssi_gguf_close(&gguf);
    ssi_source_close(&source);
    return status;
}
