/* SPDX-License-Identifier: Apache-2.0 */
/* Early exit where it must be right: in a model whose top layers add nothing the exit sees what
 * the last layer will see, so every accepted child is its parent's best, and best children alone
 * are the accepted path. And in any model: what is cut is counted and costs no token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/adapter_file.h"
#include "support/session_fixture.h"
#include "support/session_look.h"

enum { TOP = 2, LENGTH = 60, DEPTH = 7, LIES = 3, NOISE = 80 };

static ss_error error = {.struct_size = sizeof error};

/* All weights of a matrix to zero, where they lie. */
static void clear_matrix(const ssi_matrix *matrix)
{
    const ssi_type_info *type = ssi_type_get(matrix->type);
    size_t blocks = (size_t)matrix->group_count *
                    (type->block_elements == 1 ? matrix->columns : matrix->block_count);
    for (uint32_t plane = 0; plane < SSI_PLANES; plane++)
        if (matrix->plane[plane])
            memset((void *)matrix->plane[plane], 0, blocks * type->group_block_bytes[plane]);
}

/* The top layers add nothing to the residual stream. */
static void idle_top_layers(const ss_model *model)
{
    for (uint32_t layer = model->hyper.layer_count - TOP; layer < model->hyper.layer_count;
         layer++) {
        clear_matrix(&model->layers[layer].linear[SSI_OUTPUT].weight);
        clear_matrix(&model->layers[layer].linear[SSI_DOWN].weight);
    }
}

static ss_session *open_with(const ss_model *model, const ss_adapter *adapter,
                             const ss_stream_config *config, const int32_t *prompt,
                             size_t count)
{
    ss_session_params params = small_params();
    ss_sampler_params sampler;
    params.max_step_rows = 64;
    params.thread_count = 2;
    ss_session *session = open_session_with(model, &params);
    ssi_sampler_params_default(&sampler);
    sampler.ignore_end = true;
    assert_int_equal(ssi_session_set_sampler(session, &sampler, &error), SS_OK);
    assert_int_equal(ssi_session_set_streams(session, config, &error), SS_OK);
    assert_int_equal(ssi_session_set_adapter(session, adapter, &error), SS_OK);
    prefill(session, prompt, count);
    return session;
}

/* The truth from `at` on; at every node of it lies beside it, the runner-up among them, and children
 * of the lies. */
static void grow(ssi_tree *tree, const int32_t *truth, const int32_t *runners_up, uint32_t at,
                 uint32_t vocabulary, uint32_t depth)
{
    uint32_t node = 0;
    ssi_tree_init(tree, truth[at]);
    for (uint32_t d = 1; d <= depth; d++) {
        uint32_t parent = node, place = (uint32_t)(ssi_noise_bits(98, at + d, 0) % LIES);
        for (uint32_t lie = 0; lie < LIES; lie++) {
            uint64_t bits = ssi_noise_bits(99, at + d, lie);
            if (lie == place)
                node = ssi_tree_add(tree, parent, truth[at + d], 0.5f, SSI_SOURCE_CALLER, lie);
            int32_t token = lie == 0 ? runners_up[d] : (int32_t)((bits >> 8) % vocabulary);
            uint32_t other = ssi_tree_add(tree, parent, token, 0.2f, SSI_SOURCE_CALLER, lie);
            (void)ssi_tree_add(tree, other, (int32_t)((bits >> 40) % vocabulary), 0.1f,
                               SSI_SOURCE_CALLER, 0);
        }
    }
}

/* The second best tokens at depth 1 and below, along the truth. */
static void find_runners_up(ssi_workspace *work, const int32_t *truth, uint32_t at,
                            uint32_t depth, int32_t *runners_up)
{
    ssi_tree chain;
    ssi_tree_init(&chain, truth[at]);
    for (uint32_t d = 1; d < depth; d++)
        (void)ssi_tree_add(&chain, d - 1, truth[at + d], 1, SSI_SOURCE_CALLER, 0);
    ssi_batch_tree(work, &chain);
    ssi_batch_embed(work);
    ssi_lower_run(work);
    ssi_msa_run(work, false);
    ssi_main_head_run(work, 0, chain.node_count, work->logits);
    for (uint32_t d = 1; d <= depth; d++) {
        float *logits = work->logits + (d - 1) * work->logit_stride;
        bool finite;
        logits[truth[at + d]] = -1e30f;
        runners_up[d] = (int32_t)work->model->kernels.argmax(
            logits, work->model->hyper.vocabulary_size, &finite);
    }
}

static uint64_t best_children(const ssi_tree *tree, const float *score)
{
    uint64_t kept = 1;
    for (uint32_t node = 0; node < tree->node_count; node++) {
        uint32_t best = 0;
        for (uint32_t child = node + 1; child < tree->node_count && kept >> node & 1; child++)
            if (tree->parent_of_node[child] == node &&
                (best == 0 || score[child] > score[best]))
                best = child;
        if (best > 0)
            kept |= 1ull << best;
    }
    return kept;
}

/* One pass at the truth's token `at`, in its stages; returns how many nodes were accepted. */
static uint32_t check_pass(ss_session *session, const int32_t *truth, uint32_t at,
                           uint32_t depth)
{
    ssi_workspace *work = &session->work;
    uint32_t vocabulary = work->model->hyper.vocabulary_size, node = 0, accepted = 0;
    int32_t runners_up[SSI_TREE_NODES];
    float score[SSI_TREE_NODES];
    ssi_tree tree;
    uint64_t path = 1;
    bool finite;
    work->cache.length = at;
    find_runners_up(work, truth, at, depth, runners_up);
    grow(&tree, truth, runners_up, at, vocabulary, depth);
    ssi_batch_tree(work, &tree);
    ssi_batch_embed(work);
    ssi_lower_run(work);
    ssi_prune_score(work, &tree, score);
    ssi_msa_run(work, false);
    ssi_main_head_run(work, 0, tree.node_count, work->logits);
    for (int32_t child; accepted < depth; accepted++) {
        int32_t token = (int32_t)work->model->kernels.argmax(
            work->logits + node * work->logit_stride, vocabulary, &finite);
        assert_int_equal(token, truth[at + accepted + 1]);
        child = ssi_tree_find(&tree, node, token);
        if (child < 0)
            break;
        for (uint32_t other = 1; other < tree.node_count; other++)
            if (tree.parent_of_node[other] == node && other != (uint32_t)child)
                assert_true(score[child] > score[other]);
        node = (uint32_t)child;
        path |= 1ull << node;
    }
    assert_true(best_children(&tree, score) == path);
    return accepted;
}

static void a_perfect_exit_scores_the_accepted_child_highest(void **state)
{
    (void)state;
    static const ss_stream_config plain = {.struct_size = sizeof plain};
    ss_model *model = open_model();
    adapter_recipe recipe = {.deviation = 0.05f,
                             .streams = 4,
                             .msa_layers = TOP,
                             .stream_rank = 4,
                             .prune_rank = 8,
                             .idle_prune = true};
    int32_t truth[300];
    size_t count = story_tokens(model, truth, 200);
    idle_top_layers(model);
    ss_adapter *adapter = load_recipe(model, &recipe);
    ss_session *session = open_with(model, NULL, &plain, truth, count);
    generate(session, truth + count, LENGTH);
    ssi_session_free(session);

    session = open_with(model, adapter, &plain, truth, count + LENGTH - 1);
    for (uint32_t at = (uint32_t)count; at < count + LENGTH - DEPTH - 1; at++)
        assert_int_equal(check_pass(session, truth, at, DEPTH), DEPTH);
    ssi_session_free(session);
    ssi_adapter_free(adapter);
    ssi_model_free(model);
}

/* A quantised head: contending tokens are weighed again, and the exit has to know. Noise has the
 * most contenders. */
static void a_perfect_exit_is_perfect_with_a_quantised_head(void **state)
{
    static const ss_stream_config plain = {.struct_size = sizeof plain};
    adapter_recipe recipe = {.deviation = 0.05f,
                             .streams = 1,
                             .msa_layers = TOP,
                             .prune_rank = 4,
                             .idle_prune = true};
    int32_t noise[NOISE + 2];
    bool finite;
    (void)state;
    ss_model *model = open_model_of(DEFAULT_MODEL, SS_CPU_AUTO);
    for (uint32_t i = 0; i < NOISE + 2; i++)
        noise[i] = (int32_t)(ssi_noise_bits(3, i, 0) % model->hyper.vocabulary_size);
    idle_top_layers(model);
    ss_adapter *adapter = load_recipe(model, &recipe);
    ss_session *session = open_with(model, adapter, &plain, noise, NOISE);
    for (uint32_t at = 1; at < NOISE; at++) {
        int32_t kept = noise[at + 1], chain[1] = {noise[at]}, none[1] = {-1};
        session->work.cache.length = at;
        ssi_step_evaluate(&session->work, chain, none, 1);
        noise[at + 1] = (int32_t)model->kernels.argmax(session->work.logits,
                                                       model->hyper.vocabulary_size, &finite);
        assert_int_equal(check_pass(session, noise, at, 1), 1);
        noise[at + 1] = kept;
    }
    ssi_session_free(session);
    ssi_adapter_free(adapter);
    ssi_model_free(model);
}

static uint32_t guess(void *context, const int32_t *tokens, size_t count, ss_draft_node *nodes,
                      uint32_t capacity)
{
    const int32_t *truth = context; /* from the first token on */
    uint32_t made = 0;
    int32_t parent = -1;
    (void)tokens;
    for (uint32_t depth = 0; depth < 5 && made + 3 < capacity; depth++) {
        nodes[made++] = (ss_draft_node){(truth[count + depth] + 7) % 512, parent, 0.3f};
        nodes[made++] = (ss_draft_node){truth[count + depth], parent, 0.6f};
        nodes[made++] = (ss_draft_node){(truth[count + depth] + 50) % 512, parent, 0.1f};
        parent = (int32_t)made - 2;
    }
    return made;
}

/* Perfect or not: same tokens, and the rows that were saved are in the stats and in the tree. */
static void pruned_rows_are_counted_and_cost_no_token(void **state)
{
    (void)state;
    for (int perfect = 0; perfect < 2; perfect++) {
        ss_model *model = open_model();
        adapter_recipe recipe = {.deviation = 0.05f,
                                 .streams = 4,
                                 .msa_layers = TOP,
                                 .stream_rank = 4,
                                 .prune_rank = 8,
                                 .idle_prune = perfect == 1};
        static const ss_stream_config plain = {.struct_size = sizeof plain};
        int32_t truth[300] = {0}, got[LENGTH];
        size_t count = story_tokens(model, truth, 200);
        if (perfect)
            idle_top_layers(model);
        ss_adapter *adapter = load_recipe(model, &recipe);
        ss_session *session = open_with(model, NULL, &plain, truth, count);
        generate(session, truth + count, LENGTH + 8);
        ssi_session_free(session);

        for (ss_prune prune = SS_PRUNE_ON; prune <= SS_PRUNE_OFF; prune++) {
            ss_stats stats = {.struct_size = sizeof stats};
            uint64_t pruned = 0;
            ss_stream_config config;
            ssi_stream_config_default(&config);
            config.sources = SS_DRAFT_STREAMS | SS_DRAFT_CALLER;
            config.draft = guess;
            config.draft_context = truth;
            config.tree_mode = SS_TREE_BEST;
            config.best_count = 20;
            config.prune = prune;
            session = open_with(model, adapter, &config, truth, count);
            for (uint32_t done = 0; done < LENGTH;) {
                ss_step step = {.struct_size = sizeof step};
                const ss_tree_node *nodes;
                size_t node_count;
                assert_int_equal(ssi_session_step(session, LENGTH - done, &step, &error),
                                 SS_OK);
                memcpy(got + done, step.tokens, step.count * sizeof *got);
                done += step.count;
                ssi_session_get_tree(session, &nodes, &node_count);
                for (size_t i = 0; i < node_count; i++)
                    pruned += nodes[i].state == SS_NODE_PRUNED;
            }
            assert_memory_equal(got, truth + count, sizeof got);
            ssi_session_get_stats(session, &stats);
            assert_int_equal(stats.pruned, pruned);
            assert_true((pruned > 0) == (prune == SS_PRUNE_ON));
            ssi_session_free(session);
        }
        ssi_adapter_free(adapter);
        ssi_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_exit_scores_the_accepted_child_highest),
        cmocka_unit_test(a_perfect_exit_is_perfect_with_a_quantised_head),
        cmocka_unit_test(pruned_rows_are_counted_and_cost_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
