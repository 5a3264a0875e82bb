/* SPDX-License-Identifier: Apache-2.0 */
/* Real prompts: the "prompt" of every line of JSON lines files beside the checkout, some of them
 * packed. Include after cmocka.h. */
#ifndef TEST_PROMPT_LINES_H
#define TEST_PROMPT_LINES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/files.h"

/* Opens a .jsonl, or .jsonl.xz by its tool; the test is skipped where one of them is missing. */
static inline FILE *open_prompt_lines(const char *path)
{
    char command[256];
    test_needs(path);
    snprintf(command, sizeof command, "%s '%s'", strstr(path, ".xz") ? "xz -dc" : "cat", path);
    FILE *lines = popen(command, "r");
    assert_non_null(lines);
    int first = getc(lines);
    if (first == EOF) {
        pclose(lines);
        print_message("skipped: needs xz to read %s\n", path);
        skip();
    }
    ungetc(first, lines);
    return lines;
}

static inline size_t put_utf8(uint32_t code, char *to)
{
    size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(first[more] | code >> 6 * more);
    for (size_t i = 1; i <= more; i++)
        to[i] = (char)(0x80 | (code >> 6 * (more - i) & 0x3f));
    return more + 1;
}

/* What a JSON string stands for, in place; `text` begins behind its opening quote. */
static inline size_t unescape_json(char *text)
{
    static const char letters[] = "nrtbf", meant[] = "\n\r\t\b\f";
    char *to = text, *at = text;
    while (*at != '"' && *at != '\0') {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        const char *letter = strchr(letters, at[1]);
        if (at[1] == 'u') {
            char digits[5] = {at[2], at[3], at[4], at[5], 0};
            uint32_t code = (uint32_t)strtoul(digits, NULL, 16);
            at += 6;
            if (code >= 0xd800 && code < 0xdc00 && at[0] == '\\' && at[1] == 'u') {
                memcpy(digits, at + 2, 4);
                code = 0x10000 + ((code - 0xd800) << 10) +
                       ((uint32_t)strtoul(digits, NULL, 16) - 0xdc00);
                at += 6;
            }
            to += put_utf8(code, to);
        } else {
            *to++ = letter && at[1] != '\0' ? meant[letter - letters] : at[1];
            at += 2;
        }
    }
    *to = '\0';
    return (size_t)(to - text);
}

/* The prompt of the next line, in a buffer that grows; NULL at the end. */
static inline char *next_prompt(FILE *lines, char **line, size_t *capacity, size_t *length)
{
    static const char key[] = "\"prompt\": \"";
    while (getline(line, capacity, lines) > 0) {
        char *at = strstr(*line, key);
        if (!at)
            continue;
        *length = unescape_json(at + sizeof key - 1);
        return at + sizeof key - 1;
    }
    return NULL;
}

#endif
