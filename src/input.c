/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int input_read(const char *path, buffer *to)
{
    char piece[1 << 14];
    size_t length;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    const char *name = file == stdin ? "standard input" : path;
    if (file == NULL)
        return report("%s: %s", name, strerror(errno));
    errno = 0;
    while ((length = fread(piece, 1, sizeof piece, file)) > 0)
        buffer_append(to, piece, length);
    int failure = ferror(file) ? errno : 0;
    if (file != stdin)
        fclose(file);
    if (failure != 0)
        return report("%s: %s", name, strerror(failure));
    return GO_ON;
}
