/* SPDX-License-Identifier: Apache-2.0 */
/* A step may cost more if it brings more: at the recent rate of tokens per unit of time every
 * millisecond has a price in tokens, and whatever brings less than its price is left out (the
 * fixed point is the highest rate: Dinkelbach 1967). Nodes are priced by the curve of row costs,
 * streams by their pass, pruning by its head.
 *
 * The rate is a recent one, since a stretch of text has a fixed number of tokens: what an easy
 * stretch has earned doesn't help the hard one after it. */
#include "draft/planner.h"

#include <string.h>

#define RATE_KEEP (1.0f - 1.0f / 16)
#define RATE_PRIOR 4.0f /* steps of one token each */

#define GAIN_PRIOR 0.8f /* tokens; worth three or four disappointed passes */
#define GAIN_PRIOR_SAMPLES 3.0f
#define GAIN_WINDOW 8.0f
#define TRIAL 4.0f         /* streams are run so often before they are judged at all, */
#define TRIAL_PRICE 0.7f   /* unless a pass costs more than that (tokens) */
#define LEAST_GAIN (-0.5f) /* rows without a hit are the tree's doing, not the streams' */
#define GAIN_BLEND 4.0f    /* samples after which the tree's own promise counts, too */
#define PROBE_WINDOW 3.0f  /* a look says more than what was believed long ago */
#define BASE_WEAK 0.5f     /* tokens: other sources that promise less say little */

/* Steps between looks at streams that don't pay, half as many again after each look in vain; more
 * where a look costs more than a third of a plain step. The first 100 steps lose about one that
 * way, the next thousand three or four. */
#define PROBE_FIRST 8u
#define PROBE_LAST 256u
#define PROBE_PRICE 0.35f

/* Steps between plain ones where drafting seems to win by less than half: the curve's first point
 * decides everything and would otherwise never be measured. */
#define PLAIN_FIRST 64u
#define PLAIN_LAST 512u
#define PLAIN_DOUBT 1.5f

#define UNTRIED_RATIO 0.5f /* parallel streams are given the benefit of the doubt, once */

/* What a pruned pass is thought to lose, in tokens, before any was run: an early exit that is trusted
 * until it errs cost text to SQL a tenth of its speed. */
#define PRUNE_LOSS_PRIOR 0.25f
#define KEEP_PRIOR 0.6f
#define FIXED_PRUNE_THRESHOLD                                                                  \
    0.01f /* for trees without a clock: cuts 5 % of true children on the
                                     * reference adapter's early exit */

void ssi_planner_init(ssi_planner *planner, const ssi_planner_config *config)
{
    memset(planner, 0, sizeof *planner);
    planner->config = *config;
    planner->config.row_cost_shape = NULL;
    ssi_row_cost_init(&planner->row_cost, config->row_cost_shape);
    planner->recent_tokens = planner->recent_time = RATE_PRIOR;
    planner->keep_share = KEEP_PRIOR;
    planner->prune_loss = PRUNE_LOSS_PRIOR;
    planner->stream_gain = GAIN_PRIOR;
    planner->stream_interval = PROBE_FIRST;
    planner->plain_interval = PLAIN_FIRST;
}

/* All costs below are in tokens: steps of one row times the recent rate. */
static float rate(const ssi_planner *planner)
{
    float recent = planner->recent_tokens / planner->recent_time;
    return recent > 1.0f ? recent : 1.0f; /* plain decoding is always to be had */
}

static float relative(const ssi_planner *planner, float cost)
{
    return cost / planner->row_cost.cost[0];
}

/* Beyond the curve's end, on its last slope. */
static float cost_of_rows(const ssi_planner *planner, float rows)
{
    const float *cost = planner->row_cost.cost;
    uint32_t last = SSI_ROW_COUNTS - 1;

    if (rows >= (float)SSI_ROW_COUNTS)
        return cost[last] +
               (rows - (float)SSI_ROW_COUNTS) * (cost[last] - cost[7]) / (float)(last - 7);
    uint32_t below = rows < 1.0f ? 0 : (uint32_t)rows - 1;
    float part = rows < 1.0f ? 0 : rows - (float)(below + 1);
    return cost[below] + part * (cost[below + 1] - cost[below]);
}

/* The deferred pass, in steps of one row. */
static float stream_cost(const ssi_planner *planner)
{
    const ssi_planner_config *config = &planner->config;
    if (planner->stream_time.weight > 0)
        return planner->stream_time.average;
    return config->msa_share *
               relative(planner, cost_of_rows(planner, (float)config->stream_count)) +
           config->draft_head_share;
}

/* What parallel streams add to a pass of that many nodes, as thought before measuring. */
static float parallel_prior(const ssi_planner *planner, uint32_t row_count)
{
    const ssi_planner_config *config = &planner->config;
    float rows = (float)row_count;
    float all = cost_of_rows(planner, rows * (1.0f + (float)config->stream_count));
    return config->msa_share * relative(planner, all - cost_of_rows(planner, rows)) +
           config->draft_head_share;
}

static float parallel_cost(const ssi_planner *planner, uint32_t row_count)
{
    float ratio =
        planner->parallel_ratio.weight > 0 ? planner->parallel_ratio.average : UNTRIED_RATIO;
    return ratio * parallel_prior(planner, row_count);
}

/* Whether streams, when they run, had better ride with a pass of that many nodes. */
static bool prefers_parallel(const ssi_planner *planner, uint32_t row_count)
{
    const ssi_planner_config *config = &planner->config;

    if (config->stream_count == 0 || config->has_root_terms)
        return false;
    if (config->schedule != SSI_SCHEDULE_AUTO)
        return config->schedule == SSI_SCHEDULE_PARALLEL;
    return config->tree_mode == SSI_TREE_AUTO &&
           parallel_cost(planner, row_count) < stream_cost(planner);
}

/* No tree can have a second node: streams would be run for nothing. */
static bool drafts_nothing(const ssi_planner_config *config)
{
    return config->max_rows < 2 ||
           (config->tree_mode == SSI_TREE_BEST && config->best_count == 0);
}

static ssi_growth_limits limits_of(const ssi_planner *planner, const ssi_situation *situation)
{
    return (ssi_growth_limits){
        .node_limit = planner->config.max_rows - 1,
        .depth_limit = situation->depth_limit,
        .end_tokens = situation->end_tokens,
        .end_count = situation->end_count,
    };
}

static float grow_priced(ssi_planner *planner, const ssi_situation *situation,
                         const ssi_draft_source *sources, uint32_t source_count, ssi_tree *tree)
{
    float price[SSI_ROW_COUNTS];
    ssi_growth_limits limits = limits_of(planner, situation);

    bool parallel = prefers_parallel(planner, planner->planned_nodes);
    for (uint32_t i = 0; i < SSI_ROW_COUNTS; i++)
        price[i] = rate(planner) * (relative(planner, planner->row_cost.cost[i]) +
                                    (parallel ? parallel_cost(planner, i + 1) : 0));
    limits.acceptance = &planner->acceptance;
    limits.price = price;
    return ssi_grow(&planner->growth, tree, situation->root_token, sources, source_count,
                    &limits);
}

/* What the other sources are worth here without the streams. */
static float worth_without_streams(ssi_planner *planner, const ssi_situation *situation)
{
    ssi_draft_source others[SSI_SOURCE_COUNT];
    uint32_t count = 0;

    for (uint32_t i = 0; i < situation->source_count && count < SSI_SOURCE_COUNT; i++)
        if (situation->sources[i].kind != SSI_SOURCE_STREAM)
            others[count++] = situation->sources[i];
    return grow_priced(planner, situation, others, count, &planner->shadow_tree);
}

/* What streams are thought to add where the other sources are worth something already. What they
 * would bring scatters about as widely as its mean is large (as if exponentially), and the better
 * of the two counts: gain * exp(-base / gain), of which this is an easy likeness. And where the
 * others begin wrongly, streams that say so save the rows of their tree. */
static float expected_gain(const ssi_planner *planner)
{
    const ssi_tree *others = &planner->shadow_tree;
    float gain = planner->stream_gain, saved = 0;
    if (gain <= 0)
        return 0;
    if (others->node_count > 1)
        saved = (1.0f - others->probability_of_node[1]) * rate(planner) *
                (relative(planner, planner->row_cost.cost[others->node_count - 1]) - 1.0f);
    float x = planner->base_worth / gain;
    return gain / (1.0f + x + 0.5f * x * x) + saved;
}

/* Whether streams at this price (in tokens) are to be run, or looked at again. */
static bool worth_running(ssi_planner *planner, float price)
{
    if (expected_gain(planner) > price ||
        (planner->gain_samples < TRIAL && price < TRIAL_PRICE))
        return true;
    float scale = price > PROBE_PRICE ? price / PROBE_PRICE : 1.0f;
    if ((float)++planner->stream_skips < (float)planner->stream_interval * scale)
        return false;
    planner->stream_skips = 0;
    planner->probing_next = true;
    return true;
}

bool ssi_planner_wants_streams(ssi_planner *planner, const ssi_situation *situation)
{
    if (planner->config.stream_count == 0 || situation->depth_limit == 0 ||
        drafts_nothing(&planner->config))
        return false;
    if (planner->config.tree_mode != SSI_TREE_AUTO)
        return true;
    planner->base_worth = worth_without_streams(planner, situation);
    planner->streams_wanted = worth_running(planner, rate(planner) * stream_cost(planner));
    return planner->streams_wanted;
}

static ssi_schedule choose_schedule(ssi_planner *planner, uint32_t row_count)
{
    if (planner->config.stream_count == 0 || drafts_nothing(&planner->config))
        return SSI_SCHEDULE_NONE;
    if (!prefers_parallel(planner, row_count))
        return SSI_SCHEDULE_DEFERRED;
    if (planner->config.tree_mode != SSI_TREE_AUTO)
        return SSI_SCHEDULE_PARALLEL;
    planner->streams_wanted =
        worth_running(planner, rate(planner) * parallel_cost(planner, row_count));
    return planner->streams_wanted ? SSI_SCHEDULE_PARALLEL : SSI_SCHEDULE_NONE;
}

static void choose_pruning(ssi_planner *planner, uint32_t row_count, ssi_plan *plan)
{
    const ssi_planner_config *config = &planner->config;
    float rows = (float)row_count, kept = 1.0f + (rows - 1.0f) * planner->keep_share;
    float streams = plan->schedule == SSI_SCHEDULE_PARALLEL ? (float)config->stream_count : 0;

    plan->prune = config->has_pruner && config->prune == SSI_PRUNE_ON && row_count > 1;
    plan->prune_threshold = FIXED_PRUNE_THRESHOLD;
    if (config->tree_mode != SSI_TREE_AUTO || !config->has_pruner || row_count < 2)
        return;

    float saved = config->msa_share *
                  relative(planner, cost_of_rows(planner, rows * (1.0f + streams)) -
                                        cost_of_rows(planner, kept * (1.0f + streams)));
    float spent =
        planner->prune_time.weight > 0 ? planner->prune_time.average : config->prune_share;
    if (config->prune == SSI_PRUNE_AUTO)
        plan->prune = rate(planner) * (saved - spent) > planner->prune_loss;
    /* A node less likely than this doesn't earn its share of the MSA layers. */
    if (kept < rows)
        plan->prune_threshold = rate(planner) * saved / (rows - kept);
}

void ssi_planner_plan(ssi_planner *planner, const ssi_situation *situation, ssi_tree *tree,
                      ssi_plan *plan)
{
    const ssi_planner_config *config = &planner->config;

    planner->streams_tried = planner->streams_wanted;
    planner->probing = planner->probing_next;
    planner->streams_wanted = planner->probing_next = false;
    if (config->tree_mode == SSI_TREE_AUTO) {
        if (config->stream_count > 0)
            planner->base_worth = worth_without_streams(planner, situation);
        planner->worth =
            grow_priced(planner, situation, situation->sources, situation->source_count, tree);
        planner->streams_tried |= planner->growth.expanded & 1 &&
                                  planner->growth.candidate_count[0][SSI_SOURCE_STREAM] > 0;
        if (tree->node_count > 1 && planner->plain_age >= planner->plain_interval &&
            rate(planner) < PLAIN_DOUBT)
            tree->node_count = 1;
    } else {
        ssi_growth_limits limits = limits_of(planner, situation);
        if (config->tree_mode == SSI_TREE_WIDTHS) {
            limits.widths = config->widths;
            limits.width_count = config->width_count;
        } else if (limits.node_limit > config->best_count) {
            limits.node_limit = config->best_count;
        }
        ssi_grow(&planner->growth, tree, situation->root_token, situation->sources,
                 situation->source_count, &limits);
    }
    plan->schedule = choose_schedule(planner, tree->node_count);
    choose_pruning(planner, tree->node_count, plan);
    planner->plan = *plan;
    planner->planned_nodes = tree->node_count;
}

static void learn_gain(ssi_planner *planner, float accepted, float row_cost)
{
    float sample = accepted - rate(planner) * (row_cost - 1.0f);
    float window = planner->gain_samples + 1.0f + GAIN_PRIOR_SAMPLES;

    if (!planner->streams_tried || planner->base_worth >= BASE_WEAK)
        return;
    /* What a calibrated tree promises is less a matter of luck than what it brings. */
    if (planner->gain_samples >= GAIN_BLEND)
        sample = 0.5f * (sample + planner->worth);
    sample = sample > LEAST_GAIN ? sample : LEAST_GAIN;
    if (planner->probing)
        window = PROBE_WINDOW;
    planner->gain_samples += 1.0f;
    planner->stream_gain +=
        (sample - planner->stream_gain) / (window < GAIN_WINDOW ? window : GAIN_WINDOW);
    if (!planner->probing)
        return;
    if (planner->stream_gain > rate(planner) * stream_cost(planner))
        planner->stream_interval /= planner->stream_interval >= 4 * PROBE_FIRST ? 4 : 1;
    else if (planner->stream_interval < PROBE_LAST)
        planner->stream_interval += planner->stream_interval / 2;
}

/* A true child that the early exit cut is lost with all that was to follow it: of a long chain that
 * is more than the pass. What was learnt long ago is doubted again. */
static void learn_loss(ssi_planner *planner, const ssi_outcome *outcome)
{
    if (planner->plan.prune)
        planner->prune_loss += (outcome->tokens_cut - planner->prune_loss) / 8;
    else
        planner->prune_loss += (PRUNE_LOSS_PRIOR - planner->prune_loss) / 512;
}

static void learn_costs(ssi_planner *planner, const ssi_outcome *outcome)
{
    bool parallel = planner->plan.schedule == SSI_SCHEDULE_PARALLEL;
    uint32_t rows = outcome->row_count;

    if (!(outcome->pass_ms > 0))
        return; /* not timed: nor is the rest believed */
    if (parallel && planner->rows_timed) {
        float added = relative(planner, outcome->pass_ms - planner->row_cost.cost[rows - 1]);
        float ratio = added / parallel_prior(planner, rows);
        ssi_time_observe(&planner->parallel_ratio, ratio > 0.05f ? ratio : 0.05f);
    } else {
        /* With nothing but parallel passes the two parts can't be told apart: split as thought. */
        float own = relative(planner, planner->row_cost.cost[rows - 1]);
        float part = parallel ? own / (own + parallel_cost(planner, rows)) : 1.0f;
        ssi_row_cost_observe(&planner->row_cost, rows, part * outcome->pass_ms);
        planner->rows_timed |= !parallel;
    }
    /* By the level of this moment, as the pass has just moved it. */
    if (outcome->stream_ms > 0)
        ssi_time_observe(&planner->stream_time, relative(planner, outcome->stream_ms));
    if (planner->plan.prune) {
        float kept = rows > 1 ? (float)(outcome->row_count_kept - 1) / (float)(rows - 1) : 1.0f;
        planner->keep_share += (kept - planner->keep_share) / 16;
        if (outcome->prune_ms > 0)
            ssi_time_observe(&planner->prune_time, relative(planner, outcome->prune_ms));
    } else { /* what was learnt long ago is doubted again */
        planner->keep_share += (KEEP_PRIOR - planner->keep_share) / 512;
    }

    if (rows > 1) {
        planner->plain_age++;
    } else {
        if (planner->plain_age >= planner->plain_interval &&
            planner->plain_interval < PLAIN_LAST)
            planner->plain_interval *= 2;
        planner->plain_age = 0;
    }
}

void ssi_planner_observe(ssi_planner *planner, const ssi_outcome *outcome)
{
    bool parallel = planner->plan.schedule == SSI_SCHEDULE_PARALLEL;

    ssi_growth_observe(&planner->growth, &planner->acceptance, outcome->path, outcome->tokens,
                       outcome->path_count);
    learn_loss(planner, outcome);
    learn_costs(planner, outcome);

    float row_cost = relative(planner, planner->row_cost.cost[outcome->row_count - 1]);
    learn_gain(planner, (float)(outcome->path_count - 1), row_cost);
    float time = row_cost + (outcome->stream_ms > 0 ? stream_cost(planner) : 0) +
                 (parallel ? parallel_cost(planner, outcome->row_count) : 0);
    planner->recent_tokens = planner->recent_tokens * RATE_KEEP + (float)outcome->path_count;
    planner->recent_time = planner->recent_time * RATE_KEEP + time;
}
