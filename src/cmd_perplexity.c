/* SPDX-License-Identifier: Apache-2.0 */
/* perplexity: over the windows that llama.cpp's tool uses, so that figures can be compared. The
 * text's tokens are cut into windows of c; of each window the tokens at positions c / 2 + 1 to
 * c - 1 are scored, each given all before it in the window. Where the model has a token put
 * before every text, it takes the place of each window's first. What is left over at the end is
 * not scored. Special tokens written in the text are plain text. */
#include "commands.h"
#include "input.h"
#include "interrupt.h"
#include "json_write.h"
#include "output.h"
#include "report.h"
#include "settings.h"
#include "terminal.h"
#include "tokens.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COLUMNS 60u /* of what is written over */

typedef struct job {
    settings settings; /* its context: the window */
    const char *file;
    uint32_t chunks; /* most windows; 0: all */
    bool json;
} job;

typedef struct score {
    double sum; /* of log probabilities */
    uint64_t tokens;
    size_t windows;
} score;

static int read_arguments(job *of, int count, char **arguments)
{
    const option options[] = {
        MODEL_OPTION(of->settings),
        {OPTION_TEXT, "-f", "FILE", "the text; -: standard input", &of->file, 0, 0, 0},
        {OPTION_COUNT, "-c", "N", "tokens of a window", &of->settings.context, 4, 16777216, 0},
        {OPTION_COUNT, "--chunks", "N", "most windows; 0: all", &of->chunks, 0, 4294967295.0, 0},
        {OPTION_FLAG, "--json", 0, "one JSON object", &of->json, 0, 0, 0},
        MACHINE_OPTIONS(of->settings),
        SESSION_OPTIONS(of->settings),
    };
    const command_line line = {
        .command = "perplexity",
        .summary = "Tells how well a model predicts a text (the second half of each window).",
        .usage = "-m MODEL -f FILE [OPTION...]",
        .notes = "JSON: {\"perplexity\",\"tokens_scored\",\"windows\",\"window\"}",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (of->settings.model == NULL)
        return usage_error("perplexity", "-m MODEL is missing");
    if (of->file == NULL)
        return usage_error("perplexity", "-f FILE is missing");
    return GO_ON;
}

static void show_progress(const score *so_far, size_t windows)
{
    if (terminal_rewrites(STDERR_FILENO, COLUMNS))
        fprintf(stderr, "\rwindow %zu of %zu: %.4f ", so_far->windows, windows,
                exp(-so_far->sum / (double)so_far->tokens));
}

static int score_windows(const job *of, ss_session *session, int32_t bos, token_list *tokens,
                         score *to)
{
    size_t window = of->settings.context, first = window / 2 + 1;
    size_t windows = tokens->count / window;
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (of->chunks > 0 && of->chunks < windows)
        windows = of->chunks;
    float *scores = take_memory(window - first, sizeof *scores);
    ss_status status = SS_OK;
    interrupt_watch(session);
    for (size_t i = 0; i < windows && status == SS_OK; i++) {
        int32_t *ids = tokens->ids + i * window;
        if (bos >= 0)
            ids[0] = bos;
        status = ss_session_score(session, ids, window, first, scores, &error);
        for (size_t j = 0; j < window - first && status == SS_OK; j++)
            to->sum += (double)scores[j];
        if (status != SS_OK)
            break;
        to->tokens += window - first;
        to->windows++;
        show_progress(to, windows);
    }
    interrupt_watch(NULL);
    free(scores);
    if (terminal_rewrites(STDERR_FILENO, COLUMNS))
        fputs("\r\033[K", stderr);
    if (status != SS_OK)
        return report("window %zu of %zu: %s", to->windows + 1, windows, error.message);
    return GO_ON;
}

static void print_score(const job *of, const score *from)
{
    double perplexity = exp(-from->sum / (double)from->tokens);
    buffer line = {0};
    if (!of->json) {
        output_format("perplexity %.4f (%llu tokens scored in %zu windows of %u)\n", perplexity,
                      (unsigned long long)from->tokens, from->windows, of->settings.context);
        return;
    }
    json_open(&line);
    json_number(&line, "perplexity", perplexity);
    json_count(&line, "tokens_scored", from->tokens);
    json_count(&line, "windows", from->windows);
    json_count(&line, "window", of->settings.context);
    json_close(&line);
    output_line(&line);
    buffer_free(&line);
}

static int run_model(const job *of, const ss_model *model, const buffer *text)
{
    ss_session *session = NULL;
    token_list tokens = {0};
    score total = {0};
    ss_error error;
    int status = GO_ON;
    ss_error_init(&error, sizeof error);
    if (tokens_from_text(model, text, false, &tokens, &error) != SS_OK)
        status = report_error(of->file, &error);
    else if (tokens.count < of->settings.context)
        status = report("%s has %zu tokens, a window needs %u", of->file, tokens.count,
                        of->settings.context);
    if (status == GO_ON)
        status = settings_session(&of->settings, model, of->settings.context, &session);
    if (status == GO_ON)
        status = score_windows(of, session, tokens_bos(model), &tokens, &total);
    if (status == GO_ON)
        print_score(of, &total);
    ss_session_free(session);
    tokens_free(&tokens);
    return status == GO_ON ? EXIT_DONE : status;
}

int cmd_perplexity(int count, char **arguments)
{
    job of = {.settings = SETTINGS_DEFAULT};
    ss_model *model = NULL;
    buffer text = {0};
    of.settings.context = 512;
    int status = read_arguments(&of, count, arguments);
    if (status == GO_ON)
        status = input_read(of.file, &text);
    if (status == GO_ON)
        status = settings_load(&of.settings, &model);
    if (status == GO_ON)
        status = run_model(&of, model, &text);
    ss_model_free(model);
    buffer_free(&text);
    return status;
}
