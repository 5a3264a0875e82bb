/* SPDX-License-Identifier: Apache-2.0 */
/* What an adapter file says of itself, without a model to check it against: keys as they stand,
 * ranks from the shapes in the tensor table. */
#include "gguf/gguf.h"
#include "gguf/gguf_keys.h"
#include "model/adapter.h"

/* A text key, cut to fit between characters; "" where it is absent. */
static ss_status read_text(const ssi_gguf *gguf, const char *key, char *to, size_t room,
                           ss_error *error)
{
    ssi_text text = {"", 0};
    SSI_TRY(ssi_gguf_get_text(gguf, key, SSI_OPTIONAL, &text, error));
    size_t length = text.length < room ? text.length : room - 1;
    while (length < text.length && length > 0 && ((unsigned char)text.bytes[length] & 0xc0) == 0x80)
        length--;
    if (length > 0)
        memcpy(to, text.bytes, length);
    to[length] = '\0';
    return SS_OK;
}

static ss_status read_keys(const ssi_gguf *gguf, ss_adapter_file_info *info, ss_error *error)
{
    const ssi_gguf_key *vocabulary = NULL;
    SSI_TRY(read_text(gguf, SSI_KEY_ARCHITECTURE, info->architecture, sizeof info->architecture,
                      error));
    SSI_TRY(read_text(gguf, SSI_KEY_NAME, info->name, sizeof info->name, error));
    SSI_TRY(ssi_gguf_get_f32(gguf, SSI_KEY_LORA_ALPHA, SSI_OPTIONAL, &info->lora_alpha, error));
    SSI_TRY(read_text(gguf, SSI_KEY_MODE, info->mode, sizeof info->mode, error));
    SSI_TRY(read_text(gguf, SSI_KEY_STREAM_INIT, info->stream_init, sizeof info->stream_init,
                      error));
    SSI_TRY(read_text(gguf, SSI_KEY_BASE_HASH, info->base_xxh3, sizeof info->base_xxh3, error));
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_FORMAT_VERSION, SSI_OPTIONAL, &info->format_version,
                             error));
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_STREAM_COUNT, SSI_OPTIONAL, &info->stream_count,
                             error));
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_MSA_LAYERS, SSI_OPTIONAL, &info->msa_layer_count,
                             error));
    SSI_TRY(ssi_gguf_get_array(gguf, SSI_KEY_DRAFT_VOCAB, SSI_OPTIONAL, SSI_GGUF_I32,
                               &vocabulary, error));
    info->draft_vocabulary_size = vocabulary != NULL ? (uint32_t)vocabulary->count : 0;
    return SS_OK;
}

static void read_ranks(const ssi_gguf *gguf, ss_adapter_file_info *info)
{
    const struct { /* the first that fits */
        const char *suffix;
        uint32_t *rank;
    } kinds[] = {
        {"specstream.stream_init.a", &info->init_rank},
        {"specstream.root.a", &info->root_rank},
        {"specstream.parent.a", &info->parent_rank},
        {"specstream.prune.a", &info->prune_rank},
        {".stream.lora_a", &info->stream_rank},
        {".lora_a", &info->main_rank},
    };
    info->tensor_count = gguf->tensor_count;
    for (uint32_t i = 0; i < gguf->tensor_count; i++) {
        const ssi_gguf_tensor *tensor = &gguf->tensors[i];
        size_t kind = 0;
        info->parameter_count += tensor->elements;
        ssi_text name = tensor->name;
        while (kind < sizeof kinds / sizeof *kinds &&
               !ssi_text_cut_suffix(&name, kinds[kind].suffix))
            kind++;
        if (kind < sizeof kinds / sizeof *kinds && tensor->dims[1] > *kinds[kind].rank)
            *kinds[kind].rank =
                tensor->dims[1] < UINT32_MAX ? (uint32_t)tensor->dims[1] : UINT32_MAX;
    }
}

static ss_status read_all(const ssi_gguf *gguf, ss_adapter_file_info *info, ss_error *error)
{
    ssi_text type = {"", 0}, kind = {"", 0};
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_TYPE, SSI_OPTIONAL, &type, error));
    if (!ssi_text_is(type, "adapter"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "key %s: '%.*s', expected 'adapter'",
                        SSI_KEY_TYPE, SSI_SHOW(type));
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_ADAPTER_TYPE, SSI_REQUIRED, &kind, error));
    SSI_TRY(read_keys(gguf, info, error));
    if (ssi_text_is(kind, "lora"))
        memcpy(info->mode, "lora", sizeof "lora");
    read_ranks(gguf, info);
    return SS_OK;
}

ss_status ssi_adapter_inspect(const ssi_source *source, const ssi_memory *memory,
                              ss_adapter_file_info *info, ss_error *error)
{
    ssi_gguf gguf;
    SSI_TRY(ssi_gguf_open(&gguf, source, memory, error));
    ss_status status = read_all(&gguf, info, error);
    ssi_gguf_close(&gguf);
    info->file_bytes = source->size;
    return status;
}
