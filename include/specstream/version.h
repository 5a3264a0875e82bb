/* SPDX-License-Identifier: Apache-2.0 */
/* Versions. The release follows semantic versioning; the ABI version is the number in the
 * soname and changes only when a program linked against an older release would break. The
 * arithmetic version is raised whenever a release changes a single bit of a logit or of the
 * sampler's noise, so that saved sessions and recorded outputs can tell. */
#ifndef SPECSTREAM_VERSION_H
#define SPECSTREAM_VERSION_H

#include <stdint.h>

#define SS_VERSION_MAJOR 0
#define SS_VERSION_MINOR 1
#define SS_VERSION_PATCH 0
#define SS_ABI_VERSION 0
#define SS_ARITHMETIC_VERSION 1

#if defined(__GNUC__)
#define SS_API __attribute__((visibility("default")))
#else
#define SS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is running, "0.1.0"; a static string. Never fails.
 * Threads: any. Since 0.1. */
SS_API const char *ss_version(void);

/* The running library's SS_ARITHMETIC_VERSION. Threads: any. Since 0.1. */
SS_API uint32_t ss_arithmetic_version(void);

#ifdef __cplusplus
}
#endif
#endif
