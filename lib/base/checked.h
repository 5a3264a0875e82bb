/* SPDX-License-Identifier: Apache-2.0 */
/* Overflow-checked sizes. Both return true on overflow, leaving *result unspecified. */
#ifndef SSI_BASE_CHECKED_H
#define SSI_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>

static inline bool ssi_mul(size_t a, size_t b, size_t *result)
{
    return __builtin_mul_overflow(a, b, result);
}

static inline bool ssi_add(size_t a, size_t b, size_t *result)
{
    return __builtin_add_overflow(a, b, result);
}

#endif
