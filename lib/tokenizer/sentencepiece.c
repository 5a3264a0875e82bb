/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece: a space is written U+2581, characters are the first symbols, and the pair that
 * makes the token with the highest score goes first. What forms no token becomes byte tokens. */
#include "tokenizer/merge_symbols.h"
#include "tokenizer/unicode.h"

#define SPACE_MARK "\xe2\x96\x81" /* U+2581 */
#define SPACE_MARK_BYTES 3u

static inline ssi_pair find_merge(const ssi_tokenizer *tokenizer, const char *text,
                                  const ssi_symbol *left, const ssi_symbol *right)
{
    int32_t token = ssi_token_map_find(&tokenizer->map, text + left->begin,
                                       (size_t)left->length + right->length);
    if (token < 0)
        return (ssi_pair){.priority = SSI_NO_PAIR, .token = -1};
    return (ssi_pair){.priority = tokenizer->priorities[token], .token = token};
}

/* Bytes of a space at text[at], plain or as its mark; 0: none. */
static size_t space_bytes(ssi_text text, size_t at)
{
    if (text.bytes[at] == ' ')
        return 1;
    bool mark = text.length - at >= SPACE_MARK_BYTES &&
                memcmp(text.bytes + at, SPACE_MARK, SPACE_MARK_BYTES) == 0;
    return mark ? SPACE_MARK_BYTES : 0;
}

/* Where no token holds a space after something else, no merge crosses such a place, so that words
 * can be merged one by one: spaces, then what follows them. */
static size_t word_end(ssi_text text, size_t at)
{
    size_t bytes;
    while (at < text.length && (bytes = space_bytes(text, at)) > 0)
        at += bytes;
    while (at < text.length && space_bytes(text, at) == 0)
        at++;
    return at;
}

/* Copies text with its spaces marked; returns the length. */
static size_t mark_spaces(char *marked, ssi_text text, bool space_before)
{
    size_t length = 0;
    if (space_before) {
        memcpy(marked, SPACE_MARK, SPACE_MARK_BYTES);
        length = SPACE_MARK_BYTES;
    }
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] != ' ') {
            marked[length++] = text.bytes[i];
            continue;
        }
        memcpy(marked + length, SPACE_MARK, SPACE_MARK_BYTES);
        length += SPACE_MARK_BYTES;
    }
    return length;
}

static uint32_t first_symbols(const ssi_tokenizer *tokenizer, ssi_text text,
                              ssi_symbol *symbols)
{
    uint32_t count = 0, code_point;
    for (size_t at = 0; at < text.length; count++) {
        int bytes = ssi_utf8_decode((const unsigned char *)text.bytes + at, text.length - at,
                                    &code_point);
        size_t length = bytes > 0 ? (size_t)bytes : 1;
        symbols[count].token = ssi_token_map_find(&tokenizer->map, text.bytes + at, length);
        symbols[count].begin = (uint32_t)at;
        symbols[count].length = (uint32_t)length;
        at += length;
    }
    return count;
}

static void emit_byte(ssi_encoder *encoder, char byte)
{
    int32_t token = encoder->tokenizer->byte_tokens[(unsigned char)byte];
    if (token >= 0)
        ssi_emit(encoder, token);
}

static void emit_bytes(ssi_encoder *encoder, ssi_text symbol)
{
    if (symbol.length == SPACE_MARK_BYTES && space_bytes(symbol, 0) > 0)
        emit_byte(encoder, ' ');
    else
        for (size_t i = 0; i < symbol.length; i++)
            emit_byte(encoder, symbol.bytes[i]);
}

static ss_status encode_word(ssi_encoder *encoder, ssi_text word, bool space_before)
{
    const ssi_tokenizer *tokenizer = encoder->tokenizer;
    size_t symbols_max = word.length + space_before;
    size_t symbols_bytes = symbols_max * sizeof(ssi_symbol);
    size_t heap_bytes = ssi_merge_heap_count(symbols_max) * sizeof(ssi_merge);
    char *scratch = ssi_encode_scratch(encoder, symbols_bytes + heap_bytes +
                                                    symbols_max * SPACE_MARK_BYTES);
    if (scratch == NULL)
        return ssi_fail(encoder->error, SS_ERROR_MEMORY,
                        "out of memory encoding a word of %zu bytes", word.length);
    ssi_symbol *symbols = (ssi_symbol *)(void *)scratch;
    ssi_merge *heap = (ssi_merge *)(void *)(scratch + symbols_bytes);
    char *marked = scratch + symbols_bytes + heap_bytes;

    size_t length = mark_spaces(marked, word, space_before);
    uint32_t count = first_symbols(tokenizer, (ssi_text){marked, length}, symbols);
    count = ssi_merge_symbols(tokenizer, marked, symbols, count, heap, find_merge);
    for (uint32_t i = 0; i < count; i++) {
        if (symbols[i].token >= 0)
            ssi_emit(encoder, symbols[i].token);
        else
            emit_bytes(encoder, (ssi_text){marked + symbols[i].begin, symbols[i].length});
    }
    return SS_OK;
}

ss_status ssi_sentencepiece_encode(ssi_encoder *encoder, ssi_text text, bool after_special)
{
    const ssi_tokenizer *tokenizer = encoder->tokenizer;
    bool space_before = after_special && tokenizer->add_space_prefix;
    for (size_t at = 0, end; at < text.length; at = end) {
        end = tokenizer->words_begin_at_space ? word_end(text, at) : text.length;
        SSI_TRY(encode_word(encoder, (ssi_text){text.bytes + at, end - at}, space_before));
        space_before = false;
    }
    return SS_OK;
}
