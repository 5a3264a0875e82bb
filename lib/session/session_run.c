/* SPDX-License-Identifier: Apache-2.0 */
/* Prefill, step, slide, rewind: how the sequence grows and shrinks. */
#include <string.h>

#include "session/session_state.h"

void ssi_session_cancel(ss_session *session)
{
    atomic_store_explicit(&session->work.cancelled, true, memory_order_relaxed);
}

/* The generated text is slid_text, if there is any, and the tokens from here on. */
static uint32_t text_begin(const ss_session *session)
{
    return session->slid_text_length > 0 ? session->keep_count : session->prompt_count;
}

/* A stop string that is behind us ends nothing. */
void ssi_session_rebuild_text(ss_session *session)
{
    ssi_text shown;
    ssi_text_stream_reset(session->text);
    if (!session->has_stops)
        return;
    for (uint32_t i = 0; i < session->slid_text_length; i++)
        if (ssi_text_stream_push_text(session->text, (ssi_text){session->slid_text + i, 1},
                                      &shown))
            ssi_text_stream_reset(session->text);
    for (uint32_t i = text_begin(session); i < session->sequence.count; i++)
        if (ssi_text_stream_push(session->text, session->sequence.tokens[i], &shown))
            ssi_text_stream_reset(session->text);
}

/* tokens[.. end) are cut off from what follows. Of their text the end is kept: a stop string may have
 * begun in it. */
static void keep_slid_text(ss_session *session, const int32_t *tokens, uint32_t end)
{
    for (uint32_t i = text_begin(session); i < end; i++) {
        ssi_text piece = ssi_tokenizer_piece(session->work.model->tokenizer, tokens[i], false);
        for (size_t at = 0; at < piece.length; at++) {
            if (session->slid_text_length == sizeof session->slid_text)
                memmove(session->slid_text, session->slid_text + 1, --session->slid_text_length);
            session->slid_text[session->slid_text_length++] = piece.bytes[at];
        }
    }
}

ss_status ssi_session_check_text(const ss_session *session, const int32_t *tokens, size_t count,
                                 ss_error *error)
{
    if (count > session->context_length) /* before a token is read: it may be a count gone wrong */
        return ssi_fail(error, SS_ERROR_CONTEXT_FULL, "%zu tokens: the context holds %u", count,
                        session->context_length);
    return ssi_tokenizer_check(session->work.model->tokenizer, tokens, count, error);
}

uint32_t ssi_session_replace(ss_session *session, const int32_t *tokens, uint32_t count,
                             uint32_t most)
{
    ssi_sequence *sequence = &session->sequence;
    uint32_t cached = session->work.cache.length, shared;
    if (cached > most)
        cached = most;
    shared = ssi_shared_prefix(tokens, sequence->tokens, cached < count ? cached : count);
    ssi_drafting_let_go(session, sequence->tokens, shared, sequence->count);
    memmove(sequence->tokens, tokens, count * sizeof *tokens); /* may be get_tokens' own array */
    sequence->count = count;
    sequence->dropped = 0;
    session->prompt_count = count;
    session->has_logits = false;
    session->stop = SS_STOP_NONE;
    session->work.cache.length = shared;
    session->slid_text_length = 0;
    ssi_text_stream_reset(session->text);
    return shared;
}

/* Runs what the cache lacks, so that the last row's logits are there. */
static ss_status run_rest(ss_session *session, ss_error *error)
{
    ssi_workspace *work = &session->work;
    uint32_t before = work->cache.length;
    uint64_t start = work->clock(work->clock_context);
    ss_status status = ssi_prefill_run(work, &session->sequence, session->kept_logits,
                                       ssi_session_progress(session), error);
    session->has_logits = status == SS_OK;
    session->stats.prefill_tokens += work->cache.length - before;
    session->stats.prefill_ns += work->clock(work->clock_context) - start;
    return status;
}

ss_status ssi_session_complete(ss_session *session, ss_error *error)
{
    ssi_kv_cache *cache = &session->work.cache;
    if (session->has_logits || session->sequence.count == 0)
        return SS_OK;
    if (cache->length >= session->sequence.count)
        cache->length = session->sequence.count - 1;
    return run_rest(session, error);
}

ss_status ssi_session_prefill(ss_session *session, const int32_t *tokens, size_t count,
                              ss_error *error)
{
    ssi_sequence *sequence = &session->sequence;
    if (count == 0)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "no tokens: a sequence begins with one");
    SSI_TRY(ssi_session_check_text(session, tokens, count, error));

    bool had_logits = session->has_logits && sequence->count == count;
    uint32_t shared = ssi_session_replace(session, tokens, (uint32_t)count, (uint32_t)count);
    session->has_logits = had_logits && shared == count;
    if (shared == count && !session->has_logits)
        session->work.cache.length = --shared;
    session->stats.prefill_reused += shared;
    ss_status status = ssi_workspace_cancelled(&session->work)
                           ? ssi_fail(error, SS_ERROR_CANCELLED, "cancelled")
                           : ssi_session_complete(session, error);
    if (status == SS_ERROR_CANCELLED)
        sequence->count = session->prompt_count = session->work.cache.length;
    return status;
}

/* Drops the older half of what follows the kept tokens, and runs the rest again from its new
 * positions, so that the state is that of a fresh session. When that is cancelled the sequence
 * stays whole; only rows are lost. */
static ss_status slide(ss_session *session, ss_error *error)
{
    ssi_sequence *sequence = &session->sequence;
    uint32_t keep = session->keep_count, drop = (sequence->count - keep) / 2;
    uint32_t count = sequence->count - drop;
    int32_t *whole = sequence->tokens;
    memcpy(session->slid, whole, keep * sizeof *whole);
    memcpy(session->slid + keep, whole + keep + drop, (count - keep) * sizeof *whole);
    if (session->work.cache.length > keep)
        session->work.cache.length = keep;
    session->has_logits = false;

    *sequence = (ssi_sequence){session->slid, count, sequence->dropped + drop};
    session->slid = whole;
    ss_status status = run_rest(session, error);
    if (status != SS_OK) {
        session->slid = sequence->tokens;
        *sequence = (ssi_sequence){whole, count + drop, sequence->dropped - drop};
        if (session->work.cache.length > keep) /* fewer where its rows were stale before */
            session->work.cache.length = keep;
        return status;
    }
    ssi_drafting_let_go(session, whole, keep, keep + drop);
    keep_slid_text(session, whole, keep + drop);
    if (session->prompt_count > keep)
        session->prompt_count =
            session->prompt_count > keep + drop ? session->prompt_count - drop : keep;
    return SS_OK;
}

/* ssi_emitter: one verified token joins the sequence. */
static bool emit_token(void *context, int32_t token)
{
    ss_session *session = context;
    ssi_sequence *sequence = &session->sequence;
    ssi_text shown;
    sequence->tokens[sequence->count++] = token;
    if (!session->sampler.params.ignore_end &&
        ssi_tokenizer_is_end(session->work.model->tokenizer, token))
        session->stop = SS_STOP_END;
    else if (session->has_stops && ssi_text_stream_push(session->text, token, &shown))
        session->stop = SS_STOP_STRING;
    return session->stop == SS_STOP_NONE && sequence->count < session->limit;
}

/* Room for one more token, all rows but the last token's in the cache. */
static ss_status settle(ss_session *session, ss_error *error)
{
    ssi_sequence *sequence = &session->sequence;
    if (sequence->count == session->context_length) {
        if (session->on_full != SS_ON_FULL_SLIDE)
            return ssi_fail(error, SS_ERROR_CONTEXT_FULL, "the context holds %u tokens and is full",
                            session->context_length);
        return slide(session, error);
    }
    if (session->work.cache.length + 1 < sequence->count)
        return ssi_session_complete(session, error);
    if (!session->has_logits)
        session->work.cache.length = sequence->count - 1;
    return SS_OK;
}

/* One pass over the last token and its draft. */
static ss_status run_pass(ss_session *session, ss_step *step, ss_error *error)
{
    static const ssi_plan plain = {SSI_SCHEDULE_NONE, false, 0};
    ssi_drafting *drafting = session->drafting;
    ssi_emitter emitter = {emit_token, session};
    ssi_sequence *sequence = &session->sequence;
    ssi_walk walk, *way = drafting ? &drafting->walk : &walk;
    uint32_t before = sequence->count;
    ssi_tree_init(&session->tree, sequence->tokens[before - 1]);
    if (drafting)
        ssi_drafting_plan(session);
    step->row_count = session->tree.node_count;
    ss_status status =
        ssi_step_run(&session->work, &session->tree, drafting ? &drafting->plan : &plain,
                     &session->sampler, sequence, &emitter, way, error);
    if (status == SS_ERROR_CANCELLED)
        return status;
    if (drafting)
        ssi_drafting_observe(session, before);
    step->drafted = step->row_count - 1;
    step->accepted = way->count - 1;
    session->stats.steps++;
    session->stats.rows += step->row_count;
    session->stats.drafted += step->drafted;
    session->stats.accepted += step->accepted;
    session->stats.pruned += step->row_count - session->tree.node_count;
    return status;
}

/* As if the step had not begun: `count` tokens, the logits it found (if any) still kept. */
static void undo(ss_session *session, uint32_t count)
{
    if (session->drafting)
        session->drafting->shown_count = 0;
    if (session->sequence.count == count)
        return;
    session->sequence.count = count;
    session->unchanged = count < session->unchanged ? count : session->unchanged;
    ssi_session_rebuild_text(session);
}

ss_status ssi_session_step(ss_session *session, uint32_t max_tokens, ss_step *step,
                           ss_error *error)
{
    ssi_sequence *sequence = &session->sequence;
    ssi_workspace *work = &session->work;
    bool more = true;
    ss_status status = SS_OK;
    if (sequence->count == 0)
        return ssi_fail(error, SS_ERROR_STATE, "nothing to continue: prefill first");
    if (session->stop != SS_STOP_NONE)
        return ssi_fail(error, SS_ERROR_STATE, "the generation has ended: prefill again");
    if (session->drafting)
        session->drafting->shown_count = 0;
    if (ssi_workspace_cancelled(work))
        return ssi_fail(error, SS_ERROR_CANCELLED, "cancelled");
    SSI_TRY(settle(session, error));

    uint64_t start_ns = work->clock(work->clock_context);
    uint32_t first = sequence->count, room = session->context_length - first;
    session->limit = first + (max_tokens > 0 && max_tokens < room ? max_tokens : room);
    if (session->has_logits) {
        int32_t token;
        SSI_TRY(ssi_sample(&session->sampler, session->kept_logits, NULL, sequence->tokens, first,
                           sequence->dropped + first, &token, error));
        more = emit_token(session, token);
    }
    if (more)
        status = run_pass(session, step, error);
    session->stats.step_ns += work->clock(work->clock_context) - start_ns;
    if (status == SS_ERROR_CANCELLED)
        undo(session, first);
    if (sequence->count == first) /* nothing emitted */
        return status;

    session->stats.first_tokens += session->has_logits;
    session->stats.tokens += sequence->count - first;
    session->has_logits = false;
    step->tokens = sequence->tokens + first;
    step->count = sequence->count - first;
    step->stop = session->stop;
    return SS_OK;
}

ss_status ssi_session_rewind(ss_session *session, size_t count, ss_error *error)
{
    ssi_sequence *sequence = &session->sequence;
    if (count == 0 || count > sequence->count)
        return ssi_fail(error, SS_ERROR_ARGUMENT, "rewind to %zu tokens: expected 1 to %u", count,
                        sequence->count);
    session->stop = SS_STOP_NONE;
    if (count == sequence->count) {
        ssi_session_rebuild_text(session);
        return SS_OK;
    }
    ssi_drafting_let_go(session, sequence->tokens, (uint32_t)count, sequence->count);
    sequence->count = (uint32_t)count;
    session->has_logits = false;
    if (session->work.cache.length >= count)
        session->work.cache.length = (uint32_t)count - 1;
    if (session->prompt_count > count)
        session->prompt_count = (uint32_t)count;
    if (session->keep_count >= count)
        session->slid_text_length = 0;
    ssi_session_rebuild_text(session);
    return SS_OK;
}
