/* SPDX-License-Identifier: Apache-2.0 */
/* One half of an adapter as a file of its own: the main half as a plain LoRA, or all the rest, the
 * streams, as an adapter in mode "lossless" for the base that the main half was merged into. Numbers
 * are copied as they are. */
#include "gguf/gguf_keys.h"
#include "gguf/gguf_write.h"
#include "model/convert.h"

enum { PIECE_BYTES = 1 << 20 };

static void write_keys(const ssi_main_half *half, const char *new_base, ssi_gguf_writer *writer)
{
    for (uint32_t i = 0; i < half->gguf.key_count; i++) {
        const ssi_gguf_key *key = &half->gguf.keys[i];
        ssi_text name = key->name;
        if (ssi_text_is(name, SSI_KEY_ALIGNMENT)) /* the writer's own */
            continue;
        if (new_base != NULL && ssi_text_is(name, SSI_KEY_MODE))
            ssi_gguf_write_text(writer, SSI_KEY_MODE, ssi_text_of("lossless"));
        else if (new_base != NULL && ssi_text_is(name, SSI_KEY_BASE_HASH))
            ssi_gguf_write_text(writer, SSI_KEY_BASE_HASH, ssi_text_of(new_base));
        else if (new_base == NULL && ssi_text_is(name, SSI_KEY_ADAPTER_TYPE))
            ssi_gguf_write_text(writer, SSI_KEY_ADAPTER_TYPE, ssi_text_of("lora"));
        else if (new_base != NULL || !ssi_text_cut_prefix(&name, SSI_PREFIX_OWN))
            ssi_gguf_write_key(writer, key);
    }
}

static ss_status append_header(const ssi_main_half *half, const char *new_base,
                               ssi_file_maker *file, ss_error *error)
{
    ssi_gguf_writer writer;
    void *header;
    size_t bytes;
    ssi_gguf_write_begin(&writer, half->gguf.version, 32, &half->memory);
    write_keys(half, new_base, &writer);
    for (uint32_t i = 0; i < half->gguf.tensor_count; i++) {
        const ssi_gguf_tensor *tensor = &half->gguf.tensors[i];
        if (ssi_main_half_has(half, tensor) == (new_base == NULL))
            ssi_gguf_declare_tensor(&writer, tensor->name, tensor->type, tensor->dims,
                                    tensor->dims_count, tensor->bytes);
    }
    SSI_TRY(ssi_gguf_write_finish(&writer, &header, &bytes, error));
    ss_status status = ssi_file_append(file, header, bytes, error);
    ssi_release(&half->memory, header, bytes);
    return status;
}

static ss_status append_tensor(const ssi_main_half *half, const ssi_gguf_tensor *tensor,
                               unsigned char *piece, ssi_file_maker *file, ss_error *error)
{
    static const unsigned char zeros[32];
    for (uint64_t done = 0; done < tensor->bytes; done += PIECE_BYTES) {
        uint64_t left = tensor->bytes - done;
        size_t count = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        SSI_TRY(ssi_source_read(half->source, tensor->offset + done, piece, count, error));
        SSI_TRY(ssi_file_append(file, piece, count, error));
    }
    return ssi_file_append(file, zeros, (size_t)(-tensor->bytes & 31), error);
}

ss_status ssi_adapter_part_append(const ssi_main_half *half, const char *new_base,
                                  ssi_file_maker *file, ss_error *error)
{
    unsigned char *piece = ssi_allocate(&half->memory, PIECE_BYTES, SSI_ALIGN);
    if (piece == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %u bytes to copy tensors",
                        (unsigned)PIECE_BYTES);
    ss_status status = append_header(half, new_base, file, error);
    for (uint32_t i = 0; i < half->gguf.tensor_count && status == SS_OK; i++)
        if (ssi_main_half_has(half, &half->gguf.tensors[i]) == (new_base == NULL))
            status = append_tensor(half, &half->gguf.tensors[i], piece, file, error);
    ssi_release(&half->memory, piece, PIECE_BYTES);
    return status;
}

ss_status ssi_adapter_export_lora(const ssi_source *adapter, const ssi_memory *memory,
                                  const char *path, ss_error *error)
{
    ssi_main_half half;
    ssi_file_maker file;
    SSI_TRY(ssi_main_half_open(&half, adapter, memory, error));
    ss_status status = ssi_file_begin(&file, path, error);
    if (status == SS_OK) {
        status = ssi_adapter_part_append(&half, NULL, &file, error);
        if (status == SS_OK)
            status = ssi_file_commit(&file, error);
        else
            ssi_file_discard(&file);
    }
    ssi_main_half_close(&half);
    return status;
}
