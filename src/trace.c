/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"
#include "output.h"
#include "stopwatch.h"
#include "terminal.h"
#include "utf8.h"

#include <inttypes.h>
#include <unistd.h>

#define GUESS_COLUMN 44u /* where probabilities begin, in characters */

typedef struct style {
    const char *accepted, *faint, *bold, *plain;
} palette;

typedef struct drawing {
    const trace *of;
    const ss_tree_node *nodes;
    size_t count;
    palette style;
    buffer indent; /* "│  " of every open branch above */
} drawing;

static palette choose_style(void)
{
    if (!terminal_colours(STDOUT_FILENO))
        return (palette){"", "", "", ""};
    return (palette){"\033[1;32m", "\033[2m", "\033[1m", "\033[0m"};
}

/* A token's text with nothing in it that moves the cursor; newlines and stray bytes are written
 * out. Returns the characters it takes. */
static size_t add_token(buffer *to, const ss_model *model, int32_t token)
{
    char text[512];
    size_t length = 0, shown = 2;
    if (ss_detokenize(model, &token, 1, true, text, sizeof text, &length, NULL) != SS_OK)
        length = 0;
    buffer_text(to, "\"");
    for (size_t at = 0, run; at < length; at += run) {
        unsigned char byte = (unsigned char)text[at];
        run = utf8_length(text + at, length - at);
        if (byte == '\n') {
            buffer_text(to, "\\n");
            shown += 2;
        } else if (run == 0 || byte < ' ' || byte == 0x7f) {
            buffer_format(to, "\\x%02x", byte);
            shown += 4;
            run = 1;
        } else {
            buffer_append(to, text + at, run);
            shown++;
        }
    }
    buffer_text(to, "\"");
    return shown;
}

static const char *source_name(uint32_t source)
{
    return source == SS_DRAFT_STREAMS ? "stream" : source == SS_DRAFT_NGRAM ? "n-gram" : "caller";
}

static void draw_guess(const drawing *of, const ss_tree_node *node, uint32_t depth, bool last)
{
    static const char *const marks[] = {
        [SS_NODE_REJECTED] = "·", [SS_NODE_ACCEPTED] = "✓", [SS_NODE_PRUNED] = "✂"};
    const palette *style = &of->style;
    const char *colour = node->state == SS_NODE_ACCEPTED ? style->accepted : style->faint;
    buffer line = {0};
    buffer_format(&line, "  %s", style->faint);
    buffer_append(&line, of->indent.bytes, of->indent.length);
    buffer_format(&line, "%s%s%s%s ", last ? "└─ " : "├─ ", style->plain, colour,
                  marks[node->state]);
    size_t column = 2 + 3 * (size_t)depth + 2;
    column += add_token(&line, of->of->model, node->token);
    buffer_format(&line, "%*s%5.1f %%  %s", (int)(column < GUESS_COLUMN ? GUESS_COLUMN - column : 1),
                  "", (double)node->probability * 100, source_name(node->source));
    if (node->source == SS_DRAFT_STREAMS)
        buffer_format(&line, " %u", depth);
    if (node->rank > 0)
        buffer_format(&line, ", choice %u", node->rank + 1);
    if (node->state == SS_NODE_PRUNED)
        buffer_text(&line, ", pruned");
    buffer_text(&line, style->plain);
    output_line(&line);
    buffer_free(&line);
}

/* The children of a node, at most 63 levels deep: a tree has at most 64 nodes. */
static void draw_children(drawing *of, size_t parent, uint32_t depth)
{
    size_t last = 0, length = of->indent.length;
    for (size_t i = parent + 1; i < of->count; i++)
        if (of->nodes[i].parent == (int32_t)parent)
            last = i;
    for (size_t i = parent + 1; i <= last; i++) {
        if (of->nodes[i].parent != (int32_t)parent)
            continue;
        draw_guess(of, &of->nodes[i], depth, i == last);
        buffer_text(&of->indent, i == last ? "   " : "│  ");
        draw_children(of, i, depth + 1);
        of->indent.length = length;
    }
}

/* Rows, time and tokens of the step, and where that brings the whole. */
static void draw_sums(const drawing *of, const ss_step *step, double ms)
{
    const trace *sum = of->of;
    output_format("%s%" PRIu64 "%s %s%3u row%s %6.2f ms  +%u token%s", of->style.bold, sum->steps,
                  of->style.plain, of->style.faint, step->row_count,
                  step->row_count == 1 ? ", " : "s,", ms, step->count,
                  step->count == 1 ? ", " : "s,");
    output_format("%7.1f tokens/s, %.2f tokens a step%s\n",
                  ratio((double)sum->tokens * 1e3, sum->ms),
                  ratio((double)(sum->tokens - sum->first_tokens), (double)sum->steps),
                  of->style.plain);
}

void trace_step(void *context, ss_session *session, const ss_step *step, double ms)
{
    trace *to = context;
    drawing of = {.of = to, .style = choose_style()};
    ss_stats stats = {.struct_size = sizeof stats};
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (ss_session_get_stats(session, &stats, NULL) == SS_OK) {
        to->steps = stats.steps;
        to->tokens = stats.tokens;
        to->first_tokens = stats.first_tokens;
    }
    to->ms += ms;
    draw_sums(&of, step, ms);
    if (step->row_count > 0 &&
        ss_session_get_tree(session, &of.nodes, &of.count, &error) == SS_OK && of.count > 0) {
        buffer root = {0};
        buffer_format(&root, "  %s", of.style.accepted);
        add_token(&root, to->model, of.nodes[0].token);
        buffer_text(&root, of.style.plain);
        output_line(&root);
        buffer_free(&root);
        draw_children(&of, 0, 1);
    }
    buffer line = {0};
    buffer_format(&line, "  %s→%s", of.style.faint, of.style.plain);
    for (uint32_t i = 0; i < step->count; i++) {
        buffer_text(&line, " ");
        buffer_text(&line, of.style.accepted);
        add_token(&line, to->model, step->tokens[i]);
        buffer_text(&line, of.style.plain);
    }
    output_line(&line);
    output_text("\n");
    buffer_free(&line);
    buffer_free(&of.indent);
}
