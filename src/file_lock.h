/* SPDX-License-Identifier: Apache-2.0 */
/* One writer at a time for files that a run adds to for hours. The lock ends with the process, however
 * that ends. */
#ifndef FILE_LOCK_H
#define FILE_LOCK_H

#include <stdio.h>

/* GO_ON, or EXIT_ERROR after saying that another process has it. Where files can't be locked nothing is
 * kept apart. */
int file_lock(FILE *file, const char *path);

#endif
