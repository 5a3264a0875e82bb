/* SPDX-License-Identifier: Apache-2.0 */
/* Any vocabulary, chat template and text: creation succeeds or names what is wrong, encoding fits
 * the promised room, and text comes back where the vocabulary can express it. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer.h"

#define TOKENS_MAX 600
#define ROOM 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *at, *end;
} input;

static unsigned take_byte(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static ssi_text take_text(input *in, size_t length)
{
    size_t left = (size_t)(in->end - in->at);
    ssi_text text = {(const char *)in->at, length < left ? length : left};
    in->at += text.length;
    return text;
}

typedef struct vocabulary {
    ssi_tokenizer_source source;
    ssi_text tokens[TOKENS_MAX], merges[256];
    int32_t types[TOKENS_MAX];
    float scores[TOKENS_MAX];
    char names[256][8];
} vocabulary;

/* All 256 bytes, so that most inputs get past creation and every text can be expressed. */
static void add_bytes(vocabulary *of, bool byte_pairs)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned next = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        char *name = of->names[byte];
        bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        unsigned code_point = itself ? byte : next++;
        size_t length = 0;
        if (!byte_pairs) {
            memcpy(name, "<0x..>", 6);
            name[3] = digits[byte >> 4];
            name[4] = digits[byte & 15];
            length = 6;
        } else if (code_point < 0x80) {
            name[length++] = (char)code_point;
        } else {
            name[length++] = (char)(0xc0 | code_point >> 6);
            name[length++] = (char)(0x80 | (code_point & 0x3f));
        }
        of->types[of->source.token_count] = byte_pairs ? 1 : 6;
        of->tokens[of->source.token_count++] = (ssi_text){name, length};
    }
}

static void take_vocabulary(vocabulary *of, input *in)
{
    static const char *const pres[] = {"", "gpt-2", "smollm", "llama-bpe", "qwen2", "none"};
    unsigned flags = take_byte(in);
    bool byte_pairs = (flags & 1) != 0;
    const char *pre = pres[take_byte(in) % 6];
    of->source = (ssi_tokenizer_source){
        .model = {byte_pairs ? "gpt2" : "llama", byte_pairs ? 4 : 5},
        .pre = {pre, strlen(pre)},
        .tokens = of->tokens,
        .types = of->types,
        .scores = of->scores,
        .merges = of->merges,
        .bos = (int32_t)(take_byte(in)) - 1,
        .eos = (int32_t)(take_byte(in)) - 1,
        .eot = -1,
        .unknown = -1,
        .add_bos = flags & 2 ? 1 : -1,
        .add_eos = flags & 4 ? 1 : -1,
        .add_space_prefix = flags & 8 ? 0 : -1};
    if (!(flags & 16))
        add_bytes(of, byte_pairs);
    for (unsigned left = take_byte(in); left > 0; left--) {
        unsigned kind = take_byte(in);
        of->types[of->source.token_count] = (int32_t)(kind & 7);
        of->scores[of->source.token_count] = (float)(kind >> 3) - 16;
        of->tokens[of->source.token_count++] = take_text(in, take_byte(in) % 32);
    }
    for (unsigned left = take_byte(in); left > 0; left--)
        of->merges[of->source.merge_count++] = take_text(in, take_byte(in) % 32);
    of->source.chat_template = take_text(in, take_byte(in) * 4);
}

static void check_text(const ssi_tokenizer *tokenizer, ssi_text text, ss_choice special)
{
    size_t room = 2 * text.length + 3, count = 0, back = 0;
    int32_t *ids = malloc(room * sizeof *ids);
    ss_tokenize_params params = {.struct_size = sizeof params, .special = special};
    ss_status status = ssi_tokenizer_encode(tokenizer, text.bytes, text.length, &params, ids,
                                            room, &count, NULL);
    if (status != SS_OK)
        abort();
    char *bytes = malloc(ROOM);
    status = ssi_tokenizer_decode(tokenizer, ids, count, true, bytes, ROOM, &back, NULL);
    if (status != SS_OK && status != SS_ERROR_CAPACITY)
        abort();
    free(bytes);

    static const char *const stops[] = {"a", "\n\n", "bcd"};
    ssi_text_stream *stream = malloc(ssi_text_stream_bytes(tokenizer));
    if (ssi_text_stream_init(stream, tokenizer, stops, 3, NULL) != SS_OK)
        abort();
    ssi_text shown;
    for (size_t i = 0; i < count; i++)
        ssi_text_stream_push(stream, ids[i], &shown);
    ssi_text_stream_finish(stream, &shown);
    free(stream);
    free(ids);
}

static void check_chat(const ssi_tokenizer *tokenizer, ssi_text text)
{
    ss_chat_message messages[] = {{"user", text.bytes, text.length}, {"system", NULL, 0}};
    int32_t ids[8];
    size_t count;
    ss_status status =
        ssi_tokenizer_chat(tokenizer, messages, 2, true, ids, 8, &count, NULL);
    if (status != SS_OK && status != SS_ERROR_CAPACITY && status != SS_ERROR_UNSUPPORTED)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vocabulary of; /* large for a stack; begins anew with each input */
    input in = {data, data + size};
    memset(&of, 0, sizeof of);
    take_vocabulary(&of, &in);
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_tokenizer *tokenizer = NULL;
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_status status = ssi_tokenizer_create(&of.source, &memory, &tokenizer, &error);
    if ((status == SS_OK) != (tokenizer != NULL) || (status != SS_OK && !error.message[0]))
        abort();
    if (status == SS_OK) {
        ssi_text text = take_text(&in, 1024);
        check_text(tokenizer, text, SS_CHOICE_YES);
        check_text(tokenizer, text, SS_CHOICE_NO);
        check_chat(tokenizer, text);
    }
    ssi_tokenizer_free(tokenizer);
    return 0;
}
