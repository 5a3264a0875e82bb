/* SPDX-License-Identifier: Apache-2.0 */
/* One model, two sessions, two threads: a model is immutable, so they need no lock. Both run the
 * same prompt, each with a seed of its own; the first is run once more to show that its
 * neighbour changed nothing.
 * shared_model MODEL [PROMPT] */
#include <pthread.h>
#include <specstream/specstream.h>
#include <stdio.h>
#include <string.h>

#define MOST_TOKENS 48u

typedef struct worker {
    const ss_model *model;
    const char *prompt;
    uint64_t seed;
    int32_t tokens[MOST_TOKENS];
    uint32_t count;
    ss_error error;
} worker;

static ss_status draw(worker *of, ss_session *session)
{
    int32_t prompt[512];
    size_t count;
    ss_step step = {.struct_size = sizeof step};
    ss_status status = ss_tokenize(of->model, of->prompt, strlen(of->prompt), NULL, prompt, 512,
                                   &count, &of->error);
    if (status == SS_OK)
        status = ss_session_prefill(session, prompt, count, &of->error);
    while (status == SS_OK && of->count < MOST_TOKENS && step.stop == SS_STOP_NONE) {
        status = ss_session_step(session, MOST_TOKENS - of->count, &step, &of->error);
        for (uint32_t i = 0; status == SS_OK && i < step.count; i++)
            of->tokens[of->count++] = step.tokens[i];
    }
    return status;
}

/* A session belongs to one thread; here each is made and freed by its own. */
static void *run(void *context)
{
    worker *of = context;
    ss_session *session;
    ss_session_params params;
    ss_sampler_params sampler;
    ss_session_params_init(&params, sizeof params);
    params.thread_count = 1;
    params.context_length = 256;
    ss_sampler_params_init(&sampler, sizeof sampler);
    sampler.temperature = 0.8f;
    sampler.seed = of->seed;
    ss_error_init(&of->error, sizeof of->error);
    if (ss_session_create(of->model, &params, &session, &of->error) != SS_OK)
        return NULL;
    if (ss_session_set_sampler(session, &sampler, &of->error) == SS_OK)
        draw(of, session);
    ss_session_free(session);
    return NULL;
}

static int print(const worker *of)
{
    char text[2048];
    size_t length;
    if (of->error.status != SS_OK ||
        ss_detokenize(of->model, of->tokens, of->count, false, text, sizeof text, &length, NULL))
        return fprintf(stderr, "%s\n", of->error.message), 1;
    printf("seed %d: %s%.*s\n\n", (int)of->seed, of->prompt, (int)length, text);
    return 0;
}

int main(int count, char **arguments)
{
    const char *path = count > 1 ? arguments[1] : "model.gguf";
    const char *prompt = count > 2 ? arguments[2] : "Once upon a time";
    ss_model *model;
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (ss_model_load(path, NULL, &model, &error) != SS_OK)
        return fprintf(stderr, "%s\n", error.message), 1;

    worker first = {.model = model, .prompt = prompt, .seed = 1}, second = first, again = first;
    second.seed = 2;
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, run, &second);
    run(&first);
    if (!failed)
        pthread_join(thread, NULL);
    run(&again);
    failed |= print(&first) | print(&second);
    if (again.count != first.count ||
        memcmp(again.tokens, first.tokens, first.count * sizeof first.tokens[0]) != 0)
        failed |= fprintf(stderr, "the same seed gave other tokens\n") > 0;
    ss_model_free(model);
    return failed;
}
