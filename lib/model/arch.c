/* SPDX-License-Identifier: Apache-2.0 */
/* The list of architectures, searched by name. */
#include "gguf/gguf_keys.h"
#include "model/arch.h"

#define SSI_ARCH(name) extern const ssi_arch ssi_arch_##name;
#include "model/arch_list.inc"
#undef SSI_ARCH

static const ssi_arch *const architectures[] = {
#define SSI_ARCH(name) &ssi_arch_##name,
#include "model/arch_list.inc"
#undef SSI_ARCH
};

const ssi_arch *ssi_arch_find(ssi_text name)
{
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        if (ssi_text_is(name, architectures[i]->name))
            return architectures[i];
    return NULL;
}

const char *ssi_arch_map_name(const ss_model *model, uint32_t map)
{
    const ssi_text name = ssi_text_of(model->architecture);
    const ssi_arch *arch = ssi_arch_find(name);
    size_t slot =
        offsetof(ssi_layer, linear) + map * sizeof(ssi_linear) + offsetof(ssi_linear, weight);
    uint32_t i = 0;
    while (i + 1 < arch->layer_tensor_count && arch->layer_tensors[i].slot != slot)
        i++;
    return arch->layer_tensors[i].name;
}

ss_status ssi_arch_read(const ssi_gguf *gguf, const ssi_arch **arch, ss_error *error)
{
    ssi_text name, type = {"model", 5};
    uint32_t split_count = 1;
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_TYPE, SSI_OPTIONAL, &type, error));
    if (!ssi_text_is(type, "model"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "key %s: '%.*s', expected 'model'",
                        SSI_KEY_TYPE, SSI_SHOW(type));
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_SPLIT_COUNT, SSI_OPTIONAL, &split_count, error));
    if (split_count > 1)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: %u, a model split over files is not supported",
                        SSI_KEY_SPLIT_COUNT, split_count);
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_ARCHITECTURE, SSI_REQUIRED, &name, error));
    *arch = ssi_arch_find(name);
    if (*arch == NULL)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "architecture '%.*s' is not supported",
                        SSI_SHOW(name));
    return SS_OK;
}
