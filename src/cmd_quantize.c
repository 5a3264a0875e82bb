/* SPDX-License-Identifier: Apache-2.0 */
/* quantize: a model file anew, its matrices in another type. */
#include "args.h"
#include "commands.h"
#include "progress.h"
#include "report.h"

int cmd_quantize(int count, char **arguments)
{
    const char *model = NULL, *file = NULL;
    int32_t type = -1;
    ss_quantize_params params;
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_quantize_params_init(&params, sizeof params);
    const option options[] = {
        {OPTION_TEXT, "-m", "MODEL", "the model to read, a GGUF file", &model, 0, 0, 0},
        {OPTION_TEXT, "-o", "NEW", "the model to write", &file, 0, 0, 0},
        {OPTION_CHOICE, "--type", 0, "of the matrices", &type, 0, 0, "F32|F16|Q8_0|Q4_0|Q4_1"},
        {OPTION_COUNT, "--threads", "N", "threads; 0: one per core. They change no byte",
         &params.thread_count, 0, 256, 0},
    };
    const command_line line = {
        .command = "quantize",
        .summary = "Writes a model anew with its matrices in another type.",
        .usage = "-m MODEL -o NEW --type TYPE",
        .notes =
            "Norms and biases stay as they are, and all that the file says of itself. With 4 "
            "bits the\noutput head becomes Q8_0 unless it is quantised already. Rows that are "
            "no multiple of\n32 become F16. Start from F16 or F32 where you can: numbers once "
            "rounded to few bits\nare not made better by more.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (model == NULL)
        return usage_error("quantize", "-m MODEL is missing");
    if (file == NULL)
        return usage_error("quantize", "-o NEW is missing");
    if (type < 0)
        return usage_error("quantize", "--type TYPE is missing");
    params.type = SS_WEIGHT_F32 + type;
    const ss_progress progress = progress_begin();
    params.progress = &progress;
    ss_status done = ss_model_quantize(model, &params, file, &error);
    progress_end();
    if (done != SS_OK)
        return report_error(done == SS_ERROR_IO ? NULL : model, &error);
    return EXIT_DONE;
}
