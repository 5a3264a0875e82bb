/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-tokenizers. Model makers give them as regular expressions; each splitter below is one
 * of those written out by hand, its expression above it. \s is White_Space, \p{L} and \p{N} are
 * the general categories. */
#include "tokenizer/pretokenize.h"
#include "tokenizer/unicode.h"

enum { OTHER = SSI_UNICODE_OTHER, LETTER = SSI_UNICODE_LETTER, NUMBER = SSI_UNICODE_NUMBER,
       SPACE = SSI_UNICODE_SPACE };

/* Letter, number, white space, or anything else. */
static uint8_t group_at(const unsigned char *text, size_t at, size_t end, uint32_t *bytes)
{
    uint8_t unicode_class = ssi_unicode_class_at(text + at, end - at, bytes);
    return unicode_class <= SPACE ? unicode_class : OTHER;
}

static size_t run_end(const unsigned char *text, size_t at, size_t end, uint8_t group)
{
    uint32_t bytes;
    while (at < end && group_at(text, at, end, &bytes) == group)
        at += bytes;
    return at;
}

/* 's|'t|'re|'ve|'m|'ll|'d: its length in bytes or 0. `fold` is 0x20 to take capitals too. */
static size_t contraction(const unsigned char *text, size_t at, size_t end, unsigned fold)
{
    if (text[at] != '\'' || end - at < 2)
        return 0;
    unsigned first = text[at + 1] | fold;
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 2;
    if (end - at < 3)
        return 0;
    unsigned second = text[at + 2] | fold;
    bool known = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                 (first == 'l' && second == 'l');
    return known ? 3 : 0;
}

/* \s+(?!\S)|\s+: white space leaves its last character to the word that follows. */
static size_t split_spaces(const unsigned char *text, size_t at, size_t end)
{
    uint32_t bytes = 0;
    size_t last = at, next = at;
    while (next < end && group_at(text, next, end, &bytes) == SPACE) {
        last = next;
        next += bytes;
    }
    return next < end && last > at ? last : next;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t split_gpt2(const unsigned char *text, size_t at, size_t end)
{
    size_t length = contraction(text, at, end, 0);
    if (length > 0)
        return at + length;
    size_t start = at + (text[at] == ' ');
    if (start < end) {
        uint32_t bytes;
        uint8_t group = group_at(text, start, end, &bytes);
        if (group != SPACE)
            return run_end(text, start + bytes, end, group);
    }
    return split_spaces(text, at, end);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|
 * \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t split_digits_apart(const unsigned char *text, size_t at, size_t end, int digits)
{
    size_t length = contraction(text, at, end, 0x20);
    if (length > 0)
        return at + length;

    uint32_t bytes, next_bytes;
    uint8_t group = group_at(text, at, end, &bytes);
    size_t next = at + bytes;
    if (group == NUMBER) {
        while (--digits > 0 && next < end && group_at(text, next, end, &bytes) == NUMBER)
            next += bytes;
        return next;
    }
    bool line_end = text[at] == '\r' || text[at] == '\n';
    uint8_t next_group = next < end ? group_at(text, next, end, &next_bytes) : SPACE;
    if (!line_end && (group == LETTER || next_group == LETTER))
        return run_end(text, next, end, LETTER);

    if (group == OTHER || (text[at] == ' ' && next_group == OTHER)) {
        next = run_end(text, next, end, OTHER);
        while (next < end && (text[next] == '\r' || text[next] == '\n'))
            next++;
        return next;
    }

    size_t spaces_end = run_end(text, at, end, SPACE), lines_end = spaces_end;
    while (lines_end > at && text[lines_end - 1] != '\r' && text[lines_end - 1] != '\n')
        lines_end--;
    return lines_end > at ? lines_end : split_spaces(text, at, end);
}

static size_t split_llama3(const unsigned char *text, size_t at, size_t end)
{
    return split_digits_apart(text, at, end, 3);
}

static size_t split_qwen2(const unsigned char *text, size_t at, size_t end)
{
    return split_digits_apart(text, at, end, 1);
}

/* \p{N} or what lies between. */
static size_t split_numbers(const unsigned char *text, size_t at, size_t end)
{
    uint32_t bytes;
    if (group_at(text, at, end, &bytes) == NUMBER)
        return at + bytes;
    do
        at += bytes;
    while (at < end && group_at(text, at, end, &bytes) != NUMBER);
    return at;
}

/* \p{N}+ or what lies between. */
static size_t split_number_runs(const unsigned char *text, size_t at, size_t end)
{
    uint32_t bytes;
    if (group_at(text, at, end, &bytes) == NUMBER)
        return run_end(text, at, end, NUMBER);
    return split_numbers(text, at, end);
}

static bool is_digit_triple(const unsigned char *text, size_t at, size_t end)
{
    if (end - at < 3)
        return false;
    return (unsigned)(text[at] - '0') < 10 && (unsigned)(text[at + 1] - '0') < 10 &&
           (unsigned)(text[at + 2] - '0') < 10;
}

/* [0-9][0-9][0-9] or what lies between. */
static size_t split_digit_triples(const unsigned char *text, size_t at, size_t end)
{
    if (is_digit_triple(text, at, end))
        return at + 3;
    do
        at++;
    while (at < end && !is_digit_triple(text, at, end));
    return at;
}

static bool is_mark_of_default(const unsigned char *text, size_t at, size_t end,
                               uint32_t *bytes)
{
    uint8_t unicode_class = ssi_unicode_class_at(text + at, end - at, bytes);
    return unicode_class == SSI_UNICODE_PUNCTUATION ||
           (unicode_class == SSI_UNICODE_SYMBOL && text[at] < 0x80 && text[at] != '`');
}

/* [\p{P}$+<=>^~|]+ or what lies between. */
static size_t split_punctuation(const unsigned char *text, size_t at, size_t end)
{
    uint32_t bytes;
    bool first = is_mark_of_default(text, at, end, &bytes);
    do
        at += bytes;
    while (at < end && is_mark_of_default(text, at, end, &bytes) == first);
    return at;
}

static const ssi_pretokenizer family_default = {
    .name = "default",
    .splitters = {split_punctuation, split_gpt2, split_number_runs, split_digit_triples}};
static const ssi_pretokenizer family_gpt2 = {.name = "gpt-2", .splitters = {split_gpt2}};
static const ssi_pretokenizer family_smollm = {.name = "smollm",
                                               .splitters = {split_numbers, split_gpt2}};
static const ssi_pretokenizer family_llama3 = {
    .name = "llama-bpe", .add_bos = true, .whole_words = true, .splitters = {split_llama3}};
static const ssi_pretokenizer family_qwen2 = {.name = "qwen2", .splitters = {split_qwen2}};

static const struct {
    const char *name;
    const ssi_pretokenizer *family;
} known[] = {
    {"", &family_default},          {"default", &family_default},
    {"gpt-2", &family_gpt2},        {"smollm", &family_smollm},
    {"llama-bpe", &family_llama3},  {"llama3", &family_llama3},
    {"llama-v3", &family_llama3},   {"qwen2", &family_qwen2},
    {"deepseek-r1-qwen", &family_qwen2},
};

const ssi_pretokenizer *ssi_pretokenizer_find(ssi_text name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (ssi_text_is(name, known[i].name))
            return known[i].family;
    return NULL;
}

void ssi_word_begin(ssi_word_cursor *cursor, const ssi_pretokenizer *pretokenizer,
                    ssi_text text)
{
    *cursor = (ssi_word_cursor){.pretokenizer = pretokenizer,
                                .text = (const unsigned char *)text.bytes,
                                .ends = {text.length}};
}

bool ssi_word_next(ssi_word_cursor *cursor, ssi_text *word)
{
    ssi_splitter *const *splitters = cursor->pretokenizer->splitters;
    size_t at = cursor->at;
    if (at == cursor->ends[0])
        return false;
    uint32_t stage = 0;
    for (; stage < SSI_SPLITTERS_MAX && splitters[stage] != NULL; stage++)
        if (cursor->ends[stage + 1] <= at) /* that piece is used up */
            cursor->ends[stage + 1] = splitters[stage](cursor->text, at, cursor->ends[stage]);
    *word = (ssi_text){.bytes = (const char *)cursor->text + at,
                       .length = cursor->ends[stage] - at};
    cursor->at = cursor->ends[stage];
    return true;
}
