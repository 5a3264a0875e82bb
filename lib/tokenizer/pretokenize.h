/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts text into the words that byte-level BPE merges within. A pre-tokenizer is a chain of
 * splitters: the first cuts the text, the next cuts each piece of that, and so on. */
#ifndef SSI_TOKENIZER_PRETOKENIZE_H
#define SSI_TOKENIZER_PRETOKENIZE_H

#include "base/text.h"

#define SSI_SPLITTERS_MAX 4u

/* End of the piece that begins at text[at], at < result <= end. A splitter sees nothing outside
 * at..end, and its answer depends on nothing before `at`. */
typedef size_t ssi_splitter(const unsigned char *text, size_t at, size_t end);

typedef struct ssi_pretokenizer {
    const char *name;    /* of the family, as shown to the user */
    bool add_bos;        /* where the file doesn't say */
    bool whole_words;    /* a word that is a token is that token, whatever merging would give */
    ssi_splitter *splitters[SSI_SPLITTERS_MAX]; /* ends with the first NULL */
} ssi_pretokenizer;

/* By the value of tokenizer.ggml.pre; "" is "default". NULL: not known. */
const ssi_pretokenizer *ssi_pretokenizer_find(ssi_text name);

typedef struct ssi_word_cursor {
    const ssi_pretokenizer *pretokenizer;
    const unsigned char *text;
    size_t at;
    size_t ends[SSI_SPLITTERS_MAX + 1]; /* of the text, then of each splitter's piece around at */
} ssi_word_cursor;

void ssi_word_begin(ssi_word_cursor *cursor, const ssi_pretokenizer *pretokenizer,
                    ssi_text text);
bool ssi_word_next(ssi_word_cursor *cursor, ssi_text *word); /* false: no words left */

#endif
