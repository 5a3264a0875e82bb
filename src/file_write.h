/* SPDX-License-Identifier: Apache-2.0 */
/* A file of the program's own, replaced whole or not at all, as the library's are. */
#ifndef FILE_WRITE_H
#define FILE_WRITE_H

#include "buffer.h"

/* What is no regular file (a terminal, a pipe, a link) is written where it is. EXIT_DONE, or EXIT_ERROR
 * after saying why. */
int file_write_whole(const char *path, const buffer *text);

#endif
