/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer is one block: this file checks the source, lays the block out and fills it in. */
#include "tokenizer/tokenizer.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "tokenizer/build.h"

#include <stdio.h>

/* What a source asks for, before there is a block. */
struct plan {
    const ssi_tokenizer_source *source;
    const ssi_pretokenizer *pretokenizer; /* NULL: SentencePiece */
    size_t text_bytes, longest_token;
    uint32_t specials_max, map_bits, merge_bits;
};

static ss_status check_kind(struct plan *plan, ss_error *error)
{
    const ssi_tokenizer_source *source = plan->source;
    if (ssi_text_is(source->model, "llama")) {
        if (source->scores == NULL)
            return ssi_fail(error, SS_ERROR_FORMAT, "tokenizer.ggml.scores is missing");
        return SS_OK;
    }
    if (source->model.length == 0)
        return ssi_fail(error, SS_ERROR_FORMAT, "tokenizer.ggml.model is missing");
    if (!ssi_text_is(source->model, "gpt2"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "tokenizer.ggml.model '%.*s' is not supported",
                        SSI_SHOWN(source->model));
    plan->pretokenizer = ssi_pretokenizer_find(source->pre);
    if (plan->pretokenizer == NULL)
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "tokenizer.ggml.pre '%.*s' is not supported", SSI_SHOWN(source->pre));
    if (source->merges == NULL)
        return ssi_fail(error, SS_ERROR_FORMAT, "tokenizer.ggml.merges is missing");
    return SS_OK;
}

static ss_status check_id(int32_t id, uint32_t token_count, const char *key, ss_error *error)
{
    if (id < -1 || (id >= 0 && (uint32_t)id >= token_count))
        return ssi_fail(error, SS_ERROR_FORMAT, "%s is %u, but there are %u tokens", key,
                        (uint32_t)id, token_count);
    return SS_OK;
}

static ss_status check_source(struct plan *plan, ss_error *error)
{
    const ssi_tokenizer_source *source = plan->source;
    SSI_TRY(check_kind(plan, error));
    if (source->tokens == NULL || source->token_count == 0)
        return ssi_fail(error, SS_ERROR_FORMAT, "tokenizer.ggml.tokens is missing or empty");
    if (source->token_count > INT32_MAX / 4 || source->merge_count > INT32_MAX / 4)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "tokenizer.ggml.tokens, merges: %u and %u entries, at most %d",
                        source->token_count, source->merge_count, INT32_MAX / 4);
    uint32_t count = source->token_count;
    SSI_TRY(check_id(source->bos, count, "tokenizer.ggml.bos_token_id", error));
    SSI_TRY(check_id(source->eos, count, "tokenizer.ggml.eos_token_id", error));
    SSI_TRY(check_id(source->eot, count, "tokenizer.ggml.eot_token_id", error));
    SSI_TRY(check_id(source->unknown, count, "tokenizer.ggml.unknown_token_id", error));
    for (uint32_t i = 0; i < count; i++) {
        if (ssi_add(plan->text_bytes, source->tokens[i].length, &plan->text_bytes) ||
            plan->text_bytes > INT32_MAX)
            return ssi_fail(error, SS_ERROR_FORMAT, "tokenizer.ggml.tokens: over %d bytes",
                            INT32_MAX);
        if (source->tokens[i].length > plan->longest_token)
            plan->longest_token = source->tokens[i].length;
        if (plan->pretokenizer == NULL && source->scores[i] != source->scores[i])
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tokenizer.ggml.scores[%u] is not a number", i);
        if (source->types != NULL && source->types[i] >= SSI_TOKEN_UNKNOWN &&
            source->types[i] <= SSI_TOKEN_USER_DEFINED)
            plan->specials_max++;
    }
    plan->specials_max += ssi_named_token_count();
    plan->map_bits = ssi_token_map_bits(count);
    plan->merge_bits = ssi_token_map_bits(source->merge_count);
    return SS_OK;
}

struct layout {
    ssi_tokenizer *tokenizer;
    ssi_text *texts;       /* of the lasting map */
    char *text_bytes;      /* SentencePiece: what they point to */
    uint32_t *slots;
    char *template_room;
};

static struct layout lay_out(ssi_arena *arena, const struct plan *plan, ssi_tokenizer *into)
{
    const ssi_tokenizer_source *source = plan->source;
    uint32_t count = source->token_count;
    struct layout laid = {.tokenizer = ssi_arena_take(arena, 1, sizeof(ssi_tokenizer))};
    into->types = ssi_arena_take(arena, count, 1);
    into->piece_starts = ssi_arena_take(arena, (size_t)count + 1, sizeof(uint32_t));
    into->pieces = ssi_arena_take(arena, plan->text_bytes, 1);
    into->specials.sorted = ssi_arena_take(arena, plan->specials_max, sizeof(int32_t));
    into->specials.by_length = ssi_arena_take(arena, plan->specials_max, sizeof(uint32_t));
    laid.template_room =
        ssi_arena_take(arena, ssi_chat_template_room(source->chat_template.length), 1);
    if (plan->pretokenizer != NULL) {
        into->merges = ssi_arena_take(arena, source->merge_count, sizeof(ssi_merge_rule));
        into->merge_slots =
            ssi_arena_take(arena, (size_t)1 << plan->merge_bits, sizeof(uint32_t));
    } else {
        into->priorities = ssi_arena_take(arena, count, sizeof(uint32_t));
        laid.text_bytes = ssi_arena_take(arena, plan->text_bytes, 1);
    }
    if (plan->pretokenizer == NULL || plan->pretokenizer->whole_words) {
        laid.texts = ssi_arena_take(arena, count, sizeof(ssi_text));
        laid.slots = ssi_arena_take(arena, (size_t)1 << plan->map_bits, sizeof(uint32_t));
    }
    return laid;
}

static bool flag_or(int32_t flag, bool by_default)
{
    return flag < 0 ? by_default : flag != 0;
}

static int32_t id_or(int32_t id, int32_t by_default, uint32_t token_count)
{
    return id >= 0 || (uint32_t)by_default >= token_count ? id : by_default;
}

static ss_status set_flags(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source,
                           ss_error *error)
{
    bool byte_pairs = tokenizer->byte_pairs;
    uint32_t count = tokenizer->token_count;
    tokenizer->bos = byte_pairs ? source->bos : id_or(source->bos, 1, count);
    tokenizer->eos = byte_pairs ? source->eos : id_or(source->eos, 2, count);
    tokenizer->unknown = byte_pairs ? source->unknown : id_or(source->unknown, 0, count);
    bool bos_by_default = byte_pairs ? tokenizer->pretokenizer->add_bos : true;
    tokenizer->add_bos = flag_or(source->add_bos, bos_by_default && tokenizer->bos >= 0);
    tokenizer->add_eos = flag_or(source->add_eos, false);
    tokenizer->add_space_prefix = !byte_pairs && flag_or(source->add_space_prefix, true);
    if (tokenizer->add_bos && tokenizer->bos < 0)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "tokenizer.ggml.add_bos_token is true, but "
                        "tokenizer.ggml.bos_token_id is missing");
    if (tokenizer->add_eos && tokenizer->eos < 0)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "tokenizer.ggml.add_eos_token is true, but "
                        "tokenizer.ggml.eos_token_id is missing");
    return SS_OK;
}

static void mark_ends(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source)
{
    if (tokenizer->eos >= 0)
        tokenizer->types[tokenizer->eos] |= SSI_TOKEN_ENDS;
    if (source->eot >= 0)
        tokenizer->types[source->eot] |= SSI_TOKEN_ENDS;
}

static int32_t find_special(const ssi_tokenizer *tokenizer, const ssi_token_map *map,
                            const char *name)
{
    int32_t token = ssi_token_map_find(map, name, strlen(name));
    bool special = token >= 0 && (ssi_token_type(tokenizer, token) == SSI_TOKEN_CONTROL ||
                                  ssi_token_type(tokenizer, token) == SSI_TOKEN_USER_DEFINED);
    return special ? token : -1;
}

/* What stands between turns is no message's to say: text alone never gives these tokens, whatever
 * their type in the file. */
static void find_turns(ssi_tokenizer *tokenizer, const ssi_token_map *map)
{
    tokenizer->turn_begin = find_special(tokenizer, map, "<|im_start|>");
    tokenizer->turn_end = find_special(tokenizer, map, "<|im_end|>");
    const int32_t turns[] = {tokenizer->turn_begin, tokenizer->turn_end};
    for (int i = 0; i < 2 && tokenizer->chat.chatml; i++)
        if (turns[i] >= 0)
            tokenizer->types[turns[i]] = (uint8_t)(
                SSI_TOKEN_CONTROL | (tokenizer->types[turns[i]] & SSI_TOKEN_ENDS));
}

static void collect_specials(ssi_tokenizer *tokenizer)
{
    for (uint32_t i = 0; i < tokenizer->token_count; i++) {
        uint32_t type = ssi_token_type(tokenizer, (int32_t)i);
        bool special = type == SSI_TOKEN_UNKNOWN || type == SSI_TOKEN_CONTROL ||
                       type == SSI_TOKEN_USER_DEFINED;
        if (special && ssi_piece(tokenizer, (int32_t)i).length > 0)
            tokenizer->specials.sorted[tokenizer->specials.count++] = (int32_t)i;
    }
    ssi_specials_sort(tokenizer);
}

/* What both kinds do once `map` finds tokens by the file's texts. */
static ss_status fill_tokens(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source,
                             ssi_token_map *map, ss_error *error)
{
    SSI_TRY(ssi_build_types(tokenizer, source, error));
    SSI_TRY(ssi_build_map(map, source, error));
    ssi_build_named_types(tokenizer, map);
    find_turns(tokenizer, map);
    mark_ends(tokenizer, source);
    SSI_TRY(ssi_build_pieces(tokenizer, source, error));
    ssi_build_byte_tokens(tokenizer, map);
    collect_specials(tokenizer);
    return SS_OK;
}

static ss_status fill_byte_pairs(const struct layout *laid, const struct plan *plan,
                                 ss_error *error)
{
    ssi_tokenizer *tokenizer = laid->tokenizer;
    const ssi_memory *memory = &tokenizer->memory;
    /* The file's texts are needed to resolve merges, not afterwards. */
    size_t slots_bytes = ((size_t)1 << plan->map_bits) * sizeof(uint32_t);
    size_t bytes = slots_bytes + plan->longest_token;
    uint32_t *slots = ssi_allocate(memory, bytes, SSI_ALIGN);
    if (slots == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory for %u tokens",
                        tokenizer->token_count);
    memset(slots, 0, slots_bytes);
    ssi_token_map map;
    ssi_token_map_init(&map, plan->source->tokens, slots, plan->map_bits);
    ss_status status = fill_tokens(tokenizer, plan->source, &map, error);
    if (status == SS_OK) {
        memset(tokenizer->merge_slots, 0, ((size_t)1 << plan->merge_bits) * sizeof(uint32_t));
        status = ssi_build_merges(tokenizer, plan->source, &map, (char *)slots + slots_bytes,
                                  error);
    }
    ssi_release(memory, slots, bytes);
    return status;
}

static void fill_whole_words(const struct layout *laid, const struct plan *plan)
{
    ssi_tokenizer *tokenizer = laid->tokenizer;
    memset(laid->slots, 0, ((size_t)1 << plan->map_bits) * sizeof(uint32_t));
    ssi_token_map_init(&tokenizer->map, laid->texts, laid->slots, plan->map_bits);
    for (uint32_t i = 0; i < tokenizer->token_count; i++) {
        laid->texts[i] = ssi_piece(tokenizer, (int32_t)i);
        if (ssi_token_type(tokenizer, (int32_t)i) == SSI_TOKEN_NORMAL &&
            laid->texts[i].length > 0)
            (void)ssi_token_map_add(&tokenizer->map, (int32_t)i);
    }
}

/* Rises as the score falls; equal scores (both zeros) are equal. */
static uint32_t priority_of_score(float score)
{
    uint32_t bits = ssi_bits_from_float(score == 0 ? 0 : score);
    return bits >> 31 != 0 ? bits : ~bits & 0x7fffffffu;
}

static bool holds_inner_space(ssi_text text)
{
    bool other = false;
    for (size_t i = 0; i < text.length; i++) {
        bool space = text.length - i >= 3 && memcmp(text.bytes + i, "\xe2\x96\x81", 3) == 0;
        if (space && other)
            return true;
        other |= !space;
        i += space ? 2 : 0;
    }
    return false;
}

static ss_status fill_sentencepiece(const struct layout *laid, const struct plan *plan,
                                    ss_error *error)
{
    ssi_tokenizer *tokenizer = laid->tokenizer;
    const ssi_tokenizer_source *source = plan->source;
    char *to = laid->text_bytes;
    tokenizer->words_begin_at_space = true;
    for (uint32_t i = 0; i < tokenizer->token_count; i++) {
        size_t length = source->tokens[i].length;
        if (length > 0)
            memcpy(to, source->tokens[i].bytes, length);
        laid->texts[i] = (ssi_text){.bytes = to, .length = length};
        to += length;
        tokenizer->priorities[i] = priority_of_score(source->scores[i]);
        if (holds_inner_space(laid->texts[i]))
            tokenizer->words_begin_at_space = false;
    }
    memset(laid->slots, 0, ((size_t)1 << plan->map_bits) * sizeof(uint32_t));
    ssi_token_map_init(&tokenizer->map, laid->texts, laid->slots, plan->map_bits);
    return fill_tokens(tokenizer, source, &tokenizer->map, error);
}

ss_status ssi_tokenizer_create(const ssi_tokenizer_source *source, const ssi_memory *memory,
                               ssi_tokenizer **tokenizer, ss_error *error)
{
    struct plan plan = {.source = source};
    SSI_TRY(check_source(&plan, error));
    ssi_tokenizer built = {.memory = *memory};
    ssi_arena arena = {.base = NULL};
    lay_out(&arena, &plan, &built);
    unsigned char *block =
        arena.overflow ? NULL : ssi_allocate(memory, arena.used, SSI_ALIGN);
    if (block == NULL)
        return ssi_fail(error, SS_ERROR_MEMORY, "out of memory for a tokenizer of %u tokens",
                        source->token_count);
    built.bytes = arena.used;
    built.byte_pairs = plan.pretokenizer != NULL;
    built.pretokenizer = plan.pretokenizer;
    built.token_count = source->token_count;
    built.merge_count = built.byte_pairs ? source->merge_count : 0;
    built.merge_bits = plan.merge_bits;
    snprintf(built.name, sizeof built.name, "%s%s", built.byte_pairs ? "gpt2/" : "llama",
             built.byte_pairs ? plan.pretokenizer->name : "");

    arena = (ssi_arena){.base = block};
    struct layout laid = lay_out(&arena, &plan, &built);
    *laid.tokenizer = built;
    laid.tokenizer->chat =
        ssi_chat_template_recognise(source->chat_template, laid.template_room);
    ss_status status = set_flags(laid.tokenizer, source, error);
    if (status == SS_OK)
        status = built.byte_pairs ? fill_byte_pairs(&laid, &plan, error)
                                  : fill_sentencepiece(&laid, &plan, error);
    if (status != SS_OK) {
        ssi_release(memory, block, built.bytes);
        return status;
    }
    if (built.byte_pairs && plan.pretokenizer->whole_words)
        fill_whole_words(&laid, &plan);
    *tokenizer = laid.tokenizer;
    return SS_OK;
}

void ssi_tokenizer_free(ssi_tokenizer *tokenizer)
{
    if (tokenizer == NULL)
        return;
    ssi_memory memory = tokenizer->memory;
    ssi_release(&memory, tokenizer, tokenizer->bytes);
}

bool ssi_tokenizer_is_end(const ssi_tokenizer *tokenizer, int32_t token)
{
    return (tokenizer->types[token] & SSI_TOKEN_ENDS) != 0;
}

uint32_t ssi_tokenizer_size(const ssi_tokenizer *tokenizer)
{
    return tokenizer->token_count;
}

int32_t ssi_tokenizer_bos(const ssi_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t ssi_tokenizer_eos(const ssi_tokenizer *tokenizer)
{
    return tokenizer->eos;
}

const char *ssi_tokenizer_name(const ssi_tokenizer *tokenizer)
{
    return tokenizer->name;
}

const char *ssi_tokenizer_template(const ssi_tokenizer *tokenizer)
{
    return tokenizer->chat.chatml ? "chatml" : "";
}

void ssi_tokenizer_hash(const ssi_tokenizer *tokenizer, ssi_hash_state *state)
{
    uint32_t count = tokenizer->token_count;
    int32_t numbers[] = {tokenizer->bos,     tokenizer->eos,     tokenizer->unknown,
                         tokenizer->add_bos, tokenizer->add_eos, tokenizer->add_space_prefix,
                         (int32_t)count,     (int32_t)tokenizer->merge_count};
    ssi_hash_update(state, numbers, sizeof numbers);
    ssi_hash_update(state, tokenizer->name, strlen(tokenizer->name) + 1);
    ssi_hash_update(state, tokenizer->types, count);
    ssi_hash_update(state, tokenizer->piece_starts, ((size_t)count + 1) * sizeof(uint32_t));
    ssi_hash_update(state, tokenizer->pieces, tokenizer->piece_starts[count]);
    if (tokenizer->byte_pairs)
        ssi_hash_update(state, tokenizer->merges,
                        (size_t)tokenizer->merge_count * sizeof(ssi_merge_rule));
    else
        ssi_hash_update(state, tokenizer->priorities, (size_t)count * sizeof(uint32_t));
}
