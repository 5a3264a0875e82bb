/* SPDX-License-Identifier: Apache-2.0 */
/* Growth against an enumeration of every path that the sources allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "draft/grow.h"
#include "draft/source_caller.h"
#include "draft/source_stream.h"
#include "support/draw.h"

/* A drafter whose candidates are a pure function of (seed, stream, parent). */
typedef struct drafter {
    uint64_t seed;
    uint32_t stream_count, candidate_count;
    bool parent_conditioned;
    uint32_t asked;
} drafter;

static uint32_t draft(void *context, uint32_t stream, int32_t parent_token,
                      ssi_candidate candidates[SSI_CANDIDATES])
{
    drafter *it = context;
    uint64_t random = it->seed ^ ((uint64_t)stream << 40) ^ (uint32_t)parent_token;
    float left = 0.95f;

    it->asked++;
    int32_t first = (int32_t)(draw(&random) % 10);
    for (uint32_t i = 0; i < it->candidate_count; i++) {
        float probability = left * (0.5f + 0.4f * ssi_uniform(draw(&random)));
        left -= probability;
        candidates[i] = (ssi_candidate){.token = (first + 3 * (int32_t)i) % 10,
                                        .probability = probability};
    }
    return it->candidate_count;
}

typedef struct fixture {
    drafter drafter;
    ssi_stream_source streams;
    ssi_caller_source caller;
    ssi_draft_source sources[2];
    ssi_growth growth;
    void *memory;
} fixture;

static void layout(fixture *f, ssi_arena *arena)
{
    ssi_stream_source_layout(&f->streams, arena);
    ssi_caller_source_layout(&f->caller, arena);
}

static void begin(fixture *f, uint64_t seed)
{
    uint64_t random = seed;
    f->drafter = (drafter){.seed = seed, .stream_count = 1 + (uint32_t)(draw(&random) % 3),
                           .candidate_count = 1 + (uint32_t)(draw(&random) % 4),
                           .parent_conditioned = draw(&random) % 2};
    ssi_stream_source_begin(&f->streams, f->drafter.stream_count,
                            f->drafter.parent_conditioned, draft, &f->drafter);
    f->sources[0] = ssi_stream_source_interface(&f->streams);
    f->sources[1] = ssi_caller_source_interface(&f->caller);
    f->caller.node_count = 0;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    ssi_arena arena = {0};
    layout(f, &arena);
    f->memory = aligned_alloc(64, (arena.used + 63) / 64 * 64);
    arena = (ssi_arena){.base = f->memory};
    layout(f, &arena);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    free(f->memory);
    free(f);
    return 0;
}

/* Every path's value, by recursion; at most 4 + 16 + 64 of them. */
typedef struct values {
    float value[128];
    uint32_t count;
} values;

static void enumerate(drafter *from, values *all, uint32_t depth, uint32_t depth_limit,
                      const uint8_t *widths, uint32_t width_count, int32_t parent_token,
                      float value)
{
    ssi_candidate candidates[SSI_CANDIDATES];
    if (depth >= depth_limit || depth >= from->stream_count
        || (widths && depth >= width_count))
        return;
    uint32_t count =
        draft(from, depth, from->parent_conditioned ? parent_token : -1, candidates);
    for (uint32_t i = 0; i < count && !(widths && i >= widths[depth]); i++) {
        float child = value * candidates[i].probability;
        all->value[all->count++] = child;
        enumerate(from, all, depth + 1, depth_limit, widths, width_count,
                  candidates[i].token, child);
    }
}

static int falling(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void the_first_n_nodes_are_the_n_likeliest_paths(void **state)
{
    fixture *f = *state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        uint64_t random = ~seed;
        const uint8_t widths[] = {(uint8_t)(draw(&random) % 5), (uint8_t)(draw(&random) % 5), 2};
        ssi_growth_limits limits = {.node_limit = (uint32_t)(draw(&random) % 70),
                                    .depth_limit = (uint32_t)(draw(&random) % 5)};
        values all = {.count = 0};
        ssi_tree tree;

        begin(f, seed);
        if (draw(&random) % 2) {
            limits.widths = widths;
            limits.width_count = 1 + (uint32_t)(draw(&random) % 3);
        }
        ssi_grow(&f->growth, &tree, 5, f->sources, 2, &limits);
        enumerate(&f->drafter, &all, 0, limits.depth_limit, limits.widths, limits.width_count,
                  5, 1.0f);
        qsort(all.value, all.count, sizeof *all.value, falling);
        uint32_t want = all.count < limits.node_limit ? all.count : limits.node_limit;
        if (want > SSI_TREE_NODES - 1)
            want = SSI_TREE_NODES - 1;
        if (tree.node_count != want + 1)
            fail_msg("seed %llu: %u nodes, expected %u", (unsigned long long)seed,
                     tree.node_count - 1, want);
        for (uint32_t i = 0; i < want; i++)
            if (tree.probability_of_node[i + 1] != all.value[i])
                fail_msg("seed %llu: node %u", (unsigned long long)seed, i + 1);
    }
}

static void a_priced_tree_ends_where_tokens_less_price_are_highest(void **state)
{
    fixture *f = *state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        uint64_t random = ~seed;
        float price[SSI_TREE_NODES];
        ssi_growth_limits limits = {.node_limit = 63, .depth_limit = 63};
        values all = {.count = 0};
        ssi_tree tree;

        begin(f, seed);
        price[0] = 1.0f;
        float step = 0.3f * ssi_uniform(draw(&random));
        for (uint32_t i = 1; i < SSI_TREE_NODES; i++) /* with cliffs, as tiles make them */
            price[i] = price[i - 1] + (draw(&random) % 4 ? 0 : step);
        limits.price = price;
        float worth = ssi_grow(&f->growth, &tree, 5, f->sources, 2, &limits);

        enumerate(&f->drafter, &all, 0, 63, NULL, 0, 5, 1.0f);
        qsort(all.value, all.count, sizeof *all.value, falling);
        float expected = 0, best = 0;
        uint32_t best_count = 0;
        for (uint32_t i = 1; i <= all.count && i <= 63; i++) {
            expected += all.value[i - 1];
            if (expected - (price[i] - price[0]) > best) {
                best = expected - (price[i] - price[0]);
                best_count = i;
            }
        }
        if (worth != best || tree.node_count != best_count + 1)
            fail_msg("seed %llu: %u nodes worth %g, expected %u and %g",
                     (unsigned long long)seed, tree.node_count - 1, (double)worth, best_count,
                     (double)best);
    }
}

static void the_worked_example_has_its_seven_nodes(void **state)
{
    /* Stream 1: A 0.6, B 0.3; stream 2: D 0.5, E 0.2 (tokens A 0, B 1, C 2, D 3, E 4). */
    fixture *f = *state;
    const ssi_caller_node guesses[] = {{0, -1, 0.6f}, {1, -1, 0.3f}, {3, 0, 0.5f},
                                       {4, 0, 0.2f},  {3, 1, 0.5f},  {4, 1, 0.2f}};
    const int32_t tokens[] = {2, 0, 1, 3, 3, 4, 4}, parents[] = {0, 0, 0, 1, 2, 1, 2};
    ssi_growth_limits limits = {.node_limit = 63, .depth_limit = 2};
    ssi_tree tree;

    begin(f, 1);
    f->streams.stream_count = 0;
    assert_int_equal(ssi_caller_source_begin(&f->caller, guesses, 6, 5), 6);
    ssi_grow(&f->growth, &tree, 2, f->sources, 2, &limits);
    assert_int_equal(tree.node_count, 7);
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(tree.token_of_node[i], tokens[i]);
        assert_int_equal(tree.parent_of_node[i], parents[i]);
    }
}

static void end_tokens_get_no_children(void **state)
{
    fixture *f = *state;
    const int32_t ends[] = {3, 7};
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        ssi_growth_limits limits = {
            .node_limit = 40, .depth_limit = 9, .end_tokens = ends, .end_count = 2};
        ssi_tree tree;
        begin(f, seed);
        ssi_grow(&f->growth, &tree, (int32_t)(seed % 10), f->sources, 2, &limits);
        for (uint32_t i = 1; i < tree.node_count; i++) {
            int32_t parent = tree.token_of_node[tree.parent_of_node[i]];
            assert_true(parent != 3 && parent != 7);
        }
    }
}

static void sources_share_a_tree_without_duplicates(void **state)
{
    fixture *f = *state;
    for (uint64_t seed = 1; seed <= 5000; seed++) {
        uint64_t random = seed;
        ssi_caller_node guesses[20];
        ssi_growth_limits limits = {.node_limit = 63, .depth_limit = 12};
        ssi_tree tree;

        begin(f, seed);
        for (int32_t i = 0; i < 20; i++)
            guesses[i] = (ssi_caller_node){
                .token = (int32_t)(draw(&random) % 12) - 1, /* some are out of range */
                .parent = (int32_t)(draw(&random) % (uint32_t)(i + 2)) - 1,
                .probability = ssi_uniform(draw(&random)),
            };
        uint32_t taken = ssi_caller_source_begin(&f->caller, guesses, 20, 10);
        ssi_grow(&f->growth, &tree, 5, f->sources, 2, &limits);
        uint32_t children[SSI_TREE_NODES] = {0};
        for (uint32_t i = 1; i < tree.node_count; i++) {
            assert_int_equal(ssi_tree_find(&tree, tree.parent_of_node[i], tree.token_of_node[i]),
                             i);
            assert_in_range(++children[tree.parent_of_node[i]], 1, SSI_CANDIDATES);
            assert_in_range(tree.token_of_node[i], 0, 9);
            assert_true(tree.probability_of_node[i]
                        <= tree.probability_of_node[tree.parent_of_node[i]]);
        }
        /* Where there was room, every guess has its node. */
        for (uint32_t i = 0; i < taken && tree.node_count < 64; i++) {
            int32_t path[20], node = 0, length = 0;
            for (int32_t at = (int32_t)i; at >= 0; at = f->caller.nodes[at].parent)
                path[length++] = f->caller.nodes[at].token;
            while (length > 0 && node >= 0)
                node = ssi_tree_find(&tree, (uint32_t)node, path[--length]);
            if (node < 0)
                fail_msg("seed %llu: guess %u has no node", (unsigned long long)seed, i);
        }
    }
}

/* A source with a fixed opinion of the root's two children. */
typedef struct opinion {
    int32_t token[2];
    float probability[2];
} opinion;

static uint32_t opine(void *context, const ssi_tree *tree, uint32_t node,
                      ssi_candidate candidates[SSI_CANDIDATES])
{
    const opinion *it = context;
    (void)tree;
    for (uint8_t i = 0; i < 2 && node == 0; i++)
        candidates[i] = (ssi_candidate){
            .token = it->token[i], .probability = it->probability[i], .rank = i};
    return node == 0 ? 2 : 0;
}

static float child_of(const ssi_tree *tree, int32_t token)
{
    int32_t node = ssi_tree_find(tree, 0, token);
    return node < 0 ? 0.0f : tree->probability_of_node[node];
}

static void agreement_is_evidence_and_so_is_contradiction(void **state)
{
    fixture *f = *state;
    opinion first = {{1, 2}, {0.6f, 0.2f}}, same = {{1, 3}, {0.6f, 0.1f}},
            other = {{4, 3}, {0.6f, 0.1f}};
    ssi_acceptance acceptance;
    ssi_tree alone, agreed, contradicted, uncorrected;
    ssi_draft_source sources[2] = {
        {.kind = SSI_SOURCE_STREAM, .context = &first, .expand = opine},
        {.kind = SSI_SOURCE_NGRAM, .expand = opine}};
    ssi_growth_limits limits = {.node_limit = 8, .depth_limit = 1, .acceptance = &acceptance};
    acceptance = (ssi_acceptance){0};
    ssi_grow(&f->growth, &alone, 0, sources, 1, &limits);
    sources[1].context = &same;
    ssi_grow(&f->growth, &agreed, 0, sources, 2, &limits);
    sources[1].context = &other;
    ssi_grow(&f->growth, &contradicted, 0, sources, 2, &limits);
    limits.acceptance = NULL;
    ssi_grow(&f->growth, &uncorrected, 0, sources, 2, &limits);

    assert_float_equal(child_of(&alone, 1), 0.6f, 1e-6f);
    /* By hand: 0.6 * 0.6 + 0.6 * 0.3 + 0.2 * 0.6 = 0.66, of 0.8 that is not contradictory. */
    assert_float_equal(child_of(&agreed, 1), 0.66f / 0.8f, 1e-4f);
    assert_float_equal(child_of(&contradicted, 1), 0.18f / 0.44f, 1e-4f);
    assert_float_equal(child_of(&contradicted, 4), 0.12f / 0.44f, 1e-4f);
    assert_float_equal(child_of(&uncorrected, 1), 0.18f / 0.44f, 1e-4f);
}

static void an_answer_is_asked_for_once(void **state)
{
    fixture *f = *state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        ssi_growth_limits limits = {.node_limit = 63, .depth_limit = 9};
        ssi_tree tree;
        begin(f, seed);
        ssi_grow(&f->growth, &tree, 5, f->sources, 2, &limits);
        uint32_t asked = f->drafter.asked;
        if (!f->drafter.parent_conditioned)
            assert_in_range(asked, 1, f->drafter.stream_count);
        ssi_grow(&f->growth, &tree, 5, f->sources, 2, &limits);
        assert_int_equal(f->drafter.asked, asked);
    }
}

static uint32_t draft_rubbish(void *context, uint32_t stream, int32_t parent_token,
                              ssi_candidate candidates[SSI_CANDIDATES])
{
    const float rubbish[] = {0.0f / 1.0f, 1.5f, -0.5f, 1e30f};
    (void)context, (void)stream, (void)parent_token;
    for (int32_t i = 0; i < 4; i++)
        candidates[i] = (ssi_candidate){.token = i, .probability = rubbish[i]};
    candidates[1].probability -= candidates[3].probability * 1e30f * 0; /* inf * 0: NaN */
    return 4;
}

static void what_cannot_be_a_probability_is_not_drafted(void **state)
{
    fixture *f = *state;
    ssi_growth_limits limits = {.node_limit = 8, .depth_limit = 1};
    ssi_tree tree;
    begin(f, 1);
    ssi_stream_source_begin(&f->streams, 3, true, draft_rubbish, NULL);
    ssi_grow(&f->growth, &tree, 5, f->sources, 1, &limits);
    assert_int_equal(tree.node_count, 2); /* the one of probability 0 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_n_nodes_are_the_n_likeliest_paths),
        cmocka_unit_test(a_priced_tree_ends_where_tokens_less_price_are_highest),
        cmocka_unit_test(the_worked_example_has_its_seven_nodes),
        cmocka_unit_test(end_tokens_get_no_children),
        cmocka_unit_test(sources_share_a_tree_without_duplicates),
        cmocka_unit_test(agreement_is_evidence_and_so_is_contradiction),
        cmocka_unit_test(an_answer_is_asked_for_once),
        cmocka_unit_test(what_cannot_be_a_probability_is_not_drafted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
