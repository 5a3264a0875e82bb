/* SPDX-License-Identifier: Apache-2.0 */
/* Line charts as SVG, with nothing but text: axes with round numbers, every line named at its end.
 * Colours and thin lines are chosen to be read on light and on dark. */
#ifndef CHART_H
#define CHART_H

#include "buffer.h"

#include <stdbool.h>

#define CHART_COLOURS 8u
#define CHART_GREY CHART_COLOURS /* a ninth: for what is compared with */

typedef struct chart_line {
    const char *name; /* NUL-terminated, any bytes */
    double *x, *y;    /* [count]; x rises; y that is not finite is left out */
    size_t count;
    unsigned colour; /* 0 to CHART_GREY */
    bool dashed, dots;
} chart_line;

typedef struct chart_mark { /* a vertical line with a word at its top */
    double x;
    const char *word;
} chart_mark;

typedef struct chart {
    double left, top, width, height; /* of the whole, names included */
    const char *title, *x_name;
    bool percent; /* y is a share, 0 to 1 */
    bool from_zero;
    bool whole; /* x counts in ones */
    const chart_line *lines;
    size_t line_count;
    const chart_mark *marks;
    size_t mark_count;
} chart;

void chart_begin(buffer *to, double width, double height, const char *title);
void chart_draw(buffer *to, const chart *of);
void chart_end(buffer *to);

#endif
