/* SPDX-License-Identifier: Apache-2.0 */
/* What a run takes, time and memory, and the figures made of it. */
#ifndef STOPWATCH_H
#define STOPWATCH_H

#include <stddef.h>
#include <stdint.h>

double now_ms(void); /* monotonic */

double ratio(double of, double to); /* 0 where `to` is not above 0 */

/* The middle one of `count` times, which are put in order. */
double median(double *times, size_t count);

uint64_t peak_rss_bytes(void); /* most memory this process has held */

#endif
