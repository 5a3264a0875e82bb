/* SPDX-License-Identifier: Apache-2.0 */
/* Trees have at most 64 nodes: the search for the next one is linear over the parents. */
#include "draft/grow.h"

#include <string.h>

/* Of a source, however sure: else two that contradict each other outright leave nothing. */
#define LEAST_UNKNOWN 0.04f

static bool is_end(const ssi_growth_limits *limits, int32_t token)
{
    for (uint32_t i = 0; i < limits->end_count; i++)
        if (limits->end_tokens[i] == token)
            return true;
    return false;
}

#define OPINIONS (SSI_SOURCE_COUNT * SSI_CANDIDATES)

/* What several sources make of one node's children. */
typedef struct pool_of_opinions {
    ssi_candidate children[OPINIONS];
    float heard[OPINIONS]; /* what the present source gives each */
    uint32_t count;
    float unknown; /* chance of a token that none has named */
} pool_of_opinions;

static float at_least(float a, float b)
{
    return a > b ? a : b;
}

/* A source's opinions join the pool as independent evidence (Dempster's rule): what both name gains,
 * what one alone names is worth what the other leaves open. Two sources that agree are right far
 * oftener than either thinks, and one that is contradicted by a sure one is wrong (on the reference
 * adapter's SQL, streams and n-grams: the nodes' loss falls from 0.87 to 0.73 nats). */
static void hear(pool_of_opinions *pool, const ssi_candidate *opinions, uint32_t count)
{
    uint32_t before = pool->count;
    float named = 0;

    memset(pool->heard, 0, before * sizeof *pool->heard);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = 0;
        named += opinions[i].probability;
        while (at < pool->count && pool->children[at].token != opinions[i].token)
            at++;
        pool->heard[at] = opinions[i].probability;
        if (at < pool->count) {
            if (opinions[i].probability > pool->children[at].probability) {
                pool->children[at].source = opinions[i].source;
                pool->children[at].rank = opinions[i].rank;
            }
        } else {
            pool->children[at] = opinions[i];
            if (before > 0)
                pool->children[at].probability = 0;
            pool->count++;
        }
    }
    if (count == 0)
        return;
    float left = 1.0f - named, total = 0;
    if (before == 0) {
        pool->unknown = left;
        return;
    }
    left = at_least(left, LEAST_UNKNOWN);
    pool->unknown = at_least(pool->unknown, LEAST_UNKNOWN);
    for (uint32_t i = 0; i < pool->count; i++) {
        float *probability = &pool->children[i].probability;
        *probability = *probability * (pool->heard[i] + left) + pool->unknown * pool->heard[i];
        total += *probability;
    }
    pool->unknown *= left;
    total += pool->unknown;
    pool->unknown /= total;
    for (uint32_t i = 0; i < pool->count; i++)
        pool->children[i].probability /= total;
}

/* The likeliest children, sorted; the earlier one first among equals. */
static void choose(ssi_growth *growth, uint32_t node, const pool_of_opinions *pool)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pool->count; i++)
        count = ssi_candidates_insert(growth->children[node], 0, count, &pool->children[i]);
    growth->child_count[node] = (uint8_t)count;
}

static void expand(ssi_growth *growth, const ssi_tree *tree, uint32_t node,
                   const ssi_draft_source *sources, uint32_t source_count,
                   const ssi_growth_limits *limits)
{
    pool_of_opinions pool;
    ssi_candidate opinions[SSI_CANDIDATES];

    pool.count = 0;
    growth->expanded |= (uint64_t)1 << node;
    growth->child_next[node] = 0;
    memset(growth->candidate_count[node], 0, sizeof growth->candidate_count[node]);
    for (uint32_t i = 0; i < source_count; i++) {
        ssi_source_kind kind = sources[i].kind;
        ssi_candidate *candidates = growth->candidates[node][kind];
        uint32_t count = sources[i].expand(sources[i].context, tree, node, candidates);
        growth->candidate_count[node][kind] = (uint8_t)count;
        for (uint32_t c = 0; c < SSI_CANDIDATES && c < count; c++) {
            opinions[c] = candidates[c];
            opinions[c].source = (uint8_t)kind;
            if (limits->acceptance)
                opinions[c].probability =
                    ssi_acceptance_correct(limits->acceptance, kind, &candidates[c]);
        }
        hear(&pool, opinions, count);
    }
    choose(growth, node, &pool);

    /* Only one child can be right: corrections that overshoot can't all be believed. */
    float sum = 0;
    for (uint32_t c = 0; c < growth->child_count[node]; c++)
        sum += growth->children[node][c].probability;
    if (limits->acceptance && sum > 1.0f)
        for (uint32_t c = 0; c < growth->child_count[node]; c++)
            growth->children[node][c].probability /= sum;

    uint32_t depth = tree->depth_of_node[node];
    uint32_t width = !limits->widths               ? SSI_CANDIDATES
                     : depth < limits->width_count ? limits->widths[depth]
                                                   : 0;
    if (growth->child_count[node] > width)
        growth->child_count[node] = (uint8_t)width;
}

/* The parent of the likeliest node not yet in the tree, or -1. The lower node wins a tie. */
static int32_t best_parent(const ssi_growth *growth, const ssi_tree *tree, float *value)
{
    int32_t best = -1;

    *value = -1.0f;
    for (uint32_t node = 0; node < tree->node_count; node++) {
        if (!(growth->expanded >> node & 1)
            || growth->child_next[node] >= growth->child_count[node])
            continue;
        float next = tree->probability_of_node[node]
                     * growth->children[node][growth->child_next[node]].probability;
        if (next > *value) {
            *value = next;
            best = (int32_t)node;
        }
    }
    return best;
}

/* Whether nodes of at most `value` each, added to a tree of `count` nodes and `expected` tokens,
 * could still beat `worth`. */
static bool can_pay(const float *price, uint32_t count, uint32_t node_limit, float expected,
                    float value, float worth)
{
    for (uint32_t more = count + 1; more <= node_limit; more++) {
        expected += value;
        if (expected - (price[more] - price[0]) > worth)
            return true;
    }
    return false;
}

float ssi_grow(ssi_growth *growth, ssi_tree *tree, int32_t root_token,
               const ssi_draft_source *sources, uint32_t source_count,
               const ssi_growth_limits *limits)
{
    float expected = 0, worth = 0, value;
    uint32_t best_count = 0, count = 0;
    uint32_t node_limit = limits->node_limit < SSI_TREE_NODES ? limits->node_limit
                                                              : SSI_TREE_NODES - 1;

    growth->expanded = 0;
    ssi_tree_init(tree, root_token);
    if (limits->depth_limit > 0 && node_limit > 0 && !is_end(limits, root_token))
        expand(growth, tree, 0, sources, source_count, limits);

    while (count < node_limit) {
        int32_t parent = best_parent(growth, tree, &value);
        if (parent < 0
            || (limits->price
                && !can_pay(limits->price, count, node_limit, expected, value, worth)))
            break;
        const ssi_candidate *child =
            &growth->children[parent][growth->child_next[parent]++];
        uint32_t node = ssi_tree_add(tree, (uint32_t)parent, child->token, value,
                                     (ssi_source_kind)child->source, child->rank);
        count++;
        expected += value;
        float now = expected - (limits->price ? limits->price[count] - limits->price[0] : 0);
        if (now > worth || !limits->price) {
            worth = now;
            best_count = count;
        }
        if (count < node_limit && tree->depth_of_node[node] < limits->depth_limit
            && !is_end(limits, child->token)
            && (!limits->price
                || can_pay(limits->price, count, node_limit, expected, value, worth)))
            expand(growth, tree, node, sources, source_count, limits);
    }
    /* Nodes were added in falling order of value: a prefix is the best tree of its size. */
    tree->node_count = best_count + 1;
    growth->expanded &= ~(uint64_t)0 >> (SSI_TREE_NODES - 1 - best_count);
    return worth;
}

void ssi_growth_observe(const ssi_growth *growth, ssi_acceptance *acceptance,
                        const uint8_t *path, const int32_t *tokens, uint32_t path_count)
{
    for (uint32_t i = 0; i < path_count; i++) {
        uint32_t node = path[i];
        if (!(growth->expanded >> node & 1))
            continue;
        for (uint32_t kind = 0; kind < SSI_SOURCE_COUNT; kind++)
            ssi_acceptance_observe(acceptance, (ssi_source_kind)kind,
                                   growth->candidates[node][kind],
                                   growth->candidate_count[node][kind], tokens[i]);
    }
}
