/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, status names, and the structs that are only zeros and a size. */
#include "api/api.h"
#include "specstream/specstream.h"

#define QUOTE(number) #number
#define DOTTED(major, minor, patch) QUOTE(major) "." QUOTE(minor) "." QUOTE(patch)

SSI_NO_TAIL_PADDING(ss_error, message);
SSI_NO_TAIL_PADDING(ss_allocator, release);
SSI_NO_TAIL_PADDING(ss_log, write);
SSI_NO_TAIL_PADDING(ss_progress, report);
SSI_NO_TAIL_PADDING(ss_parallel, reserved0);

const char *ss_version(void)
{
    return DOTTED(SS_VERSION_MAJOR, SS_VERSION_MINOR, SS_VERSION_PATCH);
}

uint32_t ss_arithmetic_version(void)
{
    return SS_ARITHMETIC_VERSION;
}

const char *ss_status_text(ss_status status)
{
    static const char *const text[] = {
        [SS_OK] = "success",
        [SS_ERROR_ARGUMENT] = "invalid argument",
        [SS_ERROR_MEMORY] = "out of memory",
        [SS_ERROR_IO] = "input or output failed",
        [SS_ERROR_FORMAT] = "broken or inconsistent data",
        [SS_ERROR_UNSUPPORTED] = "not supported",
        [SS_ERROR_CAPACITY] = "buffer too small",
        [SS_ERROR_CONTEXT_FULL] = "context full",
        [SS_ERROR_CANCELLED] = "cancelled",
        [SS_ERROR_STATE] = "not possible in this state",
        [SS_ERROR_NUMERIC] = "logits are not finite",
        [SS_ERROR_MISMATCH] = "made for another model",
    };
    if (status < 0 || (size_t)status >= sizeof text / sizeof *text)
        return "unknown status";
    return text[status];
}

ss_status ss_error_init(ss_error *error, size_t struct_size)
{
    static const ss_error none = {.struct_size = sizeof none};
    return ssi_params_fill(error, struct_size, &none, sizeof none);
}

ss_status ss_allocator_init(ss_allocator *allocator, size_t struct_size)
{
    static const ss_allocator none = {.struct_size = sizeof none};
    return ssi_params_fill(allocator, struct_size, &none, sizeof none);
}

ss_status ss_log_init(ss_log *log, size_t struct_size)
{
    static const ss_log none = {.struct_size = sizeof none};
    return ssi_params_fill(log, struct_size, &none, sizeof none);
}

ss_status ss_progress_init(ss_progress *progress, size_t struct_size)
{
    static const ss_progress none = {.struct_size = sizeof none};
    return ssi_params_fill(progress, struct_size, &none, sizeof none);
}

ss_status ss_parallel_init(ss_parallel *parallel, size_t struct_size)
{
    static const ss_parallel none = {.struct_size = sizeof none};
    return ssi_params_fill(parallel, struct_size, &none, sizeof none);
}
