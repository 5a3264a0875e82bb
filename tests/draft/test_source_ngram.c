/* SPDX-License-Identifier: Apache-2.0 */
/* The automaton, of the sequence itself and of what was said in others, against a search that compares
 * every place of the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "draft/acceptance.h"
#include "draft/source_history.h"
#include "draft/source_ngram.h"
#include "support/draw.h"

static void *create(ssi_ngram *ngram, uint32_t capacity)
{
    ssi_arena count = {0};
    ssi_ngram_layout(ngram, &count, capacity);
    assert_false(count.overflow);
    /* Exactly the bytes asked for: address and bounds sanitizers see any step beyond. */
    void *memory = aligned_alloc(64, (count.used + 63) / 64 * 64);
    assert_non_null(memory);
    ssi_arena arena = {.base = memory};
    ssi_ngram_layout(ngram, &arena, capacity);
    ssi_ngram_reset(ngram);
    return memory;
}

/* Length of the longest suffix of path that occurs in text ending before text_end. */
static uint32_t naive_match(const int32_t *text, uint32_t text_end, const int32_t *path,
                            uint32_t path_count)
{
    uint32_t best = 0;
    for (uint32_t end = 1; end <= text_end; end++) {
        uint32_t length = 0;
        while (length < end && length < path_count
               && text[end - 1 - length] == path[path_count - 1 - length])
            length++;
        best = length > best ? length : best;
    }
    return best;
}

/* Whether `token` follows a place of the text where the last `length` of path stand. */
static bool naive_follows(const int32_t *text, uint32_t count, const int32_t *path,
                          uint32_t path_count, uint32_t length, int32_t token)
{
    for (uint32_t end = length; end < count; end++)
        if (text[end] == token
            && memcmp(text + end - length, path + path_count - length,
                      length * sizeof *text) == 0)
            return true;
    return false;
}

static uint32_t naive_continuations(const int32_t *text, uint32_t count, const int32_t *path,
                                    uint32_t path_count, uint32_t length, uint32_t alphabet)
{
    uint32_t continuations = 0;
    for (uint32_t token = 0; token < alphabet; token++)
        continuations += naive_follows(text, count, path, path_count, length, (int32_t)token);
    return continuations;
}

static void make_text(int32_t *text, uint32_t count, uint32_t alphabet, uint64_t *random)
{
    uint32_t kind = (uint32_t)(draw(random) % 4);
    for (uint32_t i = 0; i < count; i++)
        if (kind == 0 || i < 4) /* noise */
            text[i] = (int32_t)(draw(random) % alphabet);
        else if (kind == 1) /* copies of itself */
            text[i] = draw(random) % 8 ? text[i / 2] : (int32_t)(draw(random) % alphabet);
        else if (kind == 2) /* nearly periodic */
            text[i] = draw(random) % 16 ? text[i - 3] : (int32_t)(draw(random) % alphabet);
        else
            text[i] = 0;
}

/* What is searched, and the sequence, which is the text itself or another. */
typedef struct search {
    const int32_t *text, *sequence;
    uint32_t count, sequence_count;
    uint32_t alphabet;
    uint64_t seed;
} search;

/* Candidates for the path sequence + tree path, by the law: the continuations of the longest match
 * come first and are complete as far as there is room; every candidate follows some suffix. */
static void check_node(ssi_draft_source source, const ssi_tree *tree, uint32_t node,
                       const search *in)
{
    ssi_candidate candidates[SSI_CANDIDATES];
    int32_t path[256];
    const int32_t *text = in->text;
    uint32_t depth = tree->depth_of_node[node], count = in->count;
    uint32_t path_count = in->sequence_count + depth;
    bool itself = node == 0 && in->text == in->sequence;

    memcpy(path, in->sequence, in->sequence_count * sizeof *path);
    for (uint32_t at = node, i = path_count; i > in->sequence_count; i--)
        path[i - 1] = tree->token_of_node[at], at = tree->parent_of_node[at];
    uint32_t length = naive_match(text, itself ? count - 1 : count, path, path_count);
    uint32_t got = source.expand(source.context, tree, node, candidates);

    /* A match may have no continuation (the text's own end): the next shorter one that has. */
    uint32_t complete = 0;
    while (length > 0 && complete == 0) {
        complete = naive_continuations(text, count, path, path_count, length, in->alphabet);
        length -= complete == 0;
    }
    if (complete > SSI_CANDIDATES)
        complete = SSI_CANDIDATES;
    if (got < complete)
        fail_msg("seed %llu: %u candidates of %u", (unsigned long long)in->seed, got, complete);
    for (uint32_t i = 0; i < got; i++) {
        if (!naive_follows(text, count, path, path_count, i < complete ? length : 1,
                           candidates[i].token)
            || candidates[i].rank != i || !(candidates[i].probability > 0)
            || candidates[i].group >= SSI_ACCEPTANCE_GROUPS)
            fail_msg("seed %llu: candidate %u of node %u", (unsigned long long)in->seed, i, node);
        for (uint32_t k = 0; k < i; k++)
            assert_int_not_equal(candidates[k].token, candidates[i].token);
    }
}

static void check_tree(ssi_draft_source source, const search *in, uint64_t *random)
{
    ssi_tree tree;
    ssi_tree_init(&tree, in->sequence[in->sequence_count - 1]);
    check_node(source, &tree, 0, in);
    for (uint32_t i = 1; i < 12; i++) {
        uint32_t parent = (uint32_t)(draw(random) % tree.node_count);
        uint32_t node = ssi_tree_add(&tree, parent, (int32_t)(draw(random) % in->alphabet),
                                     0.5f, SSI_SOURCE_STREAM, 0);
        check_node(source, &tree, node, in);
    }
}

static void append(ssi_ngram *ngram, const int32_t *tokens, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ssi_ngram_append(ngram, tokens[i]);
}

static void proposals_are_the_longest_matchs_continuations(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t random = seed;
        int32_t text[128];
        uint32_t alphabet = 2 + (uint32_t)(draw(&random) % 9);
        uint32_t count = 1 + (uint32_t)(draw(&random) % 64); /* longer: falls are cut short */
        ssi_ngram ngram;
        void *memory = create(&ngram, count);
        ssi_draft_source source = ssi_ngram_interface(&ngram);

        make_text(text, count, alphabet, &random);
        for (uint32_t i = 0; i < count; i++) {
            ssi_ngram_append(&ngram, text[i]);
            uint32_t want = naive_match(text, i, text, i + 1);
            if (ngram.here.length != want)
                fail_msg("seed %llu: match %u of %u", (unsigned long long)seed,
                         ngram.here.length, want);
        }

        search in = {text, text, count, count, alphabet, seed};
        check_tree(source, &in, &random);
        free(memory);
    }
}

/* Every byte that decides a proposal: counts and their order too. */
static void assert_same_proposals(ssi_ngram *a, ssi_ngram *b, int32_t last, uint64_t seed)
{
    ssi_candidate of_a[SSI_CANDIDATES], of_b[SSI_CANDIDATES];
    ssi_tree tree;
    ssi_draft_source source_a = ssi_ngram_interface(a), source_b = ssi_ngram_interface(b);

    ssi_tree_init(&tree, last);
    for (uint32_t node = 0; node < 6; node++) {
        uint32_t count = source_a.expand(a, &tree, node, of_a);
        if (source_b.expand(b, &tree, node, of_b) != count)
            fail_msg("seed %llu: counts differ", (unsigned long long)seed);
        for (uint32_t i = 0; i < count; i++)
            if (of_a[i].token != of_b[i].token || of_a[i].probability != of_b[i].probability
                || of_a[i].group != of_b[i].group)
                fail_msg("seed %llu: candidates differ", (unsigned long long)seed);
        ssi_tree_add(&tree, node, count > 0 ? of_a[0].token : 0, 0.5f, SSI_SOURCE_NGRAM, 0);
    }
}

static void rewind_then_other_text_equals_that_text_alone(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        uint64_t random = seed;
        int32_t text[96], other[96];
        uint32_t alphabet = 2 + (uint32_t)(draw(&random) % 5), cut;
        ssi_ngram ngram, fresh;
        void *memory = create(&ngram, 96), *fresh_memory = create(&fresh, 96);

        make_text(text, 96, alphabet, &random);
        make_text(other, 96, alphabet, &random);
        cut = 1 + (uint32_t)(draw(&random) % 95);
        memcpy(other, text, cut * sizeof *text);
        append(&ngram, text, 96);
        ssi_ngram_truncate(&ngram, cut);
        append(&ngram, other + cut, 96 - cut);
        ssi_ngram_truncate(&ngram, 1000); /* beyond the end: nothing */
        append(&fresh, other, 96);
        assert_int_equal(ngram.state_count, fresh.state_count);
        assert_int_equal(ngram.edge_count, fresh.edge_count);
        assert_same_proposals(&ngram, &fresh, other[95], seed);
        free(memory);
        free(fresh_memory);
    }
}

static void the_memory_laid_out_always_suffices(void **state)
{
    (void)state;
    /* abbb… has the most states, abb…bbc the most edges. */
    for (uint32_t count = 1; count <= 64; count++)
        for (int kind = 0; kind < 3; kind++) {
            ssi_ngram ngram;
            void *memory = create(&ngram, count);
            for (uint32_t i = 0; i < count; i++)
                ssi_ngram_append(&ngram, i == 0                          ? 0
                                         : kind == 1 && i + 1 == count   ? 2
                                         : kind == 2                     ? (int32_t)i
                                                                         : 1);
            assert_in_range(ngram.state_count, 1, 2 * count + 1);
            assert_in_range(ngram.edge_count, 1, 3 * count + 1);
            free(memory);
        }
}

static void beyond_its_capacity_it_is_silent_until_a_rewind(void **state)
{
    (void)state;
    ssi_ngram ngram;
    ssi_tree tree;
    ssi_candidate candidates[SSI_CANDIDATES];
    const int32_t text[] = {1, 2, 1, 2, 1, 2};
    void *memory = create(&ngram, 4);
    ssi_draft_source source = ssi_ngram_interface(&ngram);

    ssi_tree_init(&tree, 2);
    assert_int_equal(source.expand(&ngram, &tree, 0, candidates), 0); /* no text yet */
    append(&ngram, text, 6);
    assert_int_equal(source.expand(&ngram, &tree, 0, candidates), 0);
    ssi_ngram_truncate(&ngram, 4);
    assert_int_equal(source.expand(&ngram, &tree, 0, candidates), 1);
    assert_int_equal(candidates[0].token, 1);
    ssi_ngram_truncate(&ngram, 0);
    assert_int_equal(source.expand(&ngram, &tree, 0, candidates), 0);
    free(memory);
}

static void *create_history(ssi_history *history, uint32_t capacity)
{
    ssi_arena count = {0};
    ssi_history_layout(history, &count, capacity);
    void *memory = aligned_alloc(64, (count.used + 63) / 64 * 64);
    assert_non_null(memory);
    ssi_arena arena = {.base = memory};
    ssi_history_layout(history, &arena, capacity);
    ssi_history_reset(history);
    return memory;
}

/* Runs are kept and sequences come and go, in any order; no match reaches over a run's end. */
static void a_history_proposes_what_followed_in_other_sequences(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        uint64_t random = seed;
        int32_t said[128], sequence[48];
        uint32_t alphabet = 2 + (uint32_t)(draw(&random) % 9), count = 0, length = 0, runs = 0;
        ssi_history history;
        void *memory = create_history(&history, 128);
        ssi_draft_source source = ssi_history_interface(&history);
        assert_int_equal(source.kind, SSI_SOURCE_HISTORY);
        for (int turn = 0; turn < 12; turn++) {
            uint32_t more = 1 + (uint32_t)(draw(&random) % 16);
            if (draw(&random) % 2 && count + more + 1 <= 128) {
                make_text(said + count, more, alphabet, &random);
                ssi_history_keep(&history, said + count, more);
                count += more;
                said[count++] = -1 - (int32_t)runs++;
            }
            uint32_t unchanged = length > 0 ? (uint32_t)(draw(&random) % length) : 0;
            length = unchanged + 1 + (uint32_t)(draw(&random) % (48 - unchanged));
            for (uint32_t i = unchanged; i < length; i++)
                sequence[i] = count > 1 && draw(&random) % 4
                                  ? said[draw(&random) % count]
                                  : (int32_t)(draw(&random) % alphabet);
            for (uint32_t i = unchanged; i < length; i++)
                sequence[i] = sequence[i] < 0 ? 0 : sequence[i];
            ssi_history_follow(&history, sequence, unchanged, length);
            search in = {said, sequence, count, length, alphabet, seed};
            if (count > 0)
                check_tree(source, &in, &random);
        }
        free(memory);
    }
}

/* The latest run is there whole, or the end of it; memory stays what was laid out. */
static void a_full_history_lets_the_oldest_go(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t random = seed;
        ssi_history history;
        void *memory = create_history(&history, 64);
        ssi_draft_source source = ssi_history_interface(&history);
        for (int32_t first = 0; first < 40000; first += 200) {
            int32_t run[100]; /* tokens that no other run has */
            uint32_t count = 2 + (uint32_t)(draw(&random) % 99);
            uint32_t from = count < 32 ? 0 : count - 31;
            ssi_tree tree;
            ssi_candidate candidates[SSI_CANDIDATES];
            for (uint32_t i = 0; i < count; i++)
                run[i] = first + (int32_t)i;
            ssi_history_keep(&history, run, count);
            assert_in_range(history.said.count, 1, 64);
            ssi_history_follow(&history, run, 0, from + 1);
            ssi_tree_init(&tree, run[from]);
            for (uint32_t at = from; at + 1 < count && at - from < 60; at++) {
                assert_int_equal(source.expand(source.context, &tree, at - from, candidates), 1);
                assert_int_equal(candidates[0].token, run[at + 1]);
                ssi_tree_add(&tree, at - from, run[at + 1], 0.5f, SSI_SOURCE_HISTORY, 0);
            }
            if (from > 0) { /* what came before was not kept */
                ssi_history_follow(&history, run, 0, 1);
                ssi_tree_init(&tree, run[0]);
                assert_int_equal(source.expand(source.context, &tree, 0, candidates), 0);
            }
        }
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proposals_are_the_longest_matchs_continuations),
        cmocka_unit_test(rewind_then_other_text_equals_that_text_alone),
        cmocka_unit_test(the_memory_laid_out_always_suffices),
        cmocka_unit_test(beyond_its_capacity_it_is_silent_until_a_rewind),
        cmocka_unit_test(a_history_proposes_what_followed_in_other_sequences),
        cmocka_unit_test(a_full_history_lets_the_oldest_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
