/* SPDX-License-Identifier: Apache-2.0 */
/* From ids to bytes: pieces one after the other. */
#include "tokenizer/vocabulary.h"

static bool is_hidden(const ssi_tokenizer *tokenizer, int32_t token)
{
    uint32_t type = ssi_token_type(tokenizer, token);
    return type == SSI_TOKEN_CONTROL || type == SSI_TOKEN_UNKNOWN;
}

/* Whether encoding takes this token out of a text before it looks at the rest. */
static bool stands_apart(const ssi_tokenizer *tokenizer, int32_t token)
{
    return is_hidden(tokenizer, token) ||
           ssi_token_type(tokenizer, token) == SSI_TOKEN_USER_DEFINED;
}

ssi_text ssi_tokenizer_piece(const ssi_tokenizer *tokenizer, int32_t token, bool special)
{
    if (!special && is_hidden(tokenizer, token))
        return (ssi_text){.bytes = tokenizer->pieces, .length = 0};
    return ssi_piece(tokenizer, token);
}

ss_status ssi_tokenizer_check(const ssi_tokenizer *tokenizer, const int32_t *tokens, size_t count,
                              ss_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= tokenizer->token_count)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "token %zu is %d: expected 0 to %u", i,
                            tokens[i], tokenizer->token_count - 1);
    return SS_OK;
}

ss_status ssi_tokenizer_decode(const ssi_tokenizer *tokenizer, const int32_t *tokens,
                               size_t count, bool special, char *text, size_t capacity,
                               size_t *text_bytes, ss_error *error)
{
    SSI_TRY(ssi_tokenizer_check(tokenizer, tokens, count, error));

    /* The space that encoding put before the text, or behind a token that stands apart, is taken off
     * again; not so behind one that isn't shown, but for the BOS that encoding adds. */
    bool drop_space = tokenizer->add_space_prefix;
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        ssi_text piece = ssi_tokenizer_piece(tokenizer, tokens[i], special);
        if (stands_apart(tokenizer, tokens[i])) {
            bool is_added_bos = i == 0 && tokens[i] == tokenizer->bos;
            drop_space = tokenizer->add_space_prefix && (piece.length > 0 || is_added_bos);
        } else if (drop_space) {
            drop_space = false;
            if (piece.length > 0 && piece.bytes[0] == ' ') {
                piece.bytes++;
                piece.length--;
            }
        }
        if (length < capacity && piece.length > 0) {
            size_t room = capacity - length;
            memcpy(text + length, piece.bytes, piece.length < room ? piece.length : room);
        }
        length += piece.length;
    }
    *text_bytes = length;
    if (length > capacity)
        return ssi_fail(error, SS_ERROR_CAPACITY, "%zu bytes of text, room for %zu", length,
                        capacity);
    return SS_OK;
}
