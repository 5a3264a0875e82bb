/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "output.h"
#include "stopwatch.h"

static void add_text(answer *to, const char *text, size_t length, bool show)
{
    buffer_append(&to->text, text, length);
    if (show && length > 0) {
        output_bytes(text, length);
        output_flush();
    }
}

static ss_status add_tokens(answer *to, ss_text_stream *stream, const ss_step *step, bool show,
                            ss_error *error)
{
    tokens_add(&to->tokens, step->tokens, step->count);
    for (uint32_t i = 0; i < step->count; i++) {
        const char *text;
        size_t length;
        bool stopped;
        ss_status status =
            ss_text_stream_push(stream, step->tokens[i], &text, &length, &stopped, error);
        if (status != SS_OK)
            return status;
        add_text(to, text, length, show);
    }
    return SS_OK;
}

static ss_status draw(ss_session *session, ss_text_stream *stream, uint32_t length, bool show,
                      const step_watch *watch, answer *to, ss_error *error)
{
    while (to->tokens.count < length && !output_closed()) {
        ss_step step = {.struct_size = sizeof step};
        double begin = now_ms();
        ss_status status =
            ss_session_step(session, length - (uint32_t)to->tokens.count, &step, error);
        double ms = now_ms() - begin;
        to->decode_ms += ms;
        to->context_full = status == SS_ERROR_CONTEXT_FULL;
        if (to->context_full)
            return SS_OK;
        if (status == SS_OK && watch != NULL)
            watch->step(watch->context, session, &step, ms);
        if (status == SS_OK)
            status = add_tokens(to, stream, &step, show, error);
        if (status != SS_OK)
            return status;
        if (step.stop != SS_STOP_NONE) {
            to->stop = step.stop == SS_STOP_END ? "eos" : "stop";
            return SS_OK;
        }
    }
    return SS_OK;
}

static ss_status run(ss_session *session, ss_text_stream *stream, uint32_t length,
                     const token_list *prompt, bool show, const step_watch *watch, answer *to,
                     ss_error *error)
{
    const char *text;
    size_t text_length;
    ss_session_reset_stats(session);
    double begin = now_ms();
    ss_status status = ss_session_prefill(session, prompt->ids, prompt->count, error);
    to->prefill_ms = now_ms() - begin;
    if (status == SS_OK)
        status = draw(session, stream, length, show, watch, to, error);
    if (ss_text_stream_finish(stream, &text, &text_length, NULL) == SS_OK)
        add_text(to, text, text_length, show);
    (void)ss_session_get_stats(session, &to->stats, NULL);
    if (status != SS_ERROR_CANCELLED)
        return status;
    to->stop = "cancelled";
    return SS_OK;
}

ss_status answer_make(const ss_model *model, ss_session *session, const settings *from,
                      const token_list *prompt, bool show, const step_watch *watch, answer *to,
                      ss_error *error)
{
    ss_text_stream *stream;
    to->tokens.count = 0;
    buffer_clear(&to->text);
    to->stop = "length";
    to->prefill_ms = to->decode_ms = 0;
    to->stats = (ss_stats){.struct_size = sizeof to->stats};
    to->context_full = false;
    ss_status status =
        ss_text_stream_create(model, from->stops.items, from->stops.count, &stream, error);
    if (status != SS_OK)
        return status;
    status = run(session, stream, from->length, prompt, show, watch, to, error);
    ss_text_stream_free(stream);
    return status;
}

void answer_free(answer *of)
{
    tokens_free(&of->tokens);
    buffer_free(&of->text);
}

double tokens_per_step(const ss_stats *of)
{
    return ratio((double)(of->tokens - of->first_tokens), (double)of->steps);
}
