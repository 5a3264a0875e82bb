/* SPDX-License-Identifier: Apache-2.0 */
/* Going on from an adapter file: its shape, then its numbers. What it lacks begins untrained. */
#include <string.h>

#include "model/adapter_plan.h"
#include "train/trainer.h"

typedef struct start_file {
    ssi_source source;
    ssi_gguf gguf;
    ssi_adapter_plan plan;
    ssi_pair_plan *pairs; /* main and stream, [2][layer][SSI_LINEAR_COUNT] */
    size_t pair_bytes;
} start_file;

static void close_start(const ss_trainer *trainer, start_file *file)
{
    ssi_release(&trainer->memory, file->pairs, file->pair_bytes);
    ssi_gguf_close(&file->gguf);
    ssi_source_close(&file->source);
}

/* On success the caller closes. */
static ss_status open_start(const ss_trainer *trainer, const char *path, start_file *file,
                            ss_error *error)
{
    size_t count = (size_t)trainer->model->hyper.layer_count * SSI_LINEAR_COUNT;
    ss_status status;
    *file = (start_file){.pair_bytes = 2 * count * sizeof *file->pairs};
    SSI_TRY(ssi_source_open(&file->source, path, error));
    if ((status = ssi_gguf_open(&file->gguf, &file->source, &trainer->memory, error)) != SS_OK)
        goto fail;
    file->pairs = ssi_allocate(&trainer->memory, file->pair_bytes, SSI_ALIGN);
    if (!file->pairs) {
        status = ssi_fail(error, SS_ERROR_MEMORY, "no memory for an adapter's table");
        goto fail;
    }
    memset(file->pairs, 0, file->pair_bytes);
    file->plan = (ssi_adapter_plan){.gguf = &file->gguf,
                                    .model = trainer->model,
                                    .main = file->pairs,
                                    .stream = file->pairs + count};
    if ((status = ssi_adapter_plan_read(&file->plan, error)) != SS_OK)
        goto fail;
    return SS_OK;
fail:
    close_start(trainer, file);
    return status;
}

/* Of the keys and the table of tensors, as they were parsed: all that the shape is read from. */
static ssi_hash128 hash_of_head(const ssi_gguf *gguf)
{
    size_t bytes = gguf->header_bytes; /* numbers may have been read along */
    if (gguf->tensor_count > 0 && gguf->tensors[gguf->offset_order[0]].offset < bytes)
        bytes = (size_t)gguf->tensors[gguf->offset_order[0]].offset;
    return ssi_hash(gguf->header, bytes);
}

/* Memory was laid out for the shape that was read first. */
static ss_status check_unchanged(const ss_trainer *trainer, const start_file *file,
                                 const char *path, ss_error *error)
{
    if (ssi_hash_equal(hash_of_head(&file->gguf), trainer->start_head))
        return SS_OK;
    return ssi_fail(error, SS_ERROR_MISMATCH,
                    "%s has changed since the trainer was created: other keys or tensors",
                    path);
}

static void take(uint32_t value, uint32_t *to)
{
    if (value > 0)
        *to = value;
}

ss_status ssi_trainer_read_shape(ss_trainer *trainer, const char *path, ss_error *error)
{
    ss_train_params *params = &trainer->params;
    uint32_t pairs = trainer->model->hyper.layer_count * SSI_LINEAR_COUNT;
    start_file file;
    SSI_TRY(open_start(trainer, path, &file, error));
    const ssi_adapter_plan *plan = &file.plan;
    trainer->start_head = hash_of_head(&file.gguf);
    for (uint32_t i = 0; i < pairs; i++) {
        take(ssi_pair_rank(&plan->main[i]), &params->main_rank);
        take(ssi_pair_rank(&plan->stream[i]), &params->stream_rank);
    }
    take(ssi_pair_rank(&plan->pairs[SSI_PAIR_INIT]), &params->init_rank);
    take(ssi_pair_rank(&plan->pairs[SSI_PAIR_ROOT]), &params->root_rank);
    take(ssi_pair_rank(&plan->pairs[SSI_PAIR_PARENT]), &params->parent_rank);
    take(ssi_pair_rank(&plan->pairs[SSI_PAIR_PRUNE]), &params->prune_rank);
    if (plan->alpha != 0)
        trainer->alpha = plan->alpha;
    if (!plan->plain_lora) {
        params->stream_count = plan->stream_count;
        params->msa_layer_count = plan->msa_layer_count;
        params->value_rotation = plan->stream_init == SSI_STREAM_VALUE_ROTATION;
        params->value_rotation_step = plan->rotation_step;
        params->draft_vocabulary_size =
            plan->draft_vocabulary ? (uint32_t)plan->draft_vocabulary->count : 0;
    }
    ss_status status = SS_OK;
    if (plan->main_count > 0 && params->mode == SS_TRAIN_LOSSLESS)
        status = ssi_fail(error, SS_ERROR_ARGUMENT,
                          "%s has a main half: it is no start for a lossless adapter", path);
    close_start(trainer, &file);
    return status;
}

/* alpha 0 in a file means a scale of 1, whatever the rank; ours is alpha / rank. */
static void fit_scale(const ss_trainer *trainer, const start_file *file,
                      const ssi_parameter *item, float *values)
{
    size_t count = (size_t)item->rows * item->columns;
    ssi_text name = ssi_text_of(item->name);
    bool is_b = ssi_text_cut_suffix(&name, ".lora_b");
    for (size_t i = 0; is_b && file->plan.alpha == 0 && i < count; i++)
        values[i] *= (float)item->columns / trainer->alpha;
}

static ss_status read_numbers(ss_trainer *trainer, const start_file *file, const char *path,
                              ss_error *error)
{
    ssi_parameters *parameters = &trainer->parameters;
    ss_status status = SS_OK;
    size_t most = 0;
    for (uint32_t i = 0; i < file->gguf.tensor_count; i++)
        most = file->gguf.tensors[i].bytes > most ? (size_t)file->gguf.tensors[i].bytes : most;
    unsigned char *bytes = ssi_allocate(&trainer->memory, most, SSI_ALIGN);
    if (!bytes && most > 0)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for a tensor: %zu bytes", most);
    for (uint32_t i = 0; i < parameters->count && status == SS_OK; i++) {
        const ssi_parameter *item = &parameters->items[i];
        const ssi_gguf_tensor *tensor = ssi_gguf_find_tensor(&file->gguf, item->name);
        float *values = parameters->values + item->offset;
        if (!tensor)
            continue;
        if (tensor->dims[0] != item->columns || tensor->dims[1] != item->rows)
            status = ssi_fail(
                error, SS_ERROR_UNSUPPORTED,
                "tensor %s of %s: rank %llu where other pairs have another", item->name, path,
                (unsigned long long)(tensor->dims[1] < tensor->dims[0] ? tensor->dims[1]
                                                                       : tensor->dims[0]));
        else if ((status = ssi_adapter_read_tensor(&file->source, tensor, bytes, values,
                                                   error)) == SS_OK)
            fit_scale(trainer, file, item, values);
    }
    ssi_release(&trainer->memory, bytes, most);
    return status;
}

ss_status ssi_trainer_read_start(ss_trainer *trainer, const char *path, ss_error *error)
{
    start_file file;
    SSI_TRY(open_start(trainer, path, &file, error));
    ss_status status = check_unchanged(trainer, &file, path, error);
    if (status == SS_OK)
        status = read_numbers(trainer, &file, path, error);
    if (status == SS_OK && file.plan.draft_vocabulary)
        ssi_gguf_array_i32(file.plan.draft_vocabulary, trainer->draft_tokens);
    close_start(trainer, &file);
    return status;
}
