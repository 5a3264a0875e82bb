/* SPDX-License-Identifier: Apache-2.0 */
/* The least that makes a model speak: load, tokenize, prefill, step, print.
 * minimal MODEL [PROMPT] */
#include <specstream/specstream.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
    const char *path = count > 1 ? arguments[1] : "model.gguf";
    const char *prompt = count > 2 ? arguments[2] : "Once upon a time";
    ss_model *model = NULL;
    ss_session *session = NULL;
    ss_text_stream *stream = NULL;
    int32_t tokens[512];
    size_t token_count, length;
    uint32_t drawn = 0;
    const char *text;
    bool stopped;
    ss_step step = {.struct_size = sizeof step};
    ss_error error;
    ss_error_init(&error, sizeof error);

    if (ss_model_load(path, NULL, &model, &error) ||
        ss_session_create(model, NULL, &session, &error) ||
        ss_text_stream_create(model, NULL, 0, &stream, &error) ||
        ss_tokenize(model, prompt, strlen(prompt), NULL, tokens, 512, &token_count, &error) ||
        ss_session_prefill(session, tokens, token_count, &error))
        goto done;
    while (drawn < 100 && step.stop == SS_STOP_NONE &&
           ss_session_step(session, 100 - drawn, &step, &error) == SS_OK) {
        for (uint32_t i = 0; i < step.count; i++)
            if (ss_text_stream_push(stream, step.tokens[i], &text, &length, &stopped, &error) ==
                SS_OK)
                fwrite(text, 1, length, stdout);
        fflush(stdout);
        drawn += step.count;
    }
    if (ss_text_stream_finish(stream, &text, &length, &error) == SS_OK) /* what it holds back */
        fwrite(text, 1, length, stdout);
    puts("");
done:
    if (error.status != SS_OK)
        fprintf(stderr, "%s\n", error.message);
    ss_text_stream_free(stream);
    ss_session_free(session);
    ss_model_free(model);
    return error.status != SS_OK;
}
