/* SPDX-License-Identifier: Apache-2.0 */
/* The main half of an adapter file: what tunes every row, whatever the base. Both halves of each
 * pair are there and fit one another; whether they fit a base is for those who have one. */
#include "gguf/gguf_keys.h"
#include "model/convert.h"

/* Whether the tensor is half of a main pair; then what it belongs to and which half. */
static bool is_main(const ssi_main_half *half, const ssi_gguf_tensor *tensor, ssi_text *weight,
                    bool *is_a)
{
    bool plain = half->base_hash.length == 0;
    *weight = tensor->name;
    if (!plain && ssi_text_cut_prefix(weight, SSI_PREFIX_OWN))
        return false;
    *is_a = ssi_text_cut_suffix(weight, ".lora_a");
    if (!*is_a && !ssi_text_cut_suffix(weight, ".lora_b"))
        return false;
    ssi_text stem = *weight;
    return plain || !ssi_text_cut_suffix(&stem, ".stream");
}

bool ssi_main_half_has(const ssi_main_half *half, const ssi_gguf_tensor *tensor)
{
    ssi_text weight;
    bool is_a;
    return is_main(half, tensor, &weight, &is_a);
}

static ss_status read_keys(ssi_main_half *half, ssi_text *mode, ss_error *error)
{
    const ssi_gguf *gguf = &half->gguf;
    ssi_text type = {"", 0}, kind;
    uint32_t version;
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_TYPE, SSI_OPTIONAL, &type, error));
    if (!ssi_text_is(type, "adapter"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "key %s: '%.*s', expected 'adapter'",
                        SSI_KEY_TYPE, SSI_SHOW(type));
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_ARCHITECTURE, SSI_REQUIRED, &half->architecture,
                              error));
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_ADAPTER_TYPE, SSI_REQUIRED, &kind, error));
    SSI_TRY(ssi_gguf_get_f32(gguf, SSI_KEY_LORA_ALPHA, SSI_OPTIONAL, &half->alpha, error));
    *mode = (ssi_text){"lora", 4};
    if (ssi_text_is(kind, "lora"))
        return SS_OK;
    if (!ssi_text_is(kind, "specstream"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: '%.*s', expected 'specstream' or 'lora'", SSI_KEY_ADAPTER_TYPE,
                        SSI_SHOW(kind));
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_FORMAT_VERSION, SSI_REQUIRED, &version, error));
    if (version != 1)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "key %s: %u, expected 1",
                        SSI_KEY_FORMAT_VERSION, version);
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_MODE, SSI_REQUIRED, mode, error));
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_BASE_HASH, SSI_REQUIRED, &half->base_hash, error));
    if (half->base_hash.length == 0)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s is empty", SSI_KEY_BASE_HASH);
    return SS_OK;
}

/* The tensor of the same name with another last letter. */
static const ssi_gguf_tensor *find_partner(const ssi_gguf *gguf, ssi_text name, char last)
{
    char other[SSI_GGUF_NAME_MAX + 1];
    memcpy(other, name.bytes, name.length);
    other[name.length - 1] = last;
    other[name.length] = '\0';
    return ssi_gguf_find_tensor(gguf, other);
}

static ss_status check_pair(const ssi_main_pair *pair, ss_error *error)
{
    const ssi_gguf_tensor *a = pair->a, *b = pair->b;
    if (a->dims[2] != 1 || a->dims[3] != 1 || a->dims[1] > SSI_LORA_RANK_MAX)
        return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: rank %llu, expected 1 to %u",
                        SSI_SHOW(a->name), (unsigned long long)a->dims[1], SSI_LORA_RANK_MAX);
    if (b->dims[0] != a->dims[1] || b->dims[2] != 1 || b->dims[3] != 1)
        return ssi_fail(
            error, SS_ERROR_FORMAT, "tensor %.*s: %llu columns, its other half has rank %llu",
            SSI_SHOW(b->name), (unsigned long long)b->dims[0], (unsigned long long)a->dims[1]);
    return SS_OK;
}

static ss_status read_pairs(ssi_main_half *half, ss_error *error)
{
    const ssi_gguf *gguf = &half->gguf;
    for (uint32_t i = 0; i < gguf->tensor_count; i++) {
        const ssi_gguf_tensor *tensor = &gguf->tensors[i];
        ssi_text weight;
        bool is_a;
        if (!is_main(half, tensor, &weight, &is_a)) {
            if (half->base_hash.length == 0)
                return ssi_fail(error, SS_ERROR_UNSUPPORTED, "tensor %.*s is no part of a LoRA",
                                SSI_SHOW(tensor->name));
            continue;
        }
        const ssi_gguf_tensor *partner = find_partner(gguf, tensor->name, is_a ? 'b' : 'a');
        if (partner == NULL)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tensor %.*s: the other half of the pair is missing",
                            SSI_SHOW(tensor->name));
        if (!is_a)
            continue;
        ssi_main_pair *pair = &half->pairs[half->pair_count++];
        *pair = (ssi_main_pair){weight, tensor, partner};
        SSI_TRY(check_pair(pair, error));
    }
    return SS_OK;
}

static ss_status read_all(ssi_main_half *half, ss_error *error)
{
    ssi_text mode;
    SSI_TRY(read_keys(half, &mode, error));
    half->pairs_bytes = half->gguf.tensor_count * sizeof *half->pairs;
    half->pairs = ssi_allocate(&half->memory, half->pairs_bytes, SSI_ALIGN);
    if (half->pairs == NULL && half->pairs_bytes > 0)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes for the LoRA's pairs",
                        half->pairs_bytes);
    SSI_TRY(read_pairs(half, error));
    if (half->pair_count == 0)
        return ssi_fail(
            error, SS_ERROR_UNSUPPORTED,
            "the adapter has no main half: in mode '%.*s' the model itself stays as "
            "it is",
            SSI_SHOW(mode));
    if (ssi_text_is(mode, "lossless"))
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "tensor %.*s: mode 'lossless' has no LoRA on main rows",
                        SSI_SHOW(half->pairs[0].a->name));
    return SS_OK;
}

ss_status ssi_main_half_open(ssi_main_half *half, const ssi_source *source,
                             const ssi_memory *memory, ss_error *error)
{
    *half = (ssi_main_half){.source = source, .memory = *memory, .base_hash = {"", 0}};
    SSI_TRY(ssi_gguf_open(&half->gguf, source, memory, error));
    ss_status status = read_all(half, error);
    if (status != SS_OK)
        ssi_main_half_close(half);
    return status;
}

void ssi_main_half_close(ssi_main_half *half)
{
    ssi_release(&half->memory, half->pairs, half->pairs_bytes);
    ssi_gguf_close(&half->gguf);
}
