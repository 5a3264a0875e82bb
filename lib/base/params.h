/* SPDX-License-Identifier: Apache-2.0 */
/* One reader for every params struct: old binary on new library and new binary on old library are
 * both decided here. */
#ifndef SSI_BASE_PARAMS_H
#define SSI_BASE_PARAMS_H

#include "base/status.h"

#define SSI_PARAMS_MAX_BYTES 4096u

#define SSI_NO_TAIL_PADDING(type, last)                                                        \
    _Static_assert(offsetof(type, last) + sizeof(((type *)0)->last) == sizeof(type), #type)

/* The size that a caller's struct says it has. NULL and impossible sizes are refused. */
ss_status ssi_struct_size_read(const void *theirs, size_t *bytes, const char *name,
                               ss_error *error) SSI_MUST_CHECK;

/* Copies a caller's struct (whose first member is size_t struct_size) over `ours`, which holds
 * the defaults. `name` is for the message. */
ss_status ssi_params_read(void *ours, size_t our_bytes, const void *theirs, const char *name,
                          ss_error *error) SSI_MUST_CHECK;

/* Copies our result into a caller's struct, no byte beyond its struct_size. */
ss_status ssi_result_write(void *theirs, const void *ours, size_t our_bytes, const char *name,
                           ss_error *error) SSI_MUST_CHECK;

/* Whether a field of a params struct lies where it may; the message names it. */
ss_status ssi_params_check(const char *name, int64_t value, int64_t least, int64_t most,
                           ss_error *error) SSI_MUST_CHECK;
ss_status ssi_params_check_number(const char *name, float value, double least, double most,
                                  ss_error *error) SSI_MUST_CHECK;

#endif
