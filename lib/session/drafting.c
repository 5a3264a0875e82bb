/* SPDX-License-Identifier: Apache-2.0 */
/* Around every pass of a session that drafts: bring the sources up to date, run the streams where
 * the planner wants them, grow the tree; afterwards tell everyone what came of it. Nothing here can
 * change a token. */
#include "session/drafting.h"

#include "session/session_state.h"

static float milliseconds(uint64_t ns)
{
    return (float)ns * 1e-6f;
}

static uint64_t now(const ss_session *session)
{
    return session->work.clock(session->work.clock_context);
}

/* The automaton's text becomes the sequence: what is unchanged stays, the rest is appended. */
static void update_ngrams(ss_session *session)
{
    ssi_ngram *ngram = &session->drafting->ngram;
    const ssi_sequence *sequence = &session->sequence;
    uint32_t same = session->unchanged < sequence->count ? session->unchanged : sequence->count;
    if (!(session->drafting->config.sources & SS_DRAFT_NGRAM))
        return;
    if (ngram->count > same)
        ssi_ngram_truncate(ngram, same);
    while (ngram->count < sequence->count)
        ssi_ngram_append(ngram, sequence->tokens[ngram->count]);
    if (session->drafting->history.said.capacity > 0)
        ssi_history_follow(&session->drafting->history, sequence->tokens, same,
                           sequence->count);
    session->unchanged = UINT32_MAX;
}

/* What was generated of them goes on being drafted from, with the few tokens that led to it. Shorter
 * than that it tells nothing: hosts take single tokens back. */
void ssi_drafting_let_go(ss_session *session, const int32_t *tokens, uint32_t begin, uint32_t end)
{
    enum { LEAD = 6 };
    ssi_drafting *drafting = session->drafting;
    if (begin < session->unchanged)
        session->unchanged = begin;
    if (!drafting || drafting->history.said.capacity == 0)
        return;
    if (begin < session->prompt_count)
        begin = session->prompt_count;
    if (end < begin + LEAD)
        return;
    begin -= begin < LEAD ? begin : LEAD;
    ssi_history_keep(&drafting->history, tokens + begin, end - begin);
}

static void ask_caller(ss_session *session)
{
    ssi_drafting *drafting = session->drafting;
    const ss_stream_config *config = &drafting->config;
    ss_draft_node guesses[SSI_CALLER_NODES];
    ssi_caller_node nodes[SSI_CALLER_NODES];
    uint32_t count = 0;
    if (!(config->sources & SS_DRAFT_CALLER))
        return;
    if (config->draft)
        count = config->draft(config->draft_context, session->sequence.tokens,
                              session->sequence.count, guesses, SSI_CALLER_NODES);
    count = count < SSI_CALLER_NODES ? count : SSI_CALLER_NODES;
    for (uint32_t i = 0; i < count; i++)
        nodes[i] =
            (ssi_caller_node){guesses[i].token, guesses[i].parent, guesses[i].probability};
    ssi_caller_source_begin(&drafting->caller_source, nodes, count,
                            session->work.model->hyper.vocabulary_size);
}

/* Streams of this root: there already (parallel schedule), or run now if the planner wants them. */
static void run_streams(ss_session *session, const ssi_situation *situation)
{
    ssi_drafting *drafting = session->drafting;
    ssi_streams *streams = &session->work.streams;
    bool possible = streams->count > 0 && (drafting->config.sources & SS_DRAFT_STREAMS) != 0 &&
                    streams->entry_length > 0 &&
                    streams->entry_length == session->work.cache.length;
    drafting->stream_ns = 0;
    if (possible && !streams->ready && situation->depth_limit > 0 &&
        ssi_planner_wants_streams(drafting->planner, situation)) {
        uint64_t start = now(session);
        ssi_step_defer(&session->work, situation->root_token);
        drafting->stream_ns = now(session) - start;
    }
    drafting->view = (ssi_draft_view){&session->work, &session->sampler.params,
                                      session->sequence.dropped + session->sequence.count};
    ssi_stream_source_begin(&drafting->stream_source,
                            possible && streams->ready ? streams->count : 0,
                            streams->adapter && streams->adapter->parent_rank > 0,
                            ssi_draft_expand, &drafting->view);
}

/* The planned tree in the form hosts see. */
static void show(ss_session *session)
{
    static const uint32_t source_bits[SSI_SOURCE_COUNT] = {
        [SSI_SOURCE_STREAM] = SS_DRAFT_STREAMS,
        [SSI_SOURCE_NGRAM] = SS_DRAFT_NGRAM,
        [SSI_SOURCE_CALLER] = SS_DRAFT_CALLER,
        [SSI_SOURCE_HISTORY] = SS_DRAFT_NGRAM,
    };
    ssi_drafting *drafting = session->drafting;
    const ssi_tree *tree = &session->tree;
    drafting->shown_count = tree->node_count;
    for (uint32_t node = 0; node < tree->node_count; node++)
        drafting->shown[node] = (ss_tree_node){
            .token = tree->token_of_node[node],
            .parent = node > 0 ? tree->parent_of_node[node] : -1,
            .probability = node > 0 ? tree->probability_of_node[node] : 1.0f,
            .source = node > 0 ? source_bits[tree->source_of_node[node]] : 0,
            .rank = tree->rank_of_node[node],
            .state = drafting->plan.prune ? SS_NODE_PRUNED : SS_NODE_REJECTED,
        };
}

void ssi_drafting_plan(ss_session *session)
{
    ssi_drafting *drafting = session->drafting;
    const ssi_sequence *sequence = &session->sequence;
    uint64_t start = now(session);
    ssi_situation situation = {
        .root_token = sequence->tokens[sequence->count - 1],
        .depth_limit = session->limit - sequence->count - 1,
        .end_tokens = drafting->end_tokens,
        .end_count = session->sampler.params.ignore_end ? 0 : drafting->end_count,
        .sources = drafting->sources,
        .source_count = drafting->source_count,
    };
    update_ngrams(session);
    ask_caller(session);
    run_streams(session, &situation);
    ssi_planner_plan(drafting->planner, &situation, &session->tree, &drafting->plan);
    show(session);
    drafting->pass_start_ns = now(session);
    session->stats.plan_ns += drafting->pass_start_ns - start - drafting->stream_ns;
    drafting->prune_before_ns = session->work.stage_ns[SSI_STAGE_PRUNE];
}

/* Tokens that the plan saw in the pruned child of this node that holds the token, were it right: the
 * child and what was to follow it. 0 where none was pruned. */
static float promised_by_cut(const ssi_drafting *drafting, uint8_t parent, int32_t token)
{
    const ss_tree_node *shown = drafting->shown;
    uint32_t cut = 1;
    while (cut < drafting->shown_count &&
           !(shown[cut].state == SS_NODE_PRUNED && shown[cut].parent == parent &&
             shown[cut].token == token))
        cut++;
    if (cut == drafting->shown_count)
        return 0;
    uint64_t below = (uint64_t)1 << cut;
    float promised = 1, joint = shown[cut].probability; /* 0 deep in a fixed tree: too small a product */
    for (uint32_t node = cut + 1; node < drafting->shown_count; node++)
        if (below >> shown[node].parent & 1) {
            below |= (uint64_t)1 << node;
            promised += joint > 0 ? shown[node].probability / joint : 0;
        }
    return promised;
}

void ssi_drafting_observe(ss_session *session, uint32_t before)
{
    ssi_drafting *drafting = session->drafting;
    const ssi_walk *walk = &drafting->walk;
    uint64_t start = now(session);
    uint8_t path[SSI_TREE_NODES];
    uint32_t drawn = session->sequence.count - before; /* one at each node visited */
    for (uint32_t i = 0; i < session->tree.node_count; i++)
        drafting->shown[walk->node_of_kept[i]].state = SS_NODE_REJECTED;
    for (uint32_t i = 0; i < walk->count; i++) {
        path[i] = walk->node_of_kept[walk->path[i]];
        drafting->shown[path[i]].state = SS_NODE_ACCEPTED;
    }
    if (drawn == 0)
        return;
    uint32_t visited = drawn < walk->count ? drawn : walk->count;
    const int32_t *tokens = session->sequence.tokens + before;
    ssi_outcome outcome = {
        .path = path,
        .tokens = tokens,
        .path_count = visited,
        .row_count = drafting->shown_count,
        .row_count_kept = session->tree.node_count,
        .pass_ms = milliseconds(start - drafting->pass_start_ns),
        .stream_ms = milliseconds(drafting->stream_ns),
        .prune_ms =
            milliseconds(session->work.stage_ns[SSI_STAGE_PRUNE] - drafting->prune_before_ns),
        .tokens_cut = promised_by_cut(drafting, path[visited - 1], tokens[visited - 1]),
    };
    ssi_planner_observe(drafting->planner, &outcome);
    session->stats.plan_ns += now(session) - start;
}
