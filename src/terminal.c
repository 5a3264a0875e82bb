/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool understands(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) == 1 && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

bool terminal_colours(int fd)
{
    const char *forbidden = getenv("NO_COLOR");
    return understands(fd) && (forbidden == NULL || *forbidden == '\0');
}

bool terminal_rewrites(int fd, unsigned columns)
{
    struct winsize size = {0};
    if (!understands(fd))
        return false;
    /* One that doesn't tell is taken to be wide enough. */
    return ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col >= columns;
}
