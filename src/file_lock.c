/* SPDX-License-Identifier: Apache-2.0 */
#include "file_lock.h"
#include "report.h"

#include <errno.h>
#include <sys/file.h>

int file_lock(FILE *file, const char *path)
{
    if (flock(fileno(file), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return GO_ON;
    return report("%s is being written by another training", path);
}
