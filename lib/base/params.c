/* SPDX-License-Identifier: Apache-2.0 */
/* Params and results cross the ABI as structs that know their size. A shorter one comes from an
 * older header: what it lacks keeps its default. A longer one comes from a newer header: fine
 * while what we don't know is zero, which means "as before". */
#include "base/params.h"

#include <string.h>

ss_status ssi_struct_size_read(const void *theirs, size_t *bytes, const char *name,
                               ss_error *error)
{
    if (!theirs)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "%s is NULL", name);
    memcpy(bytes, theirs, sizeof *bytes);
    if (*bytes < sizeof *bytes || *bytes > SSI_PARAMS_MAX_BYTES)
        return ssi_fail(error, SS_ERROR_ARGUMENT,
                        "%s: struct_size is %zu, expected sizeof; was it initialised?", name,
                        *bytes);
    return SS_OK;
}

ss_status ssi_params_read(void *ours, size_t our_bytes, const void *theirs, const char *name,
                          ss_error *error)
{
    size_t their_bytes = 0;
    SSI_TRY(ssi_struct_size_read(theirs, &their_bytes, name, error));
    for (size_t i = our_bytes; i < their_bytes; i++)
        if (((const unsigned char *)theirs)[i] != 0)
            return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                            "%s: sets a field at byte %zu, this library knows %zu bytes", name,
                            i, our_bytes);
    memcpy(ours, theirs, their_bytes < our_bytes ? their_bytes : our_bytes);
    memcpy(ours, &our_bytes, sizeof our_bytes); /* it is whole now */
    return SS_OK;
}

ss_status ssi_result_write(void *theirs, const void *ours, size_t our_bytes, const char *name,
                           ss_error *error)
{
    size_t their_bytes = 0;
    SSI_TRY(ssi_struct_size_read(theirs, &their_bytes, name, error));
    size_t shared = their_bytes < our_bytes ? their_bytes : our_bytes;
    size_t head = sizeof their_bytes; /* struct_size stays the caller's */
    memcpy((unsigned char *)theirs + head, (const unsigned char *)ours + head, shared - head);
    memset((unsigned char *)theirs + shared, 0, their_bytes - shared);
    return SS_OK;
}

ss_status ssi_params_check(const char *name, int64_t value, int64_t least, int64_t most,
                           ss_error *error)
{
    if (value >= least && value <= most)
        return SS_OK;
    return ssi_fail(error, SS_ERROR_ARGUMENT, "%s %lld: expected %lld to %lld", name,
                    (long long)value, (long long)least, (long long)most);
}

ss_status ssi_params_check_number(const char *name, float value, double least, double most,
                                  ss_error *error)
{
    if ((double)value >= least && (double)value <= most) /* false for NaN */
        return SS_OK;
    return ssi_fail(error, SS_ERROR_ARGUMENT, "%s %g: expected %g to %g", name, (double)value,
                    least, most);
}
