/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a training file, {"id", "prompt", "completion"} a line, as tokens. A row that can't
 * be used is counted under what is wrong with it, and the first few are named: none is dropped in
 * silence. */
#ifndef TRAIN_ROWS_H
#define TRAIN_ROWS_H

#include "buffer.h"
#include "tokens.h"

typedef struct train_row {
    size_t line; /* in the file, from 1 */
    buffer id;   /* JSON, as it was given; or nothing */
    buffer prompt;
    buffer completion;
    bool answered;     /* it has a completion */
    token_list tokens; /* prompt, then what should follow it, the end token included */
    size_t prompt_count;
} train_row;

typedef enum row_fault {
    ROW_MALFORMED, /* not JSON, or not these keys */
    ROW_EMPTY,     /* no prompt, or nothing behind it */
    ROW_TOO_LONG,
    ROW_FAULTS
} row_fault;

#define FAULTS_NAMED 5u /* in full; the rest is counted */

typedef struct train_rows {
    const char *path;
    train_row *rows;
    size_t count, capacity;
    size_t lines; /* of the file, blank ones aside */
    size_t faults[ROW_FAULTS];
    char named[FAULTS_NAMED][200];
    size_t named_count;
} train_rows;

typedef struct row_format {
    const ss_model *model;
    bool raw;          /* no chat template: the text as it stands */
    bool prompts_only; /* completions are left alone */
    uint32_t tokens_max;
    size_t rows_max; /* only the first so many good rows; 0: all */
} row_format;

/* Reads the file's text. GO_ON, or EXIT_ERROR where it can't be read or no row is any good. */
int train_rows_read(const char *path, train_rows *to);

/* Turns the text into tokens, prompts as `generate --chat` does; what is left over holds good rows
 * alone. GO_ON, or EXIT_ERROR where none is left or the model has no template. */
int train_rows_encode(train_rows *of, const row_format *how);

/* Looks once more at rows whose tokens the caller has added to. GO_ON, or EXIT_ERROR where none is
 * good. */
int train_rows_check(train_rows *of, const row_format *how);

/* Names rows left out, on stderr; nothing where none was. */
void train_rows_report(const train_rows *of);

/* The token that ends an answer, or -1 where the model has none. */
int32_t train_rows_end_token(const row_format *how);

void train_rows_free(train_rows *of);

#endif
