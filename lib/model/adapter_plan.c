/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an adapter's keys and sorting its tensors: everything is named, checked against the
 * model's sizes, and nothing may be left over, since a part nobody reads is a part nobody
 * computes. What an adapter was trained with is told by which tensors it has. */
#include "model/adapter_plan.h"

#include <math.h>

#include "base/bytes.h"
#include "gguf/gguf_keys.h"
#include "model/arch.h"

#define FORMAT_VERSION 1u
#define ROTATION_STEP_MAX 10.0 /* radians a stream */

/* ── keys ── */

static ss_status expect_text(const ssi_gguf *gguf, const char *key, const char *wanted,
                             ss_error *error)
{
    ssi_text text;
    SSI_TRY(ssi_gguf_get_text(gguf, key, SSI_REQUIRED, &text, error));
    if (!ssi_text_is(text, wanted))
        return ssi_fail(error, SS_ERROR_MISMATCH, "key %s: '%.*s', expected '%s'", key,
                        SSI_SHOW(text), wanted);
    return SS_OK;
}

static ss_status read_kind(ssi_adapter_plan *plan, ss_error *error)
{
    ssi_text type;
    SSI_TRY(expect_text(plan->gguf, SSI_KEY_TYPE, "adapter", error));
    SSI_TRY(expect_text(plan->gguf, SSI_KEY_ARCHITECTURE, plan->model->architecture, error));
    SSI_TRY(ssi_gguf_get_text(plan->gguf, SSI_KEY_ADAPTER_TYPE, SSI_REQUIRED, &type, error));
    SSI_TRY(ssi_gguf_get_text(plan->gguf, SSI_KEY_NAME, SSI_OPTIONAL, &plan->name, error));
    SSI_TRY(ssi_gguf_get_f32(plan->gguf, SSI_KEY_LORA_ALPHA, SSI_OPTIONAL, &plan->alpha, error));
    plan->plain_lora = ssi_text_is(type, "lora");
    if (!plan->plain_lora && !ssi_text_is(type, "specstream"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: '%.*s', expected 'specstream' or 'lora'", SSI_KEY_ADAPTER_TYPE,
                        SSI_SHOW(type));
    return SS_OK;
}

static ss_status check_known_keys(const ssi_gguf *gguf, ss_error *error)
{
    static const char *const known[] = {
        SSI_KEY_FORMAT_VERSION, SSI_KEY_MODE,          SSI_KEY_STREAM_COUNT,
        SSI_KEY_MSA_LAYERS,     SSI_KEY_STREAM_INIT,   SSI_KEY_BASE_HASH,
        SSI_KEY_DRAFT_VOCAB,    SSI_KEY_ROTATION_STEP,
    };
    for (uint32_t i = 0; i < gguf->key_count; i++) {
        ssi_text name = gguf->keys[i].name;
        bool found = name.length < strlen(SSI_PREFIX_OWN) || memcmp(name.bytes, SSI_PREFIX_OWN, strlen(SSI_PREFIX_OWN));
        for (size_t j = 0; j < sizeof known / sizeof *known && !found; j++)
            found = ssi_text_is(name, known[j]);
        if (!found)
            return ssi_fail(error, SS_ERROR_UNSUPPORTED, "key %.*s is not known", SSI_SHOW(name));
    }
    return SS_OK;
}

static ss_status read_stream_init(ssi_adapter_plan *plan, ss_error *error)
{
    ssi_text init;
    SSI_TRY(ssi_gguf_get_text(plan->gguf, SSI_KEY_STREAM_INIT, SSI_REQUIRED, &init, error));
    if (ssi_text_is(init, "embedding"))
        plan->stream_init = SSI_STREAM_EMBEDDING;
    else if (ssi_text_is(init, "value_rotation"))
        plan->stream_init = SSI_STREAM_VALUE_ROTATION;
    else
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: '%.*s', expected 'embedding' or 'value_rotation'",
                        SSI_KEY_STREAM_INIT, SSI_SHOW(init));
    SSI_TRY(ssi_gguf_get_f32(plan->gguf, SSI_KEY_ROTATION_STEP,
                             plan->stream_init == SSI_STREAM_VALUE_ROTATION ? SSI_REQUIRED
                                                                            : SSI_OPTIONAL,
                             &plan->rotation_step, error));
    if (!(fabsf(plan->rotation_step) <= ROTATION_STEP_MAX))
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %g, expected -%g to %g",
                        SSI_KEY_ROTATION_STEP, (double)plan->rotation_step, ROTATION_STEP_MAX,
                        ROTATION_STEP_MAX);
    return SS_OK;
}

ss_status ssi_adapter_check_base(ssi_text wanted, ssi_hash128 tensors, ss_error *error)
{
    char hex[33];
    ssi_hash_to_hex(tensors, hex);
    if (!ssi_text_is(wanted, hex))
        return ssi_fail(error, SS_ERROR_MISMATCH,
                        "the adapter was made for a base model with tensor hash %.*s, this one "
                        "has %s", SSI_SHOW(wanted), hex);
    return SS_OK;
}

/* Every token once, seen without memory of its own: one window of the vocabulary after the other. */
static ss_status check_drafts_differ(const ssi_gguf_key *drafts, uint32_t vocabulary_size,
                                     ss_error *error)
{
    enum { WINDOW = 1 << 14 };
    uint64_t seen[WINDOW / 64];
    for (uint32_t first = 0; first < vocabulary_size; first += WINDOW) {
        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < drafts->count; i++) {
            uint32_t at = (uint32_t)ssi_gguf_item_i32(drafts, i) - first;
            if (at >= WINDOW)
                continue;
            if (seen[at / 64] >> at % 64 & 1)
                return ssi_fail(error, SS_ERROR_FORMAT, "key %s: token %u is listed twice",
                                SSI_KEY_DRAFT_VOCAB, first + at);
            seen[at / 64] |= (uint64_t)1 << at % 64;
        }
    }
    return SS_OK;
}

static ss_status read_draft_vocabulary(ssi_adapter_plan *plan, ss_error *error)
{
    uint32_t vocabulary_size = plan->model->hyper.vocabulary_size;
    SSI_TRY(ssi_gguf_get_array(plan->gguf, SSI_KEY_DRAFT_VOCAB, SSI_OPTIONAL, SSI_GGUF_I32,
                               &plan->draft_vocabulary, error));
    const ssi_gguf_key *drafts = plan->draft_vocabulary;
    if (!drafts)
        return SS_OK;
    if (drafts->count == 0 || drafts->count > vocabulary_size)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %llu tokens, expected 1 to %u",
                        SSI_KEY_DRAFT_VOCAB, (unsigned long long)drafts->count, vocabulary_size);
    for (uint64_t i = 0; i < drafts->count; i++) {
        int32_t token = ssi_gguf_item_i32(drafts, i);
        if (token < 0 || (uint32_t)token >= vocabulary_size)
            return ssi_fail(error, SS_ERROR_FORMAT, "key %s: item %llu is %d, expected 0 to %u",
                            SSI_KEY_DRAFT_VOCAB, (unsigned long long)i, token,
                            vocabulary_size - 1);
    }
    return check_drafts_differ(drafts, vocabulary_size, error);
}

static ss_status read_streams(ssi_adapter_plan *plan, ss_error *error)
{
    const ssi_gguf *gguf = plan->gguf;
    uint32_t version = 0, layer_count = plan->model->hyper.layer_count;
    ssi_text mode, base;
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_FORMAT_VERSION, SSI_REQUIRED, &version, error));
    if (version != FORMAT_VERSION)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "key %s: %u, expected %u",
                        SSI_KEY_FORMAT_VERSION, version, FORMAT_VERSION);
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_BASE_HASH, SSI_REQUIRED, &base, error));
    /* Before numbers that only make sense for the right one. */
    SSI_TRY(ssi_adapter_check_base(base, plan->model->tensor_hash, error));
    SSI_TRY(check_known_keys(gguf, error));
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_MODE, SSI_REQUIRED, &mode, error));
    plan->shared = ssi_text_is(mode, "shared");
    if (!plan->shared && !ssi_text_is(mode, "lossless"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: '%.*s', expected 'lossless' or 'shared'", SSI_KEY_MODE,
                        SSI_SHOW(mode));
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_STREAM_COUNT, SSI_REQUIRED, &plan->stream_count, error));
    if (plan->stream_count < 1 || plan->stream_count > SSI_STREAMS_MAX)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u, expected 1 to %u",
                        SSI_KEY_STREAM_COUNT, plan->stream_count, SSI_STREAMS_MAX);
    SSI_TRY(ssi_gguf_get_u32(gguf, SSI_KEY_MSA_LAYERS, SSI_REQUIRED, &plan->msa_layer_count, error));
    if (plan->msa_layer_count < 1 || plan->msa_layer_count > layer_count)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u, expected 1 to %u", SSI_KEY_MSA_LAYERS,
                        plan->msa_layer_count, layer_count);
    SSI_TRY(read_stream_init(plan, error));
    return read_draft_vocabulary(plan, error);
}

/* ── tensors ── */

/* "blk.<layer>." off the front; false when it isn't there or the layer is too high. One spelling a
 * layer: no two tensors play the same part. */
static bool cut_layer(ssi_text *text, uint32_t layer_count, uint32_t *layer)
{
    uint32_t number = 0, digits = 0;
    if (!ssi_text_cut_prefix(text, "blk."))
        return false;
    if (text->length > 1 && text->bytes[0] == '0' && text->bytes[1] != '.')
        return false;
    while (text->length > 0 && text->bytes[0] >= '0' && text->bytes[0] <= '9' && digits++ < 6) {
        number = number * 10 + (uint32_t)(text->bytes[0] - '0');
        *text = (ssi_text){text->bytes + 1, text->length - 1};
    }
    *layer = number;
    return digits > 0 && number < layer_count && ssi_text_cut_prefix(text, ".");
}

/* The linear map a layer's tensor name stands for, or SSI_LINEAR_COUNT. */
static uint32_t linear_of(const ss_model *model, ssi_text name)
{
    ssi_text architecture = ssi_text_of(model->architecture);
    const ssi_arch *arch = ssi_arch_find(architecture);
    for (uint32_t i = 0; i < arch->layer_tensor_count; i++)
        if (ssi_text_is(name, arch->layer_tensors[i].name))
            for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++)
                if (arch->layer_tensors[i].slot == offsetof(ssi_layer, linear) +
                                                       map * sizeof(ssi_linear) +
                                                       offsetof(ssi_linear, weight))
                    return map;
    return SSI_LINEAR_COUNT;
}

static ss_status sort_lora(ssi_adapter_plan *plan, const ssi_gguf_tensor *tensor, ss_error *error)
{
    ssi_text name = tensor->name;
    uint32_t layer, map, layer_count = plan->model->hyper.layer_count;
    bool is_a = ssi_text_cut_suffix(&name, ".lora_a");
    if (!is_a && !ssi_text_cut_suffix(&name, ".lora_b"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED, "tensor %.*s is no part of an adapter",
                        SSI_SHOW(tensor->name));
    bool is_stream = !plan->plain_lora && ssi_text_cut_suffix(&name, ".stream");
    if (!cut_layer(&name, layer_count, &layer) ||
        (map = linear_of(plan->model, name)) == SSI_LINEAR_COUNT)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "tensor %.*s: a LoRA is supported on the linear maps of layers 0 to %u",
                        SSI_SHOW(tensor->name), layer_count - 1);
    if (is_stream && layer < layer_count - plan->msa_layer_count)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "tensor %.*s: streams run through layers %u to %u only",
                        SSI_SHOW(tensor->name), layer_count - plan->msa_layer_count,
                        layer_count - 1);
    if (!is_stream && !plan->plain_lora && !plan->shared)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "tensor %.*s: mode 'lossless' has no LoRA on main rows",
                        SSI_SHOW(tensor->name));
    ssi_pair_plan *pair = &(is_stream ? plan->stream : plan->main)[layer * SSI_LINEAR_COUNT + map];
    *(is_a ? &pair->a : &pair->b) = tensor;
    ++*(is_stream ? &plan->stream_pair_count : &plan->main_count);
    return SS_OK;
}

static ss_status sort_own(ssi_adapter_plan *plan, const ssi_gguf_tensor *tensor, ss_error *error)
{
    const struct {
        const char *name;
        const ssi_gguf_tensor **place;
    } known[] = {
        {"stream_embd", &plan->stream_embedding},
        {"root.gain", &plan->root_gain},
        {"stream_init.a", &plan->pairs[SSI_PAIR_INIT].a},
        {"stream_init.b", &plan->pairs[SSI_PAIR_INIT].b},
        {"root.a", &plan->pairs[SSI_PAIR_ROOT].a},
        {"root.b", &plan->pairs[SSI_PAIR_ROOT].b},
        {"parent.a", &plan->pairs[SSI_PAIR_PARENT].a},
        {"parent.b", &plan->pairs[SSI_PAIR_PARENT].b},
        {"prune.a", &plan->pairs[SSI_PAIR_PRUNE].a},
        {"prune.b", &plan->pairs[SSI_PAIR_PRUNE].b},
    };
    ssi_text name = tensor->name;
    (void)ssi_text_cut_prefix(&name, SSI_PREFIX_OWN);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ssi_text_is(name, known[i].name)) {
            *known[i].place = tensor;
            return SS_OK;
        }
    return ssi_fail(error, SS_ERROR_UNSUPPORTED, "tensor %.*s is not known",
                    SSI_SHOW(tensor->name));
}

static ss_status check_shape(const ssi_gguf_tensor *tensor, uint64_t rows, uint64_t columns,
                             ss_error *error)
{
    if (tensor->dims[0] == columns && tensor->dims[1] == rows && tensor->dims[2] == 1 &&
        tensor->dims[3] == 1)
        return SS_OK;
    return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: shape %llux%llu, expected %llux%llu",
                    SSI_SHOW(tensor->name), (unsigned long long)tensor->dims[0],
                    (unsigned long long)tensor->dims[1], (unsigned long long)columns,
                    (unsigned long long)rows);
}

/* Both halves or neither, shapes that fit [out][in] and one another. */
static ss_status check_pair(const ssi_pair_plan *pair, uint32_t out, uint32_t in, ss_error *error)
{
    const ssi_gguf_tensor *half = pair->a ? pair->a : pair->b;
    if (!half)
        return SS_OK;
    if (!pair->a || !pair->b)
        return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: the other half of the pair is missing",
                        SSI_SHOW(half->name));
    uint64_t rank = pair->a->dims[1];
    if (rank < 1 || rank > SSI_LORA_RANK_MAX)
        return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: rank %llu, expected 1 to %u",
                        SSI_SHOW(pair->a->name), (unsigned long long)rank, SSI_LORA_RANK_MAX);
    SSI_TRY(check_shape(pair->a, rank, in, error));
    return check_shape(pair->b, out, rank, error);
}

static ss_status check_pairs(const ssi_adapter_plan *plan, ss_error *error)
{
    const ssi_hyper *hyper = &plan->model->hyper;
    uint32_t d = hyper->embedding_length;
    for (uint32_t layer = 0; layer < hyper->layer_count; layer++)
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++) {
            const ssi_matrix *weight = &plan->model->layers[layer].linear[map].weight;
            uint32_t at = layer * SSI_LINEAR_COUNT + map;
            SSI_TRY(check_pair(&plan->main[at], weight->rows, weight->columns, error));
            SSI_TRY(check_pair(&plan->stream[at], weight->rows, weight->columns, error));
        }
    for (uint32_t i = 0; i < SSI_PAIR_COUNT; i++)
        SSI_TRY(check_pair(&plan->pairs[i], d, d, error));
    return SS_OK;
}

static ss_status check_streams(const ssi_adapter_plan *plan, ss_error *error)
{
    uint32_t d = plan->model->hyper.embedding_length;
    bool embedding = plan->stream_init == SSI_STREAM_EMBEDDING;
    bool root = plan->pairs[SSI_PAIR_ROOT].a != NULL;
    if (embedding != (plan->stream_embedding != NULL))
        return ssi_fail(error, SS_ERROR_FORMAT, "tensor specstream.stream_embd %s",
                        embedding ? "is missing" : "does not go with value_rotation");
    if (root != (plan->root_gain != NULL))
        return ssi_fail(error, SS_ERROR_FORMAT, "tensor specstream.root.%s is missing",
                        root ? "gain" : "a");
    if (plan->stream_embedding)
        SSI_TRY(check_shape(plan->stream_embedding, plan->stream_count, d, error));
    if (plan->root_gain)
        SSI_TRY(check_shape(plan->root_gain, plan->stream_count, d, error));
    return SS_OK;
}

ss_status ssi_adapter_plan_read(ssi_adapter_plan *plan, ss_error *error)
{
    SSI_TRY(read_kind(plan, error));
    if (!plan->plain_lora)
        SSI_TRY(read_streams(plan, error));
    for (uint32_t i = 0; i < plan->gguf->tensor_count; i++) {
        const ssi_gguf_tensor *tensor = &plan->gguf->tensors[i];
        ssi_text name = tensor->name;
        if (!ssi_type_from_ggml(tensor->type))
            return ssi_fail(error, SS_ERROR_UNSUPPORTED, "tensor %.*s: type %s is not supported",
                            SSI_SHOW(name), ssi_gguf_type_get(tensor->type)->name);
        bool own = !plan->plain_lora && ssi_text_cut_prefix(&name, SSI_PREFIX_OWN);
        SSI_TRY(own ? sort_own(plan, tensor, error) : sort_lora(plan, tensor, error));
    }
    SSI_TRY(check_pairs(plan, error));
    if (!plan->plain_lora)
        return check_streams(plan, error);
    if (plan->main_count == 0)
        return ssi_fail(error, SS_ERROR_FORMAT, "the LoRA file holds no tensors");
    return SS_OK;
}

ss_status ssi_adapter_read_tensor(const ssi_source *source, const ssi_gguf_tensor *tensor,
                                  unsigned char *bytes, float *values, ss_error *error)
{
    SSI_TRY(ssi_source_read(source, tensor->offset, bytes, (size_t)tensor->bytes, error));
    ssi_type_from_ggml(tensor->type)->decode(bytes, (size_t)tensor->elements, values);
    for (size_t i = 0; i < tensor->elements; i++)
        if (!(fabsf(values[i]) < INFINITY))
            return ssi_fail(error, SS_ERROR_FORMAT, "tensor %.*s: number %zu is not finite",
                            SSI_SHOW(tensor->name), i);
    return SS_OK;
}
