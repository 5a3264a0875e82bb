/* SPDX-License-Identifier: Apache-2.0 */
/* What a command reads and what it writes. The two must be apart: whoever names one file as both
 * would lose it, and learns so before any work. Links don't hide a file, for files are compared and
 * not their names. */
#ifndef FILE_USES_H
#define FILE_USES_H

#include <stddef.h>

#define FILE_USES_MOST 24u

typedef struct file_use {
    const char *option; /* that names it, "-o" */
    const char *path;   /* for reading "-" is standard input */
    const char *ending; /* behind the path */
} file_use;

typedef struct file_uses {
    file_use reads[FILE_USES_MOST], writes[FILE_USES_MOST];
    size_t read_count, write_count;
} file_uses;

/* A path that is NULL is left out. */
void file_uses_read(file_uses *to, const char *name, const char *path);
void file_uses_write(file_uses *to, const char *name, const char *path, const char *ending);

/* GO_ON, or EXIT_USAGE after naming two uses of one file that exclude each other. */
int file_uses_check(const file_uses *of, const char *command);

#endif
