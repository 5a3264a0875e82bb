/* SPDX-License-Identifier: Apache-2.0 */
/* Special tokens written in text are taken out before it is split: every occurrence of the longest
 * token first, from left to right, then of the next in what is left between. One scan finds which
 * tokens occur at all; only those are then searched for in that order. */
#include "base/sort.h"
#include "tokenizer/vocabulary.h"

static bool by_bytes(const void *context, uint32_t a, uint32_t b)
{
    return ssi_text_is_before(ssi_piece(context, (int32_t)a), ssi_piece(context, (int32_t)b));
}

static bool by_length(const void *context, uint32_t a, uint32_t b)
{
    const ssi_tokenizer *tokenizer = context;
    int32_t token_a = tokenizer->specials.sorted[a], token_b = tokenizer->specials.sorted[b];
    size_t length_a = ssi_piece(tokenizer, token_a).length;
    size_t length_b = ssi_piece(tokenizer, token_b).length;
    return length_a > length_b || (length_a == length_b && token_a < token_b);
}

void ssi_specials_sort(ssi_tokenizer *tokenizer)
{
    ssi_special_tokens *specials = &tokenizer->specials;
    ssi_sort((uint32_t *)specials->sorted, specials->count, by_bytes, tokenizer);
    uint32_t at = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        specials->first_byte[byte] = at;
        while (at < specials->count &&
               (unsigned char)ssi_piece(tokenizer, specials->sorted[at]).bytes[0] == byte)
            at++;
    }
    specials->first_byte[256] = at;
    ssi_sort_indices(specials->by_length, specials->count, by_length, tokenizer);
}

static bool takes_part(const ssi_tokenizer *tokenizer, int32_t token, bool special)
{
    return special || ssi_token_type(tokenizer, token) == SSI_TOKEN_USER_DEFINED;
}

static bool test_bit(const unsigned char *bits, size_t at)
{
    return (bits[at / 8] >> at % 8 & 1) != 0;
}

static void set_bit(unsigned char *bits, size_t at)
{
    bits[at / 8] = (unsigned char)(bits[at / 8] | 1u << at % 8);
}

/* First of sorted[low .. high) whose byte at `depth` is not below `byte`; all agree before it. */
static uint32_t first_from(const ssi_tokenizer *tokenizer, uint32_t low, uint32_t high,
                           size_t depth, unsigned byte)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        ssi_text piece = ssi_piece(tokenizer, tokenizer->specials.sorted[middle]);
        if (piece.length <= depth || (unsigned char)piece.bytes[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Marks in `found` (by index into sorted; NULL: stop at the first) the tokens that `text` begins
 * with; returns whether there are any. The tokens with a common beginning stand together, so each
 * byte narrows a range. */
static bool find_prefixes(const ssi_tokenizer *tokenizer, ssi_text text, bool special,
                          unsigned char *found)
{
    const ssi_special_tokens *specials = &tokenizer->specials;
    unsigned byte = (unsigned char)text.bytes[0];
    uint32_t low = specials->first_byte[byte], high = specials->first_byte[byte + 1];
    bool any = false;
    for (size_t depth = 1; low < high; depth++) {
        int32_t token = specials->sorted[low]; /* the shortest of the range */
        if (ssi_piece(tokenizer, token).length == depth) {
            if (takes_part(tokenizer, token, special)) {
                any = true;
                if (found == NULL)
                    return true;
                set_bit(found, low);
            }
            low++;
        }
        if (depth == text.length)
            break;
        byte = (unsigned char)text.bytes[depth];
        low = first_from(tokenizer, low, high, depth, byte);
        high = first_from(tokenizer, low, high, depth, byte + 1);
    }
    return any;
}

bool ssi_specials_present(const ssi_tokenizer *tokenizer, ssi_text text, bool special)
{
    const uint32_t *first = tokenizer->specials.first_byte;
    for (size_t i = 0; i < text.length; i++) {
        unsigned byte = (unsigned char)text.bytes[i];
        ssi_text rest = {text.bytes + i, text.length - i};
        if (first[byte] < first[byte + 1] && find_prefixes(tokenizer, rest, special, NULL))
            return true;
    }
    return false;
}

/* What the search leaves behind: which bytes belong to special tokens, and where one begins. */
struct marks {
    unsigned char *taken, *begins; /* [text byte] bits */
};

static bool is_free(const struct marks *marks, size_t at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (test_bit(marks->taken, at + i))
            return false;
    return true;
}

static void take_all(const struct marks *marks, ssi_text text, ssi_text piece)
{
    size_t at = 0;
    while (text.length - at >= piece.length) {
        const char *hit = memmem(text.bytes + at, text.length - at, piece.bytes, piece.length);
        if (hit == NULL)
            return;
        at = (size_t)(hit - text.bytes);
        if (!is_free(marks, at, piece.length)) {
            at++;
            continue;
        }
        set_bit(marks->begins, at);
        for (size_t i = 0; i < piece.length; i++)
            set_bit(marks->taken, at + i);
        at += piece.length;
    }
}

/* The special token with exactly these bytes. */
static int32_t special_from(const ssi_tokenizer *tokenizer, ssi_text text)
{
    const ssi_special_tokens *specials = &tokenizer->specials;
    uint32_t low = 0, high = specials->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (ssi_text_is_before(text, ssi_piece(tokenizer, specials->sorted[middle])))
            high = middle;
        else
            low = middle;
    }
    return specials->sorted[low];
}

static ss_status encode_between(ssi_encoder *encoder, ssi_text text, const struct marks *marks)
{
    bool after_special = true;
    for (size_t at = 0, end; at < text.length; at = end) {
        bool is_special = test_bit(marks->taken, at);
        end = at + 1;
        while (end < text.length && test_bit(marks->taken, end) == is_special &&
               !test_bit(marks->begins, end))
            end++;
        ssi_text part = {text.bytes + at, end - at};
        if (is_special)
            ssi_emit(encoder, special_from(encoder->tokenizer, part));
        else if (encoder->tokenizer->byte_pairs)
            SSI_TRY(ssi_bpe_encode(encoder, part));
        else
            SSI_TRY(ssi_sentencepiece_encode(encoder, part, after_special));
        after_special = is_special;
    }
    return SS_OK;
}

ss_status ssi_specials_encode(ssi_encoder *encoder, ssi_text text, bool special)
{
    const ssi_tokenizer *tokenizer = encoder->tokenizer;
    const ssi_special_tokens *specials = &tokenizer->specials;
    size_t text_bits = text.length / 8 + 1, bytes = 2 * text_bits + specials->count / 8 + 1;
    unsigned char *block = ssi_allocate(&tokenizer->memory, bytes, SSI_ALIGN);
    if (block == NULL)
        return ssi_fail(encoder->error, SS_ERROR_MEMORY,
                        "out of memory encoding a text of %zu bytes", text.length);
    memset(block, 0, bytes);
    struct marks marks = {.taken = block, .begins = block + text_bits};
    unsigned char *found = block + 2 * text_bits;

    for (size_t i = 0; i < text.length; i++) {
        unsigned byte = (unsigned char)text.bytes[i];
        if (specials->first_byte[byte] < specials->first_byte[byte + 1])
            find_prefixes(tokenizer, (ssi_text){text.bytes + i, text.length - i}, special,
                          found);
    }
    for (uint32_t i = 0; i < specials->count; i++)
        if (test_bit(found, specials->by_length[i]))
            take_all(&marks, text,
                     ssi_piece(tokenizer, specials->sorted[specials->by_length[i]]));
    ss_status status = encode_between(encoder, text, &marks);
    ssi_release(&tokenizer->memory, block, bytes);
    return status;
}
