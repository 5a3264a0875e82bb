/* SPDX-License-Identifier: Apache-2.0 */
/* All that is asked of the operating system beside threads: memory, reading a file, writing one
 * whole or not at all, scratch files, the clock. errno is read in base/os.c alone. */
#ifndef SSI_BASE_OS_H
#define SSI_BASE_OS_H

#include "base/status.h"

/* Something to read from at any offset: a file descriptor or a buffer. */
typedef struct ssi_source {
    const unsigned char *data; /* buffer, or NULL: fd */
    int fd;
    bool owns_fd;
    uint64_t offset; /* of the source's byte 0 in the file */
    uint64_t size;
    const char *name; /* for messages: the path, "descriptor", "buffer"; borrowed */
} ssi_source;

ss_status ssi_source_open(ssi_source *source, const char *path, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_source_from_fd(ssi_source *source, int fd, uint64_t offset, uint64_t length,
                             ss_error *error) SSI_MUST_CHECK;
void ssi_source_from_buffer(ssi_source *source, const void *data, size_t bytes);
void ssi_source_close(ssi_source *source);

/* Reads exactly `bytes` at `at`; a source that ends early is SS_ERROR_FORMAT, a failing read
 * SS_ERROR_IO. Safe from several threads at once. */
ss_status ssi_source_read(const ssi_source *source, uint64_t at, void *to, size_t bytes,
                          ss_error *error) SSI_MUST_CHECK;

/* Whether files written at the two paths would replace one another. */
bool ssi_same_place(const char *a, const char *b);

/* A file in the making: it lies beside `path` under another name until it is whole, then takes its
 * place by fsync and rename: old or new, never half. What a link leads to is replaced, not the link;
 * what is no regular file (/dev/full, a folder) isn't. Between begin and commit or discard a failure
 * changes nothing at `path`. */
typedef struct ssi_file_maker {
    const char *path;  /* borrowed */
    int fd;
    char name[2048];   /* where it lies meanwhile */
    char target[2048]; /* where a link at `path` leads; empty: it is none */
} ssi_file_maker;

ss_status ssi_file_begin(ssi_file_maker *file, const char *path,
                         ss_error *error) SSI_MUST_CHECK;
ss_status ssi_file_append(ssi_file_maker *file, const void *data, size_t bytes,
                          ss_error *error) SSI_MUST_CHECK;
/* Either ends the making, whatever comes of it. */
ss_status ssi_file_commit(ssi_file_maker *file, ss_error *error) SSI_MUST_CHECK;
void ssi_file_discard(ssi_file_maker *file);

/* All four in one. */
ss_status ssi_file_write(const char *path, const void *data, size_t bytes,
                         ss_error *error) SSI_MUST_CHECK;

/* Room on disk for what would fill memory. It has no name once it is open, so nothing is left of it
 * however the process ends. folder: where; the file system with the room. */
typedef struct ssi_scratch_file {
    int fd;
    uint64_t size;
} ssi_scratch_file;

ss_status ssi_scratch_open(ssi_scratch_file *file, const char *folder,
                           ss_error *error) SSI_MUST_CHECK;
void ssi_scratch_close(ssi_scratch_file *file);
/* At the end. false: there was no room, or the disk failed; what was there before still is. */
bool ssi_scratch_append(ssi_scratch_file *file, const void *data, size_t bytes);
bool ssi_scratch_read(const ssi_scratch_file *file, uint64_t at, void *to, size_t bytes);
/* Gives all its room back. */
void ssi_scratch_empty(ssi_scratch_file *file);
/* What is left on its disk; 0 where that can't be told. */
uint64_t ssi_scratch_room(const ssi_scratch_file *file);

uint64_t ssi_clock_ns(void *unused); /* monotonic */

uint32_t ssi_os_cpu_count(void); /* cores this process may run on; at least 1 */

/* Memory where the host gave no allocator; NULL when out of memory. alignment: a power of two, at
 * least the size of a pointer. Blocks of 4 MiB and more that are aligned to a page lie on huge
 * pages where the system has them: a model's weights would else cost a fault every 4 KiB. What
 * fills up slowly and all over, as a session's cache does, asks for less alignment: on huge pages
 * its first token would touch, and the system clear, the whole of it. */
void *ssi_os_allocate(size_t bytes, size_t alignment);
void ssi_os_release(void *block);

#endif
