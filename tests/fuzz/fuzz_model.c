/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model file. It is refused with a message, or it is a model: then it runs. No
 * allocation is larger than the bytes of the file justify. */
#include <stdint.h>
#include <stdlib.h>

#include "bounded_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIXED_BYTES = 1 << 16 };

static void run(const ss_model *model)
{
    static const char text[] = "the \xf0\x9f\x98\x80 <|im_end|>\xff the\n 123";
    int32_t tokens[sizeof text + 2];
    size_t count;
    ss_session *session = NULL;
    ss_session_params params;
    ss_sampler_params sampler;
    ss_step step = {.struct_size = sizeof step};
    ss_session_params_init(&params, sizeof params);
    params.thread_count = 1;
    params.context_length = 40;
    if (ss_session_create(model, &params, &session, NULL) != SS_OK)
        return;
    ss_sampler_params_init(&sampler, sizeof sampler);
    sampler.temperature = 1;
    sampler.top_k = 5;
    if (ss_session_set_sampler(session, &sampler, NULL) == SS_OK &&
        ss_tokenize(model, text, sizeof text - 1, NULL, tokens, sizeof tokens / sizeof *tokens,
                    &count, NULL) == SS_OK &&
        count > 0 && ss_session_prefill(session, tokens, count, NULL) == SS_OK)
        for (int i = 0; i < 4 && ss_session_step(session, 0, &step, NULL) == SS_OK; i++) {
            char bytes[256];
            size_t length;
            (void)ss_detokenize(model, step.tokens, step.count, true, bytes, sizeof bytes,
                                &length, NULL);
        }
    ss_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t limit = size * MOST_GROWTH + FIXED_BYTES;
    ss_allocator allocator = bounded_allocator(&limit);
    ss_model_info info = {.struct_size = sizeof info};
    ss_model_params params;
    ss_model *model = NULL;
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_model_params_init(&params, sizeof params);
    params.allocator = &allocator;
    params.thread_count = 1;
    ss_status status = ss_model_load_buffer(data, size, &params, &model, &error);
    if ((status == SS_OK) != (model != NULL) || (status != SS_OK && !error.message[0]))
        abort();
    if (status != SS_OK)
        return 0;
    /* A file may honestly describe a model far larger than itself only in its sizes' limits:
     * what a step would take of a core's time bounds what is run here. */
    if (ss_model_get_info(model, &info, NULL) == SS_OK && info.embedding_length <= 4096 &&
        info.layer_count <= 8)
        run(model);
    ss_model_free(model);
    return 0;
}
