/* SPDX-License-Identifier: Apache-2.0 */
/* What a tokenizer holds, for the files of this room. Everything but `memory` is constant from
 * creation on, in one block that begins with this struct. */
#ifndef SSI_TOKENIZER_VOCABULARY_H
#define SSI_TOKENIZER_VOCABULARY_H

#include "tokenizer/chat_template.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/token_map.h"
#include "tokenizer/tokenizer.h"

/* Values of tokenizer.ggml.token_type. */
enum ssi_token_type {
    SSI_TOKEN_NORMAL = 1,
    SSI_TOKEN_UNKNOWN = 2,
    SSI_TOKEN_CONTROL = 3,
    SSI_TOKEN_USER_DEFINED = 4,
    SSI_TOKEN_UNUSED = 5,
    SSI_TOKEN_BYTE = 6,
    SSI_TOKEN_TYPE_MASK = 7,
    SSI_TOKEN_ENDS = 8 /* flag beside the type: drawing it ends a generation */
};

typedef struct ssi_merge_rule {
    int32_t left, right, result;
} ssi_merge_rule;

/* Tokens that are found in text before anything else is (special_tokens.c). */
typedef struct ssi_special_tokens {
    uint32_t count;
    int32_t *sorted;         /* [count] by bytes */
    uint32_t *by_length;     /* [count] indices into sorted, longest first, then lowest id */
    uint32_t first_byte[257]; /* sorted[first_byte[b] .. first_byte[b + 1]) begin with byte b */
} ssi_special_tokens;

struct ssi_tokenizer {
    ssi_memory memory;
    size_t bytes; /* of the block */

    bool byte_pairs; /* gpt2; else SentencePiece */
    bool add_bos, add_eos, add_space_prefix;
    int32_t bos, eos, unknown;
    char name[32];

    uint32_t token_count;
    uint8_t *types;         /* [token] ssi_token_type and flag */
    uint32_t *piece_starts; /* [token_count + 1] */
    char *pieces;           /* the tokens' bytes as they appear in text */
    uint32_t longest_piece;
    int32_t byte_tokens[256]; /* -1: the vocabulary can't express this byte */
    ssi_special_tokens specials;

    /* Byte pairs: merges by rank, and a hash table of rank + 1 by pair (0: empty). */
    const ssi_pretokenizer *pretokenizer;
    ssi_merge_rule *merges;
    uint32_t merge_count, merge_bits;
    uint32_t *merge_slots;

    /* SentencePiece: tokens by text as the file writes it (a space is U+2581). Byte pairs with
     * whole_words: normal tokens by piece. */
    ssi_token_map map;
    uint32_t *priorities;     /* [token] SentencePiece: by falling score */
    bool words_begin_at_space; /* no token holds a space after something else */

    ssi_chat_template chat;
    int32_t turn_begin, turn_end; /* the template's special tokens, -1: not in the vocabulary */
};

/* One call of encode: where tokens go, and memory for words of any length. */
#define SSI_SMALL_SCRATCH 3072u

typedef struct ssi_encoder {
    const ssi_tokenizer *tokenizer;
    int32_t *tokens;
    size_t capacity, count; /* count goes on past the capacity */
    void *scratch;          /* NULL: `small` is enough so far */
    size_t scratch_bytes;
    ss_error *error;
    _Alignas(16) unsigned char small[SSI_SMALL_SCRATCH];
} ssi_encoder;

static inline void ssi_emit(ssi_encoder *encoder, int32_t token)
{
    if (encoder->count < encoder->capacity)
        encoder->tokens[encoder->count] = token;
    encoder->count++;
}

static inline ssi_text ssi_piece(const ssi_tokenizer *tokenizer, int32_t token)
{
    uint32_t start = tokenizer->piece_starts[token];
    return (ssi_text){.bytes = tokenizer->pieces + start,
                      .length = tokenizer->piece_starts[token + 1] - start};
}

static inline uint32_t ssi_token_type(const ssi_tokenizer *tokenizer, int32_t token)
{
    return tokenizer->types[token] & SSI_TOKEN_TYPE_MASK;
}

static inline uint64_t ssi_pair_hash(int32_t left, int32_t right)
{
    return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
}

/* encoder.c. Scratch of at least `bytes`, valid until the next call; NULL when out of memory. */
void ssi_encode_begin(ssi_encoder *encoder, const ssi_tokenizer *tokenizer, int32_t *tokens,
                      size_t capacity, ss_error *error);
void *ssi_encode_scratch(ssi_encoder *encoder, size_t bytes);
/* Frees the scratch; turns what came of the call so far and the count into a status. */
ss_status ssi_encode_end(ssi_encoder *encoder, ss_status status, size_t *count) SSI_MUST_CHECK;

/* encode.c. Text in which special tokens are recognised (else user-defined ones alone). */
ss_status ssi_encode_text(ssi_encoder *encoder, ssi_text text, bool special) SSI_MUST_CHECK;

/* bpe.c, sentencepiece.c: text without special tokens. `after_special`: it begins the whole text
 * or follows a special token. */
ss_status ssi_bpe_encode(ssi_encoder *encoder, ssi_text text) SSI_MUST_CHECK;
ss_status ssi_sentencepiece_encode(ssi_encoder *encoder, ssi_text text,
                                   bool after_special) SSI_MUST_CHECK;

/* special_tokens.c. `special` false: user-defined tokens alone, which are ordinary text. */
void ssi_specials_sort(ssi_tokenizer *tokenizer); /* once specials.sorted holds the ids */
bool ssi_specials_present(const ssi_tokenizer *tokenizer, ssi_text text, bool special);
ss_status ssi_specials_encode(ssi_encoder *encoder, ssi_text text, bool special) SSI_MUST_CHECK;

#endif
