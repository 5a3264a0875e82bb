/* SPDX-License-Identifier: Apache-2.0 */
/* Templates that mean the same are written in many ways: quotes, spaces, {%- -%}, message.role or
 * message['role'], one string or several added up. So the text is first brought into one canonical
 * form (what it prints literally, with blocks and variables in marks) and that is compared with
 * the forms known to be ChatML. Anything else is unknown: a near miss must not be guessed. */
#include "tokenizer/chat_template.h"

#define BLOCK "\1"    /* {% */
#define VARIABLE "\2" /* {{ */
#define END "\3"      /* %} }} */

typedef struct writer {
    char *out;
    size_t length, capacity;
    bool failed; /* too long, or text that no canonical form can hold */
} writer;

static void put(writer *to, char byte)
{
    if (to->length < to->capacity)
        to->out[to->length++] = byte;
    else
        to->failed = true;
}

static void put_literal(writer *to, char byte)
{
    to->failed |= byte >= 1 && byte <= 3;
    put(to, byte);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

/* A string in either quotes, from its opening one; written in single quotes, escapes resolved.
 * Returns what follows it. */
static const char *put_string(writer *to, const char *at, const char *end)
{
    char quote = *at++;
    put(to, '\'');
    for (; at < end && *at != quote; at++) {
        if (*at != '\\' || at + 1 == end) {
            put_literal(to, *at);
            continue;
        }
        at++;
        to->failed |= *at != 'n' && *at != 't' && *at != '\'' && *at != '"' && *at != '\\';
        put_literal(to, *at == 'n' ? '\n' : *at == 't' ? '\t' : *at);
    }
    if (at == end) {
        to->failed = true;
        return end;
    }
    put(to, '\'');
    return at + 1;
}

/* An expression or statement without needless spaces, x.name as x['name']. With `added_up`, its
 * terms are written one after the other: strings as the text they print, others in marks. */
static void put_code(writer *to, const char *at, const char *end, bool added_up)
{
    size_t start = to->length, pieces = 0;
    int depth = 0;
    bool after_word = false, is_string = false;
    if (added_up)
        put(to, *VARIABLE);
    for (;;) {
        while (at < end && is_blank(*at))
            at++;
        bool term_ends = at == end || ((*at == '+' || *at == '~') && depth == 0);
        if (term_ends && added_up) {
            to->failed |= pieces == 0;
            if (pieces == 1 && is_string && !to->failed) { /* take mark and quotes off */
                to->length -= 3;
                memmove(to->out + start, to->out + start + 2, to->length - start);
            } else {
                put(to, *END);
            }
        }
        if (at == end)
            return;
        if (term_ends && added_up) {
            at++;
            start = to->length;
            pieces = 0;
            after_word = false;
            put(to, *VARIABLE);
            continue;
        }
        pieces++;
        is_string = *at == '\'' || *at == '"';
        if (is_string) {
            at = put_string(to, at, end);
            after_word = false;
        } else if (is_word(*at)) {
            if (after_word)
                put(to, ' ');
            while (at < end && is_word(*at))
                put(to, *at++);
            after_word = true;
        } else if (*at == '.' && at + 1 < end && is_word(at[1])) {
            put(to, '[');
            put(to, '\'');
            for (at++; at < end && is_word(*at); at++)
                put(to, *at);
            put(to, '\'');
            put(to, ']');
            after_word = false;
        } else {
            depth += *at == '(' || *at == '[' || *at == '{';
            depth -= *at == ')' || *at == ']' || *at == '}';
            put_literal(to, *at++);
            after_word = false;
        }
    }
}

/* The two bytes that close a tag, outside strings; NULL: none. */
static const char *find_close(const char *at, const char *end, char kind)
{
    char closing = kind == '{' ? '}' : kind, quote = 0;
    for (; at + 1 < end; at++) {
        if (quote != 0) {
            if (*at == '\\')
                at++;
            else if (*at == quote)
                quote = 0;
        } else if (at[0] == closing && at[1] == '}') {
            return at;
        } else if (kind != '#' && (*at == '\'' || *at == '"')) {
            quote = *at;
        }
    }
    return NULL;
}

static bool opens_tag(const char *at, const char *end)
{
    return at + 1 < end && at[0] == '{' && (at[1] == '{' || at[1] == '%' || at[1] == '#');
}

/* Text between tags, with the white space taken off that Jinja takes off when it trims blocks, as
 * chat templates are meant to be read: `before` and `after` are the kinds of the tags around it
 * (0: none), '-' if that tag asks for all white space to go. */
static void put_text(writer *to, const char *at, const char *end, char before, char after)
{
    const char *begin = at;
    if (after == '-') {
        while (end > at && is_blank(end[-1]))
            end--;
    } else if (after == '%' || after == '#') {
        const char *line = end;
        while (line > at && (line[-1] == ' ' || line[-1] == '\t'))
            line--;
        if ((line > at && line[-1] == '\n') || (line == begin && before == 0))
            end = line;
    }
    if (before == '-')
        while (at < end && is_blank(*at))
            at++;
    else if ((before == '%' || before == '#') && at < end && *at == '\n')
        at++;
    while (at < end)
        put_literal(to, *at++);
}

static void canonicalise(writer *to, ssi_text source)
{
    const char *at = source.bytes, *end = at + source.length;
    if (at < end && end[-1] == '\n')
        end--;
    char before = 0;
    while (!to->failed) {
        const char *text = at;
        while (at < end && !opens_tag(at, end))
            at++;
        if (at == end) {
            put_text(to, text, end, before, 0);
            return;
        }
        char kind = at[1];
        const char *code = at + 2, *close = find_close(code, end, kind);
        if (close == NULL) {
            to->failed = true;
            return;
        }
        bool trims = code < close && *code == '-';
        put_text(to, text, at, before, trims ? '-' : kind);
        code += trims;
        bool trims_after = close > code && close[-1] == '-';
        at = close + 2;
        before = trims_after ? '-' : kind;
        close -= trims_after;
        if (kind == '%') {
            put(to, *BLOCK);
            put_code(to, code, close, false);
            put(to, *END);
        } else if (kind == '{') {
            put_code(to, code, close, true);
        }
    }
}

static bool take_default_system(ssi_text *from, ssi_chat_template *found)
{
    static const char turn_end[] = "<|im_end|>\n" BLOCK "endif" END;
    if (!ssi_text_cut_prefix(from, "<|im_start|>system\n"))
        return false;
    const char *end = memmem(from->bytes, from->length, turn_end, sizeof turn_end - 1);
    if (end == NULL)
        return false;
    found->has_default_system = true;
    found->default_system = (ssi_text){from->bytes, (size_t)(end - from->bytes)};
    for (size_t i = 0; i < found->default_system.length; i++)
        if (from->bytes[i] >= 1 && from->bytes[i] <= 3)
            return false;
    from->bytes += found->default_system.length;
    from->length -= found->default_system.length;
    return ssi_text_cut_prefix(from, turn_end);
}

static bool is_chatml(ssi_text canonical, ssi_chat_template *found)
{
    ssi_text *rest = &canonical;
    if (ssi_text_cut_prefix(rest, BLOCK "if not add_generation_prompt is defined" END) &&
        !ssi_text_cut_prefix(rest, BLOCK "set add_generation_prompt=false" END BLOCK "endif" END))
        return false;
    if (ssi_text_cut_prefix(rest, BLOCK "if messages[0]['role']!='system'" END) &&
        !take_default_system(rest, found))
        return false;
    if (!ssi_text_cut_prefix(rest, BLOCK "for message in messages" END))
        return false;
    if (ssi_text_cut_prefix(rest, BLOCK "if loop['first']and messages[0]['role']!='system'" END) &&
        !take_default_system(rest, found))
        return false;
    if (!ssi_text_cut_prefix(rest, "<|im_start|>" VARIABLE "message['role']" END "\n" VARIABLE
                                   "message['content']" END "<|im_end|>\n" BLOCK "endfor" END))
        return false;
    if (ssi_text_cut_prefix(rest, BLOCK "if add_generation_prompt" END) &&
        !ssi_text_cut_prefix(rest, "<|im_start|>assistant\n" BLOCK "endif" END))
        return false;
    return rest->length == 0;
}

/* Jinja reads every kind of line end as \n, in strings as well. */
static ssi_text plain_lines(ssi_text source, char *room)
{
    size_t length = 0;
    for (size_t i = 0; i < source.length; i++) {
        bool line_ends = source.bytes[i] == '\r';
        room[length++] = line_ends ? '\n' : source.bytes[i];
        i += line_ends && i + 1 < source.length && source.bytes[i + 1] == '\n';
    }
    return (ssi_text){room, length};
}

#define CANONICAL_ROOM(template_bytes) (2 * (template_bytes))

size_t ssi_chat_template_room(size_t template_bytes)
{
    return CANONICAL_ROOM(template_bytes) + template_bytes;
}

ssi_chat_template ssi_chat_template_recognise(ssi_text source, char *room)
{
    ssi_chat_template found = {.present = source.length > 0};
    if (!found.present)
        return found;
    writer to = {.out = room, .capacity = CANONICAL_ROOM(source.length)};
    canonicalise(&to, plain_lines(source, room + to.capacity));
    found.chatml = !to.failed && is_chatml((ssi_text){to.out, to.length}, &found);
    return found;
}
