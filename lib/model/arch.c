/* SPDX-License-Identifier: Apache-2.0 */
/* The list of architectures, searched by name. */
#include "model/arch.h"

#include <string.h>

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
    const ssi_text name = {model->architecture, strlen(model->architecture)};
    const ssi_arch *arch = ssi_arch_find(name);
    size_t slot =
        offsetof(ssi_layer, linear) + map * sizeof(ssi_linear) + offsetof(ssi_linear, weight);
    uint32_t i = 0;
    while (i + 1 < arch->layer_tensor_count && arch->layer_tensors[i].slot != slot)
        i++;
    return arch->layer_tensors[i].name;
}
