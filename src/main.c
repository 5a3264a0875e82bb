/* SPDX-License-Identifier: Apache-2.0 */
/* The program: a table of commands, written against include/ alone. */
#include "args.h"
#include "commands.h"
#include "descriptors.h"
#include "output.h"
#include "report.h"

#include <string.h>

typedef struct command {
    const char *name;
    int (*run)(int count, char **arguments);
    const char *summary;
} command;

static const command commands[] = {
    {"generate", cmd_generate, "continue a text, or answer prompts"},
    {"chat", cmd_chat, "talk with a model"},
    {"info", cmd_info, "what a model file holds"},
    {"train", cmd_train, "teach a model to draft for itself"},
    {"plot", cmd_plot, "a training's log as a picture"},
    {"adapter", cmd_adapter, "what an adapter holds; an untrained one; merging, export"},
    {"quantize", cmd_quantize, "a model file anew, in another type"},
    {"bench", cmd_bench, "how fast a model runs here"},
    {"perplexity", cmd_perplexity, "how well a model predicts a text"},
    {"tokenize", cmd_tokenize, "text to token ids"},
    {"detokenize", cmd_detokenize, "token ids to text"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static int print_help(void)
{
    output_text("specstream: decoding of GGUF language models on the CPU\n\n"
                "usage: specstream COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        output_format("  %-12s %s\n", commands[i].name, commands[i].summary);
    output_text("\nspecstream COMMAND --help, or help COMMAND, lists a command's options;\n"
                "specstream --version tells the version.\n"
                "Exit status: 0 done, 1 an error (one line on stderr), 2 wrong usage.\n");
    return EXIT_DONE;
}

static int run(int count, char **arguments)
{
    if (count < 2)
        return usage_error("", "no command");
    static char help[] = "--help";
    if (count > 2 && strcmp(arguments[1], "help") == 0) { /* as COMMAND --help */
        memmove(arguments + 1, arguments + 2, (size_t)(count - 2) * sizeof *arguments);
        arguments[count - 1] = help;
    }
    const char *name = arguments[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return print_help();
    if (strcmp(name, "--version") == 0) {
        output_format("specstream %s\n", ss_version());
        return EXIT_DONE;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(count - 2, arguments + 2);
    return usage_error("", "unknown command '%s'", name);
}

int main(int count, char **arguments)
{
    descriptors_hold();
    output_begin();
    return output_end(run(count, arguments));
}
