/* SPDX-License-Identifier: Apache-2.0 */
/* What may be done to a descriptor that people may be watching. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>

/* A terminal that understands control sequences, and NO_COLOR does not forbid it. */
bool terminal_colours(int fd);

/* One on which lines of so many columns can be written over: a narrower one would break them in
 * two, and nothing leads back to the first half. */
bool terminal_rewrites(int fd, unsigned columns);

#endif
