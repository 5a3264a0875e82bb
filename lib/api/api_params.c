/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's structs: pointers, sizes and hooks, checked once for every entry. */
#include "api/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ss_status ssi_need(const void *pointer, const char *name, ss_error *error)
{
    if (pointer == NULL)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "%s is NULL", name);
    return SS_OK;
}

ss_status ssi_need_result(const void *result, const char *name, ss_error *error)
{
    size_t bytes;
    return ssi_struct_size_read(result, &bytes, name, error);
}

ss_status ssi_params_fill(void *theirs, size_t their_bytes, const void *ours, size_t our_bytes)
{
    if (theirs == NULL || their_bytes < sizeof(size_t) || their_bytes > SSI_PARAMS_MAX_BYTES)
        return SS_ERROR_ARGUMENT;
    memset(theirs, 0, their_bytes);
    memcpy(theirs, ours, their_bytes < our_bytes ? their_bytes : our_bytes);
    memcpy(theirs, &their_bytes, sizeof their_bytes); /* struct_size is the first member */
    return SS_OK;
}

static ss_status read_hook(void *ours, size_t bytes, const void *theirs, const char *name,
                           ss_error *error)
{
    memset(ours, 0, bytes);
    SSI_TRY(ssi_params_read(ours, bytes, theirs, name, error));
    memcpy(ours, &bytes, sizeof bytes);
    return SS_OK;
}

ss_status ssi_allocator_read(ss_allocator *ours, const ss_allocator *theirs, ss_error *error)
{
    SSI_TRY(read_hook(ours, sizeof *ours, theirs, "allocator", error));
    if (ours->allocate == NULL || ours->release == NULL)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "allocator: %s is NULL",
                        ours->allocate == NULL ? "allocate" : "release");
    return SS_OK;
}

ss_status ssi_hooks_read(ssi_hooks *hooks, const ss_allocator **allocator, const ss_log **log,
                         const ss_progress **progress, const ss_parallel **parallel,
                         ss_error *error)
{
    if (*allocator != NULL) {
        SSI_TRY(ssi_allocator_read(&hooks->allocator, *allocator, error));
        *allocator = &hooks->allocator;
    }
    if (log != NULL && *log != NULL) {
        SSI_TRY(read_hook(&hooks->log, sizeof hooks->log, *log, "log", error));
        if (hooks->log.write == NULL)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "log: write is NULL");
        *log = &hooks->log;
    }
    if (progress != NULL && *progress != NULL) {
        SSI_TRY(read_hook(&hooks->progress, sizeof hooks->progress, *progress, "progress",
                          error));
        if (hooks->progress.report == NULL)
            return ssi_fail(error, SS_ERROR_ARGUMENT, "progress: report is NULL");
        *progress = &hooks->progress;
    }
    if (*parallel != NULL) {
        SSI_TRY(read_hook(&hooks->parallel, sizeof hooks->parallel, *parallel, "parallel",
                          error));
        SSI_TRY(ssi_parallel_check(&hooks->parallel, error));
        *parallel = &hooks->parallel;
    }
    return SS_OK;
}

void ssi_log_line(const ss_log *log, ss_log_level level, const char *format, ...)
{
    char line[240];
    va_list arguments;
    if (log == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    log->write(log->context, level, line);
}
