/* SPDX-License-Identifier: Apache-2.0 */
/* The tree against naive recursion over a million random trees: who is whose ancestor, which child
 * holds a token, what is left after cutting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "draft/tree.h"
#include "support/draw.h"

typedef struct naive_node {
    int32_t token, parent;
    float probability;
} naive_node;

static uint32_t depth(const naive_node *nodes, int32_t node)
{
    return nodes[node].parent < 0 ? 0 : 1 + depth(nodes, nodes[node].parent);
}

static int32_t find(const naive_node *nodes, uint32_t count, int32_t parent, int32_t token)
{
    for (uint32_t i = 0; i < count; i++)
        if (nodes[i].parent == parent && nodes[i].token == token)
            return (int32_t)i;
    return -1;
}

static bool is_equal(const ssi_tree *tree, const naive_node *nodes, uint32_t count)
{
    bool equal = tree->node_count == count;
    for (uint32_t i = 0; equal && i < count; i++) {
        int32_t parent = nodes[i].parent < 0 ? 0 : nodes[i].parent;
        equal = tree->token_of_node[i] == nodes[i].token && tree->parent_of_node[i] == parent
                && tree->depth_of_node[i] == depth(nodes, (int32_t)i)
                && tree->probability_of_node[i] == nodes[i].probability;
    }
    return equal;
}

static uint32_t grow_both(ssi_tree *tree, naive_node *nodes, uint64_t *random)
{
    uint32_t count = 1, tries = (uint32_t)(draw(random) % 24);
    uint32_t alphabet = 1 + (uint32_t)(draw(random) % 6);
    if (draw(random) % 64 == 0)
        tries = 100;
    nodes[0] = (naive_node){(int32_t)(draw(random) % alphabet), -1, 1.0f};
    ssi_tree_init(tree, nodes[0].token);
    while (tries-- > 0 && count < SSI_TREE_NODES) {
        int32_t parent = (int32_t)(draw(random) % count);
        int32_t token = (int32_t)(draw(random) % alphabet);
        float probability = ssi_uniform(draw(random));
        int32_t want = find(nodes, count, parent, token);
        if (want < 0) {
            want = (int32_t)count;
            nodes[count++] = (naive_node){token, parent, probability};
        } else if (probability > nodes[want].probability) {
            nodes[want].probability = probability;
        }
        uint32_t got = ssi_tree_add(tree, (uint32_t)parent, token, probability,
                                    SSI_SOURCE_NGRAM, 3);
        if (got != (uint32_t)want)
            return 0;
    }
    return count;
}

static bool finds_like_naive(const ssi_tree *tree, const naive_node *nodes, uint32_t count,
                             uint64_t *random)
{
    for (int i = 0; i < 4; i++) {
        int32_t parent = (int32_t)(draw(random) % count), token = (int32_t)(draw(random) % 7);
        if (ssi_tree_find(tree, (uint32_t)parent, token) != find(nodes, count, parent, token))
            return false;
    }
    return true;
}

static bool keeps_like_naive(ssi_tree *tree, const naive_node *nodes, uint32_t count,
                             uint64_t *random)
{
    naive_node left[SSI_TREE_NODES];
    uint8_t node_of_kept[SSI_TREE_NODES];
    int32_t kept_of_node[SSI_TREE_NODES];
    uint64_t kept = 1;
    uint32_t left_count = 0;

    for (uint32_t i = 1; i < count; i++)
        if (kept >> nodes[i].parent & 1 && draw(random) % 4 != 0)
            kept |= (uint64_t)1 << i;
    for (uint32_t i = 0; i < count; i++) {
        if (!(kept >> i & 1))
            continue;
        kept_of_node[i] = (int32_t)left_count;
        left[left_count] = nodes[i];
        if (i > 0)
            left[left_count].parent = kept_of_node[nodes[i].parent];
        left_count++;
    }
    ssi_tree_keep(tree, kept, node_of_kept);
    for (uint32_t i = 0; i < count; i++)
        if (kept >> i & 1 && node_of_kept[kept_of_node[i]] != i)
            return false;
    return is_equal(tree, left, left_count);
}

static void a_million_trees_equal_naive_recursion(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 1000000; seed++) {
        naive_node nodes[SSI_TREE_NODES];
        ssi_tree tree;
        uint64_t random = seed;
        uint32_t count = grow_both(&tree, nodes, &random);
        if (count == 0 || !is_equal(&tree, nodes, count)
            || !finds_like_naive(&tree, nodes, count, &random)
            || !keeps_like_naive(&tree, nodes, count, &random))
            fail_msg("seed %llu, %u nodes", (unsigned long long)seed, count);
    }
}

static void a_full_tree_has_64_nodes(void **state)
{
    (void)state;
    ssi_tree tree;
    ssi_tree_init(&tree, 7);
    for (uint32_t i = 1; i < SSI_TREE_NODES; i++)
        assert_int_equal(ssi_tree_add(&tree, i - 1, 7, 0.5f, SSI_SOURCE_STREAM, 0), i);
    assert_int_equal(tree.depth_of_node[63], 63);
    /* Full, but this one is there already. */
    assert_int_equal(ssi_tree_add(&tree, 62, 7, 0.75f, SSI_SOURCE_STREAM, 0), 63);
    assert_true(tree.probability_of_node[63] == 0.75f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_trees_equal_naive_recursion),
        cmocka_unit_test(a_full_tree_has_64_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
