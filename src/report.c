/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* File names and texts may hold anything; a terminal and a line-reader shall not see it. */
static void write_line(char *text)
{
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    fprintf(stderr, "specstream: %s\n", text);
}

int report(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_line(text);
    return EXIT_ERROR;
}

int report_error(const char *about, const ss_error *error)
{
    const char *message =
        error->message[0] != '\0' ? error->message : ss_status_text(error->status);
    if (about != NULL && strncmp(message, about, strlen(about)) != 0)
        return report("%s: %s", about, message);
    return report("%s", message);
}
