/* SPDX-License-Identifier: Apache-2.0 */
/* A walk through a session's life: what its calls so far say that it holds, a plain session that
 * says what must come next, and hooks that interrupt, lie and jump in time, all by the walk's
 * seed. Include after cmocka.h. */
#ifndef TEST_SESSION_WALK_H
#define TEST_SESSION_WALK_H

#include <math.h>

#include "base/random.h"
#include "support/session_fixture.h"
#include "support/session_look.h"

enum { WALK_CALLS = 60, WALK_ROOM = 48, WALK_ROWS = 64, BIASES = 4, VOCABULARY = 512 };

typedef struct token_line {
    int32_t tokens[WALK_ROOM];
    uint32_t count, dropped; /* by slides, before them */
} token_line;

typedef struct sampling {
    ss_sampler_params params; /* its bias is here: */
    int32_t bias_tokens[BIASES];
    float bias_values[BIASES];
} sampling;

typedef struct picture { /* what a session is said to hold, and what saving it must keep */
    token_line line;
    bool ended;
    sampling sampler;
} picture;

typedef struct walk_totals {
    uint64_t tokens, drafted, accepted, pruned, slides, cancelled, ended, refused;
} walk_totals;

typedef struct walk {
    const ss_model *model;
    walk_totals *sums;
    uint64_t seed;
    uint32_t call, drawn, clock_calls;
    ss_session_params params;
    ss_progress progress;
    ss_session *session, *plain;
    picture now, saved;
    uint32_t adapter, saved_adapter;
    ss_schedule schedule;
    sampling host;           /* what the session's sampler was set from, overwritten since */
    unsigned char *blob;
    size_t blob_bytes;
    bool asked;              /* to cancel, and hasn't said yet that it was */
    uint32_t deny;           /* the report that will ask, from 1; 0: none */
    bool cancel_in_draft;
    token_line before;       /* now's, after the slide that a step may begin with */
    int32_t truth[2 * WALK_ROOM]; /* what plain decoding says after that */
    uint32_t truth_count;
    bool truth_over;
    ss_stop truth_stop;
    char notes[WALK_CALLS + 1][100]; /* the params, then each call */
} walk;

static ss_error error = {.struct_size = sizeof error};

/* As SS_ON_FULL_SLIDE says. */
static inline void slide(token_line *at, uint32_t keep)
{
    uint32_t drop = (at->count - keep) / 2;
    at->count -= drop;
    at->dropped += drop;
    memmove(at->tokens + keep, at->tokens + keep + drop, (at->count - keep) * sizeof(int32_t));
}

/* A number by seed, call, and how many the call has drawn: what a draft draws while a step runs
 * moves no later call. */
static inline uint32_t below(walk *is, uint32_t bound)
{
    return (uint32_t)(ssi_noise_bits(is->seed, is->call, is->drawn++) >> 32) % bound;
}

static inline bool one_in(walk *is, uint32_t bound)
{
    return below(is, bound) == 0;
}

SSI_PRINTF(2, 3) static inline void note(walk *is, const char *format, ...)
{
    char *at = is->notes[is->call];
    size_t used = strlen(at);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(at + used, sizeof *is->notes - used, format, arguments);
    va_end(arguments);
}

static inline void expect(const walk *is, const char *what, int64_t want, int64_t got)
{
    if (want == got)
        return;
    for (uint32_t i = 0; i <= is->call; i++)
        print_error("%4u  %s\n", i, is->notes[i]);
    fail_msg("seed %llu, call %u, %s: expected %lld, got %lld", (unsigned long long)is->seed,
             is->call, what, (long long)want, (long long)got);
}

static inline void expect_status(walk *is, ss_status want, ss_status got)
{
    if (got != SS_OK)
        note(is, ": %s", ss_status_text(got));
    expect(is, got == SS_OK ? "status" : error.message, want, got);
    is->sums->cancelled += got == SS_ERROR_CANCELLED;
    is->sums->refused += got == SS_ERROR_UNSUPPORTED || got == SS_ERROR_MISMATCH;
    if (got == SS_ERROR_CANCELLED)
        is->asked = false;
}

static inline void print_totals(const walk_totals *sums, uint64_t walks)
{
    print_message(
        "%llu walks: %llu tokens, %llu drafted, %llu accepted, %llu pruned; %llu slides, "
        "%llu ended, %llu cancelled, %llu refused\n",
        (unsigned long long)walks, (unsigned long long)sums->tokens,
        (unsigned long long)sums->drafted, (unsigned long long)sums->accepted,
        (unsigned long long)sums->pruned, (unsigned long long)sums->slides,
        (unsigned long long)sums->ended, (unsigned long long)sums->cancelled,
        (unsigned long long)sums->refused);
}

/* ── what plain decoding says ── */

/* On which nothing has left a trace. */
static inline ss_session *fresh_plain(walk *is)
{
    is->plain->work.cache.length = 0;
    return is->plain;
}

static inline void begin_truth(walk *is)
{
    prefill(fresh_plain(is), is->now.line.tokens, is->now.line.count);
    is->plain->sequence.dropped = is->now.line.dropped;
    is->truth_count = 0;
    is->truth_over = false;
    is->truth_stop = SS_STOP_NONE;
}

/* Its i-th token from here; -1 behind its end. */
static inline int32_t truth(walk *is, uint32_t i)
{
    while (is->truth_count <= i && !is->truth_over) {
        ss_step step = {.struct_size = sizeof step};
        ss_status status = ssi_session_step(is->plain, 1, &step, &error);
        if (status == SS_OK)
            is->truth[is->truth_count++] = step.tokens[0];
        else
            expect(is, "status of plain decoding", SS_ERROR_CONTEXT_FULL, status);
        is->truth_stop = step.stop;
        is->truth_over = status != SS_OK || step.stop != SS_STOP_NONE;
    }
    return i < is->truth_count ? is->truth[i] : -1;
}

/* ── the hooks ── */

static inline void cancel(walk *is)
{
    ssi_session_cancel(is->session);
    is->asked = true;
}

static inline bool report(void *context, float fraction)
{
    walk *is = context;
    if (fraction >= 1 || is->deny == 0 || --is->deny > 0)
        return true;
    is->asked = true;
    if (one_in(is, 2))
        return false;
    cancel(is);
    return true;
}

static inline uint64_t read_clock(void *context) /* any time, and not always forwards */
{
    walk *is = context;
    return ssi_noise_bits(is->seed, UINT32_MAX, is->clock_calls++) >> 40;
}

/* Some of the truth with lies beside it, then what no host should send. */
static inline uint32_t guess(void *context, const int32_t *tokens, size_t count,
                             ss_draft_node *nodes, uint32_t capacity)
{
    static const float odd[] = {0, 0.2f, 0.9f, 1, -1, 7, NAN, INFINITY};
    walk *is = context;
    uint32_t made = 0, before = is->before.count, deep = below(is, 9);
    bool flood = one_in(is, 30);
    int32_t parent = -1;
    for (uint32_t i = 0; i < count; i++)
        expect(is, "a token that the host's draft is shown",
               i < before ? is->before.tokens[i] : truth(is, i - before), tokens[i]);
    if (is->cancel_in_draft)
        cancel(is);
    for (uint32_t depth = 0; depth < deep && made + 3 < capacity; depth++) {
        for (uint32_t lies = below(is, 3); lies > 0; lies--)
            nodes[made++] =
                (ss_draft_node){(int32_t)below(is, VOCABULARY), parent, odd[below(is, 8)]};
        nodes[made] =
            (ss_draft_node){truth(is, (uint32_t)count - before + depth), parent, 0.5f};
        parent = (int32_t)made++;
    }
    while (made < capacity && (flood || !one_in(is, 4))) {
        nodes[made] = (ss_draft_node){(int32_t)below(is, VOCABULARY + 20) - 10,
                                      (int32_t)below(is, made + 20) - 10, odd[below(is, 8)]};
        made++;
    }
    return flood ? 1000 : made;
}

/* ── what calls are given ── */

static inline void may_deny(walk *is)
{
    is->deny = one_in(is, 3) ? 1 + below(is, 3) : 0;
    if (is->deny > 0)
        note(is, ", report %u cancels", is->deny);
}

/* A text that begins as the session's, or is it, or fills the context. */
static inline uint32_t draw_text(walk *is, int32_t *tokens, uint32_t least)
{
    const token_line *at = &is->now.line;
    uint32_t room = is->params.context_length, kind = below(is, 4);
    uint32_t count = least + below(is, room - least + 1), same = below(is, at->count + 1);
    if (kind == 0 && at->count >= least)
        count = same = at->count;
    else if (kind == 1 && is->params.on_full == SS_ON_FULL_SLIDE)
        count = room;
    for (uint32_t i = 0; i < count; i++)
        tokens[i] = i < same ? at->tokens[i] : (int32_t)below(is, VOCABULARY);
    note(is, "%u tokens, %u as before", count, same < count ? same : count);
    return count;
}

/* ── its two sessions ── */

static inline void open_walked(walk *is)
{
    is->params.max_step_rows = one_in(is, 4) ? 1 : 1 + below(is, WALK_ROWS);
    is->params.prefill_chunk = 1 + below(is, 20);
    is->session = open_session_with(is->model, &is->params);
    is->schedule = SS_SCHEDULE_AUTO;
    is->asked = false;
    note(is, "%u rows a step, %u a chunk", is->params.max_step_rows, is->params.prefill_chunk);
}

static inline void close_walked(walk *is)
{
    is->sums->tokens += is->session->stats.tokens;
    is->sums->drafted += is->session->stats.drafted;
    is->sums->accepted += is->session->stats.accepted;
    is->sums->pruned += is->session->stats.pruned;
    ssi_session_free(is->session);
}

static inline void set_sampler(walk *is, ss_session *session, const sampling *sampler)
{
    ss_sampler_params params = sampler->params;
    params.bias_tokens = sampler->bias_tokens;
    params.bias_values = sampler->bias_values;
    expect_status(is, SS_OK, ssi_session_set_sampler(session, &params, &error));
}

static inline void open_walk(walk *is, const ss_model *model, walk_totals *sums, uint64_t seed)
{
    ss_stream_config plain;
    *is = (walk){.model = model, .sums = sums, .seed = seed, .blob = is->blob};
    is->params = small_params();
    is->params.context_length = 8 + below(is, WALK_ROOM - 7);
    is->params.on_full = one_in(is, 2) ? SS_ON_FULL_SLIDE : SS_ON_FULL_ERROR;
    is->params.keep_count = below(is, is->params.context_length - 1);
    is->params.kv_type = one_in(is, 2) ? SS_KV_F16 : SS_KV_F32;
    note(is, "context %u, %s, keeps %u, %s, ", is->params.context_length,
         is->params.on_full == SS_ON_FULL_SLIDE ? "slides" : "ends", is->params.keep_count,
         is->params.kv_type == SS_KV_F16 ? "F16" : "F32");
    is->plain = open_session_with(model, &is->params);
    ssi_stream_config_default(&plain);
    plain.sources = SS_DRAFT_NONE;
    expect_status(is, SS_OK, ssi_session_set_streams(is->plain, &plain, &error));
    is->progress = (ss_progress){sizeof is->progress, is, report};
    is->params.progress = &is->progress;
    is->params.clock = read_clock;
    is->params.clock_context = is;
    open_walked(is);
    ssi_sampler_params_default(&is->now.sampler.params);
}

static inline void close_walk(walk *is)
{
    close_walked(is);
    ssi_session_free(is->plain);
}

#endif
