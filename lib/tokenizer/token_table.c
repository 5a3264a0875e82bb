/* SPDX-License-Identifier: Apache-2.0 */
/* Types, texts and bytes of the tokens, checked as the file gives them. */
#include "tokenizer/build.h"

/* Tokens that mean something by their name, which files don't say otherwise. They count as control
 * tokens whatever type the file gives them; most end a generation. */
static const struct {
    const char *name;
    bool ends;
} named_tokens[] = {
    {"<|endoftext|>", true},
    {"<|end_of_text|>", true},
    {"<|im_end|>", true},
    {"<|eot_id|>", true},
    {"<|eom_id|>", true},
    {"<|end|>", true},
    {"<|return|>", true},
    {"<|call|>", true},
    {"<end_of_turn>", true},
    {"<end_of_utterance>", true},
    {"</s>", true},
    {"<eos>", true},
    {"<EOT>", true},
    {"_<EOT>", true},
    {"[EOT]", true},
    {"[EOS]", true},
    {"<\xef\xbd\x9c" "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>", true},
    /* Fill in the middle: padding and the next file's name end what is filled in. */
    {"<|fim_pad|>", true},
    {"<fim-pad>", true},
    {"<fim_pad>", true},
    {"<PAD>", true},
    {"[PAD]", true},
    {"<|fim_repo|>", true},
    {"<|repo_name|>", true},
    {"<fim-repo>", true},
    {"<REPO>", true},
    {"<reponame>", true},
    {"<|file_sep|>", true},
    {"<|fim_prefix|>", false},
    {"<fim-prefix>", false},
    {"<fim_prefix>", false},
    {"<PRE>", false},
    {"<|fim_suffix|>", false},
    {"<fim-suffix>", false},
    {"<fim_suffix>", false},
    {"<SUF>", false},
    {"<|fim_middle|>", false},
    {"<fim-middle>", false},
    {"<fim_middle>", false},
    {"<MID>", false},
};
#define NAMED_TOKEN_COUNT (sizeof named_tokens / sizeof named_tokens[0])

uint32_t ssi_named_token_count(void)
{
    return NAMED_TOKEN_COUNT;
}

ss_status ssi_build_types(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source,
                          ss_error *error)
{
    for (uint32_t i = 0; i < source->token_count; i++) {
        int32_t type = source->types != NULL ? source->types[i] : SSI_TOKEN_NORMAL;
        if (type < 0 || type > SSI_TOKEN_BYTE)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tokenizer.ggml.token_type[%u] is %d, expected 0 to %d", i, type,
                            SSI_TOKEN_BYTE);
        tokenizer->types[i] = (uint8_t)(type == 0 ? SSI_TOKEN_UNUSED : type);
    }
    return SS_OK;
}

ss_status ssi_build_map(ssi_token_map *map, const ssi_tokenizer_source *source,
                        ss_error *error)
{
    for (uint32_t i = 0; i < source->token_count; i++) {
        if (source->tokens[i].length == 0)
            continue; /* a place held free: no text gives this token */
        int32_t other = ssi_token_map_add(map, (int32_t)i);
        if (other >= 0)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tokenizer.ggml.tokens[%u]: '%.*s' is already token %d", i,
                            SSI_SHOWN(source->tokens[i]), other);
        if (other == SSI_TOKEN_MAP_FULL)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "tokenizer.ggml.tokens[%u]: '%.*s' is one of too many tokens with one "
                            "hash", i, SSI_SHOWN(source->tokens[i]));
    }
    return SS_OK;
}

void ssi_build_named_types(ssi_tokenizer *tokenizer, const ssi_token_map *map)
{
    for (size_t i = 0; i < NAMED_TOKEN_COUNT; i++) {
        int32_t token =
            ssi_token_map_find(map, named_tokens[i].name, strlen(named_tokens[i].name));
        if (token >= 0)
            tokenizer->types[token] =
                (uint8_t)(SSI_TOKEN_CONTROL | (named_tokens[i].ends ? SSI_TOKEN_ENDS : 0));
    }
}

/* Byte-level vocabularies write a byte as a printable character: itself where it is one in
 * Latin-1, else one from U+0100 on, in the order of the bytes. */
static int byte_of_character(uint32_t code_point)
{
    if ((code_point >= 0x21 && code_point <= 0x7e) ||
        (code_point >= 0xa1 && code_point <= 0xff && code_point != 0xad))
        return (int)code_point;
    if (code_point < 0x100 || code_point > 0x143)
        return -1;
    uint32_t nth = code_point - 0x100;
    return (int)(nth < 0x21 ? nth : nth < 0x43 ? 0x7f + (nth - 0x21) : 0xad);
}

static size_t write_character(char text[2], unsigned byte)
{
    for (uint32_t code_point = 0x21; code_point <= 0x143; code_point++) {
        if (byte_of_character(code_point) != (int)byte)
            continue;
        if (code_point < 0x80) {
            text[0] = (char)code_point;
            return 1;
        }
        text[0] = (char)(0xc0u | code_point >> 6);
        text[1] = (char)(0x80u | (code_point & 0x3fu));
        return 2;
    }
    return 0;
}

/* The bytes that a byte-level token stands for; as it is written if that isn't byte-level. */
static size_t copy_bytes(char *to, ssi_text text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned first = (unsigned char)text.bytes[i];
        if (first >= 0x21 && first <= 0x7e) {
            to[length++] = (char)first;
            continue;
        }
        bool two = i + 1 < text.length && first >= 0xc2 && first <= 0xc5 &&
                   ((unsigned char)text.bytes[i + 1] & 0xc0) == 0x80;
        int byte = -1;
        if (two)
            byte = byte_of_character((first & 0x1f) << 6 |
                                     ((unsigned char)text.bytes[++i] & 0x3fu));
        if (byte < 0) {
            memcpy(to, text.bytes, text.length);
            return text.length;
        }
        to[length++] = (char)byte;
    }
    return length;
}

/* SentencePiece writes a space as U+2581. */
static size_t copy_spaces(char *to, ssi_text text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.length;) {
        bool space = text.length - i >= 3 && memcmp(text.bytes + i, "\xe2\x96\x81", 3) == 0;
        to[length++] = space ? ' ' : text.bytes[i];
        i += space ? 3 : 1;
    }
    return length;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int byte_of_name(ssi_text text) /* <0x0A> */
{
    if (text.length != 6 || memcmp(text.bytes, "<0x", 3) != 0 || text.bytes[5] != '>')
        return -1;
    int high = hex_digit(text.bytes[3]), low = hex_digit(text.bytes[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

ss_status ssi_build_pieces(ssi_tokenizer *tokenizer, const ssi_tokenizer_source *source,
                           ss_error *error)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < source->token_count; i++) {
        ssi_text text = source->tokens[i];
        uint32_t type = ssi_token_type(tokenizer, (int32_t)i);
        char *piece = tokenizer->pieces + start;
        size_t length = text.length;
        tokenizer->piece_starts[i] = start;
        if (type == SSI_TOKEN_BYTE) {
            int byte = byte_of_name(text);
            if (byte < 0)
                return ssi_fail(error, SS_ERROR_FORMAT,
                                "tokenizer.ggml.tokens[%u]: '%.*s' is of type byte, expected "
                                "<0x00> to <0xFF>",
                                i, SSI_SHOWN(text));
            *piece = (char)byte;
            length = 1;
        } else if (type != SSI_TOKEN_NORMAL && type != SSI_TOKEN_UNUSED) {
            if (length > 0)
                memcpy(piece, text.bytes, length);
        } else {
            length = tokenizer->byte_pairs ? copy_bytes(piece, text) : copy_spaces(piece, text);
        }
        start += (uint32_t)length;
        if (length > tokenizer->longest_piece)
            tokenizer->longest_piece = (uint32_t)length;
    }
    tokenizer->piece_starts[source->token_count] = start;
    return SS_OK;
}

void ssi_build_byte_tokens(ssi_tokenizer *tokenizer, const ssi_token_map *map)
{
    static const char digits[] = "0123456789ABCDEF";
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[6] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
        size_t length = sizeof name;
        if (tokenizer->byte_pairs)
            length = write_character(name, byte);
        int32_t token = ssi_token_map_find(map, name, length);
        if (token < 0 && !tokenizer->byte_pairs) {
            name[0] = (char)byte;
            token = ssi_token_map_find(map, name, 1);
            if (token < 0)
                token = tokenizer->unknown;
        }
        tokenizer->byte_tokens[byte] = token;
    }
}
