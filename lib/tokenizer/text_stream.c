/* SPDX-License-Identifier: Apache-2.0 */
/* Text while it is made. Bytes wait in `held` until they can no longer be the beginning of a stop
 * string or of a character; what leaves is always whole, valid UTF-8 (U+FFFD for what isn't). Of
 * several stop strings the one that ends first wins, then the longest, so that how the text was
 * cut into tokens changes nothing. */
#include "tokenizer/unicode.h"
#include "tokenizer/vocabulary.h"

#define CHARACTER_BYTES_MAX 4u
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for one byte or more */
#define REPLACEMENT_BYTES 3u

struct stop {
    size_t length;
    char bytes[SSI_STOP_BYTES_MAX];
};

struct ssi_text_stream {
    const ssi_tokenizer *tokenizer;
    size_t stop_count;
    struct stop stops[SSI_STOPS_MAX];
    bool stopped;
    size_t held_length;
    char *held;  /* a stop string but its last byte, a character cut short, and a piece */
    char *shown; /* three times that */
};

static size_t held_bytes_max(const ssi_tokenizer *tokenizer)
{
    return SSI_STOP_BYTES_MAX + CHARACTER_BYTES_MAX + (size_t)tokenizer->longest_piece;
}

size_t ssi_text_stream_bytes(const ssi_tokenizer *tokenizer)
{
    return sizeof(ssi_text_stream) + (1 + REPLACEMENT_BYTES) * held_bytes_max(tokenizer);
}

ss_status ssi_text_stream_init(ssi_text_stream *stream, const ssi_tokenizer *tokenizer,
                               const char *const *stops, size_t stop_count, ss_error *error)
{
    if (stop_count > SSI_STOPS_MAX)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "%zu stop strings, at most %u", stop_count,
                        SSI_STOPS_MAX);
    size_t lengths[SSI_STOPS_MAX];
    for (size_t i = 0; i < stop_count; i++) { /* all of them before one takes another's place */
        lengths[i] = stops[i] != NULL ? strnlen(stops[i], SSI_STOP_BYTES_MAX + 1) : 0;
        if (lengths[i] == 0 || lengths[i] > SSI_STOP_BYTES_MAX)
            return ssi_fail(error, SS_ERROR_ARGUMENT,
                            "stop string %zu is %s, expected 1 to %u bytes", i,
                            lengths[i] == 0 ? "empty" : "too long", SSI_STOP_BYTES_MAX);
    }
    stream->tokenizer = tokenizer;
    stream->stop_count = stop_count;
    stream->held = (char *)(stream + 1);
    stream->shown = stream->held + held_bytes_max(tokenizer);
    for (size_t i = 0; i < stop_count; i++) {
        stream->stops[i].length = lengths[i];
        memcpy(stream->stops[i].bytes, stops[i], lengths[i]);
    }
    ssi_text_stream_reset(stream);
    return SS_OK;
}

void ssi_text_stream_reset(ssi_text_stream *stream)
{
    stream->held_length = 0;
    stream->stopped = false;
}

/* Whether held text, cut at `end`, ends with the first `length` bytes of a stop string. */
static bool ends_with(const ssi_text_stream *stream, size_t end, const struct stop *stop,
                      size_t length)
{
    return end >= length && memcmp(stream->held + end - length, stop->bytes, length) == 0;
}

/* Where the stop string that is complete first begins, looking at ends after `from`; held_length
 * if there is none. */
static size_t find_stop(const ssi_text_stream *stream, size_t from)
{
    for (size_t end = from + 1; end <= stream->held_length; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < stream->stop_count; i++) {
            const struct stop *stop = &stream->stops[i];
            if (stop->length > longest && ends_with(stream, end, stop, stop->length))
                longest = stop->length;
        }
        if (longest > 0)
            return end - longest;
    }
    return stream->held_length;
}

/* Bytes at the end of held text that may become a stop string. */
static size_t possible_stop(const ssi_text_stream *stream)
{
    size_t longest = 0;
    for (size_t i = 0; i < stream->stop_count; i++)
        for (size_t length = stream->stops[i].length - 1; length > longest; length--)
            if (ends_with(stream, stream->held_length, &stream->stops[i], length))
                longest = length;
    return longest;
}

/* Bytes of the character that begins here and is cut short, by the end or by what can't go on with
 * it; 1 where none begins. As Unicode recommends (chapter 3, "maximal subparts"), it takes one U+FFFD. */
static size_t cut_character(const unsigned char *text, size_t length)
{
    uint32_t code_point;
    size_t bytes = 1;
    while (bytes < length && ssi_utf8_decode(text, bytes + 1, &code_point) == -(int)(bytes + 1))
        bytes++;
    return bytes;
}

/* Shows held[0 .. end); a character cut short at the end stays, or with `all` is replaced. Returns
 * the bytes used up. */
static size_t show(ssi_text_stream *stream, size_t end, bool all, ssi_text *text)
{
    size_t at = 0, length = 0;
    while (at < end) {
        const unsigned char *held = (const unsigned char *)stream->held + at;
        uint32_t code_point;
        int bytes = ssi_utf8_decode(held, end - at, &code_point);
        if (bytes < 0 && !all)
            break;
        if (bytes > 0) {
            memcpy(stream->shown + length, held, (size_t)bytes);
            length += (size_t)bytes;
            at += (size_t)bytes;
        } else {
            memcpy(stream->shown + length, REPLACEMENT, REPLACEMENT_BYTES);
            length += REPLACEMENT_BYTES;
            at += cut_character(held, end - at);
        }
    }
    *text = (ssi_text){.bytes = stream->shown, .length = length};
    return at;
}

bool ssi_text_stream_push(ssi_text_stream *stream, int32_t token, ssi_text *text)
{
    return ssi_text_stream_push_text(stream, ssi_tokenizer_piece(stream->tokenizer, token, false),
                                     text);
}

bool ssi_text_stream_push_text(ssi_text_stream *stream, ssi_text piece, ssi_text *text)
{
    *text = (ssi_text){.bytes = stream->shown, .length = 0};
    if (stream->stopped)
        return true;
    size_t before = stream->held_length;
    if (piece.length > 0)
        memcpy(stream->held + before, piece.bytes, piece.length);
    stream->held_length += piece.length;

    size_t stop_at = find_stop(stream, before);
    if (stop_at < stream->held_length) {
        show(stream, stop_at, true, text);
        stream->held_length = 0;
        stream->stopped = true;
        return true;
    }
    size_t used = show(stream, stream->held_length - possible_stop(stream), false, text);
    stream->held_length -= used;
    memmove(stream->held, stream->held + used, stream->held_length);
    return false;
}

void ssi_text_stream_finish(ssi_text_stream *stream, ssi_text *text)
{
    show(stream, stream->held_length, true, text);
    ssi_text_stream_reset(stream);
}
