/* SPDX-License-Identifier: Apache-2.0 */
#include "chart.h"
#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN_LEFT 48.0
#define MARGIN_RIGHT 92.0 /* names stand there */
#define MARGIN_TOP 40.0
#define MARGIN_BOTTOM 44.0
#define NAME_HEIGHT 14.0
#define MOST_NAMES 40u

typedef struct frame { /* where numbers lie on the page */
    double left, right, top, bottom;
    double x_low, x_high, y_low, y_high, x_step, y_step;
} frame;

static const char *const colours[CHART_COLOURS + 1] = {"#3b82c4", "#2a9d8f", "#7fa650",
                                                       "#c99a2e", "#e07b39", "#d1495b",
                                                       "#b05fa8", "#7a6fd0", "#8a8a8a"};

static void add_text(buffer *to, const char *text)
{
    size_t length = strlen(text);
    for (size_t at = 0, run; at < length; at += run) {
        unsigned char byte = (unsigned char)text[at];
        run = utf8_length(text + at, length - at);
        if (run == 0 || byte < ' ' || byte == 0x7f)
            buffer_text(to, "?");
        else if (byte == '&' || byte == '<' || byte == '>' || byte == '"')
            buffer_format(to, "&#%u;", byte);
        else
            buffer_append(to, text + at, run);
        run += run == 0;
    }
}

void chart_begin(buffer *to, double width, double height, const char *title)
{
    buffer_format(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" ",
                  width, height);
    buffer_format(to, "width=\"%.0f\" height=\"%.0f\" role=\"img\">\n<title>", width, height);
    add_text(to, title);
    buffer_text(to, "</title>\n<style>\n"
                    "text{font:12px system-ui,sans-serif;fill:#555}\n"
                    ".head{font-weight:600;font-size:14px;fill:#333}\n"
                    ".grid{stroke:#888;stroke-opacity:.22;stroke-width:1}\n"
                    ".axis{stroke:#888;stroke-opacity:.7;stroke-width:1}\n"
                    ".mark{stroke:#888;stroke-opacity:.6;stroke-dasharray:2 3}\n"
                    ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}\n"
                    "@media(prefers-color-scheme:dark){text{fill:#aaa}.head{fill:#ddd}}\n"
                    "</style>\n");
}

void chart_end(buffer *to)
{
    buffer_text(to, "</svg>\n");
}

/* The round number (1, 2 or 5 times a power of ten) that cuts the range into at most `most`. */
static double round_step(double range, double most)
{
    double step = pow(10, floor(log10(range / most)));
    static const double factors[] = {1, 2, 5, 10};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        if (range / (step * factors[i]) <= most)
            return step * factors[i];
    return step * 10;
}

static void widen(double value, double *low, double *high)
{
    if (!isfinite(value))
        return;
    *low = value < *low ? value : *low;
    *high = value > *high ? value : *high;
}

static frame make_frame(const chart *of)
{
    frame to = {.left = of->left + MARGIN_LEFT,
                .right = of->left + of->width - MARGIN_RIGHT,
                .top = of->top + MARGIN_TOP,
                .bottom = of->top + of->height - MARGIN_BOTTOM,
                .x_low = INFINITY,
                .x_high = -INFINITY,
                .y_low = INFINITY,
                .y_high = -INFINITY};
    for (size_t i = 0; i < of->line_count; i++)
        for (size_t j = 0; j < of->lines[i].count; j++) {
            widen(of->lines[i].x[j], &to.x_low, &to.x_high);
            widen(of->lines[i].y[j], &to.y_low, &to.y_high);
        }
    for (size_t i = 0; i < of->mark_count; i++)
        widen(of->marks[i].x, &to.x_low, &to.x_high);
    if (of->percent || of->from_zero)
        widen(0, &to.y_low, &to.y_high);
    if (!(to.x_high >= to.x_low))
        to.x_low = 0, to.x_high = 1;
    if (!(to.y_high >= to.y_low))
        to.y_low = 0, to.y_high = 1;
    if (to.x_high <= to.x_low)
        to.x_high = to.x_low + 1;
    if (to.y_high <= to.y_low)
        to.y_high = to.y_low + 1;
    to.y_step = round_step(to.y_high - to.y_low, 6);
    to.y_low = floor(to.y_low / to.y_step + 1e-9) * to.y_step;
    to.y_high = ceil(to.y_high / to.y_step - 1e-9) * to.y_step;
    to.x_step = round_step(to.x_high - to.x_low, 6);
    if (of->whole && to.x_step < 1)
        to.x_step = 1;
    return to;
}

static double page_x(const frame *in, double x)
{
    return in->left + (x - in->x_low) / (in->x_high - in->x_low) * (in->right - in->left);
}

static double page_y(const frame *in, double y)
{
    return in->bottom - (y - in->y_low) / (in->y_high - in->y_low) * (in->bottom - in->top);
}

static void draw_axes(buffer *to, const chart *of, const frame *in)
{
    buffer_format(to, "<text class=\"head\" x=\"%.1f\" y=\"%.1f\">", of->left + 4,
                  of->top + 18);
    add_text(to, of->title);
    buffer_text(to, "</text>\n");
    for (double y = in->y_low; y <= in->y_high + in->y_step * 0.01; y += in->y_step) {
        double at = page_y(in, y);
        buffer_format(to, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", in->left, at,
                      in->right);
        buffer_format(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.4g%s</text>\n",
                      in->left - 8, at + 4,
                      of->percent       ? 100 * y
                      : fabs(y) < 1e-12 ? 0
                                        : y,
                      of->percent ? " %" : "");
    }
    buffer_format(to, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", in->left, in->bottom,
                  in->right);
    double x = ceil(in->x_low / in->x_step - 1e-9) * in->x_step;
    for (; x <= in->x_high + in->x_step * 0.01; x += in->x_step)
        buffer_format(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.6g</text>\n",
                      page_x(in, x), in->bottom + 17, x);
    buffer_format(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                  (in->left + in->right) / 2, in->bottom + 34);
    add_text(to, of->x_name);
    buffer_text(to, "</text>\n");
    for (size_t i = 0; i < of->mark_count; i++) {
        double at = page_x(in, of->marks[i].x);
        buffer_format(
            to, "<path class=\"mark\" d=\"M%.1f %.1fV%.1f\"/><text x=\"%.1f\" y=\"%.1f\">", at,
            in->top - 4, in->bottom, at + 4, in->top - 6);
        add_text(to, of->marks[i].word);
        buffer_text(to, "</text>\n");
    }
}

static void draw_line(buffer *to, const chart_line *line, const frame *in)
{
    const char *colour = colours[line->colour <= CHART_GREY ? line->colour : CHART_GREY];
    bool down = false; /* the pen */
    buffer_format(to, "<path class=\"line\" stroke=\"%s\"%s d=\"", colour,
                  line->dashed ? " stroke-dasharray=\"5 4\"" : "");
    for (size_t i = 0; i < line->count; i++) {
        bool finite = isfinite(line->y[i]) != 0;
        if (finite)
            buffer_format(to, "%c%.1f %.1f", down ? 'L' : 'M', page_x(in, line->x[i]),
                          page_y(in, line->y[i]));
        down = finite;
    }
    buffer_text(to, "\"/>\n");
    for (size_t i = 0; line->dots && i < line->count; i++)
        if (isfinite(line->y[i]))
            buffer_format(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                          page_x(in, line->x[i]), page_y(in, line->y[i]), colour);
}

typedef struct name_place {
    const chart_line *line;
    double x, y;
} name_place;

static int by_height(const void *left, const void *right)
{
    double a = ((const name_place *)left)->y, b = ((const name_place *)right)->y;
    return (a > b) - (a < b);
}

/* Names at the lines' ends, moved apart where they would lie over one another. */
static void draw_names(buffer *to, const chart *of, const frame *in)
{
    name_place places[MOST_NAMES];
    size_t count = 0;
    for (size_t i = 0; i < of->line_count && count < MOST_NAMES; i++) {
        const chart_line *line = &of->lines[i];
        size_t last = line->count;
        while (last > 0 && !isfinite(line->y[last - 1]))
            last--;
        if (last > 0)
            places[count++] = (name_place){line, page_x(in, line->x[last - 1]),
                                           page_y(in, line->y[last - 1])};
    }
    qsort(places, count, sizeof *places, by_height);
    for (size_t i = 1; i < count; i++)
        if (places[i].y < places[i - 1].y + NAME_HEIGHT)
            places[i].y = places[i - 1].y + NAME_HEIGHT;
    double limit = in->bottom;
    for (size_t i = count; i-- > 0; limit = places[i].y - NAME_HEIGHT)
        if (places[i].y > limit)
            places[i].y = limit;
    for (size_t i = 0; i < count; i++) {
        const chart_line *line = places[i].line;
        buffer_format(to, "<text x=\"%.1f\" y=\"%.1f\" style=\"fill:%s\">", in->right + 8,
                      places[i].y + 4,
                      colours[line->colour <= CHART_GREY ? line->colour : CHART_GREY]);
        add_text(to, line->name);
        buffer_text(to, "</text>\n");
    }
}

void chart_draw(buffer *to, const chart *of)
{
    const frame in = make_frame(of);
    draw_axes(to, of, &in);
    for (size_t i = 0; i < of->line_count; i++)
        draw_line(to, &of->lines[i], &in);
    draw_names(to, of, &in);
}
