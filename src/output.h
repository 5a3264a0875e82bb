/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output. Once a write has failed nothing more is written: a pipe whose reader has gone
 * is a clean end, anything else (a full disk) an error that output_end reports. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "buffer.h"

#include <stdbool.h>

void output_begin(void); /* a closed pipe gives an error instead of a signal */
void output_bytes(const void *bytes, size_t length);
void output_text(const char *text);
void output_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void output_plain(const char *text); /* without control characters: it comes from a file */
void output_line(const buffer *line); /* with its newline, flushed */
void output_flush(void);

/* Whether nobody reads any more; long work should end. */
bool output_closed(void);

/* Flushes. Returns `status`, or EXIT_ERROR after saying what could not be written. */
int output_end(int status);

/* Whether people are reading. */
bool output_is_terminal(void);

#endif
