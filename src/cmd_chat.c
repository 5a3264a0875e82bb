/* SPDX-License-Identifier: Apache-2.0 */
/* chat: a conversation in the terminal. The whole of it is encoded again for every turn; what the
 * session has already computed is found in its cache. */
#include "answer.h"
#include "commands.h"
#include "interrupt.h"
#include "output.h"
#include "report.h"
#include "speculation.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LENGTH 1024u
#define DEFAULT_CONTEXT 4096u

typedef struct turn {
    const char *role;
    buffer text;
} turn;

typedef struct conversation {
    settings settings;
    speculation speculation;
    const char *system; /* --system */
    turn *turns;
    size_t count, capacity;
    token_list tokens; /* of the turns, up to the assistant's next one */
    bool people;       /* on both sides: prompts and notes are shown */
} conversation;

static void add_turn(conversation *of, const char *role, const char *text, size_t length)
{
    of->turns = grow_memory(of->turns, of->count, &of->capacity, sizeof *of->turns);
    of->turns[of->count] = (turn){.role = role};
    buffer_append(&of->turns[of->count++].text, text, length);
}

static void drop_turn(conversation *of, size_t index)
{
    buffer_free(&of->turns[index].text);
    memmove(&of->turns[index], &of->turns[index + 1],
            (of->count - index - 1) * sizeof *of->turns);
    of->count--;
}

/* Before anybody has typed anything. */
static int check_template(conversation *of, const ss_model *model)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (tokens_from_chat(model, NULL, 0, &of->tokens, &error) == SS_OK)
        return GO_ON;
    return report("%s: %s; generate takes raw text", of->settings.model, error.message);
}

static ss_status encode(conversation *of, const ss_model *model, ss_error *error)
{
    ss_chat_message *messages = take_memory(of->count, sizeof *messages);
    for (size_t i = 0; i < of->count; i++)
        messages[i] = (ss_chat_message){of->turns[i].role, of->turns[i].text.bytes,
                                        of->turns[i].text.length};
    ss_status status = tokens_from_chat(model, messages, of->count, &of->tokens, error);
    free(messages);
    return status;
}

/* Drops the oldest exchanges until a quarter of the context is free for the answer. */
static ss_status fit(conversation *of, const ss_model *model, uint32_t context, ss_error *error)
{
    size_t first = of->system != NULL;
    ss_status status = encode(of, model, error);
    while (status == SS_OK && of->tokens.count > context - context / 4 &&
           of->count > first + 2) {
        drop_turn(of, first);
        drop_turn(of, first);
        status = encode(of, model, error);
    }
    return status;
}

static void note(const conversation *of, const char *text)
{
    if (of->people)
        fprintf(stderr, "(%s)\n", text);
}

static int take_turn(conversation *of, const ss_model *model, ss_session *session,
                     uint32_t context)
{
    answer made = {0};
    ss_error error;
    ss_error_init(&error, sizeof error);
    ss_status status = fit(of, model, context, &error);
    if (status == SS_OK)
        status =
            answer_make(model, session, &of->settings, &of->tokens, true, NULL, &made, &error);
    output_text("\n");
    output_flush();
    if (status == SS_OK) {
        add_turn(of, "assistant", made.text.bytes, made.text.length);
        if (made.context_full)
            note(of, "the context is full");
        interrupt_taken(); /* it has ended this answer, and no more than that */
    } else if (status == SS_ERROR_CONTEXT_FULL && of->people) {
        note(of, "that is longer than the context; see -c");
        drop_turn(of, of->count - 1);
        status = SS_OK;
    }
    answer_free(&made);
    return status == SS_OK ? GO_ON : report_error(of->settings.model, &error);
}

/* One line of standard input; false at its end, or on Ctrl-C. */
static bool read_line(const conversation *of, char **line, size_t *capacity, size_t *length)
{
    if (of->people) {
        output_text(terminal_colours(STDOUT_FILENO) ? "\033[1m>\033[0m " : "> ");
        output_flush();
    }
    ssize_t read = getline(line, capacity, stdin);
    if (read < 0)
        return false;
    *length = (size_t)read;
    while (*length > 0 && ((*line)[*length - 1] == '\n' || (*line)[*length - 1] == '\r'))
        (*length)--;
    return true;
}

static int talk(conversation *of, const ss_model *model, ss_session *session, uint32_t context)
{
    char *line = NULL;
    size_t capacity = 0, length = 0;
    int status = GO_ON;
    if (of->system != NULL)
        add_turn(of, "system", of->system, strlen(of->system));
    interrupt_watch(session);
    while (status == GO_ON && !output_closed() && !interrupt_taken() &&
           read_line(of, &line, &capacity, &length)) {
        if (length == 0)
            continue;
        add_turn(of, "user", line, length);
        status = take_turn(of, model, session, context);
    }
    if (status == GO_ON && ferror(stdin) && errno != EINTR) /* which is Ctrl-C */
        status = report("standard input: %s", strerror(errno));
    interrupt_watch(NULL);
    free(line);
    if (status == GO_ON && of->people)
        output_text("\n");
    return status == GO_ON ? EXIT_DONE : status;
}

static void greet(const char *name)
{
    output_plain(name);
    output_text(". Ctrl-C ends an answer, Ctrl-D the conversation.\n");
}

static int run(conversation *of)
{
    ss_model *model = NULL;
    ss_session *session = NULL;
    ss_adapter *adapter = NULL;
    ss_model_info info = {.struct_size = sizeof info};
    of->people = output_is_terminal() && isatty(STDIN_FILENO) == 1;
    int status = settings_load(&of->settings, &model);
    if (status == GO_ON)
        status = check_template(of, model);
    if (status == GO_ON)
        status = speculation_load(&of->speculation, model, &adapter);
    if (status == GO_ON)
        status = settings_session(&of->settings, model, DEFAULT_CONTEXT, &session);
    if (status == GO_ON)
        status = speculation_set(&of->speculation, adapter, session);
    if (status == GO_ON && ss_model_get_info(model, &info, NULL) == SS_OK) {
        uint32_t context = of->settings.context > 0 ? of->settings.context : DEFAULT_CONTEXT;
        if (context > info.context_length)
            context = info.context_length;
        if (of->people)
            greet(info.name[0] != '\0' ? info.name : of->settings.model);
        status = talk(of, model, session, context);
    }
    ss_session_free(session);
    ss_adapter_free(adapter);
    ss_model_free(model);
    while (of->count > 0)
        drop_turn(of, of->count - 1);
    free(of->turns);
    tokens_free(&of->tokens);
    return status;
}

int cmd_chat(int count, char **arguments)
{
    conversation of = {.settings = SETTINGS_DEFAULT};
    of.settings.length = DEFAULT_LENGTH;
    const option options[] = {
        MODEL_OPTION(of.settings),
        ADAPTER_OPTION(of.speculation),
        {OPTION_TEXT, "--system", "TEXT", "the system turn, in place of the template's own",
         &of.system, 0, 0, 0},
        {OPTION_COUNT, "-n", "N", "most tokens of an answer", &of.settings.length, 1,
         4294967295.0, 0},
        STOP_OPTIONS(of.settings),
        SAMPLER_OPTIONS(of.settings),
        SPECULATION_OPTIONS(of.speculation),
        NO_SPEC_OPTION(of.speculation),
        ROWS_OPTION(of.settings),
        MACHINE_OPTIONS(of.settings),
        SESSION_OPTIONS(of.settings),
        CONTEXT_OPTION(of.settings, "tokens the context holds; 0: 4096, or the model's limit"),
    };
    const command_line line = {
        .command = "chat",
        .summary = "Talks with a model, a line at a time.",
        .usage = "-m MODEL [OPTION...]",
        .notes = "Ctrl-C ends an answer; at the prompt it, or Ctrl-D, ends the conversation.\n"
                 "When the context gets full the oldest exchanges are forgotten.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int status = args_read(&line, count, arguments);
    if (status != GO_ON)
        return status;
    if (of.settings.model == NULL)
        return usage_error("chat", "-m MODEL is missing");
    status = speculation_check(&of.speculation, "chat");
    return status == GO_ON ? run(&of) : status;
}
