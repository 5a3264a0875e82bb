/* SPDX-License-Identifier: Apache-2.0 */
#include "args.h"
#include "buffer.h"
#include "output.h"
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN 27u
#define HELP_WIDTH 100u

int usage_error(const char *command, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report("%s (see: specstream %s%s--help)", text, command, *command != '\0' ? " " : "");
    return EXIT_USAGE;
}

static bool takes_value(const option *of)
{
    return of->kind != OPTION_FLAG;
}

/* The option an argument names, alone or with "=value" behind it. */
static const option *find(const command_line *line, const char *argument, const char **value)
{
    for (size_t i = 0; i < line->option_count; i++) {
        const option *at = &line->options[i];
        size_t length = at->kind != OPTION_GROUP ? strlen(at->name) : 0;
        if (length == 0 || strncmp(argument, at->name, length) != 0)
            continue;
        *value = argument[length] == '=' && length > 2 ? argument + length + 1 : NULL;
        if (argument[length] == '\0' || *value != NULL)
            return at;
    }
    return NULL;
}

static bool read_whole(const char *text, uint64_t *value)
{
    char *end;
    if (*text < '0' || *text > '9') /* strtoull would take blanks and a sign */
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static bool read_real(const char *text, float *value)
{
    char *end;
    if (strchr("+-.0123456789", *text) == NULL || *text == '\0')
        return false;
    *value = strtof(text, &end);
    return *end == '\0' && isfinite(*value);
}

/* Bounds are as near as a float gets: 0.1 is no less than 0.1. */
static bool in_range(const option *of, float value)
{
    if (of->kind == OPTION_REAL_0 && value == 0)
        return true;
    return value >= (float)of->low && value <= (float)of->high;
}

static bool read_choice(const char *choices, const char *text, int32_t *value)
{
    size_t length = strlen(text);
    int32_t index = 0;
    for (const char *at = choices; length > 0; at++, index++) {
        size_t word = strcspn(at, "|");
        if (word == length && memcmp(at, text, length) == 0) {
            *value = index;
            return true;
        }
        at += word;
        if (*at == '\0')
            break;
    }
    return false;
}

static int wrong_value(const command_line *line, const option *of, const char *value)
{
    if (of->kind == OPTION_CHOICE)
        return usage_error(line->command, "%s: '%s' is none of %s", of->name, value,
                           of->choices);
    if (of->kind == OPTION_SEED)
        return usage_error(line->command, "%s: '%s' is no whole number of 64 bits", of->name,
                           value);
    return usage_error(line->command, "%s: '%s' is %s %snumber from %.10g to %.10g", of->name,
                       value, of->kind == OPTION_REAL_0 ? "neither 0 nor a" : "no",
                       of->kind == OPTION_COUNT ? "whole " : "", of->low, of->high);
}

static int store(const command_line *line, const option *of, const char *value)
{
    uint64_t whole;
    float real;
    text_list *list;
    switch (of->kind) {
    case OPTION_TEXT:
        *(const char **)of->target = value;
        return GO_ON;
    case OPTION_LIST:
        list = of->target;
        if (*value == '\0')
            return usage_error(line->command, "%s: the text is empty", of->name);
        if (list->count == LIST_MOST)
            return usage_error(line->command, "%s: given more than %u times", of->name,
                               LIST_MOST);
        list->items[list->count++] = value;
        return GO_ON;
    case OPTION_COUNT:
        if (!read_whole(value, &whole) || (double)whole < of->low || (double)whole > of->high)
            return wrong_value(line, of, value);
        *(uint32_t *)of->target = (uint32_t)whole;
        return GO_ON;
    case OPTION_SEED:
        if (!read_whole(value, &whole))
            return wrong_value(line, of, value);
        *(uint64_t *)of->target = whole;
        return GO_ON;
    case OPTION_REAL:
    case OPTION_REAL_0:
        if (!read_real(value, &real) || !in_range(of, real))
            return wrong_value(line, of, value);
        *(float *)of->target = real;
        return GO_ON;
    case OPTION_CHOICE:
        if (!read_choice(of->choices, value, of->target))
            return wrong_value(line, of, value);
        return GO_ON;
    case OPTION_FLAG:
        *(bool *)of->target = true;
        return GO_ON;
    case OPTION_GROUP:
        break;
    }
    return GO_ON;
}

/* From the column where help stands on. */
static void print_wrapped(const char *text)
{
    size_t column = HELP_COLUMN;
    while (*text != '\0') {
        const size_t word = strcspn(text, " "), blank = column > HELP_COLUMN;
        if (blank != 0 && column + 1 + word > HELP_WIDTH) {
            output_format("\n%*s", (int)HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (blank != 0) {
            output_text(" ");
            column++;
        }
        output_bytes(text, word);
        column += word;
        text += word + strspn(text + word, " ");
    }
    output_text("\n");
}

static void print_option(const option *of)
{
    char left[64];
    if (of->kind == OPTION_GROUP) {
        output_format("\n%s\n", of->help);
        return;
    }
    snprintf(left, sizeof left, "%s%s%s", of->name, takes_value(of) ? " " : "",
             takes_value(of) ? (of->kind == OPTION_CHOICE ? of->choices : of->value) : "");
    buffer help = {0};
    buffer_text(&help, of->help);
    if (of->kind == OPTION_COUNT && *(uint32_t *)of->target != 0)
        buffer_format(&help, " [%u]", *(uint32_t *)of->target);
    if ((of->kind == OPTION_REAL || of->kind == OPTION_REAL_0) &&
        in_range(of, *(float *)of->target))
        buffer_format(&help, " [%g]", (double)*(float *)of->target);
    buffer_append(&help, "", 1);
    if (strlen(left) > HELP_COLUMN - 3) /* its help stands below it */
        output_format("  %s\n%*s", left, (int)HELP_COLUMN, "");
    else
        output_format("  %-*s", (int)HELP_COLUMN - 2, left);
    print_wrapped(help.bytes);
    buffer_free(&help);
}

static int print_help(const command_line *line)
{
    output_format("%s\n\nusage: specstream %s %s\n", line->summary, line->command,
                  line->usage);
    for (size_t i = 0; i < line->option_count; i++)
        print_option(&line->options[i]);
    if (line->notes != NULL)
        output_format("\n%s\n", line->notes);
    return EXIT_DONE;
}

static int read_positional(const command_line *line, const char *argument)
{
    if (line->positionals != NULL) {
        if (line->positionals->count == LIST_MOST)
            return usage_error(line->command, "more than %u arguments", LIST_MOST);
        line->positionals->items[line->positionals->count++] = argument;
        return GO_ON;
    }
    if (line->positional == NULL)
        return usage_error(line->command, "unexpected argument '%s'", argument);
    if (*line->positional != NULL)
        return usage_error(line->command, "unexpected second argument '%s'", argument);
    *line->positional = argument;
    return GO_ON;
}

int args_read(const command_line *line, int count, char **arguments)
{
    bool options_ended = false;
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i], *value = NULL;
        int status;
        if (options_ended || argument[0] != '-' || argument[1] == '\0') {
            status = read_positional(line, argument);
        } else if (strcmp(argument, "--") == 0) {
            options_ended = true;
            continue;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            return print_help(line);
        } else {
            const option *found = find(line, argument, &value);
            if (found == NULL)
                return usage_error(line->command, "unknown option '%s'", argument);
            if (!takes_value(found) && value != NULL)
                return usage_error(line->command, "%s takes no value", found->name);
            if (takes_value(found) && value == NULL) {
                if (i + 1 == count)
                    return usage_error(line->command, "%s needs a value", found->name);
                value = arguments[++i];
            }
            status = store(line, found, value);
        }
        if (status != GO_ON)
            return status;
    }
    return GO_ON;
}

bool args_have(const command_line *line, int count, char **arguments, const char *name)
{
    for (int i = 0; i < count && strcmp(arguments[i], "--") != 0; i++) {
        const char *value;
        const option *found = arguments[i][0] == '-' ? find(line, arguments[i], &value) : NULL;
        if (found == NULL)
            continue;
        if (strcmp(found->name, name) == 0)
            return true;
        i += takes_value(found) && value == NULL;
    }
    return false;
}
