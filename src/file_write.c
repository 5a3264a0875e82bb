/* SPDX-License-Identifier: Apache-2.0 */
#include "file_write.h"
#include "report.h"
#include "stopwatch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* False leaves errno. The descriptor is closed in any case. */
static bool write_and_close(int fd, const buffer *text, bool sync)
{
    size_t at = 0;
    while (at < text->length) {
        ssize_t done = write(fd, text->bytes + at, text->length - at);
        if (done < 0 && errno != EINTR)
            break;
        at += done > 0 ? (size_t)done : 0;
    }
    bool written = at == text->length && (!sync || fsync(fd) == 0);
    const int failure = errno;
    if (close(fd) != 0 && written)
        return false;
    errno = failure;
    return written;
}

/* Beside the file, under a name nobody has, with the mode of the one it replaces. */
static bool replace(const char *path, const struct stat *old, const buffer *text)
{
    buffer name = {0};
    buffer_format(&name, "%s.%08x.tmp", path,
                  (unsigned)(now_ms() * 1e3) ^ (unsigned)getpid() << 16);
    buffer_append(&name, "", 1);
    int fd = open(name.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool written = fd >= 0;
    if (written && old != NULL)
        (void)!fchmod(fd, old->st_mode & 07777);
    if (written) {
        written = write_and_close(fd, text, true) && rename(name.bytes, path) == 0;
        const int failure = errno;
        if (!written)
            unlink(name.bytes);
        errno = failure;
    }
    buffer_free(&name);
    return written;
}

int file_write_whole(const char *path, const buffer *text)
{
    struct stat old;
    const bool exists = lstat(path, &old) == 0; /* /dev/stdout is a link, and must stay one */
    bool written;
    if (exists && !S_ISREG(old.st_mode)) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        written = fd >= 0 && write_and_close(fd, text, false);
    } else {
        written = replace(path, exists ? &old : NULL, text);
    }
    return written ? EXIT_DONE : report("%s: %s", path, strerror(errno));
}
