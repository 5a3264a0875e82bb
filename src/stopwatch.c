/* SPDX-License-Identifier: Apache-2.0 */
#include "stopwatch.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double ratio(double of, double to)
{
    return to > 0 ? of / to : 0;
}

double median(double *times, size_t count)
{
    if (count == 0)
        return 0;
    qsort(times, count, sizeof *times, by_size);
    return count % 2 == 1 ? times[count / 2] : (times[count / 2 - 1] + times[count / 2]) / 2;
}

uint64_t peak_rss_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
