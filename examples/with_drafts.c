/* SPDX-License-Identifier: Apache-2.0 */
/* Several tokens a step, and the very ones that plain decoding gives. With an adapter its streams and
 * n-grams draft, without one n-grams alone: they pay where an answer repeats what has been said. The
 * prompt is a user's message where the model has a chat template, else raw text.
 * with_drafts MODEL [PROMPT [ADAPTER]] */
#include <specstream/specstream.h>
#include <stdio.h>
#include <string.h>

#define MOST_PROMPT 2048u
#define MOST_TOKENS 200u

static ss_status encode(const ss_model *model, const char *prompt, int32_t *tokens,
                        size_t *count, ss_error *error)
{
    const ss_chat_message message = {"user", prompt, strlen(prompt)};
    ss_model_info info = {.struct_size = sizeof info};
    ss_status status = ss_model_get_info(model, &info, error);
    if (status != SS_OK)
        return status;
    if (info.chat_template[0] != '\0')
        return ss_chat_format(model, &message, 1, true, tokens, MOST_PROMPT, count, error);
    return ss_tokenize(model, prompt, strlen(prompt), NULL, tokens, MOST_PROMPT, count, error);
}

/* A session drafts once it has an adapter, or has been told from what. */
static ss_status set_drafting(ss_session *session, const ss_adapter *adapter, ss_error *error)
{
    ss_stream_config config;
    if (adapter != NULL)
        return ss_session_set_adapter(session, adapter, error);
    ss_stream_config_init(&config, sizeof config);
    config.sources = SS_DRAFT_NGRAM;
    return ss_session_set_streams(session, &config, error);
}

/* Prints the answer as it is made, and what the text stream still holds back, however it ends. */
static void answer(ss_session *session, ss_text_stream *stream, ss_error *error)
{
    ss_step step = {.struct_size = sizeof step};
    uint32_t drawn = 0;
    const char *text;
    size_t length;
    bool stopped;
    while (drawn < MOST_TOKENS && step.stop == SS_STOP_NONE &&
           ss_session_step(session, MOST_TOKENS - drawn, &step, error) == SS_OK) {
        for (uint32_t i = 0; i < step.count; i++)
            if (ss_text_stream_push(stream, step.tokens[i], &text, &length, &stopped, error) ==
                SS_OK)
                fwrite(text, 1, length, stdout);
        fflush(stdout);
        drawn += step.count;
    }
    if (ss_text_stream_finish(stream, &text, &length, error) == SS_OK)
        fwrite(text, 1, length, stdout);
    puts("");
}

int main(int count, char **arguments)
{
    const char *path = count > 1 ? arguments[1] : "model.gguf";
    const char *prompt = count > 2 ? arguments[2] : "Once upon a time";
    ss_model *model = NULL;
    ss_adapter *adapter = NULL;
    ss_session *session = NULL;
    ss_text_stream *stream = NULL;
    int32_t tokens[MOST_PROMPT];
    size_t token_count;
    ss_stats stats = {.struct_size = sizeof stats};
    ss_error error;
    ss_error_init(&error, sizeof error);

    if (ss_model_load(path, NULL, &model, &error) ||
        (count > 3 && ss_adapter_load(model, arguments[3], NULL, &adapter, &error)) ||
        ss_session_create(model, NULL, &session, &error) ||
        set_drafting(session, adapter, &error) ||
        ss_text_stream_create(model, NULL, 0, &stream, &error) ||
        encode(model, prompt, tokens, &token_count, &error) ||
        ss_session_prefill(session, tokens, token_count, &error))
        goto done;
    answer(session, stream, &error);
    if (ss_session_get_stats(session, &stats, &error) == SS_OK && stats.steps > 0)
        printf("%.2f tokens a step\n", /* the first came from the prefill */
               (double)(stats.tokens - stats.first_tokens) / (double)stats.steps);
done:
    if (error.status != SS_OK)
        fprintf(stderr, "%s\n", error.message);
    ss_text_stream_free(stream);
    ss_session_free(session); /* before the adapter, which it borrows; the model last */
    ss_adapter_free(adapter);
    ss_model_free(model);
    return error.status != SS_OK;
}
