/* SPDX-License-Identifier: Apache-2.0 */
/* Small vocabularies made up in a test, in memory that is counted. Include after cmocka.h. */
#ifndef TOY_VOCABULARY_H
#define TOY_VOCABULARY_H

#include <stdlib.h>
#include <string.h>

#include "support/counting_memory.h"
#include "support/draw.h"
#include "tokenizer/tokenizer.h"

#define TOY_TOKENS 2048
#define TOY_BYTES 65536

typedef struct toy {
    ssi_tokenizer_source source;
    ssi_text tokens[TOY_TOKENS], merges[TOY_TOKENS];
    int32_t types[TOY_TOKENS];
    float scores[TOY_TOKENS];
    char bytes[TOY_BYTES];
    size_t used;
    counting_memory memory;
    ss_error error;
} toy;

static inline ssi_memory toy_memory(toy *of)
{
    ss_allocator allocator = counting_allocator(&of->memory);
    return ssi_memory_from(&allocator);
}

static inline ssi_text toy_text(toy *of, const char *bytes, size_t length)
{
    assert_true(of->used + length <= TOY_BYTES);
    memcpy(of->bytes + of->used, bytes, length);
    of->used += length;
    return (ssi_text){.bytes = of->bytes + of->used - length, .length = length};
}

static inline int32_t toy_add(toy *of, const char *text, int32_t type, float score)
{
    uint32_t token = of->source.token_count++;
    assert_true(token < TOY_TOKENS);
    of->tokens[token] = toy_text(of, text, strlen(text));
    of->types[token] = type;
    of->scores[token] = score;
    return (int32_t)token;
}

static inline void toy_merge(toy *of, const char *merge)
{
    of->merges[of->source.merge_count++] = toy_text(of, merge, strlen(merge));
}

static inline void toy_begin(toy *of, const char *model, const char *pre)
{
    memset(of, 0, sizeof *of);
    of->source = (ssi_tokenizer_source){.model = {model, strlen(model)},
                                        .pre = {pre, strlen(pre)},
                                        .tokens = of->tokens,
                                        .types = of->types,
                                        .bos = -1, .eos = -1, .eot = -1, .unknown = -1,
                                        .add_bos = -1, .add_eos = -1, .add_space_prefix = -1};
    ss_error_init(&of->error, sizeof of->error);
}

/* The 256 bytes as byte-level vocabularies write them, id = byte. */
static inline void toy_begin_bytes(toy *of, const char *pre)
{
    toy_begin(of, "gpt2", pre);
    of->source.merges = of->merges;
    for (uint32_t byte = 0, next = 0x100; byte < 256; byte++) {
        bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        uint32_t code_point = itself ? byte : next++;
        char text[3] = {(char)code_point, 0, 0};
        if (code_point >= 0x80) {
            text[0] = (char)(0xc0 | code_point >> 6);
            text[1] = (char)(0x80 | (code_point & 0x3f));
        }
        toy_add(of, text, 1, 0);
    }
}

/* SentencePiece: <unk>, <s>, </s>, the bytes (id = byte + 3), then what the test adds. */
static inline void toy_begin_pieces(toy *of)
{
    toy_begin(of, "llama", "");
    of->source.scores = of->scores;
    toy_add(of, "<unk>", 2, 0);
    toy_add(of, "<s>", 3, 0);
    toy_add(of, "</s>", 3, 0);
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[7];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        toy_add(of, name, 6, 0);
    }
}

static inline ssi_tokenizer *toy_create(toy *of)
{
    ssi_memory memory = toy_memory(of);
    ssi_tokenizer *tokenizer = NULL;
    if (ssi_tokenizer_create(&of->source, &memory, &tokenizer, &of->error) != SS_OK)
        fail_msg("%s", of->error.message);
    return tokenizer;
}

/* Encodes and compares with `count` ids; `special` and BOS as a plain call has them. */
static inline void expect_ids(const ssi_tokenizer *tokenizer, const char *text, size_t length,
                              const int32_t *ids, size_t count)
{
    int32_t got[256];
    size_t got_count;
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (ssi_tokenizer_encode(tokenizer, text, length, NULL, got, 256, &got_count, &error) !=
        SS_OK)
        fail_msg("%s", error.message);
    assert_int_equal(got_count, count);
    assert_memory_equal(got, ids, count * sizeof *ids);
}

#define EXPECT_IDS(tokenizer, text, ...)                                                       \
    expect_ids(tokenizer, text, sizeof(text) - 1, (const int32_t[]){__VA_ARGS__},              \
               sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

/* decode(encode(text)) = text, whatever the special tokens in it. */
static inline void expect_same_back(const ssi_tokenizer *tokenizer, const char *text,
                                    size_t length)
{
    size_t room = 2 * length + 3, count, back;
    int32_t *ids = malloc(room * sizeof *ids);
    char *bytes = malloc(length + 16);
    ss_tokenize_params params = {.struct_size = sizeof params, .special = SS_CHOICE_NO};
    assert_int_equal(
        ssi_tokenizer_encode(tokenizer, text, length, &params, ids, room, &count, NULL), SS_OK);
    assert_int_equal(
        ssi_tokenizer_decode(tokenizer, ids, count, false, bytes, length + 16, &back, NULL),
        SS_OK);
    assert_int_equal(back, length);
    assert_memory_equal(bytes, text, length);
    free(ids);
    free(bytes);
}

#endif
