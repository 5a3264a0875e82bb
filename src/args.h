/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, declared: a table of options gives the parser, its messages and --help. */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum option_kind {
    OPTION_FLAG,   /* bool: set by its presence */
    OPTION_TEXT,   /* const char * */
    OPTION_LIST,   /* text_list: may be given several times, never empty */
    OPTION_COUNT,  /* uint32_t from low to high */
    OPTION_SEED,   /* uint64_t, any */
    OPTION_REAL,   /* float from low to high; a default below low means none */
    OPTION_REAL_0, /* the same, or 0 */
    OPTION_CHOICE, /* int32_t: the index of the word in `choices`, separated by '|' */
    OPTION_GROUP   /* no option: a heading in --help */
} option_kind;

#define LIST_MOST 16u

typedef struct text_list {
    const char *items[LIST_MOST];
    size_t count;
} text_list;

typedef struct option {
    option_kind kind;
    const char *name;    /* "--threads", "-m" */
    const char *value;   /* what its value is called in --help: "N" */
    const char *help;
    void *target;        /* holds the default before, the value afterwards */
    double low, high;    /* OPTION_COUNT, OPTION_REAL, OPTION_REAL_0 */
    const char *choices; /* OPTION_CHOICE */
} option;

typedef struct command_line {
    const char *command;     /* "generate" */
    const char *summary;     /* first line of --help */
    const char *usage;       /* after "specstream generate ", without options: "-m MODEL ..." */
    const char *notes;       /* last lines of --help, or NULL */
    const option *options;
    size_t option_count;
    const char **positional; /* receives the one argument that is no option; NULL: none taken */
    text_list *positionals;  /* receives any number of them, in place of `positional` */
} command_line;

/* GO_ON; EXIT_DONE after printing --help; EXIT_USAGE after saying what is wrong. */
int args_read(const command_line *line, int count, char **arguments);

/* Whether arguments that args_read() has taken name this option. */
bool args_have(const command_line *line, int count, char **arguments, const char *name);

/* One line on stderr: what is wrong, and where help is. Returns EXIT_USAGE. */
int usage_error(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
