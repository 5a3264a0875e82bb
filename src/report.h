/* SPDX-License-Identifier: Apache-2.0 */
/* How a command ends: its exit status, and one line on stderr that names the thing. */
#ifndef REPORT_H
#define REPORT_H

#include "specstream/specstream.h"

enum {
    EXIT_DONE = 0,
    EXIT_ERROR = 1, /* one line on stderr says what */
    EXIT_USAGE = 2, /* the command line is at fault */
    GO_ON = -1      /* where a function may also decide not to end yet */
};

/* "specstream: <text>", always one line. Returns EXIT_ERROR. */
int report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The library's message, after the name of the thing it was about (may be NULL) unless it begins
 * with that. */
int report_error(const char *about, const ss_error *error);

#endif
