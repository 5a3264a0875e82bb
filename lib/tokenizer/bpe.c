/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-level byte-pair encoding: a word's bytes are its first symbols; the pair with the lowest
 * rank in the file's list of merges goes first. */
#include "tokenizer/merge_symbols.h"

static inline ssi_pair find_merge(const ssi_tokenizer *tokenizer, const char *text,
                                  const ssi_symbol *left, const ssi_symbol *right)
{
    (void)text;
    uint32_t bits = tokenizer->merge_bits, mask = ((uint32_t)1 << bits) - 1;
    uint32_t at = (uint32_t)(ssi_pair_hash(left->token, right->token) >> (64 - bits));
    for (;; at = (at + 1) & mask) {
        uint32_t holder = tokenizer->merge_slots[at];
        if (holder == 0)
            return (ssi_pair){.priority = SSI_NO_PAIR, .token = -1};
        const ssi_merge_rule *rule = &tokenizer->merges[holder - 1];
        if (rule->left == left->token && rule->right == right->token)
            return (ssi_pair){.priority = holder - 1, .token = rule->result};
    }
}

static ss_status encode_word(ssi_encoder *encoder, ssi_text word)
{
    const ssi_tokenizer *tokenizer = encoder->tokenizer;
    size_t symbols_bytes = word.length * sizeof(ssi_symbol);
    char *scratch = ssi_encode_scratch(
        encoder, symbols_bytes + ssi_merge_heap_count(word.length) * sizeof(ssi_merge));
    if (scratch == NULL)
        return ssi_fail(encoder->error, SS_ERROR_MEMORY,
                        "out of memory encoding a word of %zu bytes", word.length);
    ssi_symbol *symbols = (ssi_symbol *)(void *)scratch;
    ssi_merge *heap = (ssi_merge *)(void *)(scratch + symbols_bytes);

    for (uint32_t i = 0; i < word.length; i++) {
        symbols[i].token = tokenizer->byte_tokens[(unsigned char)word.bytes[i]];
        symbols[i].begin = i;
        symbols[i].length = 1;
    }
    uint32_t count = ssi_merge_symbols(tokenizer, word.bytes, symbols, (uint32_t)word.length,
                                       heap, find_merge);
    for (uint32_t i = 0; i < count; i++)
        if (symbols[i].token >= 0) /* a byte the vocabulary can't express is left out */
            ssi_emit(encoder, symbols[i].token);
    return SS_OK;
}

ss_status ssi_bpe_encode(ssi_encoder *encoder, ssi_text text)
{
    const ssi_tokenizer *tokenizer = encoder->tokenizer;
    ssi_word_cursor cursor;
    ssi_text word;
    ssi_word_begin(&cursor, tokenizer->pretokenizer, text);
    while (ssi_word_next(&cursor, &word)) {
        if (tokenizer->pretokenizer->whole_words) {
            int32_t token = ssi_token_map_find(&tokenizer->map, word.bytes, word.length);
            if (token >= 0) {
                ssi_emit(encoder, token);
                continue;
            }
        }
        SSI_TRY(encode_word(encoder, word));
    }
    return SS_OK;
}
