/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.ggml.merges, "left right" by rank, into rules over ids and a hash table of pairs. */
#include "tokenizer/build.h"

/* Vocabularies list the results of their merges in the order of the merges, so the token after
 * the last result is tried before the hash table is. */
static int32_t find_result(const ssi_tokenizer_source *source, const ssi_token_map *map,
                           ssi_text left, ssi_text right, int32_t guess, char *room)
{
    size_t length = left.length + right.length;
    if (guess >= 0 && (uint32_t)guess < source->token_count) {
        ssi_text text = source->tokens[guess];
        if (text.length == length && memcmp(text.bytes, left.bytes, left.length) == 0 &&
            memcmp(text.bytes + left.length, right.bytes, right.length) == 0)
            return guess;
    }
    memcpy(room, left.bytes, left.length);
    memcpy(room + left.length, right.bytes, right.length);
    return ssi_token_map_find(map, room, length);
}

/* A pair listed twice keeps its first rank. */
static void enter(ssi_tokenizer *tokenizer, uint32_t rank)
{
    const ssi_merge_rule *rule = &tokenizer->merges[rank];
    uint32_t mask = ((uint32_t)1 << tokenizer->merge_bits) - 1;
    uint32_t at =
        (uint32_t)(ssi_pair_hash(rule->left, rule->right) >> (64 - tokenizer->merge_bits));
    for (; tokenizer->merge_slots[at] != 0; at = (at + 1) & mask) {
        const ssi_merge_rule *other = &tokenizer->merges[tokenizer->merge_slots[at] - 1];
        if (other->left == rule->left && other->right == rule->right)
            return;
    }
    tokenizer->merge_slots[at] = rank + 1;
}

ss_status ssi_build_merges(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source,
                           const ssi_token_map *map, char *room, ss_error *error)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < source->token_count; i++)
        if (source->tokens[i].length > longest)
            longest = source->tokens[i].length;

    int32_t result = -1;
    for (uint32_t rank = 0; rank < source->merge_count; rank++) {
        ssi_text merge = source->merges[rank];
        /* From the second byte on: a symbol may itself be written as a space. */
        const char *space =
            merge.length > 1 ? memchr(merge.bytes + 1, ' ', merge.length - 1) : NULL;
        if (space == NULL)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tokenizer.ggml.merges[%u]: '%.*s', expected two tokens with a "
                            "space between",
                            rank, SSI_SHOWN(merge));
        ssi_text left = {merge.bytes, (size_t)(space - merge.bytes)};
        ssi_text right = {space + 1, merge.length - left.length - 1};
        ssi_merge_rule rule = {.left = ssi_token_map_find(map, left.bytes, left.length),
                               .right = ssi_token_map_find(map, right.bytes, right.length)};
        if (rule.left < 0 || rule.right < 0)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tokenizer.ggml.merges[%u]: '%.*s' is not in tokenizer.ggml.tokens",
                            rank, SSI_SHOWN(rule.left < 0 ? left : right));
        if (merge.length - 1 <= longest)
            rule.result = find_result(source, map, left, right, result + 1, room);
        else
            rule.result = -1;
        if (rule.result < 0)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tokenizer.ggml.merges[%u]: '%.*s' makes a token that is not in "
                            "tokenizer.ggml.tokens",
                            rank, SSI_SHOWN(merge));
        result = rule.result;
        tokenizer->merges[rank] = rule;
        enter(tokenizer, rank);
    }
    return SS_OK;
}
