/* SPDX-License-Identifier: Apache-2.0 */
/* The list of architectures, searched by name. */
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
