/* SPDX-License-Identifier: Apache-2.0 */
/* The types a caller may ask for when a model file is written. */
#include "model/convert.h"

static const struct {
    ssi_type type;
    uint32_t file_type; /* as llama.cpp numbers them */
} weight_types[] = {
    [SS_WEIGHT_F32] = {SSI_TYPE_F32, 0},   [SS_WEIGHT_F16] = {SSI_TYPE_F16, 1},
    [SS_WEIGHT_Q8_0] = {SSI_TYPE_Q8_0, 7}, [SS_WEIGHT_Q4_0] = {SSI_TYPE_Q4_0, 2},
    [SS_WEIGHT_Q4_1] = {SSI_TYPE_Q4_1, 3},
};
enum { COUNT = sizeof weight_types / sizeof *weight_types };

const ssi_type_info *ssi_weight_type_get(ss_weight_type type)
{
    return type < SS_WEIGHT_F32 || type >= COUNT ? NULL : ssi_type_get(weight_types[type].type);
}

uint32_t ssi_weight_file_type(const ssi_type_info *type)
{
    uint32_t i = SS_WEIGHT_F32;
    while (i + 1 < COUNT && weight_types[i].type != type->type)
        i++;
    return weight_types[i].file_type;
}

const ssi_type_info *ssi_weight_type_fit(const ssi_type_info *wanted, uint32_t columns)
{
    return columns % wanted->block_elements == 0 ? wanted : ssi_type_get(SSI_TYPE_F16);
}
