/* SPDX-License-Identifier: Apache-2.0 */
/* Which matrix of a model becomes what when the file is quantised. */
#include "model/convert.h"

/* The matrix that logits come from: what it loses, every token loses. */
static bool is_head(const ssi_base_file *base, const ssi_slot *slot)
{
    size_t head = ssi_gguf_find_tensor(&base->gguf, "output.weight") != NULL
                      ? offsetof(ss_model, head.weight)
                      : offsetof(ss_model, embedding);
    return slot->layer == SSI_NO_LAYER && slot->role->slot == head;
}

static const ssi_type_info *choose(const ssi_base_file *base, const ssi_slot *slot,
                                   const ssi_type_info *wanted)
{
    const ssi_type_info *q8_0 = ssi_type_get(SSI_TYPE_Q8_0);
    if (slot->role->kind == SSI_SLOT_VECTOR)
        return NULL;
    if (is_head(base, slot) && wanted->quantised && wanted->block_bytes < q8_0->block_bytes) {
        if (slot->type->quantised)
            return NULL;
        wanted = q8_0;
    }
    wanted = ssi_weight_type_fit(wanted, slot->columns);
    return wanted == slot->type ? NULL : wanted;
}

ss_status ssi_model_quantize(const ssi_source *model, ss_weight_type type,
                             const ssi_convert_env *env, const char *path, ss_error *error)
{
    const ssi_type_info *wanted = ssi_weight_type_get(type);
    ssi_base_file base;
    SSI_TRY(ssi_base_file_open(&base, model, env->memory, error));
    for (uint32_t i = 0; i < base.gguf.tensor_count; i++)
        base.types[i] = choose(&base, &base.slots[i], wanted);
    const ssi_rewrite job = {.base = &base, .file_type = wanted, .path = path};
    ss_status status = ssi_rewrite_run(&job, env, error);
    ssi_base_file_close(&base);
    return status;
}
