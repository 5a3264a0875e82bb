/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"
#include "plain_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int report(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    plain_text(text);
    fprintf(stderr, "specstream: %s\n", text);
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
