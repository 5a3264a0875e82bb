/* SPDX-License-Identifier: Apache-2.0 */
/* adapter export-lora, adapter merge: an adapter's main half for programs that know no streams. */
#include "args.h"
#include "commands.h"
#include "file_uses.h"
#include "progress.h"
#include "report.h"
#include "settings.h"

int cmd_adapter_export_lora(int count, char **arguments)
{
    settings from = SETTINGS_DEFAULT;
    const char *adapter = NULL, *file = NULL;
    ss_error error;
    ss_error_init(&error, sizeof error);
    const option options[] = {
        {OPTION_TEXT, "-o", "LORA", "the file to write", &file, 0, 0, 0},
        {OPTION_TEXT, "-m", "MODEL", "check the adapter against this model first", &from.model,
         0, 0, 0},
    };
    const command_line line = {
        .command = "adapter export-lora",
        .summary =
            "Writes the main half of an adapter as a plain LoRA, which llama.cpp loads, too.",
        .usage = "ADAPTER -o LORA [-m MODEL]",
        .notes = "An adapter in mode lossless has no main half. Numbers stay as they are.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .positional = &adapter,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (adapter == NULL)
        return usage_error("adapter export-lora", "ADAPTER is missing");
    if (file == NULL)
        return usage_error("adapter export-lora", "-o LORA is missing");
    file_uses files = {0};
    file_uses_read(&files, "ADAPTER", adapter);
    file_uses_read(&files, "-m", from.model);
    file_uses_write(&files, "-o", file, "");
    status = file_uses_check(&files, "adapter export-lora");
    if (status == GO_ON && from.model != NULL)
        status = settings_check_adapter(&from, adapter);
    if (status != GO_ON)
        return status;
    ss_status done = ss_adapter_export_lora(adapter, file, &error);
    if (done != SS_OK)
        return report_error(done == SS_ERROR_IO ? NULL : adapter, &error);
    return EXIT_DONE;
}

static int merge(const char *model, const char *adapter, ss_merge_params *params,
                 const char *file)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    const ss_progress progress = progress_begin();
    params->progress = &progress;
    ss_status done = ss_adapter_merge(model, adapter, params, file, &error);
    progress_end();
    if (done == SS_OK)
        return EXIT_DONE;
    return done == SS_ERROR_IO ? report_error(NULL, &error)
                               : report("%s with %s: %s", model, adapter, error.message);
}

int cmd_adapter_merge(int count, char **arguments)
{
    const char *model = NULL, *adapter = NULL, *file = NULL;
    ss_merge_params params;
    ss_merge_params_init(&params, sizeof params);
    const option options[] = {
        {OPTION_TEXT, "-m", "MODEL", "the base, a GGUF file", &model, 0, 0, 0},
        {OPTION_TEXT, "-a", "ADAPTER", "an adapter in mode shared, or a plain LoRA", &adapter,
         0, 0, 0},
        {OPTION_TEXT, "-o", "NEW", "the model to write", &file, 0, 0, 0},
        {OPTION_TEXT, "--streams", "FILE",
         "write the adapter's streams, too: a lossless adapter for NEW", &params.streams_path,
         0, 0, 0},
        {OPTION_CHOICE, "--type", 0,
         "of the matrices that change. auto: their own, but Q8_0 where that has fewer bits",
         &params.type, 0, 0, "auto|keep|F32|F16|Q8_0|Q4_0|Q4_1"},
        {OPTION_COUNT, "--threads", "N", "threads; 0: one per core. They change no byte",
         &params.thread_count, 0, 256, 0},
    };
    const command_line line = {
        .command = "adapter merge",
        .summary = "Merges the main half of an adapter into its base: a new model file.",
        .usage = "-m MODEL -a ADAPTER -o NEW [OPTION...]",
        .notes =
            "Keeping 4 bits (--type keep on a 4-bit base) rounds most of the adapter away "
            "again.\nMatrices without a pair, and all that the file says of itself, stay as "
            "they are.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (model == NULL)
        return usage_error("adapter merge", "-m MODEL is missing");
    if (adapter == NULL)
        return usage_error("adapter merge", "-a ADAPTER is missing");
    if (file == NULL)
        return usage_error("adapter merge", "-o NEW is missing");
    file_uses files = {0};
    file_uses_read(&files, "-m", model);
    file_uses_read(&files, "-a", adapter);
    file_uses_write(&files, "-o", file, "");
    file_uses_write(&files, "--streams", params.streams_path, "");
    status = file_uses_check(&files, "adapter merge");
    return status == GO_ON ? merge(model, adapter, &params, file) : status;
}
