/* SPDX-License-Identifier: Apache-2.0 */
/* The automaton and its proposals. State 0 is the empty string. Size: 2n states and 3n edges at
 * most, as for every suffix automaton; edges are redirected but never deleted. */
#include "draft/source_ngram.h"

#include <string.h>

#include "draft/acceptance.h"

/* How many shorter matches a path may fall through before only its last token counts, how many
 * are asked for candidates, and how many edges of each are looked at, the latest used first:
 * bounds for texts like "aaaa…", whose every suffix is a state. */
#define FALL_LIMIT 64
#define LEVEL_LIMIT 6
#define EDGE_LIMIT 16

static uint32_t hash(int32_t from, int32_t token)
{
    uint64_t key = (uint64_t)(uint32_t)from << 32 | (uint32_t)token;
    return (uint32_t)(key * 0x9e3779b97f4a7c15u >> 32);
}

static int32_t find_edge(const ssi_ngram *ngram, int32_t from, int32_t token)
{
    for (uint32_t at = hash(from, token) & ngram->bucket_mask;;
         at = (at + 1) & ngram->bucket_mask) {
        int32_t edge = ngram->buckets[at];
        if (edge < 0)
            return -1;
        if (ngram->edges[edge].from == from && ngram->edges[edge].token == token)
            return edge;
    }
}

static void link_first(ssi_ngram *ngram, int32_t edge)
{
    ssi_ngram_state *state = &ngram->states[ngram->edges[edge].from];

    ngram->edges[edge].previous = -1;
    ngram->edges[edge].next = state->first_edge;
    if (state->first_edge >= 0)
        ngram->edges[state->first_edge].previous = edge;
    state->first_edge = edge;
}

static void add_edge(ssi_ngram *ngram, int32_t from, int32_t token, int32_t to, uint32_t count)
{
    int32_t edge = (int32_t)ngram->edge_count++;
    uint32_t at = hash(from, token) & ngram->bucket_mask;

    while (ngram->buckets[at] >= 0)
        at = (at + 1) & ngram->bucket_mask;
    ngram->buckets[at] = edge;
    ngram->edges[edge] =
        (ssi_ngram_edge){.token = token, .from = from, .to = to, .count = count};
    link_first(ngram, edge);
    ngram->states[from].edge_count++;
    ngram->states[from].use_count += count;
}

static void use_edge(ssi_ngram *ngram, int32_t edge)
{
    ssi_ngram_edge *used = &ngram->edges[edge];

    used->count++;
    ngram->states[used->from].use_count++;
    if (used->previous < 0)
        return;
    ngram->edges[used->previous].next = used->next;
    if (used->next >= 0)
        ngram->edges[used->next].previous = used->previous;
    link_first(ngram, edge);
}

static int32_t add_state(ssi_ngram *ngram, uint32_t length, int32_t link)
{
    int32_t state = (int32_t)ngram->state_count++;
    ngram->states[state] =
        (ssi_ngram_state){.length = length, .link = link, .first_edge = -1};
    return state;
}

static int32_t clone_state(ssi_ngram *ngram, int32_t state, uint32_t length)
{
    int32_t clone = add_state(ngram, length, ngram->states[state].link);
    int32_t edge = ngram->states[state].first_edge;

    /* Oldest first, so that the copies end up in the same order of use. */
    while (edge >= 0 && ngram->edges[edge].next >= 0)
        edge = ngram->edges[edge].next;
    for (; edge >= 0; edge = ngram->edges[edge].previous)
        add_edge(ngram, clone, ngram->edges[edge].token, ngram->edges[edge].to,
                 ngram->edges[edge].count);
    return clone;
}

void ssi_ngram_layout(ssi_ngram *ngram, ssi_arena *arena, uint32_t capacity)
{
    size_t states = 2 * (size_t)capacity + 1, edges = 3 * (size_t)capacity + 1;
    size_t buckets = 16;

    while (buckets < edges + edges / 3)
        buckets *= 2;
    memset(ngram, 0, sizeof *ngram);
    ngram->capacity = capacity;
    ngram->kind = SSI_SOURCE_NGRAM;
    ngram->trust = 1.0f;
    ngram->bucket_mask = (uint32_t)(buckets - 1);
    ngram->tokens = ssi_arena_take(arena, capacity, sizeof *ngram->tokens);
    ngram->states = ssi_arena_take(arena, states, sizeof *ngram->states);
    ngram->edges = ssi_arena_take(arena, edges, sizeof *ngram->edges);
    ngram->buckets = ssi_arena_take(arena, buckets, sizeof *ngram->buckets);
    ngram->match_of_node = ssi_arena_take(arena, SSI_TREE_NODES, sizeof *ngram->match_of_node);
}

void ssi_ngram_reset(ssi_ngram *ngram)
{
    memset(ngram->buckets, 0xff, ((size_t)ngram->bucket_mask + 1) * sizeof *ngram->buckets);
    ngram->count = ngram->state_count = ngram->edge_count = 0;
    ngram->last = add_state(ngram, 0, -1);
    ssi_ngram_leave(ngram);
}

static void extend(ssi_ngram *ngram, int32_t token)
{
    int32_t at = ngram->last, edge = -1;
    int32_t end = add_state(ngram, ngram->states[at].length + 1, 0);
    while (at >= 0 && (edge = find_edge(ngram, at, token)) < 0) {
        add_edge(ngram, at, token, end, 1);
        at = ngram->states[at].link;
    }
    ngram->last = end;
    if (at < 0)
        return;

    use_edge(ngram, edge);
    int32_t target = ngram->edges[edge].to;
    if (ngram->states[target].length == ngram->states[at].length + 1) {
        ngram->states[end].link = target;
        return;
    }
    /* The target also stands for longer strings, which don't end here: split it. */
    int32_t clone = clone_state(ngram, target, ngram->states[at].length + 1);
    ngram->states[target].link = ngram->states[end].link = clone;
    while (at >= 0 && (edge = find_edge(ngram, at, token)) >= 0
           && ngram->edges[edge].to == target) {
        ngram->edges[edge].to = clone;
        at = ngram->states[at].link;
    }
}

void ssi_ngram_append(ssi_ngram *ngram, int32_t token)
{
    if (ngram->count >= ngram->capacity) {
        ngram->count = ngram->capacity + 1;
        return;
    }
    ngram->tokens[ngram->count++] = token;
    extend(ngram, token);
    ngram->here.state = ngram->states[ngram->last].link;
    ngram->here.length = ngram->states[ngram->here.state].length;
}

static void build_anew(ssi_ngram *ngram, uint32_t count)
{
    ssi_ngram_reset(ngram);
    while (ngram->count < count)
        ssi_ngram_append(ngram, ngram->tokens[ngram->count]);
}

void ssi_ngram_truncate(ssi_ngram *ngram, uint32_t count)
{
    if (count < ngram->count)
        build_anew(ngram, count);
}

void ssi_ngram_drop(ssi_ngram *ngram, uint32_t count)
{
    uint32_t kept = ngram->count - count;
    memmove(ngram->tokens, ngram->tokens + count, kept * sizeof *ngram->tokens);
    build_anew(ngram, kept);
}

/* The longest suffix of (match, token) that the text holds. */
static ssi_ngram_match follow(const ssi_ngram *ngram, ssi_ngram_match match, int32_t token)
{
    for (int falls = 0; match.state >= 0 && falls < FALL_LIMIT; falls++) {
        int32_t edge = find_edge(ngram, match.state, token);
        if (edge >= 0)
            return (ssi_ngram_match){ngram->edges[edge].to, match.length + 1};
        match.state = ngram->states[match.state].link;
        match.length = match.state < 0 ? 0 : ngram->states[match.state].length;
    }
    int32_t edge = find_edge(ngram, 0, token);
    return edge >= 0 ? (ssi_ngram_match){ngram->edges[edge].to, 1} : (ssi_ngram_match){0, 0};
}

void ssi_ngram_leave(ssi_ngram *ngram)
{
    ngram->here = (ssi_ngram_match){0, 0};
}

void ssi_ngram_follow(ssi_ngram *ngram, int32_t token)
{
    ngram->here = follow(ngram, ngram->here, token);
}

/* First guesses of the chance that the next token is among a match's continuations, by the
 * match's length in bands: with several continuations, and with one. A little below what SQL,
 * dialogue summaries and sums in words showed; the acceptance tracker corrects each band. */
static const struct { uint32_t length; float confidence[2]; } bands[] = {
    {1, {0.35f, 0.4f}}, {2, {0.45f, 0.55f}}, {3, {0.5f, 0.6f}},   {4, {0.5f, 0.65f}},
    {5, {0.5f, 0.65f}}, {6, {0.6f, 0.7f}},   {7, {0.6f, 0.75f}},  {9, {0.6f, 0.75f}},
    {11, {0.6f, 0.75f}}, {13, {0.6f, 0.8f}}, {17, {0.7f, 0.85f}}, {25, {0.8f, 0.9f}},
    {49, {0.9f, 0.94f}},
};
#define BAND_COUNT (sizeof bands / sizeof *bands)
_Static_assert(2 * BAND_COUNT <= SSI_ACCEPTANCE_GROUPS, "two groups a band");

static uint32_t band_of(uint32_t length)
{
    uint32_t band = 0;
    while (band + 1 < BAND_COUNT && length >= bands[band + 1].length)
        band++;
    return band;
}

static float confidence_of(const ssi_ngram *ngram, const ssi_ngram_state *state, uint32_t band)
{
    return bands[band].confidence[state->edge_count == 1] * ngram->trust;
}

static bool holds(const ssi_candidate *candidates, uint32_t count, int32_t token)
{
    for (uint32_t i = 0; i < count; i++)
        if (candidates[i].token == token)
            return true;
    return false;
}

/* Adds one match's continuations that no longer match had, most frequent first, the latest used
 * first among equals. `mass`: the chance that no longer match knew the token. */
static uint32_t add_level(const ssi_ngram *ngram, ssi_ngram_match match, float mass,
                          ssi_candidate *candidates, uint32_t count)
{
    const ssi_ngram_state *state = &ngram->states[match.state];
    uint32_t band = band_of(match.length), first = count, seen = 0;
    float share = mass * confidence_of(ngram, state, band) / (float)state->use_count;

    for (int32_t edge = state->first_edge; edge >= 0 && seen < EDGE_LIMIT;
         edge = ngram->edges[edge].next, seen++) {
        int32_t token = ngram->edges[edge].token;
        float probability = share * (float)ngram->edges[edge].count;
        if (token < 0 || holds(candidates, first, token))
            continue;
        ssi_candidate candidate = {
            .token = token,
            .probability = probability,
            .group = (uint8_t)(2 * band + (state->edge_count == 1)),
        };
        count = ssi_candidates_insert(candidates, first, count, &candidate);
    }
    return count;
}

static uint32_t expand(void *context, const ssi_tree *tree, uint32_t node,
                       ssi_candidate candidates[SSI_CANDIDATES])
{
    ssi_ngram *ngram = context;
    ssi_ngram_match match;
    uint32_t count = 0;
    float mass = 1.0f;

    if (ngram->count == 0 || ngram->count > ngram->capacity)
        return 0;
    match = node == 0 ? ngram->here
                      : follow(ngram, ngram->match_of_node[tree->parent_of_node[node]],
                               tree->token_of_node[node]);
    ngram->match_of_node[node] = match;

    for (int level = 0; level < LEVEL_LIMIT && match.length > 0 && count < SSI_CANDIDATES;
         level++) {
        if (ngram->states[match.state].edge_count > 0) {
            count = add_level(ngram, match, mass, candidates, count);
            mass *= 1.0f - confidence_of(ngram, &ngram->states[match.state],
                                         band_of(match.length));
        }
        match.state = ngram->states[match.state].link;
        match.length = ngram->states[match.state].length;
    }
    ssi_candidates_rank(candidates, count);
    return count;
}

ssi_draft_source ssi_ngram_interface(ssi_ngram *ngram)
{
    return (ssi_draft_source){.kind = ngram->kind, .context = ngram, .expand = expand};
}
