/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as text, for both kinds of tokenizer: ids are in the vocabulary and no more than
 * promised; byte-level BPE gives the bytes back; a text stream shows them whatever its cuts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "specstream/specstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int holds, const char *law)
{
    if (holds)
        return;
    fprintf(stderr, "broken: %s\n", law);
    abort();
}

static void check(const ss_model *model, const char *text, size_t size, ss_choice special)
{
    size_t room = size + 2, count, length;
    int32_t *tokens = malloc(room * sizeof *tokens);
    ss_tokenize_params params;
    ss_model_info info = {.struct_size = sizeof info};
    demand(tokens != NULL, "memory");
    ss_tokenize_params_init(&params, sizeof params);
    params.special = special;
    params.add_bos = params.add_eos = SS_CHOICE_NO;
    demand(ss_tokenize(model, text, size, &params, tokens, room, &count, NULL) == SS_OK,
           "text_bytes + 2 ids suffice");
    demand(ss_model_get_info(model, &info, NULL) == SS_OK, "info");
    for (size_t i = 0; i < count; i++)
        demand(tokens[i] >= 0 && (uint32_t)tokens[i] < info.vocabulary_size, "ids are known");

    if (strncmp(info.tokenizer, "gpt2", 4) == 0) {
        char *back = malloc(size + 1);
        demand(back != NULL, "memory");
        demand(ss_detokenize(model, tokens, count, true, back, size + 1, &length, NULL) == SS_OK,
               "what was encoded decodes");
        demand(length == size && memcmp(back, text, size) == 0, "decode(encode(x)) = x");
        free(back);
    }

    static const char *const stops[] = {"the", "\n\n"};
    ss_text_stream *stream = NULL;
    const char *shown;
    bool stopped = false;
    demand(ss_text_stream_create(model, stops, 2, &stream, NULL) == SS_OK, "a stream");
    for (size_t i = 0; i < count && !stopped; i++)
        demand(ss_text_stream_push(stream, tokens[i], &shown, &length, &stopped, NULL) == SS_OK,
               "every id can be shown");
    demand(ss_text_stream_finish(stream, &shown, &length, NULL) == SS_OK, "the rest is shown");
    ss_text_stream_free(stream);
    free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"tests/fuzz/corpus/model/bpe.gguf",
                                        "tests/fuzz/corpus/model/sentencepiece.gguf"};
    for (int kind = 0; kind < 2; kind++) {
        static ss_model *models[2];
        if (!models[kind])
            demand(ss_model_load(paths[kind], NULL, &models[kind], NULL) == SS_OK,
                   "run from the top folder");
        check(models[kind], (const char *)data, size, SS_CHOICE_NO);
        check(models[kind], (const char *)data, size, SS_CHOICE_YES);
    }
    return 0;
}
