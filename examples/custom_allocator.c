/* SPDX-License-Identifier: Apache-2.0 */
/* All memory comes from the host: here from an allocator that counts, and that has a budget. A
 * step takes none; when a budget does not suffice the call says so and nothing is lost.
 * custom_allocator MODEL [PROMPT] */
#include <specstream/specstream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct memory_budget {
    size_t limit, held, calls;
} memory_budget;

static void *allocate(void *context, size_t bytes, size_t alignment)
{
    memory_budget *of = context;
    if (bytes > of->limit - of->held)
        return NULL;
    /* aligned_alloc wants a size that is a multiple of the alignment. */
    void *memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory != NULL) {
        of->held += bytes;
        of->calls++;
    }
    return memory;
}

static void release(void *context, void *memory, size_t bytes)
{
    memory_budget *of = context;
    of->held -= bytes;
    free(memory);
}

int main(int count, char **arguments)
{
    const char *path = count > 1 ? arguments[1] : "model.gguf";
    const char *prompt = count > 2 ? arguments[2] : "Once upon a time";
    memory_budget budget = {.limit = SIZE_MAX};
    ss_model *model = NULL;
    ss_session *session = NULL;
    int32_t tokens[512];
    size_t token_count = 0, before = 0;
    uint64_t needed = 0;
    ss_allocator allocator;
    ss_model_params load;
    ss_session_params params;
    ss_step step = {.struct_size = sizeof step};
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_allocator_init(&allocator, sizeof allocator);
    allocator.context = &budget;
    allocator.allocate = allocate;
    allocator.release = release;
    ss_model_params_init(&load, sizeof load);
    ss_session_params_init(&params, sizeof params);
    load.allocator = params.allocator = &allocator;
    params.context_length = 256;

    if (ss_model_load(path, &load, &model, &error) ||
        ss_session_memory_bytes(model, &params, &needed, &error))
        goto done;
    printf("the model holds %zu bytes; a session will take %llu\n", budget.held,
           (unsigned long long)needed);

    budget.limit = budget.held + (size_t)needed / 2;
    if (ss_session_create(model, &params, &session, &error) != SS_ERROR_MEMORY)
        goto done;
    printf("with half of that: %s\n", error.message);
    ss_error_init(&error, sizeof error);
    budget.limit = SIZE_MAX;

    if (ss_session_create(model, &params, &session, &error) ||
        ss_tokenize(model, prompt, strlen(prompt), NULL, tokens, 512, &token_count, &error))
        goto done;
    before = budget.calls;
    if (ss_session_prefill(session, tokens, token_count, &error))
        goto done;
    for (uint32_t drawn = 0; drawn < 32 && step.stop == SS_STOP_NONE; drawn += step.count)
        if (ss_session_step(session, 32 - drawn, &step, &error))
            goto done;
    printf("prefill and steps asked for memory %zu times\n", budget.calls - before);
done:
    if (error.status != SS_OK)
        fprintf(stderr, "%s\n", error.message);
    ss_session_free(session);
    ss_model_free(model);
    printf("held at the end: %zu bytes\n", budget.held);
    return error.status != SS_OK || budget.held != 0 || budget.calls != before;
}
