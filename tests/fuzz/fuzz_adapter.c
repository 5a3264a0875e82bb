/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an adapter file. It is refused with a message, or it is an adapter: then a session
 * drafts with it, and streams alone change no token. No allocation is larger than the bytes of the
 * file justify. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bounded_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE "tests/fuzz/corpus/model/llama.gguf"

/* Beside what grows with the file: the draft head and its product with the parent term, of a small
 * model. */
enum { FIXED_BYTES = 1 << 17, TOKENS = 12 };

static const ss_model *base_model(void)
{
    static ss_model *model;
    if (model == NULL && ss_model_load(BASE, NULL, &model, NULL) != SS_OK)
        abort();
    return model;
}

/* The tokens of a session with this adapter; what is not finite may end it early. */
static size_t run(const ss_model *model, const ss_adapter *adapter, ss_draft_sources sources,
                  int32_t *tokens)
{
    static const int32_t prompt[] = {1, 3, 4, 5, 3, 4};
    ss_session *session = NULL;
    ss_session_params params;
    ss_sampler_params sampler;
    ss_stream_config config;
    ss_step step = {.struct_size = sizeof step};
    size_t count = 0;
    ss_session_params_init(&params, sizeof params);
    params.thread_count = 1;
    params.context_length = 40;
    ss_sampler_params_init(&sampler, sizeof sampler);
    sampler.ignore_end = true;
    ss_stream_config_init(&config, sizeof config);
    config.sources = sources;
    config.tree_mode = SS_TREE_BEST;
    config.best_count = 5;
    config.prune = SS_PRUNE_ON;
    if (ss_session_create(model, &params, &session, NULL) != SS_OK)
        abort();
    if (ss_session_set_sampler(session, &sampler, NULL) == SS_OK &&
        ss_session_set_streams(session, &config, NULL) == SS_OK &&
        ss_session_set_adapter(session, adapter, NULL) == SS_OK &&
        ss_session_prefill(session, prompt, sizeof prompt / sizeof *prompt, NULL) == SS_OK)
        while (count < TOKENS &&
               ss_session_step(session, (uint32_t)(TOKENS - count), &step, NULL) == SS_OK) {
            memcpy(tokens + count, step.tokens, step.count * sizeof *tokens);
            count += step.count;
        }
    ss_session_free(session);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ss_model *model = base_model();
    size_t limit = size * MOST_GROWTH + FIXED_BYTES;
    ss_allocator allocator = bounded_allocator(&limit);
    int32_t plain[TOKENS], drafted[TOKENS];
    ss_adapter_params params;
    ss_adapter *adapter = NULL;
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_adapter_params_init(&params, sizeof params);
    params.allocator = &allocator;
    ss_status status = ss_adapter_load_buffer(model, data, size, &params, &adapter, &error);
    if ((status == SS_OK) != (adapter != NULL) || (status != SS_OK && !error.message[0]))
        abort();
    if (status != SS_OK)
        return 0;
    size_t count = run(model, adapter, SS_DRAFT_NONE, plain);
    if (run(model, adapter, SS_DRAFT_STREAMS, drafted) != count ||
        memcmp(plain, drafted, count * sizeof *plain) != 0)
        abort();
    ss_adapter_free(adapter);
    return 0;
}
