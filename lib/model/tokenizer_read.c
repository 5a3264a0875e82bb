/* SPDX-License-Identifier: Apache-2.0 */
/* From the tokenizer's keys to what the tokenizer room takes; what the values mean is its affair. */
#include "gguf/gguf_keys.h"
#include "model/load.h"
#include "tokenizer/tokenizer.h"

typedef struct arrays {
    const ssi_gguf_key *tokens, *merges, *scores, *types; /* NULL: absent */
    ssi_text *token_texts, *merge_texts;
    float *score_values;
    int32_t *type_values;
} arrays;

static uint32_t count_of(const ssi_gguf_key *array)
{
    return array == NULL ? 0 : (uint32_t)array->count;
}

static ss_status find_arrays(const ssi_gguf *gguf, arrays *found, ss_error *error)
{
    SSI_TRY(ssi_gguf_get_array(gguf, SSI_KEY_TOKENS, SSI_REQUIRED, SSI_GGUF_STRING,
                               &found->tokens, error));
    SSI_TRY(ssi_gguf_get_array(gguf, SSI_KEY_MERGES, SSI_OPTIONAL, SSI_GGUF_STRING,
                               &found->merges, error));
    SSI_TRY(ssi_gguf_get_array(gguf, SSI_KEY_TOKEN_SCORES, SSI_OPTIONAL, SSI_GGUF_F32,
                               &found->scores, error));
    SSI_TRY(ssi_gguf_get_array(gguf, SSI_KEY_TOKEN_TYPES, SSI_OPTIONAL, SSI_GGUF_I32,
                               &found->types, error));
    uint32_t token_count = count_of(found->tokens);
    if (found->scores != NULL && count_of(found->scores) != token_count)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u items, expected one for each of %u "
                        "tokens", SSI_KEY_TOKEN_SCORES, count_of(found->scores), token_count);
    if (found->types != NULL && count_of(found->types) != token_count)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u items, expected one for each of %u "
                        "tokens", SSI_KEY_TOKEN_TYPES, count_of(found->types), token_count);
    return SS_OK;
}

static void lay_out(arrays *found, ssi_arena *arena)
{
    found->token_texts = ssi_arena_take(arena, count_of(found->tokens), sizeof(ssi_text));
    found->merge_texts = ssi_arena_take(arena, count_of(found->merges), sizeof(ssi_text));
    found->score_values = ssi_arena_take(arena, count_of(found->scores), sizeof(float));
    found->type_values = ssi_arena_take(arena, count_of(found->types), sizeof(int32_t));
}

static ss_status read_token(const ssi_gguf *gguf, const char *key, int32_t *token,
                            ss_error *error)
{
    uint32_t value = UINT32_MAX;
    *token = -1;
    if (ssi_gguf_find_key(gguf, key) == NULL)
        return SS_OK;
    SSI_TRY(ssi_gguf_get_u32(gguf, key, SSI_REQUIRED, &value, error));
    if (value > INT32_MAX)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %u, expected a token's id", key, value);
    *token = (int32_t)value;
    return SS_OK;
}

static ss_status read_flag(const ssi_gguf *gguf, const char *key, int32_t *flag, ss_error *error)
{
    bool value = false;
    *flag = -1;
    if (ssi_gguf_find_key(gguf, key) == NULL)
        return SS_OK;
    SSI_TRY(ssi_gguf_get_bool(gguf, key, SSI_REQUIRED, &value, error));
    *flag = value ? 1 : 0;
    return SS_OK;
}

static ss_status read_scalars(const ssi_gguf *gguf, ssi_tokenizer_source *source,
                              ss_error *error)
{
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_TOKENIZER_MODEL, SSI_REQUIRED, &source->model,
                              error));
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_TOKENIZER_PRE, SSI_OPTIONAL, &source->pre, error));
    SSI_TRY(ssi_gguf_get_text(gguf, SSI_KEY_CHAT_TEMPLATE, SSI_OPTIONAL, &source->chat_template,
                              error));
    SSI_TRY(read_token(gguf, SSI_KEY_BOS, &source->bos, error));
    SSI_TRY(read_token(gguf, SSI_KEY_EOS, &source->eos, error));
    SSI_TRY(read_token(gguf, SSI_KEY_EOT, &source->eot, error));
    SSI_TRY(read_token(gguf, SSI_KEY_UNKNOWN, &source->unknown, error));
    SSI_TRY(read_flag(gguf, SSI_KEY_ADD_BOS, &source->add_bos, error));
    SSI_TRY(read_flag(gguf, SSI_KEY_ADD_EOS, &source->add_eos, error));
    return read_flag(gguf, SSI_KEY_ADD_SPACE_PREFIX, &source->add_space_prefix, error);
}

ss_status ssi_tokenizer_read(const ssi_gguf *gguf, const ssi_memory *memory,
                             ssi_tokenizer **tokenizer, ss_error *error)
{
    arrays found = { 0 };
    ssi_tokenizer_source source = { 0 };
    ssi_arena arena = { 0 };
    SSI_TRY(find_arrays(gguf, &found, error));
    SSI_TRY(read_scalars(gguf, &source, error));
    lay_out(&found, &arena);
    size_t bytes = arena.used;
    arena = (ssi_arena){ .base = ssi_allocate(memory, bytes, SSI_ALIGN) };
    if (arena.base == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory: %zu bytes for the tokenizer's "
                        "tables", bytes);
    lay_out(&found, &arena);
    source.token_count = count_of(found.tokens);
    source.merge_count = count_of(found.merges);
    ssi_gguf_array_texts(found.tokens, found.token_texts);
    source.tokens = found.token_texts;
    if (found.merges != NULL) {
        ssi_gguf_array_texts(found.merges, found.merge_texts);
        source.merges = found.merge_texts;
    }
    if (found.scores != NULL) {
        ssi_gguf_array_f32(found.scores, found.score_values);
        source.scores = found.score_values;
    }
    if (found.types != NULL) {
        ssi_gguf_array_i32(found.types, found.type_values);
        source.types = found.type_values;
    }
    ss_status status = ssi_tokenizer_create(&source, memory, tokenizer, error);
    ssi_release(memory, arena.base, bytes);
    return status;
}
