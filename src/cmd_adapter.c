/* SPDX-License-Identifier: Apache-2.0 */
/* adapter: tells what a file holds, writes an untrained one; what it leaves to others. */
#include "args.h"
#include "commands.h"
#include "file_uses.h"
#include "json_write.h"
#include "output.h"
#include "report.h"
#include "settings.h"

#include <string.h>

static void print_json(const ss_adapter_file_info *info)
{
    buffer line = {0};
    json_open(&line);
    json_text(&line, "architecture", info->architecture);
    json_text(&line, "name", info->name);
    json_count(&line, "format_version", info->format_version);
    json_text(&line, "mode", info->mode);
    json_count(&line, "stream_count", info->stream_count);
    json_count(&line, "msa_layer_count", info->msa_layer_count);
    json_text(&line, "stream_init", info->stream_init);
    json_text(&line, "base.xxh3", info->base_xxh3);
    json_count(&line, "draft_vocabulary", info->draft_vocabulary_size);
    json_number(&line, "lora_alpha", (double)info->lora_alpha);
    json_count(&line, "main_rank", info->main_rank);
    json_count(&line, "stream_rank", info->stream_rank);
    json_count(&line, "init_rank", info->init_rank);
    json_count(&line, "root_rank", info->root_rank);
    json_count(&line, "parent_rank", info->parent_rank);
    json_count(&line, "prune_rank", info->prune_rank);
    json_count(&line, "parameters", info->parameter_count);
    json_count(&line, "tensors", info->tensor_count);
    json_count(&line, "file_bytes", info->file_bytes);
    json_close(&line);
    output_line(&line);
    buffer_free(&line);
}

static void print_rank(const char *name, uint32_t rank, const char *without)
{
    if (rank > 0)
        output_format("%-15s rank %u\n", name, rank);
    else
        output_format("%-15s %s\n", name, without);
}

static void print_table(const ss_adapter_file_info *info)
{
    output_text("name            ");
    output_plain(info->name[0] != '\0' ? info->name : "(none)");
    output_text("\nbase            ");
    output_plain(info->architecture);
    if (info->base_xxh3[0] != '\0') {
        output_text(", xxh3-128 ");
        output_plain(info->base_xxh3);
    }
    output_text("\nmode            ");
    output_plain(info->mode);
    output_text("\n");
    if (info->stream_count > 0) {
        output_format("streams         %u, in the top %u layers, init by ", info->stream_count,
                      info->msa_layer_count);
        output_plain(info->stream_init);
        output_text("\n");
        if (info->draft_vocabulary_size > 0)
            output_format("drafts from     %u tokens\n", info->draft_vocabulary_size);
        else
            output_text("drafts from     the whole vocabulary\n");
    }
    print_rank("main LoRA", info->main_rank, "none: plain decoding is the base model's");
    if (info->stream_count > 0) {
        print_rank("stream LoRA", info->stream_rank, "none");
        print_rank("init map", info->init_rank, "the identity");
        print_rank("root terms", info->root_rank, "none");
        print_rank("parent term", info->parent_rank, "none");
        print_rank("pruner", info->prune_rank, "none");
    }
    output_format("parameters      %.2f million in %u tensors, %.1f MB\n",
                  (double)info->parameter_count * 1e-6, info->tensor_count,
                  (double)info->file_bytes * 1e-6);
}

static int tell(int count, char **arguments)
{
    settings from = SETTINGS_DEFAULT;
    const char *file = NULL;
    bool json = false;
    ss_adapter_file_info info = {.struct_size = sizeof info};
    ss_error error;
    ss_error_init(&error, sizeof error);
    const option options[] = {
        {OPTION_TEXT, "-m", "MODEL", "check it against this model, too", &from.model, 0, 0, 0},
        {OPTION_FLAG, "--json", 0, "one JSON object", &json, 0, 0, 0},
    };
    const command_line line = {
        .command = "adapter info",
        .summary = "Tells what an adapter file holds.",
        .usage = "ADAPTER [-m MODEL] [--json]",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .positional = &file,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (file == NULL)
        return usage_error("adapter info", "ADAPTER is missing");
    if (ss_adapter_read_file_info(file, &info, &error) != SS_OK)
        return report_error(file, &error);
    status = from.model != NULL ? settings_check_adapter(&from, file) : GO_ON;
    if (status != GO_ON)
        return status;
    if (json)
        print_json(&info);
    else
        print_table(&info);
    return EXIT_DONE;
}

static int write_untrained(const settings *from, const ss_adapter_init_params *params,
                           const char *file)
{
    ss_model *model;
    ss_model_info info = {.struct_size = sizeof info};
    ss_error error;
    ss_error_init(&error, sizeof error);
    int status = settings_load(from, &model);
    if (status != GO_ON)
        return status;
    status = EXIT_DONE;
    ss_model_get_info(model, &info, NULL);
    if (params->msa_layer_count > info.layer_count)
        status = report("--msa-layers: %s has %u layers, not %u", from->model, info.layer_count,
                        params->msa_layer_count);
    else if (ss_adapter_write_untrained(model, params, file, &error) != SS_OK)
        status = report_error(file, &error);
    ss_model_free(model);
    return status;
}

static int init(int count, char **arguments)
{
    settings from = SETTINGS_DEFAULT;
    ss_adapter_init_params params;
    const char *file = NULL;
    int32_t mode = 0;
    ss_adapter_init_params_init(&params, sizeof params);
    const option options[] = {
        MODEL_OPTION(from),
        {OPTION_TEXT, "-o", "ADAPTER", "the file to write", &file, 0, 0, 0},
        {OPTION_CHOICE, "--mode", 0,
         "lossless: the main rows stay the base model's; shared: a LoRA on them, too", &mode, 0,
         0, "lossless|shared"},
        {OPTION_COUNT, "--streams", "N", "speculative streams", &params.stream_count, 1, 8, 0},
        {OPTION_COUNT, "--msa-layers", "N", "layers they run through, from the top",
         &params.msa_layer_count, 1, 4294967295.0, 0},
        {OPTION_COUNT, "--rank", "R", "of the LoRA pairs; 0: none", &params.rank, 0, 256, 0},
        {OPTION_COUNT, "--root", "R", "rank of the root terms; 0: none", &params.root_rank, 0,
         256, 0},
        {OPTION_COUNT, "--parent", "R", "rank of the parent term; 0: none", &params.parent_rank,
         0, 256, 0},
        {OPTION_COUNT, "--prune", "R", "rank of the pruner; 0: none", &params.prune_rank, 0, 256,
         0},
        {OPTION_SEED, "--seed", "S", "64 bits; the same seed gives the same file", &params.seed,
         0, 0, 0},
        {OPTION_REAL, "--std", "X", "standard deviation of every tensor", &params.deviation, 0,
         1e6, 0},
    };
    const command_line line = {
        .command = "adapter init",
        .summary = "Writes an untrained adapter: where training begins, and what tests draft with.",
        .usage = "-m MODEL -o ADAPTER [OPTION...]",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (from.model == NULL)
        return usage_error("adapter init", "-m MODEL is missing");
    if (file == NULL)
        return usage_error("adapter init", "-o ADAPTER is missing");
    params.shared = mode == 1;
    file_uses files = {0};
    file_uses_read(&files, "-m", from.model);
    file_uses_write(&files, "-o", file, "");
    status = file_uses_check(&files, "adapter init");
    return status == GO_ON ? write_untrained(&from, &params, file) : status;
}

int cmd_adapter(int count, char **arguments)
{
    static const struct {
        const char *name;
        int (*run)(int count, char **arguments);
    } parts[] = {
        {"info", tell},
        {"init", init},
        {"export-lora", cmd_adapter_export_lora},
        {"merge", cmd_adapter_merge},
    };
    if (count == 0)
        return usage_error("adapter", "info, init, export-lora or merge is missing");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(arguments[0], parts[i].name) == 0)
            return parts[i].run(count - 1, arguments + 1);
    if (strcmp(arguments[0], "--help") != 0 && strcmp(arguments[0], "-h") != 0)
        return usage_error("adapter", "'%s' is none of info, init, export-lora, merge",
                           arguments[0]);
    output_text("Adapters: what makes a model draft for itself.\n\n"
                "usage: specstream adapter info ADAPTER [-m MODEL] [--json]\n"
                "       specstream adapter init -m MODEL -o ADAPTER [OPTION...]\n"
                "       specstream adapter export-lora ADAPTER -o LORA [-m MODEL]\n"
                "       specstream adapter merge -m MODEL -a ADAPTER -o NEW [OPTION...]\n\n"
                "Each has its own --help.\n");
    return EXIT_DONE;
}
