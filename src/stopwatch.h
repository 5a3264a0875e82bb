/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOPWATCH_H
#define STOPWATCH_H

#include <stddef.h>

double now_ms(void); /* monotonic */

/* The middle one of `count` times, which are put in order. */
double median(double *times, size_t count);

#endif
