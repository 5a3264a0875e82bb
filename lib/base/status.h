/* SPDX-License-Identifier: Apache-2.0 */
/* Making errors: the message is written once, where the fact is known. */
#ifndef SSI_BASE_STATUS_H
#define SSI_BASE_STATUS_H

#include "specstream/status.h"

#if defined(__GNUC__)
#define SSI_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#define SSI_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SSI_PRINTF(format_index, first)
#define SSI_MUST_CHECK
#endif

/* Fills *error (may be NULL) and returns `status`, so that `return ssi_fail(...)` reads well.
 * Bytes of a file shown in a message are made printable by the caller's %.*s being sanitised
 * here: control characters and broken UTF-8 become '?'. */
ss_status ssi_fail(ss_error *error, ss_status status, const char *format, ...)
    SSI_PRINTF(3, 4);

/* Returns a failure from the enclosing function; only where nothing needs freeing. */
#define SSI_TRY(call)                                                                          \
    do {                                                                                       \
        ss_status ssi_try_status_ = (call);                                                    \
        if (ssi_try_status_ != SS_OK)                                                          \
            return ssi_try_status_;                                                            \
    } while (0)

#endif
