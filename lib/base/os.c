/* SPDX-License-Identifier: Apache-2.0 */
/* The operating system, POSIX edition. Every failing call's errno becomes a message here. */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* A long path's end tells files apart, and leaves room to say what is wrong with this one. */
#define NAME_SHOWN 120u
static const char *tail_of(const char *name)
{
    size_t length = strlen(name), at = length > NAME_SHOWN ? length - NAME_SHOWN : 0;
    while (((unsigned char)name[at] & 0xc0) == 0x80) /* not in the middle of a character */
        at++;
    return name + at;
}
#define SHOW_NAME(name) (tail_of(name) > (name) ? "..." : ""), tail_of(name)

/* strerror() may use static memory; GNU's strerror_r returns the text, constant or in `text`. */
static ss_status fail_with_errno(ss_error *error, const char *name, const char *what)
{
    char text[96];
    int code = errno;
    return ssi_fail(error, SS_ERROR_IO, "%s%s: %s: %s", SHOW_NAME(name), what,
                    strerror_r(code, text, sizeof text));
}

static ss_status fail_not_regular(ss_error *error, const char *name)
{
    return ssi_fail(error, SS_ERROR_IO, "%s%s: is not a regular file", SHOW_NAME(name));
}

static ss_status read_size(int fd, const char *name, uint64_t *size, ss_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_with_errno(error, name, "can't be examined");
    if (!S_ISREG(info.st_mode))
        return fail_not_regular(error, name);
    *size = (uint64_t)info.st_size;
    return SS_OK;
}

ss_status ssi_source_open(ssi_source *source, const char *path, ss_error *error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe nobody writes to is refused */
    if (fd < 0)
        return fail_with_errno(error, path, "can't be opened");
    uint64_t size;
    ss_status status = read_size(fd, path, &size, error);
    if (status != SS_OK) {
        close(fd);
        return status;
    }
    *source = (ssi_source){.fd = fd, .owns_fd = true, .size = size, .name = path};
    return SS_OK;
}

ss_status ssi_source_from_fd(ssi_source *source, int fd, uint64_t offset, uint64_t length,
                             ss_error *error)
{
    uint64_t size = 0;
    char name[32];
    snprintf(name, sizeof name, "descriptor %d", fd);
    SSI_TRY(read_size(fd, name, &size, error));
    if (offset > size || length > size - offset)
        return ssi_fail(error, SS_ERROR_ARGUMENT,
                        "%s: offset %llu and length %llu exceed its %llu bytes", name,
                        (unsigned long long)offset, (unsigned long long)length,
                        (unsigned long long)size);
    *source = (ssi_source){.fd = fd,
                           .offset = offset,
                           .size = length ? length : size - offset,
                           .name = "descriptor"};
    return SS_OK;
}

void ssi_source_from_buffer(ssi_source *source, const void *data, size_t bytes)
{
    static const unsigned char nothing;
    *source = (ssi_source){
        .data = data ? data : &nothing, .fd = -1, .size = data ? bytes : 0, .name = "buffer"};
}

void ssi_source_close(ssi_source *source)
{
    if (source->owns_fd)
        close(source->fd);
    *source = (ssi_source){.fd = -1};
}

ss_status ssi_source_read(const ssi_source *source, uint64_t at, void *to, size_t bytes,
                          ss_error *error)
{
    if (at > source->size || bytes > source->size - at)
        return ssi_fail(error, SS_ERROR_FORMAT,
                        "%s%s: ends early: %zu bytes wanted at offset %llu, it has %llu bytes",
                        SHOW_NAME(source->name), bytes, (unsigned long long)at,
                        (unsigned long long)source->size);
    if (source->data) {
        memcpy(to, source->data + at, bytes);
        return SS_OK;
    }
    unsigned char *next = to;
    while (bytes > 0) {
        /* Linux reads at most 2 GiB - 4 KiB in one call. */
        size_t piece = bytes < (size_t)1 << 30 ? bytes : (size_t)1 << 30;
        ssize_t done = pread(source->fd, next, piece, (off_t)(source->offset + at));
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail_with_errno(error, source->name, "can't be read");
        if (done == 0)
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "%s%s: ends early at offset %llu: cut short while it was read",
                            SHOW_NAME(source->name), (unsigned long long)at);
        next += done;
        at += (uint64_t)done;
        bytes -= (size_t)done;
    }
    return SS_OK;
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    const unsigned char *next = data;
    while (bytes > 0) {
        size_t piece = bytes < (size_t)1 << 30 ? bytes : (size_t)1 << 30;
        ssize_t done = write(fd, next, piece);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        next += done;
        bytes -= (size_t)done;
    }
    return true;
}

/* Creates a file beside `path` under a name nobody has; its mode that of the file it is to
 * replace, if there is one. */
static int create_beside(const char *path, const struct stat *old, char *name, size_t capacity)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        int length = snprintf(name, capacity, "%s.%08x.tmp", path,
                              (unsigned)(ssi_clock_ns(NULL) ^ (uint64_t)getpid() << 16));
        if (length < 0 || (size_t)length >= capacity) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 && old)
            (void)!fchmod(fd, old->st_mode & 07777);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* The rename is durable once the folder is; a system that refuses to sync one is left alone. */
static void sync_folder_of(const char *path, char *name, size_t capacity)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= capacity)
        return;
    memcpy(name, path, length);
    name[length] = '\0';
    int fd = open(!slash ? "." : length ? name : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

/* The folder a path's last part stands in. */
static bool stat_folder(const char *path, struct stat *info)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (length >= sizeof folder)
        return false;
    memcpy(folder, path, length);
    memcpy(folder + length, ".", 2);
    return stat(folder, info) == 0;
}

bool ssi_same_place(const char *a, const char *b)
{
    struct stat in_a, in_b;
    if (stat(a, &in_a) == 0 && stat(b, &in_b) == 0) /* links followed */
        return in_a.st_dev == in_b.st_dev && in_a.st_ino == in_b.st_ino;
    const char *last_a = strrchr(a, '/'), *last_b = strrchr(b, '/');
    return strcmp(last_a ? last_a + 1 : a, last_b ? last_b + 1 : b) == 0 &&
           stat_folder(a, &in_a) && stat_folder(b, &in_b) && in_a.st_dev == in_b.st_dev &&
           in_a.st_ino == in_b.st_ino;
}

/* Where a link leads; false, with errno set, where that can't be said. */
static bool follow_link(const char *path, char *target, size_t capacity)
{
    struct stat info;
    char resolved[PATH_MAX];
    target[0] = '\0';
    if (lstat(path, &info) != 0 || !S_ISLNK(info.st_mode))
        return true;
    if (!realpath(path, resolved))
        return false;
    if (strlen(resolved) >= capacity) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(target, resolved);
    return true;
}

static const char *place_of(const ssi_file_maker *file)
{
    return file->target[0] ? file->target : file->path;
}

ss_status ssi_file_begin(ssi_file_maker *file, const char *path, ss_error *error)
{
    struct stat old;
    file->path = path;
    if (!follow_link(path, file->target, sizeof file->target))
        return fail_with_errno(error, path, "is a link that can't be followed");
    bool exists = stat(place_of(file), &old) == 0;
    if (exists && !S_ISREG(old.st_mode))
        return fail_not_regular(error, path);
    file->fd = create_beside(place_of(file), exists ? &old : NULL, file->name, sizeof file->name);
    if (file->fd < 0)
        return fail_with_errno(error, path, "can't be created");
    return SS_OK;
}

ss_status ssi_file_append(ssi_file_maker *file, const void *data, size_t bytes, ss_error *error)
{
    if (!write_all(file->fd, data, bytes))
        return fail_with_errno(error, file->path, "can't be written");
    return SS_OK;
}

void ssi_file_discard(ssi_file_maker *file)
{
    close(file->fd);
    (void)unlink(file->name);
}

ss_status ssi_file_commit(ssi_file_maker *file, ss_error *error)
{
    bool written = fsync(file->fd) == 0;
    int code = errno;
    if (close(file->fd) != 0 && written) {
        written = false;
        code = errno;
    }
    if (!written || rename(file->name, place_of(file)) != 0) {
        code = written ? errno : code;
        (void)unlink(file->name);
        errno = code;
        return fail_with_errno(error, file->path, "can't be written");
    }
    sync_folder_of(place_of(file), file->name, sizeof file->name);
    return SS_OK;
}

ss_status ssi_file_write(const char *path, const void *data, size_t bytes, ss_error *error)
{
    ssi_file_maker file;
    SSI_TRY(ssi_file_begin(&file, path, error));
    ss_status status = ssi_file_append(&file, data, bytes, error);
    if (status == SS_OK)
        return ssi_file_commit(&file, error);
    ssi_file_discard(&file);
    return status;
}

ss_status ssi_scratch_open(ssi_scratch_file *file, const char *folder, ss_error *error)
{
    char name[2048], path[1024];
    int length = snprintf(path, sizeof path, "%s/specstream", folder);
    errno = ENAMETOOLONG;
    file->size = 0;
    file->fd = length < 0 || (size_t)length >= sizeof path
                   ? -1
                   : create_beside(path, NULL, name, sizeof name);
    if (file->fd < 0)
        return fail_with_errno(error, folder, "no scratch file can be made here");
    (void)unlink(name);
    return SS_OK;
}

void ssi_scratch_close(ssi_scratch_file *file)
{
    close(file->fd);
}

bool ssi_scratch_append(ssi_scratch_file *file, const void *data, size_t bytes)
{
    if (lseek(file->fd, (off_t)file->size, SEEK_SET) < 0 || !write_all(file->fd, data, bytes))
        return false;
    file->size += bytes;
    return true;
}

bool ssi_scratch_read(const ssi_scratch_file *file, uint64_t at, void *to, size_t bytes)
{
    ssi_source source = {.fd = file->fd, .size = file->size, .name = "scratch file"};
    return ssi_source_read(&source, at, to, bytes, NULL) == SS_OK;
}

void ssi_scratch_empty(ssi_scratch_file *file)
{
    (void)!ftruncate(file->fd, 0); /* else what is appended takes the place of what is there */
    file->size = 0;
}

uint64_t ssi_scratch_room(const ssi_scratch_file *file)
{
    struct statvfs disk;
    return fstatvfs(file->fd, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
}

uint64_t ssi_clock_ns(void *unused)
{
    struct timespec now;
    (void)unused;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t ssi_os_cpu_count(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0)
        return (uint32_t)CPU_COUNT(&allowed);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more cores than a cpu_set_t has bits */
    return online > 0 ? (uint32_t)online : 1;
}

enum { PAGE = 4096, HUGE_PAGE = 2 << 20, HUGE_BLOCK = 4 << 20 };

void *ssi_os_allocate(size_t bytes, size_t alignment)
{
    void *block;
    bool huge = bytes >= HUGE_BLOCK && alignment >= PAGE;
    if (posix_memalign(&block, huge ? HUGE_PAGE : alignment, bytes) != 0)
        return NULL;
    if (huge)
        (void)madvise(block, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE); /* a wish only */
    return block;
}

void ssi_os_release(void *block)
{
    free(block);
}
