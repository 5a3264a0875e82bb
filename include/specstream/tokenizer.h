/* SPDX-License-Identifier: Apache-2.0 */
/* Text to tokens and back, with the tokenizer in the model file. Token ids are int32_t. All
 * functions here only read the model and may run in any number of threads at once. */
#ifndef SPECSTREAM_TOKENIZER_H
#define SPECSTREAM_TOKENIZER_H

#include "specstream/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t ss_choice;
#define SS_CHOICE_DEFAULT ((ss_choice)0) /* as the model file says */
#define SS_CHOICE_NO ((ss_choice)1)
#define SS_CHOICE_YES ((ss_choice)2)

/* Settings of ss_tokenize. */
typedef struct ss_tokenize_params {
    size_t struct_size;    /* set by _init */
    ss_choice add_bos;     /* default: as the file says; a file that doesn't say adds none for
                            * byte-level BPE and one for SentencePiece */
    ss_choice add_eos;
    ss_choice special;     /* recognise special tokens written in the text; default: yes */
    uint32_t reserved0;    /* must be 0 */
} ss_tokenize_params;

SS_API ss_status ss_tokenize_params_init(ss_tokenize_params *params, size_t struct_size);

/* Encodes text. Any bytes are allowed: NUL is a character like others, invalid UTF-8 is encoded
 * byte by byte (byte-level BPE) or through byte tokens (SentencePiece); decoding gives the same
 * bytes back. But a byte that the vocabulary has no token for is left out (SmolLM2's lacks 21 that
 * occur in no ordinary text), and SentencePiece takes U+2581 for a space.
 *
 * text      text_bytes bytes, at most 2^30; may be NULL when text_bytes is 0.
 * params    NULL means defaults.
 * tokens    room for `capacity` ids; may be NULL when capacity is 0.
 * count     receives the number of ids, also on SS_ERROR_CAPACITY (call again with that room;
 *           2 * text_bytes + 3 always suffices).
 * Returns SS_OK, SS_ERROR_CAPACITY, SS_ERROR_ARGUMENT, SS_ERROR_MEMORY (scratch comes from the
 * model's allocator, which is then called from as many threads as this is: see ss_allocator).
 * Since 0.1. */
SS_API ss_status ss_tokenize(const ss_model *model, const char *text, size_t text_bytes,
                             const ss_tokenize_params *params, int32_t *tokens, size_t capacity,
                             size_t *count, ss_error *error);

/* Decodes ids to bytes. Control tokens (end of text and the like) give nothing unless
 * `special` is true. The space that SentencePiece puts before a text, and behind a special token that
 * is shown, is taken off again. A sequence cut inside a character gives that character's first
 * bytes: use a text stream to show text while it is made. ids outside the vocabulary:
 * SS_ERROR_ARGUMENT.
 * The text is not NUL-terminated; `text_bytes` receives its length, also on SS_ERROR_CAPACITY.
 * Since 0.1. */
SS_API ss_status ss_detokenize(const ss_model *model, const int32_t *tokens, size_t count,
                               bool special, char *text, size_t capacity, size_t *text_bytes,
                               ss_error *error);

/* Whether drawing this token ends a generation (the file's end-of-text, end-of-turn ids). */
SS_API bool ss_token_is_end(const ss_model *model, int32_t token);

/* One message of a conversation. Fixed for ever: no struct_size. */
typedef struct ss_chat_message {
    const char *role;     /* "system", "user", "assistant"; NUL-terminated */
    const char *content;  /* content_bytes bytes; never read as special tokens */
    size_t content_bytes;
} ss_chat_message;

/* Encodes a conversation with the chat template of the model file, which is recognised from its
 * text (never executed): "chatml". The template's default system turn is added as it says.
 * add_prompt  append the beginning of the assistant's turn.
 * SS_ERROR_UNSUPPORTED when the file has no template or an unknown one. Since 0.1. */
SS_API ss_status ss_chat_format(const ss_model *model, const ss_chat_message *messages,
                                size_t message_count, bool add_prompt, int32_t *tokens,
                                size_t capacity, size_t *count, ss_error *error);

/* A text stream turns tokens into text that can be shown at once: it holds back an incomplete
 * UTF-8 character, and whatever might be the beginning of a stop string. */
typedef struct ss_text_stream ss_text_stream;

/* Creates a stream over a model (borrowed) with `stop_count` stop strings (copied, NUL-
 * terminated, at most 16 of at most 256 bytes each; empty ones are refused). Its memory comes from
 * the model's allocator. Since 0.1. */
SS_API ss_status ss_text_stream_create(const ss_model *model, const char *const *stops,
                                       size_t stop_count, ss_text_stream **stream,
                                       ss_error *error);

/* Adds one token. *text receives what can be shown now (valid until the next call on the
 * stream), *text_bytes its length; *stopped becomes true once a stop string is complete: text
 * then ends before it, and later tokens give nothing. Since 0.1. */
SS_API ss_status ss_text_stream_push(ss_text_stream *stream, int32_t token, const char **text,
                                     size_t *text_bytes, bool *stopped, ss_error *error);

/* Gives what is still held back (an incomplete character as U+FFFD) and resets the stream. */
SS_API ss_status ss_text_stream_finish(ss_text_stream *stream, const char **text,
                                       size_t *text_bytes, ss_error *error);

SS_API void ss_text_stream_free(ss_text_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
