/* SPDX-License-Identifier: Apache-2.0 */
/* A LoRA merged into its base: every row w of a matrix with a pair becomes w + s B_row A in
 * binary32, the ranks in ascending order, before it is encoded anew. */
#include "model/adapter_plan.h"
#include "model/convert.h"

typedef struct merge {
    const ssi_base_file *base;
    const ssi_main_half *half;
    const ssi_main_pair **pairs; /* by tensor of the base; NULL: none */
    unsigned char *bytes;        /* of the largest half, as in the file */
    float *a, *b;                /* [rank][in], [out][rank] of the tensor at hand; b times s */
    uint32_t rank, columns;
    const char *streams_path; /* NULL: not written */
    ssi_file_maker streams;   /* begun once `streams_begun` */
    bool streams_begun;
} merge;

/* ── which pair goes where ── */

static ss_status fit_pair(merge *of, const ssi_main_pair *pair, ss_error *error)
{
    char name[SSI_GGUF_NAME_MAX + 1];
    memcpy(name, pair->weight.bytes, pair->weight.length);
    name[pair->weight.length] = '\0';
    const ssi_gguf_tensor *tensor = ssi_gguf_find_tensor(&of->base->gguf, name);
    size_t index = tensor != NULL ? (size_t)(tensor - of->base->gguf.tensors) : 0;
    const ssi_slot *slot = &of->base->slots[index];
    if (tensor == NULL || slot->layer == SSI_NO_LAYER || slot->role->kind != SSI_SLOT_MATRIX)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "tensor %.*s: the base has no linear map of a layer of that name",
                        SSI_SHOW(pair->a->name));
    if (pair->a->dims[0] != slot->columns || pair->b->dims[1] != slot->rows)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "tensor %.*s: a pair for %llux%llu, the base has %ux%u",
                        SSI_SHOW(pair->a->name), (unsigned long long)pair->a->dims[0],
                        (unsigned long long)pair->b->dims[1], slot->columns, slot->rows);
    if (!ssi_type_from_ggml(pair->a->type) || !ssi_type_from_ggml(pair->b->type))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "tensor %.*s: type %s or %s is not supported", SSI_SHOW(pair->a->name),
                        ssi_gguf_type_get(pair->a->type)->name,
                        ssi_gguf_type_get(pair->b->type)->name);
    of->pairs[index] = pair;
    return SS_OK;
}

/* The type of a matrix that changes, of what was asked for. */
static const ssi_type_info *choose(const ssi_slot *slot, ss_weight_type type)
{
    const ssi_type_info *own = slot->type, *q8_0 = ssi_type_get(SSI_TYPE_Q8_0);
    if (type == SS_WEIGHT_KEEP)
        return own;
    if (type != SS_WEIGHT_AUTO)
        return ssi_weight_type_fit(ssi_weight_type_get(type), slot->columns);
    bool narrow = (size_t)own->block_bytes * q8_0->block_elements <
                  (size_t)q8_0->block_bytes * own->block_elements;
    return narrow ? q8_0 : own;
}

/* Sets the types of the new file; *file_type is the commonest among those that changed. */
static ss_status choose_types(merge *of, ssi_base_file *base, ss_weight_type type,
                              const ssi_type_info **file_type, ss_error *error)
{
    uint64_t elements[SSI_TYPE_COUNT] = {0}, most = 0;
    bool changed = false;
    *file_type = NULL;
    for (uint32_t i = 0; i < base->gguf.tensor_count; i++) {
        if (of->pairs[i] == NULL)
            continue;
        base->types[i] = choose(&base->slots[i], type);
        if (base->types[i]->encode == NULL)
            return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                            "tensor %.*s: type %s can't be written",
                            SSI_SHOW(base->gguf.tensors[i].name), base->types[i]->name);
        changed |= base->types[i] != base->slots[i].type;
        elements[base->types[i]->type] += base->gguf.tensors[i].elements;
    }
    for (uint32_t i = 0; i < SSI_TYPE_COUNT && changed; i++)
        if (elements[i] > most) {
            most = elements[i];
            *file_type = ssi_type_get((ssi_type)i);
        }
    return SS_OK;
}

/* ── the arithmetic ── */

static ss_status begin_tensor(void *context, uint32_t tensor, ss_error *error)
{
    merge *of = context;
    const ssi_main_pair *pair = of->pairs[tensor];
    of->rank = (uint32_t)pair->a->dims[1];
    of->columns = (uint32_t)pair->a->dims[0];
    float scale = ssi_lora_scale(of->half->alpha, of->rank);
    SSI_TRY(ssi_adapter_read_tensor(of->half->source, pair->a, of->bytes, of->a, error));
    SSI_TRY(ssi_adapter_read_tensor(of->half->source, pair->b, of->bytes, of->b, error));
    for (size_t i = 0; i < pair->b->elements; i++)
        of->b[i] *= scale;
    return SS_OK;
}

static void change_row(const void *context, uint32_t row, float *values)
{
    const merge *of = context;
    const float *b = of->b + (size_t)row * of->rank;
    for (uint32_t r = 0; r < of->rank; r++) {
        const float *a = of->a + (size_t)r * of->columns;
        for (uint32_t i = 0; i < of->columns; i++)
            values[i] += b[r] * a[i];
    }
}

/* The adapter fits this base; what is left of it is for the new one. */
static ss_status end_merge(void *context, ssi_hash128 old_hash, ssi_hash128 new_hash,
                           ss_error *error)
{
    merge *of = context;
    char hex[33];
    if (of->half->base_hash.length > 0)
        SSI_TRY(ssi_adapter_check_base(of->half->base_hash, old_hash, error));
    if (of->streams_path == NULL)
        return SS_OK;
    ssi_hash_to_hex(new_hash, hex);
    SSI_TRY(ssi_file_begin(&of->streams, of->streams_path, error));
    of->streams_begun = true;
    return ssi_adapter_part_append(of->half, hex, &of->streams, error);
}

/* ── the call ── */

static void lay_out(merge *of, ssi_arena *arena)
{
    size_t bytes = 0, a = 0, b = 0;
    for (uint32_t i = 0; i < of->half->pair_count; i++) {
        const ssi_main_pair *pair = &of->half->pairs[i];
        bytes = pair->a->bytes > bytes ? (size_t)pair->a->bytes : bytes;
        bytes = pair->b->bytes > bytes ? (size_t)pair->b->bytes : bytes;
        a = pair->a->elements > a ? (size_t)pair->a->elements : a;
        b = pair->b->elements > b ? (size_t)pair->b->elements : b;
    }
    of->pairs = ssi_arena_take(arena, of->base->gguf.tensor_count, sizeof *of->pairs);
    of->bytes = ssi_arena_take(arena, bytes, 1);
    of->a = ssi_arena_take(arena, a, sizeof(float));
    of->b = ssi_arena_take(arena, b, sizeof(float));
}

static ss_status run(merge *of, ssi_base_file *base, ss_weight_type type,
                     const ssi_convert_env *env, const char *path, ss_error *error)
{
    ssi_rewrite job = {.base = base,
                       .path = path,
                       .context = of,
                       .begin = begin_tensor,
                       .change = change_row,
                       .end = end_merge};
    for (uint32_t i = 0; i < base->gguf.tensor_count; i++)
        of->pairs[i] = NULL;
    for (uint32_t i = 0; i < of->half->pair_count; i++)
        SSI_TRY(fit_pair(of, &of->half->pairs[i], error));
    SSI_TRY(choose_types(of, base, type, &job.file_type, error));
    ss_status status = ssi_rewrite_run(&job, env, error);
    if (status == SS_OK && of->streams_begun)
        return ssi_file_commit(&of->streams, error);
    if (of->streams_begun)
        ssi_file_discard(&of->streams);
    return status;
}

static ss_status merge_files(ssi_base_file *base, const ssi_main_half *half,
                             ss_weight_type type, const ssi_convert_env *env, const char *path,
                             const char *streams_path, ss_error *error)
{
    merge of = {.base = base, .half = half, .streams_path = streams_path};
    ssi_arena arena = {0};
    if (!ssi_text_is(half->architecture, base->arch->name))
        return ssi_fail(error, SS_ERROR_MISMATCH,
                        "the adapter is for architecture '%.*s', the "
                        "base is '%s'",
                        SSI_SHOW(half->architecture), base->arch->name);
    if (streams_path != NULL && half->base_hash.length == 0)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "%s: a plain LoRA has no streams to write there", streams_path);
    lay_out(&of, &arena);
    size_t bytes = arena.used;
    arena = (ssi_arena){.base = arena.overflow ? NULL
                                               : ssi_allocate(env->memory, bytes, SSI_ALIGN)};
    if (arena.base == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes for a LoRA pair",
                        bytes);
    void *block = arena.base;
    lay_out(&of, &arena);
    ss_status status = run(&of, base, type, env, path, error);
    ssi_release(env->memory, block, bytes);
    return status;
}

ss_status ssi_adapter_merge(const ssi_source *model, const ssi_source *adapter,
                            ss_weight_type type, const ssi_convert_env *env, const char *path,
                            const char *streams_path, ss_error *error)
{
    ssi_main_half half;
    ssi_base_file base;
    SSI_TRY(ssi_main_half_open(&half, adapter, env->memory, error));
    ss_status status = ssi_base_file_open(&base, model, env->memory, error);
    if (status == SS_OK) {
        status = merge_files(&base, &half, type, env, path, streams_path, error);
        ssi_base_file_close(&base);
    }
    ssi_main_half_close(&half);
    return status;
}
