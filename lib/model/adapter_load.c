/* SPDX-License-Identifier: Apache-2.0 */
/* From an adapter file to packed matrices: plan (adapter_plan.c), lay out, read tensor by tensor, pack
 * (adapter_pack.c). The layout runs twice, counting and handing out, over the same plan. */
#include "base/bytes.h"
#include "model/adapter_pack.h"
#include "model/adapter_plan.h"

typedef struct load {
    const ssi_source *source;
    const ssi_hyper *hyper;
    ssi_adapter_plan plan;
    ssi_lora *main_lora, *stream_lora; /* writable views of the adapter's arrays */
    unsigned char *bytes; /* one tensor as in the file, or one row of blocks */
    size_t byte_count;
    float *values, *other; /* one tensor each, decoded */
    float *packed;         /* one tensor as an F32 matrix */
    ssi_hash_state *hash; /* of the whole file, then of the main half */
} load;

/* ── layout ── */

static void layout_lora(const ssi_pair_plan *pair, ssi_lora *lora, ssi_arena *arena)
{
    uint32_t rank = ssi_pair_rank(pair);
    *lora = (ssi_lora){.b = {.rank = rank}};
    if (rank == 0)
        return;
    uint32_t out = (uint32_t)pair->b->dims[1];
    ssi_matrix_layout(&lora->a, SSI_TYPE_Q8_0, rank, (uint32_t)pair->a->dims[0], arena);
    lora->b.rows = out;
    size_t lanes = ssi_round_up(out, SSI_GROUP);
    lora->b.quants = ssi_arena_take(arena, lanes, ssi_round_up(rank, 4));
    lora->b.scales = ssi_arena_take(arena, lanes, sizeof(float));
}

/* The pairs of some layers; NULL and nothing where there are none. */
static ssi_lora *layout_pairs(const ssi_pair_plan *pairs, uint32_t count, uint32_t present,
                              uint32_t *rank, ssi_arena *arena)
{
    ssi_lora discarded, *loras = NULL;
    if (present == 0)
        return NULL;
    loras = ssi_arena_take(arena, count, sizeof *loras);
    for (uint32_t i = 0; i < count; i++) {
        layout_lora(&pairs[i], loras ? &loras[i] : &discarded, arena);
        *rank = ssi_pair_rank(&pairs[i]) > *rank ? ssi_pair_rank(&pairs[i]) : *rank;
    }
    return loras;
}

static void layout_low_rank(const ssi_pair_plan *pair, uint32_t d, ssi_low_rank *low,
                            ssi_arena *arena)
{
    low->rank = ssi_pair_rank(pair);
    if (low->rank == 0)
        return;
    ssi_matrix_layout(&low->a, SSI_TYPE_F32, low->rank, d, arena);
    ssi_matrix_layout(&low->b, SSI_TYPE_F32, d, low->rank, arena);
}

static ss_adapter *layout(load *loading, ss_adapter *adapter, ssi_arena *arena)
{
    const ssi_adapter_plan *plan = &loading->plan;
    uint32_t d = loading->hyper->embedding_length;
    uint32_t skipped = loading->hyper->layer_count - plan->msa_layer_count;
    ss_adapter *place = ssi_arena_take(arena, 1, sizeof *place);
    adapter->name = ssi_arena_take(arena, plan->name.length + 1, 1);
    adapter->main_lora = loading->main_lora =
        layout_pairs(plan->main, loading->hyper->layer_count * SSI_LINEAR_COUNT, plan->main_count,
                     &adapter->rank, arena);
    adapter->stream_lora = loading->stream_lora =
        layout_pairs(plan->stream + skipped * SSI_LINEAR_COUNT,
                     plan->msa_layer_count * SSI_LINEAR_COUNT, plan->stream_pair_count,
                     &adapter->stream_rank, arena);
    adapter->embedding_stride = ssi_round_up(d, SSI_GROUP);
    if (plan->stream_embedding)
        adapter->stream_embedding = ssi_arena_take(
            arena, plan->stream_count * adapter->embedding_stride, sizeof(float));
    if (plan->root_gain)
        adapter->root_gain = ssi_arena_take(
            arena, plan->stream_count * adapter->embedding_stride, sizeof(float));
    layout_low_rank(&plan->pairs[SSI_PAIR_INIT], d, &adapter->init, arena);
    layout_low_rank(&plan->pairs[SSI_PAIR_ROOT], d, &adapter->root, arena);
    layout_low_rank(&plan->pairs[SSI_PAIR_PRUNE], d, &adapter->prune, arena);
    if (plan->stream_count > 0 && plan->draft_vocabulary) {
        adapter->draft_tokens = ssi_arena_take(arena, adapter->draft_count, sizeof(int32_t));
        adapter->draft_of_token =
            ssi_arena_take(arena, loading->hyper->vocabulary_size, sizeof(int32_t));
        ssi_matrix_layout(&adapter->draft_head.weight, SSI_TYPE_Q8_0, adapter->draft_count, d,
                          arena);
        if (adapter->model->head.bias)
            adapter->draft_head.bias =
                ssi_arena_take(arena, ssi_round_up(adapter->draft_count, SSI_GROUP),
                               sizeof(float));
    }
    adapter->parent_rank = ssi_pair_rank(&plan->pairs[SSI_PAIR_PARENT]);
    if (adapter->parent_rank > 0) {
        ssi_matrix_layout(&adapter->parent_a, SSI_TYPE_Q8_0, adapter->parent_rank, d, arena);
        ssi_matrix_layout(&adapter->parent_u, SSI_TYPE_Q8_0, adapter->draft_count,
                          adapter->parent_rank, arena);
    }
    return place;
}

/* ── filling ── */

static ss_status read_tensor(load *loading, const ssi_gguf_tensor *tensor, float *values,
                             ss_error *error)
{
    return ssi_adapter_read_tensor(loading->source, tensor, loading->bytes, values, error);
}

static ss_status too_large(const ssi_gguf_tensor *tensor, ss_error *error)
{
    return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: its numbers are too large for 8 bits",
                    SSI_SHOW(tensor->name));
}

static ss_status fill_lora(load *loading, const ssi_pair_plan *pair, ssi_lora *lora, bool main,
                           ss_error *error)
{
    uint32_t rank = ssi_pair_rank(pair);
    if (rank == 0)
        return SS_OK;
    float scale = ssi_lora_scale(loading->plan.alpha, rank);
    SSI_TRY(read_tensor(loading, pair->a, loading->values, error));
    SSI_TRY(read_tensor(loading, pair->b, loading->other, error));
    if (!ssi_pack_rows(&lora->a, 0, rank, loading->values, (size_t)pair->a->dims[0], loading->bytes))
        return too_large(pair->a, error);
    if (!ssi_pack_lora_b(&lora->b, loading->other, scale))
        return too_large(pair->b, error);
    if (main) {
        ssi_hash_update(loading->hash, &rank, sizeof rank);
        ssi_hash_update(loading->hash, &scale, sizeof scale);
        ssi_hash_update(loading->hash, loading->values,
                        (size_t)pair->a->elements * sizeof(float));
        ssi_hash_update(loading->hash, loading->other,
                        (size_t)pair->b->elements * sizeof(float));
    }
    return SS_OK;
}

static ss_status fill_loras(load *loading, ss_adapter *adapter, ss_error *error)
{
    uint32_t layer_count = loading->hyper->layer_count;
    uint32_t skipped = layer_count - loading->plan.msa_layer_count;
    for (uint32_t i = 0; loading->main_lora && i < layer_count * SSI_LINEAR_COUNT; i++) {
        ssi_hash_update(loading->hash, &i, sizeof i);
        SSI_TRY(fill_lora(loading, &loading->plan.main[i], &loading->main_lora[i], true, error));
    }
    if (loading->main_lora)
        adapter->main_hash = ssi_hash_end(loading->hash);
    for (uint32_t i = 0;
         loading->stream_lora && i < loading->plan.msa_layer_count * SSI_LINEAR_COUNT; i++)
        SSI_TRY(fill_lora(loading, &loading->plan.stream[skipped * SSI_LINEAR_COUNT + i],
                          &loading->stream_lora[i], false, error));
    return SS_OK;
}

static ss_status fill_low_rank(load *loading, const ssi_pair_plan *pair, ssi_low_rank *low,
                               ss_error *error)
{
    if (low->rank == 0)
        return SS_OK;
    SSI_TRY(read_tensor(loading, pair->a, loading->values, error));
    if (!ssi_pack_rows(&low->a, 0, low->a.rows, loading->values, low->a.columns, loading->bytes))
        return too_large(pair->a, error);
    SSI_TRY(read_tensor(loading, pair->b, loading->values, error));
    if (!ssi_pack_rows(&low->b, 0, low->b.rows, loading->values, low->b.columns, loading->bytes))
        return too_large(pair->b, error);
    return SS_OK;
}

/* Rows of a [γ][d] tensor into padded rows. */
static ss_status fill_rows(load *loading, const ssi_gguf_tensor *tensor, const float *to,
                           size_t stride, ss_error *error)
{
    float *rows = (float *)to;
    if (!tensor)
        return SS_OK;
    SSI_TRY(read_tensor(loading, tensor, loading->values, error));
    memset(rows, 0, (size_t)tensor->dims[1] * stride * sizeof *rows);
    for (size_t row = 0; row < tensor->dims[1]; row++)
        memcpy(rows + row * stride, loading->values + row * (size_t)tensor->dims[0],
               (size_t)tensor->dims[0] * sizeof *rows);
    return SS_OK;
}

static void fill_draft_tokens(load *loading, ss_adapter *adapter)
{
    int32_t *tokens = (int32_t *)adapter->draft_tokens, *index = (int32_t *)adapter->draft_of_token;
    if (!tokens)
        return;
    ssi_gguf_array_i32(loading->plan.draft_vocabulary, tokens);
    for (uint32_t i = 0; i < loading->hyper->vocabulary_size; i++)
        index[i] = -1;
    for (uint32_t i = 0; i < adapter->draft_count; i++)
        index[tokens[i]] = (int32_t)i;
}

/* The head's rows of the draft vocabulary, 16 at a time: their copy, and their product with B of
 * the parent term. Drafts change no output, so 8 bits will do whatever the head's type is. */
static ss_status fill_head(load *loading, ss_adapter *adapter, ss_error *error)
{
    const ssi_linear *head = &adapter->model->head;
    const ssi_type_info *type = ssi_type_get(head->weight.type);
    const ssi_pair_plan *parent = &loading->plan.pairs[SSI_PAIR_PARENT];
    uint32_t d = loading->hyper->embedding_length, rank = adapter->parent_rank;
    size_t stride = ssi_round_up(d, SSI_GROUP), rank_stride = ssi_round_up(rank, SSI_GROUP);
    float *products = loading->values + SSI_GROUP * stride;
    ssi_activation rows = {.columns = d, .value_stride = stride, .values = loading->values};
    ssi_matrix b = {.rows = 0};
    if (rank > 0) {
        SSI_TRY(read_tensor(loading, parent->a, loading->values, error));
        if (!ssi_pack_rows(&adapter->parent_a, 0, rank, loading->values, d, loading->bytes))
            return too_large(parent->a, error);
        SSI_TRY(read_tensor(loading, parent->b, loading->values, error)); /* [d][rank] */
        b = ssi_pack_transposed(loading->values, rank, d, loading->packed);
    }
    if (rank == 0 && !adapter->draft_tokens)
        return SS_OK;
    for (uint32_t first = 0; first < adapter->draft_count; first += SSI_GROUP) {
        uint32_t lanes = adapter->draft_count - first;
        lanes = lanes < SSI_GROUP ? lanes : SSI_GROUP;
        for (uint32_t lane = 0; lane < lanes; lane++) {
            uint32_t index = first + lane;
            uint32_t token = adapter->draft_tokens ? (uint32_t)adapter->draft_tokens[index] : index;
            type->unpack_row(&head->weight, token, loading->values + lane * stride);
            if (adapter->draft_tokens && head->bias)
                ((float *)adapter->draft_head.bias)[index] = head->bias[token];
        }
        if (adapter->draft_tokens &&
            !ssi_pack_rows(&adapter->draft_head.weight, first, lanes, loading->values, stride,
                       loading->bytes))
            return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                            "the model's head is too large for a draft head of 8 bits");
        if (rank == 0)
            continue;
        adapter->model->kernels.gemm[SSI_TYPE_F32](&b, 0, b.group_count, &rows, lanes, products,
                                                   rank_stride);
        if (!ssi_pack_rows(&adapter->parent_u, first, lanes, products, rank_stride, loading->bytes))
            return too_large(parent->b, error);
    }
    return SS_OK;
}

static ss_status fill(load *loading, ss_adapter *adapter, ss_error *error)
{
    const ssi_adapter_plan *plan = &loading->plan;
    char *name = (char *)adapter->name;
    if (plan->name.length > 0)
        memcpy(name, plan->name.bytes, plan->name.length);
    name[plan->name.length] = '\0';
    fill_draft_tokens(loading, adapter);
    SSI_TRY(fill_loras(loading, adapter, error));
    SSI_TRY(fill_rows(loading, plan->stream_embedding, adapter->stream_embedding,
                      adapter->embedding_stride, error));
    SSI_TRY(fill_rows(loading, plan->root_gain, adapter->root_gain, adapter->embedding_stride,
                      error));
    SSI_TRY(fill_low_rank(loading, &plan->pairs[SSI_PAIR_INIT], &adapter->init, error));
    SSI_TRY(fill_low_rank(loading, &plan->pairs[SSI_PAIR_ROOT], &adapter->root, error));
    SSI_TRY(fill_low_rank(loading, &plan->pairs[SSI_PAIR_PRUNE], &adapter->prune, error));
    return fill_head(loading, adapter, error);
}

/* ── the load ── */

/* XXH3 of the whole file. */
static ss_status hash_file(load *loading, ssi_hash128 *hash, ss_error *error)
{
    ssi_hash_begin(loading->hash);
    for (uint64_t at = 0; at < loading->source->size; at += loading->byte_count) {
        uint64_t left = loading->source->size - at;
        size_t bytes = left < loading->byte_count ? (size_t)left : loading->byte_count;
        SSI_TRY(ssi_source_read(loading->source, at, loading->bytes, bytes, error));
        ssi_hash_update(loading->hash, loading->bytes, bytes);
    }
    *hash = ssi_hash_end(loading->hash);
    return SS_OK;
}

/* What the plan is made with. */
static void layout_tables(load *loading, ssi_arena *arena)
{
    uint32_t pairs = loading->hyper->layer_count * SSI_LINEAR_COUNT;
    loading->hash = ssi_arena_take(arena, 1, ssi_hash_state_bytes());
    loading->plan.main = ssi_arena_take(arena, pairs, sizeof *loading->plan.main);
    loading->plan.stream = ssi_arena_take(arena, pairs, sizeof *loading->plan.stream);
    if (loading->plan.main) {
        memset(loading->plan.main, 0, pairs * sizeof *loading->plan.main);
        memset(loading->plan.stream, 0, pairs * sizeof *loading->plan.stream);
    }
}

/* Once the plan has found every tensor's size in order: the largest as bytes, twice as numbers, and
 * as a matrix; a group of head rows with their products; a group of encoded rows. */
static void layout_scratch(load *loading, ssi_arena *arena)
{
    const ssi_gguf *gguf = loading->plan.gguf;
    size_t elements =
        SSI_GROUP *
        (ssi_round_up(loading->hyper->embedding_length, SSI_GROUP) + SSI_LORA_RANK_MAX);
    size_t widest = loading->hyper->feed_forward_length;
    if (widest < loading->hyper->embedding_length)
        widest = loading->hyper->embedding_length;
    if (widest < (size_t)loading->hyper->head_count * loading->hyper->head_length)
        widest = (size_t)loading->hyper->head_count * loading->hyper->head_length;
    size_t bytes = (widest + SSI_BLOCK) * SSI_GROUP * sizeof(float);
    for (uint32_t i = 0; i < gguf->tensor_count; i++) {
        elements = gguf->tensors[i].elements > elements ? (size_t)gguf->tensors[i].elements
                                                        : elements;
        bytes = gguf->tensors[i].bytes > bytes ? (size_t)gguf->tensors[i].bytes : bytes;
    }
    loading->byte_count = bytes;
    loading->bytes = ssi_arena_take(arena, bytes, 1);
    loading->values = ssi_arena_take(arena, elements, sizeof(float));
    loading->other = ssi_arena_take(arena, elements, sizeof(float));
    loading->packed = ssi_arena_take(
        arena, elements + SSI_GROUP * (size_t)loading->hyper->embedding_length, sizeof(float));
}

static ss_status no_memory(size_t bytes, ss_error *error)
{
    return ssi_fail(error, SS_ERROR_MEMORY, "no memory for an adapter: %zu bytes", bytes);
}

/* The adapter's own block: counted, allocated, laid out, filled. */
static ss_status build(load *loading, ss_adapter *adapter, ss_adapter **result, ss_error *error)
{
    const ssi_adapter_plan *plan = &loading->plan;
    ssi_arena arena = {NULL, 0, false};
    adapter->shared = plan->plain_lora || plan->shared;
    adapter->stream_count = plan->stream_count;
    adapter->msa_layer_count = plan->msa_layer_count;
    adapter->stream_init = plan->stream_init;
    adapter->rotation_step = plan->rotation_step;
    adapter->draft_count = plan->draft_vocabulary ? (uint32_t)plan->draft_vocabulary->count
                                                  : loading->hyper->vocabulary_size;
    adapter->draft_head = adapter->model->head;
    for (uint32_t i = 0; i < plan->gguf->tensor_count; i++)
        adapter->parameter_count += plan->gguf->tensors[i].elements;
    layout(loading, adapter, &arena);
    adapter->block_bytes = arena.used;
    adapter->memory_bytes = arena.used;
    /* Whole pages, as weights lie: on small ones a LoRA, read in pieces, is slow to be found. */
    adapter->block = arena.overflow ? NULL : ssi_allocate(&adapter->memory, arena.used, 4096);
    if (!adapter->block)
        return no_memory(arena.used, error);
    arena = (ssi_arena){adapter->block, 0, false};
    ss_adapter *place = layout(loading, adapter, &arena);
    ss_status status = fill(loading, adapter, error);
    if (status != SS_OK) {
        ssi_release(&adapter->memory, adapter->block, adapter->block_bytes);
        return status;
    }
    *place = *adapter;
    *result = place;
    return SS_OK;
}

/* A block for what `layout_it` lays out. */
static ss_status take(load *loading, void (*layout_it)(load *, ssi_arena *),
                      const ssi_memory *memory, void **block, size_t *bytes, ss_error *error)
{
    ssi_arena arena = {NULL, 0, false};
    layout_it(loading, &arena);
    *bytes = arena.used;
    *block = arena.overflow ? NULL : ssi_allocate(memory, *bytes, SSI_ALIGN);
    if (!*block)
        return no_memory(*bytes, error);
    arena = (ssi_arena){*block, 0, false};
    layout_it(loading, &arena);
    return SS_OK;
}

ss_status ssi_adapter_load(const ss_model *model, const ssi_source *source,
                           const ssi_memory *memory, ss_adapter **adapter, ss_error *error)
{
    ss_adapter made = {.memory = *memory, .model = model};
    load loading = {.source = source, .hyper = &model->hyper};
    ssi_gguf gguf;
    void *tables = NULL, *scratch = NULL;
    size_t table_bytes, scratch_bytes = 0;
    *adapter = NULL;
    SSI_TRY(ssi_gguf_open(&gguf, source, memory, error));
    loading.plan.gguf = &gguf;
    loading.plan.model = model;
    ss_status status = take(&loading, layout_tables, memory, &tables, &table_bytes, error);
    if (status == SS_OK)
        status = ssi_adapter_plan_read(&loading.plan, error);
    if (status == SS_OK)
        status = take(&loading, layout_scratch, memory, &scratch, &scratch_bytes, error);
    if (status == SS_OK)
        status = hash_file(&loading, &made.file_hash, error);
    if (status == SS_OK) {
        ssi_hash_begin(loading.hash);
        status = build(&loading, &made, adapter, error);
    }
    ssi_release(memory, scratch, scratch_bytes);
    ssi_release(memory, tables, table_bytes);
    ssi_gguf_close(&gguf);
    return status;
}

void ssi_adapter_free(ss_adapter *adapter)
{
    if (!adapter)
        return;
    ssi_memory memory = adapter->memory;
    ssi_release(&memory, adapter->block, adapter->block_bytes);
}
