/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters as an adapter file, in F16 (docs/adapter-format.md). */

#include "base/bytes.h"
#include "gguf/gguf_keys.h"
#include "gguf/gguf_write.h"
#include "train/trainer.h"

static void write_keys(const ss_trainer *trainer, ssi_gguf_writer *to)
{
    const ss_train_params *params = &trainer->params;
    char hash[33];
    ssi_hash_to_hex(trainer->model->tensor_hash, hash);
    ssi_gguf_write_text(to, SSI_KEY_TYPE, ssi_text_of("adapter"));
    ssi_gguf_write_text(to, SSI_KEY_ARCHITECTURE, ssi_text_of(trainer->model->architecture));
    if (trainer->name[0] != '\0')
        ssi_gguf_write_text(to, SSI_KEY_NAME, ssi_text_of(trainer->name));
    ssi_gguf_write_text(to, SSI_KEY_ADAPTER_TYPE, ssi_text_of("specstream"));
    ssi_gguf_write_f32(to, SSI_KEY_LORA_ALPHA, trainer->alpha);
    ssi_gguf_write_u32(to, SSI_KEY_FORMAT_VERSION, 1);
    ssi_gguf_write_text(
        to, SSI_KEY_MODE, ssi_text_of(params->mode == SS_TRAIN_LOSSLESS ? "lossless" : "shared"));
    ssi_gguf_write_u32(to, SSI_KEY_STREAM_COUNT, params->stream_count);
    ssi_gguf_write_u32(to, SSI_KEY_MSA_LAYERS, params->msa_layer_count);
    ssi_gguf_write_text(to, SSI_KEY_STREAM_INIT,
                        ssi_text_of(params->value_rotation ? "value_rotation" : "embedding"));
    if (params->value_rotation)
        ssi_gguf_write_f32(to, SSI_KEY_ROTATION_STEP, params->value_rotation_step);
    ssi_gguf_write_text(to, SSI_KEY_BASE_HASH, ssi_text_of(hash));
    if (trainer->draft_tokens)
        ssi_gguf_write_i32s(to, SSI_KEY_DRAFT_VOCAB, trainer->draft_tokens,
                            trainer->draft_count);
}

ss_status ssi_trainer_make_file(const ss_trainer *trainer, void **file, size_t *bytes,
                                ss_error *error)
{
    const ssi_parameters *parameters = &trainer->parameters;
    const ssi_kernels *kernels = &trainer->model->kernels;
    ssi_memory memory = trainer->memory;
    ssi_gguf_writer writer;
    size_t largest = 0;
    for (uint32_t i = 0; i < parameters->count; i++) {
        size_t count = (size_t)parameters->items[i].rows * parameters->items[i].columns;
        largest = count > largest ? count : largest;
    }
    uint16_t *halves = ssi_allocate(&memory, largest * sizeof *halves, SSI_ALIGN);
    if (!halves)
        return ssi_fail(error, SS_ERROR_MEMORY, "no memory for a tensor: %zu bytes",
                        largest * sizeof *halves);
    ssi_gguf_write_begin(&writer, 3, 32, &memory);
    write_keys(trainer, &writer);
    for (uint32_t i = 0; i < parameters->count; i++) {
        const ssi_parameter *item = &parameters->items[i];
        uint32_t count = item->rows * item->columns;
        uint64_t dims[2] = {item->columns, item->rows};
        kernels->to_f16(parameters->values + item->offset, count, halves);
        ssi_gguf_write_tensor(&writer, item->name, ssi_type_get(SSI_TYPE_F16)->ggml_type, dims,
                              2, halves, count * sizeof *halves);
    }
    ssi_release(&memory, halves, largest * sizeof *halves);
    return ssi_gguf_write_finish(&writer, file, bytes, error);
}

ss_status ssi_trainer_write_adapter(const ss_trainer *trainer, const char *path, ss_error *error)
{
    void *file;
    size_t bytes;
    SSI_TRY(ssi_trainer_make_file(trainer, &file, &bytes, error));
    ss_status status = ssi_file_write(path, file, bytes, error);
    ssi_release(&trainer->memory, file, bytes);
    return status;
}

ss_status ssi_trainer_set_engine(const ss_trainer *trainer, ssi_train_engine *engine,
                                 ss_error *error)
{
    void *file;
    size_t bytes;
    SSI_TRY(ssi_trainer_make_file(trainer, &file, &bytes, error));
    ss_status status = ssi_train_engine_set(engine, file, bytes, error);
    ssi_release(&trainer->memory, file, bytes);
    return status;
}
