/* SPDX-License-Identifier: Apache-2.0 */
/* The planner: which tree, whether streams are worth their pass, which schedule, whether to prune.
 * It maximises tokens per millisecond with what it has seen: how often guesses come true
 * (acceptance.h) and what rows cost (row_cost.h). When drafts don't pay it plans plain steps, and
 * looks again at bounded cost.
 *
 * Its inputs are numbers, times among them: same numbers, same plans. No plan can change a token;
 * it changes only how soon tokens come.
 *
 * A step, as the session drives it:
 *     if (the last pass has left no streams for this root)
 *         if (ssi_planner_wants_streams())  run the deferred pass for it
 *     ssi_planner_plan()      -> the tree, and how to run it
 *     the pass, the walk
 *     ssi_planner_observe() */
#ifndef SSI_DRAFT_PLANNER_H
#define SSI_DRAFT_PLANNER_H

#include "draft/grow.h"
#include "draft/row_cost.h"

typedef enum ssi_tree_mode {
    SSI_TREE_AUTO = 0, /* by expected tokens per millisecond */
    SSI_TREE_BEST,     /* best_count nodes, as the sources rate them; no clock */
    SSI_TREE_WIDTHS    /* children per node by depth; the best that fits; no clock */
} ssi_tree_mode;

typedef enum ssi_schedule {
    SSI_SCHEDULE_AUTO = 0,
    SSI_SCHEDULE_PARALLEL, /* streams ride with every node in the MSA layers (the paper) */
    SSI_SCHEDULE_DEFERRED, /* verify first; then the last accepted node's streams alone */
    SSI_SCHEDULE_NONE      /* only in plans: no streams in this pass */
} ssi_schedule;

typedef enum ssi_prune_mode {
    SSI_PRUNE_AUTO = 0,
    SSI_PRUNE_ON,
    SSI_PRUNE_OFF
} ssi_prune_mode;

typedef struct ssi_planner_config {
    ssi_tree_mode tree_mode;
    uint32_t best_count;             /* for SSI_TREE_BEST */
    uint32_t width_count;            /* for SSI_TREE_WIDTHS */
    uint8_t widths[SSI_TREE_NODES];
    ssi_schedule schedule;
    ssi_prune_mode prune;
    uint32_t max_rows;               /* in one step, 1 to SSI_TREE_NODES */
    uint32_t stream_count;           /* 0: no adapter, or streams not wanted */
    bool has_root_terms;             /* the adapter's streams need the deferred schedule */
    bool has_pruner;
    /* First guesses from the weights' bytes, as shares of a step of one row; measured later. */
    float msa_share;                 /* the MSA layers */
    float draft_head_share;          /* the streams' head */
    float prune_share;               /* the pruner's head */
    const float *row_cost_shape;     /* read by _init only; NULL: built in */
} ssi_planner_config;

typedef struct ssi_situation {
    int32_t root_token;
    uint32_t depth_limit;       /* deepest useful node: tokens still allowed less one, room in the
                                 * context */
    const int32_t *end_tokens;  /* tokens that end the generation (none where they are ignored) */
    uint32_t end_count;
    const ssi_draft_source *sources; /* at most one of a kind; streams begun if they are there */
    uint32_t source_count;
} ssi_situation;

typedef struct ssi_plan {
    ssi_schedule schedule;     /* PARALLEL: run streams in this pass */
    bool prune;
    float prune_threshold;     /* nodes whose path is less likely by the early exit are cut */
} ssi_plan;

typedef struct ssi_outcome {
    const uint8_t *path;       /* nodes visited by the walk, numbered as planned; the root first */
    const int32_t *tokens;     /* [path_count]: what was drawn at each */
    uint32_t path_count;       /* at least 1: the tokens emitted */
    uint32_t row_count;        /* nodes run, the root included */
    uint32_t row_count_kept;   /* after pruning; row_count without */
    float pass_ms;             /* the pass, pruning, head and walk included; 0: not timed */
    float stream_ms;           /* the deferred pass before this plan; 0: there was none */
    float prune_ms;            /* of pass_ms */
    float tokens_cut;          /* what was promised of the child that held the last token and was
                                * cut by pruning, itself included; 0: there was none */
} ssi_outcome;

typedef struct ssi_planner {
    ssi_planner_config config;
    ssi_row_cost row_cost;
    ssi_acceptance acceptance;
    ssi_growth growth;         /* of the last plan, until its outcome is observed */
    ssi_tree shadow_tree;      /* what the other sources would do without streams */
    ssi_plan plan;
    uint32_t planned_nodes;

    float recent_tokens, recent_time; /* fading sums; time in steps of one row */
    ssi_time stream_time;             /* a deferred pass, in steps of one row */
    ssi_time parallel_ratio;   /* what parallel streams cost, over what was thought */
    ssi_time prune_time;       /* in steps of one row */
    float keep_share;          /* rows that survive pruning */
    float prune_loss;          /* tokens that a pruned pass has lost by it */

    float stream_gain;         /* tokens a step with streams brings above a plain one, less its
                                * rows, where the other sources have little to say */
    float gain_samples;
    float worth;               /* expected of this plan: tokens above a plain step's, less rows */
    float base_worth;          /* the same for the other sources, in this situation */
    bool streams_wanted;       /* for the next plan */
    bool streams_tried;        /* this plan had streams, or had asked for them */
    bool probing, probing_next; /* they are run to see whether they pay again */
    uint32_t stream_skips, stream_interval;
    uint32_t plain_age, plain_interval; /* steps since one of one row was timed */
    bool rows_timed;           /* a pass without parallel streams was */
} ssi_planner;

/* About 42 KiB, meant for the session's arena. A new config keeps nothing of what was learnt. */
void ssi_planner_init(ssi_planner *planner, const ssi_planner_config *config);

/* Whether to run the deferred pass of the root's streams now. Once per root. */
bool ssi_planner_wants_streams(ssi_planner *planner, const ssi_situation *situation);

/* Grows the tree to be run. */
void ssi_planner_plan(ssi_planner *planner, const ssi_situation *situation, ssi_tree *tree,
                      ssi_plan *plan);

/* Learns from the step just planned and run. */
void ssi_planner_observe(ssi_planner *planner, const ssi_outcome *outcome);

#endif
