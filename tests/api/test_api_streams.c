/* SPDX-License-Identifier: Apache-2.0 */
/* Every wrong argument of the drafting calls in specstream/session.h, and the first law of
 * drafting, seen from outside: whatever is drafted, right, wrong or nonsense, the tokens stay. */
#include "api_test.h"

#include <math.h>

#define DRAWN 40u

typedef struct world {
    ss_model *model;
    int32_t wanted[DRAWN]; /* by plain decoding */
} world;

static ss_error error;

/* Draws DRAWN tokens in steps without a bound, and compares. Returns how many were accepted. */
static uint64_t draws_the_same(const world *in, ss_session *session)
{
    int32_t prompt[64], tokens[DRAWN];
    size_t count = encode_small(in->model, prompt);
    ss_stats stats = {.struct_size = sizeof stats};
    accept(&error, ss_session_prefill(session, prompt, count, &error));
    for (uint32_t drawn = 0; drawn < DRAWN;) {
        ss_step step = {.struct_size = sizeof step};
        accept(&error, ss_session_step(session, DRAWN - drawn, &step, &error));
        assert_in_range(step.count, 1, DRAWN - drawn);
        memcpy(tokens + drawn, step.tokens, step.count * sizeof *tokens);
        drawn += step.count;
    }
    assert_memory_equal(tokens, in->wanted, sizeof tokens);
    accept(&error, ss_session_get_stats(session, &stats, &error));
    return stats.accepted;
}

static void what_must_be_given_is_asked_for(void **state)
{
    world *in = *state;
    ss_session *session = open_small(in->model, NULL);
    const ss_tree_node *nodes;
    size_t count;
    refuse(SS_ERROR_ARGUMENT, "session", &error, ss_session_set_adapter(NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error, ss_session_set_streams(NULL, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "session", &error,
           ss_session_get_tree(NULL, &nodes, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "nodes", &error,
           ss_session_get_tree(session, NULL, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "count", &error,
           ss_session_get_tree(session, &nodes, NULL, &error));
    accept(&error, ss_session_get_tree(session, &nodes, &count, &error));
    assert_int_equal(count, 0);
    accept(&error, ss_session_set_adapter(session, NULL, &error));
    draws_the_same(in, session);
    ss_session_free(session);
}

#define refuse_config(field, value, words)                                                     \
    do {                                                                                       \
        ss_stream_config_init(&config, sizeof config);                                         \
        config.field = (value);                                                                \
        refuse(SS_ERROR_ARGUMENT, (words), &error,                                             \
               ss_session_set_streams(session, &config, &error));                              \
    } while (0)

static void config_fields_have_ranges(void **state)
{
    world *in = *state;
    ss_session *session = open_small(in->model, NULL);
    ss_stream_config config;
    const uint32_t widths[64] = {2, 0};
    float costs[64];
    refuse_config(sources, 8, "sources");
    refuse_config(sources, SS_DRAFT_CALLER, "draft");
    refuse_config(tree_mode, 3, "tree_mode");
    refuse_config(tree_mode, -1, "tree_mode");
    refuse_config(tree_mode, SS_TREE_WIDTHS, "widths");
    refuse_config(schedule, 3, "schedule");
    refuse_config(prune, -1, "prune");
    refuse_config(best_count, 64, "best_count");
    refuse_config(reserved0, 1, "reserved0");
    ss_stream_config_init(&config, sizeof config);
    config.tree_mode = SS_TREE_WIDTHS;
    config.widths = widths;
    config.width_count = 2;
    refuse(SS_ERROR_ARGUMENT, "widths[1]", &error,
           ss_session_set_streams(session, &config, &error));
    config.width_count = 64;
    refuse(SS_ERROR_ARGUMENT, "widths", &error,
           ss_session_set_streams(session, &config, &error));
    for (size_t i = 0; i < 64; i++)
        costs[i] = (float)(i + 1);
    ss_stream_config_init(&config, sizeof config);
    config.row_cost = costs;
    config.row_cost_count = 63;
    refuse(SS_ERROR_ARGUMENT, "row_cost_count", &error,
           ss_session_set_streams(session, &config, &error));
    config.row_cost_count = 64;
    costs[5] = NAN;
    refuse(SS_ERROR_ARGUMENT, "row_cost[5]", &error,
           ss_session_set_streams(session, &config, &error));
    costs[5] = 6;
    accept(&error, ss_session_set_streams(session, &config, &error));
    draws_the_same(in, session);
    ss_session_free(session);
}

/* What a host may propose: the truth, as far as `right` goes, and beside it all sorts of lies. */
typedef struct proposer {
    const world *in;
    size_t prompt_count;
    uint32_t right;
    bool broken; /* parents and tokens out of range */
} proposer;

static uint32_t propose(void *context, const int32_t *tokens, size_t count, ss_draft_node *nodes,
                        uint32_t capacity)
{
    const proposer *of = context;
    uint32_t made = 0;
    (void)tokens;
    for (uint32_t i = 0; i < of->right && made + 1 < capacity; i++) {
        size_t next = count - of->prompt_count + i;
        if (next >= DRAWN)
            break;
        nodes[made] = (ss_draft_node){of->in->wanted[next], (int32_t)made - 1, 0.9f};
        made++;
    }
    if (made < capacity)
        nodes[made++] = (ss_draft_node){(int32_t)(count * 7 % 512), -1, 0};
    if (of->broken && made + 3 <= capacity) {
        nodes[made] = (ss_draft_node){512, -1, 0.5f};
        nodes[made + 1] = (ss_draft_node){5, (int32_t)made + 9, NAN};
        nodes[made + 2] = (ss_draft_node){-7, -2, -3.0f};
    }
    return of->broken ? capacity + 5 : made;
}

static void a_host_may_guess_what_it_likes(void **state)
{
    world *in = *state;
    int32_t prompt[64];
    proposer of = {.in = in, .prompt_count = encode_small(in->model, prompt)};
    for (uint32_t right = 0; right <= 6; right += 2)
        for (int broken = 0; broken <= 1; broken++) {
            ss_session *session = open_small(in->model, NULL);
            ss_stream_config config;
            ss_stream_config_init(&config, sizeof config);
            of.right = right;
            of.broken = broken == 1;
            config.sources = SS_DRAFT_CALLER;
            config.draft = propose;
            config.draft_context = &of;
            config.tree_mode = SS_TREE_BEST;
            config.best_count = 12;
            accept(&error, ss_session_set_streams(session, &config, &error));
            uint64_t accepted = draws_the_same(in, session);
            if (right > 0 && !of.broken)
                assert_true(accepted > DRAWN / 2);
            ss_session_free(session);
        }
}

static void ngrams_in_trees_of_any_shape_change_no_token(void **state)
{
    world *in = *state;
    static const uint32_t widths[] = {8, 8, 8, 8};
    for (ss_tree_mode mode = SS_TREE_AUTO; mode <= SS_TREE_WIDTHS; mode++) {
        ss_session *session = open_small(in->model, NULL);
        ss_stream_config config;
        const ss_tree_node *nodes;
        size_t count;
        ss_stream_config_init(&config, sizeof config);
        config.tree_mode = mode;
        config.best_count = 63;
        config.widths = widths;
        config.width_count = 4;
        accept(&error, ss_session_set_streams(session, &config, &error));
        draws_the_same(in, session);
        accept(&error, ss_session_get_tree(session, &nodes, &count, &error));
        for (size_t i = 0; i < count; i++)
            assert_true(nodes[i].parent < (int32_t)i && nodes[i].parent >= -1);
        ss_session_free(session);
    }
}

static void settings_fail_cleanly_without_memory(void **state)
{
    world *in = *state;
    counting_memory count = {0};
    ss_allocator allocator = counting_allocator(&count);
    ss_session *session = open_small(in->model, &allocator);
    size_t held = count.held_bytes, nth = 0;
    ss_status status;
    do {
        ss_error_init(&error, sizeof error);
        count.fail_call = count.calls + ++nth;
        status = ss_session_set_streams(session, NULL, &error);
        assert_true(status == SS_OK || status == SS_ERROR_MEMORY);
        assert_true(status == SS_OK || count.held_bytes == held);
    } while (status != SS_OK);
    assert_true(nth > 1);
    count.fail_call = 0;
    draws_the_same(in, session);
    ss_session_free(session);
    assert_int_equal(count.held_blocks, 0);
}

static int set_up(void **state)
{
    static world in;
    in.model = load_small(NULL);
    ss_session *session = open_small(in.model, NULL);
    draw_small(session, in.model, in.wanted, DRAWN);
    ss_session_free(session);
    *state = &in;
    return 0;
}

static int tear_down(void **state)
{
    ss_model_free(((world *)*state)->model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(config_fields_have_ranges),
        cmocka_unit_test(a_host_may_guess_what_it_likes),
        cmocka_unit_test(ngrams_in_trees_of_any_shape_change_no_token),
        cmocka_unit_test(settings_fail_cleanly_without_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
