/* SPDX-License-Identifier: Apache-2.0 */
/* The prompts of a run, from the command line, a file, or lines of {"id", "prompt"}. */
#ifndef PROMPTS_H
#define PROMPTS_H

#include "buffer.h"

typedef struct prompt {
    buffer id;   /* JSON: a string or a number, echoed as it was given; else the row's number */
    buffer text; /* any bytes */
} prompt;

typedef struct prompts {
    prompt *rows;
    size_t count;
    size_t capacity;
} prompts;

/* Exactly one of the three is given. GO_ON, or EXIT_ERROR after naming the file and line. */
int prompts_read(const char *text, const char *file, const char *lines, prompts *to);
void prompts_free(prompts *of);

#endif
