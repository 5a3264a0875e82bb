/* SPDX-License-Identifier: Apache-2.0 */
/* Text to token ids and back, from the tokenizer keys of a GGUF file. Immutable after creation. */
#ifndef SSI_TOKENIZER_TOKENIZER_H
#define SSI_TOKENIZER_TOKENIZER_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"
#include "specstream/tokenizer.h"

typedef struct ssi_tokenizer ssi_tokenizer;

/* What the model room has read from the file's keys, bounds-checked; the arrays and the bytes
 * behind them live only until ssi_tokenizer_create returns. Absent arrays: NULL and 0. */
typedef struct ssi_tokenizer_source {
    ssi_text model;          /* tokenizer.ggml.model: "gpt2", "llama" */
    ssi_text pre;            /* tokenizer.ggml.pre, or empty */
    const ssi_text *tokens;  /* [token_count] */
    const float *scores;     /* [token_count] or NULL */
    const int32_t *types;    /* [token_count] or NULL: 1 normal, 2 unknown, 3 control, 4 user
                              * defined, 5 unused, 6 byte */
    uint32_t token_count;
    const ssi_text *merges;  /* [merge_count], "left right" */
    uint32_t merge_count;
    int32_t bos, eos, eot, unknown; /* -1: absent */
    int32_t add_bos, add_eos, add_space_prefix; /* -1: absent, else 0 or 1 */
    ssi_text chat_template;  /* or empty */
} ssi_tokenizer_source;

/* Takes its memory as one block from `memory`. Errors name the key: SS_ERROR_UNSUPPORTED (unknown
 * model or pre-tokenizer), SS_ERROR_FORMAT (ids out of range, a merge whose halves or whole are no
 * tokens, ...), SS_ERROR_MEMORY. */
ss_status ssi_tokenizer_create(const ssi_tokenizer_source *source, const ssi_memory *memory,
                               ssi_tokenizer **tokenizer, ss_error *error) SSI_MUST_CHECK;
void ssi_tokenizer_free(ssi_tokenizer *tokenizer);

/* Behind ss_tokenize, ss_detokenize, ss_chat_format: the same contracts. */
ss_status ssi_tokenizer_encode(const ssi_tokenizer *tokenizer, const char *text,
                               size_t text_bytes, const ss_tokenize_params *params,
                               int32_t *tokens, size_t capacity, size_t *count,
                               ss_error *error) SSI_MUST_CHECK;
ss_status ssi_tokenizer_decode(const ssi_tokenizer *tokenizer, const int32_t *tokens,
                               size_t count, bool special, char *text, size_t capacity,
                               size_t *text_bytes, ss_error *error) SSI_MUST_CHECK;
ss_status ssi_tokenizer_chat(const ssi_tokenizer *tokenizer, const ss_chat_message *messages,
                             size_t message_count, bool add_prompt, int32_t *tokens,
                             size_t capacity, size_t *count, ss_error *error) SSI_MUST_CHECK;

/* Whether the vocabulary has these tokens; the message names the first that it lacks. */
ss_status ssi_tokenizer_check(const ssi_tokenizer *tokenizer, const int32_t *tokens, size_t count,
                              ss_error *error) SSI_MUST_CHECK;

/* Bytes of one token as they appear in text; length 0 for control tokens unless `special`.
 * `*bytes` lives as long as the tokenizer. */
ssi_text ssi_tokenizer_piece(const ssi_tokenizer *tokenizer, int32_t token, bool special);

bool ssi_tokenizer_is_end(const ssi_tokenizer *tokenizer, int32_t token);
uint32_t ssi_tokenizer_size(const ssi_tokenizer *tokenizer);
int32_t ssi_tokenizer_bos(const ssi_tokenizer *tokenizer); /* -1: none */
int32_t ssi_tokenizer_eos(const ssi_tokenizer *tokenizer);
const char *ssi_tokenizer_name(const ssi_tokenizer *tokenizer);     /* "gpt2/smollm", "llama" */
const char *ssi_tokenizer_template(const ssi_tokenizer *tokenizer); /* "chatml", or "" */
void ssi_tokenizer_hash(const ssi_tokenizer *tokenizer, ssi_hash_state *state); /* as parsed */

/* text_stream.c: incremental text with stop strings, in caller-provided memory, so that a session
 * can hold one without allocating in a step. */
#define SSI_STOPS_MAX 16u
#define SSI_STOP_BYTES_MAX 256u

typedef struct ssi_text_stream ssi_text_stream;
size_t ssi_text_stream_bytes(const ssi_tokenizer *tokenizer); /* memory one stream needs */
/* stops are copied; SS_ERROR_ARGUMENT names the one that is empty or too long. */
ss_status ssi_text_stream_init(ssi_text_stream *stream, const ssi_tokenizer *tokenizer,
                               const char *const *stops, size_t stop_count,
                               ss_error *error) SSI_MUST_CHECK;
void ssi_text_stream_reset(ssi_text_stream *stream); /* forgets the text, keeps the stops */
/* Adds a token; *text is what can be shown now, valid until the next call. Returns whether a stop
 * string is complete. */
bool ssi_text_stream_push(ssi_text_stream *stream, int32_t token, ssi_text *text);
/* The same for bytes, as many as a token may have at the most. */
bool ssi_text_stream_push_text(ssi_text_stream *stream, ssi_text piece, ssi_text *text);
void ssi_text_stream_finish(ssi_text_stream *stream, ssi_text *text);

#endif
