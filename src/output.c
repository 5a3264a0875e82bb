/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"
#include "plain_text.h"
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int failure; /* errno of the first failed write */

void output_begin(void)
{
    signal(SIGPIPE, SIG_IGN);
}

static void note_failure(bool failed)
{
    if (failed && failure == 0)
        failure = errno != 0 ? errno : EIO;
}

void output_bytes(const void *bytes, size_t length)
{
    if (length == 0 || failure != 0)
        return;
    errno = 0;
    note_failure(fwrite(bytes, 1, length, stdout) != length);
}

void output_text(const char *text)
{
    output_bytes(text, strlen(text));
}

void output_plain(const char *text)
{
    buffer copy = {0};
    buffer_join(&copy, text, "");
    plain_text(copy.bytes);
    output_text(copy.bytes);
    buffer_free(&copy);
}

void output_format(const char *format, ...)
{
    va_list arguments;
    if (failure != 0)
        return;
    errno = 0;
    va_start(arguments, format);
    note_failure(vprintf(format, arguments) < 0);
    va_end(arguments);
}

void output_flush(void)
{
    if (failure != 0)
        return;
    errno = 0;
    note_failure(fflush(stdout) != 0);
}

void output_line(const buffer *line)
{
    output_bytes(line->bytes, line->length);
    output_bytes("\n", 1);
    output_flush();
}

bool output_closed(void)
{
    return failure != 0;
}

int output_end(int status)
{
    output_flush();
    if (failure == 0 || failure == EPIPE)
        return status;
    return report("standard output: %s", strerror(failure));
}

bool output_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}
