/* SPDX-License-Identifier: Apache-2.0 */
/* What the entries share: checking pointers, and turning the caller's structs, whatever header
 * they were compiled against, into whole ones of this library. */
#ifndef SSI_API_API_H
#define SSI_API_API_H

#include "base/parallel.h"
#include "base/params.h"

/* SS_ERROR_ARGUMENT "<name> is NULL" where pointer is. */
ss_status ssi_need(const void *pointer, const char *name, ss_error *error) SSI_MUST_CHECK;

/* Checks the struct_size of a result struct before the work is done, so that no result is lost to
 * a struct that can't hold it. NULL is refused. */
ss_status ssi_need_result(const void *result, const char *name, ss_error *error) SSI_MUST_CHECK;

/* Behind every _init: our defaults into a struct of the caller's size, zeros beyond them. */
ss_status ssi_params_fill(void *theirs, size_t their_bytes, const void *ours, size_t our_bytes)
    SSI_MUST_CHECK;

/* A whole, checked copy of an allocator hook. */
ss_status ssi_allocator_read(ss_allocator *ours, const ss_allocator *theirs,
                             ss_error *error) SSI_MUST_CHECK;

/* Whole, checked copies of the hooks of a params struct. */
typedef struct ssi_hooks {
    ss_allocator allocator;
    ss_log log;
    ss_progress progress;
    ss_parallel parallel;
} ssi_hooks;

/* Reads the hooks behind four pointers (each may point to NULL: none) into *hooks and makes the
 * pointers point there. log and progress are NULL where a struct has no such field. */
ss_status ssi_hooks_read(ssi_hooks *hooks, const ss_allocator **allocator, const ss_log **log,
                         const ss_progress **progress, const ss_parallel **parallel,
                         ss_error *error) SSI_MUST_CHECK;

/* One line to a host's log, if it has one. */
void ssi_log_line(const ss_log *log, ss_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
