/* SPDX-License-Identifier: Apache-2.0 */
/* A host that has threads already lends them: the library starts none of its own. The pool below
 * stands for the host's; the one function that matters to the library is parallel_for.
 * host_threads MODEL [PROMPT] */
#include <pthread.h>
#include <specstream/specstream.h>
#include <stdio.h>
#include <string.h>

#define WORKERS 2u /* beside the thread that calls */

typedef struct pool {
    pthread_t threads[WORKERS];
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    void (*body)(void *context, uint32_t task);
    void *body_context;
    uint32_t next, count, running; /* tasks: the next to take, all, taken and not finished */
    uint64_t jobs;
    bool leaving;
} pool;

/* Takes tasks until none is left. Called and left with the lock held. */
static void work(pool *of)
{
    while (of->next < of->count) {
        uint32_t task = of->next++;
        of->running++;
        pthread_mutex_unlock(&of->lock);
        of->body(of->body_context, task);
        pthread_mutex_lock(&of->lock);
        if (--of->running == 0 && of->next == of->count)
            pthread_cond_signal(&of->end);
    }
}

static void *worker(void *context)
{
    pool *of = context;
    pthread_mutex_lock(&of->lock);
    while (!of->leaving) {
        work(of);
        pthread_cond_wait(&of->begin, &of->lock);
    }
    pthread_mutex_unlock(&of->lock);
    return NULL;
}

/* What the library calls: returns when body has run for every task. */
static void parallel_for(void *context, uint32_t task_count,
                         void (*body)(void *body_context, uint32_t task), void *body_context)
{
    pool *of = context;
    pthread_mutex_lock(&of->lock);
    of->body = body;
    of->body_context = body_context;
    of->next = 0;
    of->count = task_count;
    of->jobs++;
    pthread_cond_broadcast(&of->begin);
    work(of);
    while (of->running > 0)
        pthread_cond_wait(&of->end, &of->lock);
    pthread_mutex_unlock(&of->lock);
}

static int answer(const char *path, const char *prompt, const ss_parallel *parallel)
{
    ss_model *model = NULL;
    ss_session *session = NULL;
    int32_t tokens[512];
    char text[2048];
    size_t count, length = 0;
    uint32_t drawn = 0;
    ss_model_params load;
    ss_session_params params;
    ss_step step = {.struct_size = sizeof step};
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_model_params_init(&load, sizeof load);
    ss_session_params_init(&params, sizeof params);
    load.parallel = params.parallel = parallel;
    params.context_length = 256;
    if (ss_model_load(path, &load, &model, &error) ||
        ss_session_create(model, &params, &session, &error) ||
        ss_tokenize(model, prompt, strlen(prompt), NULL, tokens, 512, &count, &error) ||
        ss_session_prefill(session, tokens, count, &error))
        goto done;
    for (; drawn < 48 && step.stop == SS_STOP_NONE; drawn += step.count) {
        if (ss_session_step(session, 48 - drawn, &step, &error))
            goto done;
        memcpy(tokens + drawn, step.tokens, step.count * sizeof *tokens);
    }
    if (ss_detokenize(model, tokens, drawn, false, text, sizeof text, &length, &error) == SS_OK)
        printf("%s%.*s\n", prompt, (int)length, text);
done:
    if (error.status != SS_OK)
        fprintf(stderr, "%s\n", error.message);
    ss_session_free(session);
    ss_model_free(model);
    return error.status != SS_OK;
}

int main(int count, char **arguments)
{
    static pool host = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .begin = PTHREAD_COND_INITIALIZER,
                        .end = PTHREAD_COND_INITIALIZER};
    ss_parallel parallel;
    uint32_t started = 0;
    while (started < WORKERS &&
           pthread_create(&host.threads[started], NULL, worker, &host) == 0)
        started++;
    ss_parallel_init(&parallel, sizeof parallel);
    parallel.context = &host;
    parallel.parallel_for = parallel_for;
    parallel.thread_count = started + 1;
    int failed = answer(count > 1 ? arguments[1] : "model.gguf",
                        count > 2 ? arguments[2] : "Once upon a time", &parallel);
    pthread_mutex_lock(&host.lock);
    host.leaving = true;
    pthread_cond_broadcast(&host.begin);
    pthread_mutex_unlock(&host.lock);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(host.threads[i], NULL);
    printf("%llu jobs ran on the host's %u threads\n", (unsigned long long)host.jobs,
           started + 1);
    return failed;
}
