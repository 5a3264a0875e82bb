/* SPDX-License-Identifier: Apache-2.0 */
/* info: what a model file holds. */
#include "commands.h"
#include "json_write.h"
#include "output.h"
#include "report.h"
#include "settings.h"

#include <string.h>

#define MOST_TYPES 32u

typedef struct type_sum {
    const char *type;
    uint64_t tensors, elements, bytes;
} type_sum;

/* Sums over the tensors of each type, in the order of their first appearance. */
static size_t sum_types(const ss_model *model, uint32_t tensor_count, type_sum sums[MOST_TYPES])
{
    size_t count = 0;
    for (uint32_t i = 0; i < tensor_count; i++) {
        ss_tensor_info tensor = {.struct_size = sizeof tensor};
        size_t at = 0;
        if (ss_model_get_tensor(model, i, &tensor, NULL) != SS_OK)
            continue;
        while (at < count && strcmp(sums[at].type, tensor.type) != 0)
            at++;
        if (at == MOST_TYPES)
            continue;
        if (at == count)
            sums[count++] = (type_sum){.type = tensor.type};
        sums[at].tensors++;
        sums[at].elements +=
            tensor.dims[0] * tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
        sums[at].bytes += tensor.bytes;
    }
    return count;
}

static void print_json(const ss_model_info *info, const type_sum *types, size_t type_count)
{
    buffer line = {0};
    json_open(&line);
    json_text(&line, "architecture", info->architecture);
    json_text(&line, "name", info->name);
    json_count(&line, "parameters", info->parameter_count);
    json_count(&line, "tensor_bytes", info->tensor_bytes);
    json_count(&line, "memory_bytes", info->memory_bytes);
    json_count(&line, "tensors", info->tensor_count);
    json_object(&line, "tensor_types");
    for (size_t i = 0; i < type_count; i++) {
        json_object(&line, types[i].type);
        json_count(&line, "tensors", types[i].tensors);
        json_count(&line, "elements", types[i].elements);
        json_count(&line, "bytes", types[i].bytes);
        json_close(&line);
    }
    json_close(&line);
    json_count(&line, "layers", info->layer_count);
    json_count(&line, "embedding_length", info->embedding_length);
    json_count(&line, "feed_forward_length", info->feed_forward_length);
    json_count(&line, "heads", info->head_count);
    json_count(&line, "kv_heads", info->head_count_kv);
    json_count(&line, "head_length", info->head_length);
    json_count(&line, "context_length", info->context_length);
    json_count(&line, "vocabulary_size", info->vocabulary_size);
    json_text(&line, "tokenizer", info->tokenizer);
    json_text(&line, "chat_template", info->chat_template);
    json_key(&line, "bos_token");
    buffer_format(&line, "%d", info->bos_token);
    json_key(&line, "eos_token");
    buffer_format(&line, "%d", info->eos_token);
    json_text(&line, "cpu", info->cpu);
    json_text(&line, "xxh3", info->xxh3);
    json_close(&line);
    output_line(&line);
    buffer_free(&line);
}

static void print_token(const char *name, int32_t token)
{
    if (token >= 0)
        output_format(", %s %d", name, token);
}

static void print_table(const ss_model_info *info, const type_sum *types, size_t type_count)
{
    output_text("name           ");
    output_plain(info->name[0] != '\0' ? info->name : "(none)");
    output_text("\narchitecture   ");
    output_plain(info->architecture);
    output_format(", %u layers, width %u, feed-forward %u\n", info->layer_count,
                  info->embedding_length, info->feed_forward_length);
    output_format("attention      %u heads of %u numbers, %u for keys and values\n",
                  info->head_count, info->head_length, info->head_count_kv);
    output_format("context        %u tokens\n", info->context_length);
    output_format("tokenizer      %s, %u tokens", info->tokenizer, info->vocabulary_size);
    print_token("bos", info->bos_token);
    print_token("eos", info->eos_token);
    output_format("\nchat template  %s\n",
                  info->chat_template[0] != '\0' ? info->chat_template : "none that is known");
    output_format("parameters     %.1f million in %u tensors, %.1f MB\n",
                  (double)info->parameter_count * 1e-6, info->tensor_count,
                  (double)info->tensor_bytes * 1e-6);
    for (size_t i = 0; i < type_count; i++)
        output_format("  %-12s %6.1f million in %llu tensors, %.1f MB\n", types[i].type,
                      (double)types[i].elements * 1e-6, (unsigned long long)types[i].tensors,
                      (double)types[i].bytes * 1e-6);
    output_format("in memory      %.1f MB, kernels for %s\n",
                  (double)info->memory_bytes * 1e-6, info->cpu);
    output_format("xxh3-128       %s\n", info->xxh3);
}

static int run(const settings *from, bool json)
{
    ss_model *model;
    ss_model_info info = {.struct_size = sizeof info};
    type_sum types[MOST_TYPES];
    int status = settings_load(from, &model);
    if (status != GO_ON)
        return status;
    ss_model_get_info(model, &info, NULL);
    size_t type_count = sum_types(model, info.tensor_count, types);
    if (json)
        print_json(&info, types, type_count);
    else
        print_table(&info, types, type_count);
    ss_model_free(model);
    return EXIT_DONE;
}

int cmd_info(int count, char **arguments)
{
    settings from = SETTINGS_DEFAULT;
    const char *file = NULL;
    bool json = false;
    const option options[] = {
        MODEL_OPTION(from),
        {OPTION_FLAG, "--json", 0, "one JSON object", &json, 0, 0, 0},
    };
    const command_line line = {
        .command = "info",
        .summary = "Tells what a model file holds.",
        .usage = "MODEL [--json]",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .positional = &file,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (file != NULL && from.model != NULL)
        return usage_error("info", "two models given");
    if (file != NULL)
        from.model = file;
    if (from.model == NULL)
        return usage_error("info", "MODEL is missing");
    return run(&from, json);
}
