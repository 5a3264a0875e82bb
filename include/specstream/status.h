/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes, the caller-owned error object, and the hooks a host may hand over: memory,
 * log, progress, threads. Every function that can fail returns an ss_status and takes an
 * ss_error * as its last parameter, which may be NULL. */
#ifndef SPECSTREAM_STATUS_H
#define SPECSTREAM_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "specstream/version.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t ss_status;
#define SS_OK ((ss_status)0)
#define SS_ERROR_ARGUMENT ((ss_status)1)    /* an argument or a field is out of range */
#define SS_ERROR_MEMORY ((ss_status)2)      /* the allocator returned NULL */
#define SS_ERROR_IO ((ss_status)3)          /* the operating system refused a file */
#define SS_ERROR_FORMAT ((ss_status)4)      /* a file or blob is broken or inconsistent */
#define SS_ERROR_UNSUPPORTED ((ss_status)5) /* valid, but this library doesn't know it */
#define SS_ERROR_CAPACITY ((ss_status)6)    /* the caller's buffer is too small */
#define SS_ERROR_CONTEXT_FULL ((ss_status)7) /* the session's context holds no more tokens */
#define SS_ERROR_CANCELLED ((ss_status)8)   /* by ss_session_cancel or a progress callback */
#define SS_ERROR_STATE ((ss_status)9)       /* not now: e.g. a step before any prefill */
#define SS_ERROR_NUMERIC ((ss_status)10)    /* a row's logits are not all finite */
#define SS_ERROR_MISMATCH ((ss_status)11)   /* adapter or blob belongs to another model */

/* An error, owned by the caller. ss_error_init() it once; calls that fail fill it, calls that
 * succeed leave it alone. */
typedef struct ss_error {
    size_t struct_size; /* set by ss_error_init */
    ss_status status;
    uint32_t reserved0;
    char message[240]; /* one line, UTF-8, NUL-terminated; names the thing, its value and
                        * what was expected */
} ss_error;

/* Fills *error with SS_OK and an empty message. struct_size: sizeof(ss_error). Since 0.1. */
SS_API ss_status ss_error_init(ss_error *error, size_t struct_size);

/* A short constant English name of a status ("out of memory"). Since 0.1. */
SS_API const char *ss_status_text(ss_status status);

/* Memory hook.
 * allocate  returns memory aligned to `alignment` (a power of two, at most 4096), or NULL.
 * release   gets what allocate returned and the size that was asked for; never NULL.
 *
 * Which calls use which: a handle, or a call with params, uses the allocator in its params. Where
 * that is NULL, adapters and trainers use their model's, all others malloc and free. Text streams,
 * ss_tokenize, ss_chat_format and ss_adapter_write_untrained use the model's, too;
 * ss_adapter_read_file_info and ss_adapter_export_lora have neither and use malloc and free. The
 * stacks of the library's own threads are the system's.
 *
 * Threads: both are called by the thread that called the library, before the call returns. So an
 * allocator must stand several threads at once only where the host, in several threads at once,
 * makes calls that use it: the model's, where texts are encoded, or text streams or adapters made or
 * freed, side by side; one that several handles were given, where these are made, changed or freed
 * side by side. */
typedef struct ss_allocator {
    size_t struct_size;
    void *context;
    void *(*allocate)(void *context, size_t bytes, size_t alignment);
    void (*release)(void *context, void *memory, size_t bytes);
} ss_allocator;

typedef int32_t ss_log_level;
#define SS_LOG_DEBUG ((ss_log_level)0)
#define SS_LOG_INFO ((ss_log_level)1)
#define SS_LOG_WARNING ((ss_log_level)2)

/* Log hook: one line without newline, valid during the call, in the thread that calls the library:
 * what was loaded or created, and what will make it slow. Without a hook nothing is said. */
typedef struct ss_log {
    size_t struct_size;
    void *context;
    void (*write)(void *context, ss_log_level level, const char *message);
} ss_log;

/* Progress hook: fraction goes from 0 to 1. Returning false cancels: the call gives
 * SS_ERROR_CANCELLED and leaves things as its own comment says. */
typedef struct ss_progress {
    size_t struct_size;
    void *context;
    bool (*report)(void *context, float fraction);
} ss_progress;

/* Thread hook: runs body(body_context, task) for every task in 0..task_count-1 and returns when
 * all have run. Tasks never wait for one another, may run in any order, on any threads, or all
 * on one. Results do not depend on how they are spread. */
typedef struct ss_parallel {
    size_t struct_size;
    void *context;
    void (*parallel_for)(void *context, uint32_t task_count,
                         void (*body)(void *body_context, uint32_t task), void *body_context);
    uint32_t thread_count; /* threads it usually has: how finely to cut work; 1 to 256 */
    uint32_t reserved0;    /* must be 0 */
} ss_parallel;

/* Each fills the struct with zeros and sets struct_size; pass sizeof. Since 0.1. */
SS_API ss_status ss_allocator_init(ss_allocator *allocator, size_t struct_size);
SS_API ss_status ss_log_init(ss_log *log, size_t struct_size);
SS_API ss_status ss_progress_init(ss_progress *progress, size_t struct_size);
SS_API ss_status ss_parallel_init(ss_parallel *parallel, size_t struct_size);

#ifdef __cplusplus
}
#endif
#endif
