/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensor of the file goes where: every one the architecture needs must be there with the
 * right shape and a type we have, and none may be left over, since a tensor nobody reads is a
 * computation nobody does. */
#include <stdio.h>

#include "model/load.h"

enum { NAME_BYTES = 128, SHAPE_BYTES = 96 };

static uint32_t dim_length(const ssi_hyper *hyper, ssi_dim dim)
{
    switch (dim) {
    case SSI_DIM_EMBEDDING: return hyper->embedding_length;
    case SSI_DIM_FEED_FORWARD: return hyper->feed_forward_length;
    case SSI_DIM_QUERY: return hyper->head_count * hyper->head_length;
    case SSI_DIM_KEY_VALUE: return hyper->head_count_kv * hyper->head_length;
    case SSI_DIM_VOCABULARY: return hyper->vocabulary_size;
    case SSI_DIM_ROPE_PAIRS: return hyper->rope_length / 2;
    default: return 1;
    }
}

static const char *show_shape(char text[SHAPE_BYTES], const uint64_t *dims, uint32_t count)
{
    int at = 0;
    for (uint32_t i = 0; i < count; i++)
        at += snprintf(text + at, (size_t)(SHAPE_BYTES - at), "%s%llu", i > 0 ? "x" : "",
                       (unsigned long long)dims[i]);
    return text;
}

/* Shapes as the file has them: columns first. */
static ss_status check_shape(const ssi_gguf_tensor *tensor, const ssi_slot *slot,
                             ss_error *error)
{
    char got[SHAPE_BYTES], wanted[SHAPE_BYTES];
    uint64_t dims[SSI_GGUF_DIMS] = { slot->columns, slot->rows, 1, 1 };
    if (memcmp(tensor->dims, dims, sizeof dims) == 0)
        return SS_OK;
    return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: shape %s, expected %s",
                    SSI_SHOW(tensor->name), show_shape(got, tensor->dims, tensor->dims_count),
                    show_shape(wanted, dims, slot->role->kind == SSI_SLOT_MATRIX ? 2 : 1));
}

static ss_status check_type(const ssi_gguf_tensor *tensor, const ssi_slot *slot, ss_error *error)
{
    const char *name = ssi_gguf_type_get(tensor->type)->name;
    if (slot->type == NULL)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "tensor %.*s: type %s is not supported",
                        SSI_SHOW(tensor->name), name);
    if (slot->role->kind == SSI_SLOT_VECTOR && slot->type->quantised)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "tensor %.*s: type %s is not supported for a vector",
                        SSI_SHOW(tensor->name), name);
    return SS_OK;
}

static ss_status plan_one(const ssi_gguf *gguf, const ssi_arch_tensor *role, uint32_t layer,
                          const ssi_hyper *hyper, ssi_slot *slots, ss_error *error)
{
    char name[NAME_BYTES];
    if (layer == SSI_NO_LAYER)
        snprintf(name, sizeof name, "%s", role->name);
    else
        snprintf(name, sizeof name, "blk.%u.%s", layer, role->name);
    const ssi_gguf_tensor *tensor = ssi_gguf_find_tensor(gguf, name);
    if (tensor == NULL && role->presence == SSI_REQUIRED)
        return ssi_fail(error, SS_ERROR_FORMAT, "tensor %s is missing", name);
    if (tensor == NULL)
        return SS_OK;
    ssi_slot *slot = &slots[tensor - gguf->tensors];
    *slot = (ssi_slot){ .role = role,
                        .layer = layer,
                        .type = ssi_type_from_ggml(tensor->type),
                        .rows = dim_length(hyper, role->rows),
                        .columns = dim_length(hyper, role->columns),
                        .offset = tensor->offset };
    SSI_TRY(check_type(tensor, slot, error));
    SSI_TRY(check_shape(tensor, slot, error));
    slot->row_bytes = (size_t)(tensor->bytes / slot->rows);
    return SS_OK;
}

ss_status ssi_plan_tensors(const ssi_gguf *gguf, const ssi_arch *arch, const ssi_hyper *hyper,
                           ssi_slot *slots, ss_error *error)
{
    for (uint32_t i = 0; i < gguf->tensor_count; i++)
        slots[i] = (ssi_slot){ 0 };
    for (uint32_t i = 0; i < arch->model_tensor_count; i++)
        SSI_TRY(plan_one(gguf, &arch->model_tensors[i], SSI_NO_LAYER, hyper, slots, error));
    for (uint32_t layer = 0; layer < hyper->layer_count; layer++)
        for (uint32_t i = 0; i < arch->layer_tensor_count; i++)
            SSI_TRY(plan_one(gguf, &arch->layer_tensors[i], layer, hyper, slots, error));
    for (uint32_t i = 0; i < gguf->tensor_count; i++)
        if (slots[i].role == NULL)
            return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                            "tensor %.*s is not used by architecture %s",
                            SSI_SHOW(gguf->tensors[i].name), arch->name);
    return SS_OK;
}
