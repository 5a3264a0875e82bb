/* SPDX-License-Identifier: Apache-2.0 */
/* The table of tensor types, made from quant_list.inc, and the layout of a packed matrix, which
 * follows from a type's numbers alone. */
#include "quant/quant.h"

#define SSI_QUANT(NAME, name) extern const ssi_type_info ssi_type_##name;
#include "quant/quant_list.inc"
#undef SSI_QUANT

static const ssi_type_info *const types[SSI_TYPE_COUNT] = {
#define SSI_QUANT(NAME, name) [SSI_TYPE_##NAME] = &ssi_type_##name,
#include "quant/quant_list.inc"
#undef SSI_QUANT
};

const ssi_type_info *ssi_type_get(ssi_type type)
{
    return types[type];
}

const ssi_type_info *ssi_type_from_ggml(uint32_t ggml_type)
{
    for (uint32_t i = 0; i < SSI_TYPE_COUNT; i++)
        if (types[i]->ggml_type == ggml_type)
            return types[i];
    return NULL;
}

void ssi_matrix_layout(ssi_matrix *matrix, ssi_type type, uint32_t rows, uint32_t columns,
                       ssi_arena *arena)
{
    const ssi_type_info *info = ssi_type_get(type);
    matrix->type = type;
    matrix->rows = rows;
    matrix->columns = columns;
    matrix->group_count = rows / SSI_GROUP + (rows % SSI_GROUP != 0);
    matrix->block_count = columns / SSI_BLOCK + (columns % SSI_BLOCK != 0);
    size_t units = (size_t)matrix->group_count
                 * (info->quantised ? matrix->block_count : columns);
    for (uint32_t i = 0; i < SSI_PLANES; i++)
        matrix->plane[i] = info->group_block_bytes[i] == 0
                             ? NULL
                             : ssi_arena_take(arena, units, info->group_block_bytes[i]);
}
