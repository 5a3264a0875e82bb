/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: one token sequence over a shared model. Prefill gives it a prompt, every step emits
 * the next tokens, one or several, always the very tokens that plain decoding would have given.
 *
 * Token t is a pure function of the model (and the main half of its adapter), the tokens before
 * t, the sampler's settings and its seed. Threads, kernels, chunks, trees, drafts and schedules
 * only change how fast it comes. The project's sources say how, in docs/exactness.md.
 *
 * A session belongs to one thread at a time; ss_session_cancel() alone may come from others. It does
 * not go through fork(), where threads end: in the child it is not to be used, nor freed.
 * After any error the handle is usable, and in the state its comment names. */
#ifndef SPECSTREAM_SESSION_H
#define SPECSTREAM_SESSION_H

#include "specstream/adapter.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ss_session ss_session;

typedef int32_t ss_kv_type;
#define SS_KV_F16 ((ss_kv_type)0)
#define SS_KV_F32 ((ss_kv_type)1)

typedef int32_t ss_on_full;
#define SS_ON_FULL_ERROR ((ss_on_full)0) /* the call gives SS_ERROR_CONTEXT_FULL */
#define SS_ON_FULL_SLIDE ((ss_on_full)1) /* keep the first keep_count tokens, drop the older half
                                          * of the rest, prefill what remains again */

/* Settings of a session. Call ss_session_params_init(), then change fields. */
typedef struct ss_session_params {
    size_t struct_size;            /* set by _init */
    const ss_allocator *allocator; /* copied; NULL: malloc and free */
    const ss_log *log;             /* used by _create only; NULL: silence */
    const ss_progress *progress;   /* copied; reported between chunks of a prefill */
    const ss_parallel *parallel;   /* copied; NULL: threads of our own */
    uint64_t (*clock)(void *context); /* nanoseconds, monotonic; NULL: the system's */
    void *clock_context;
    uint32_t thread_count;         /* 0: one per core; ignored with parallel */
    uint32_t context_length;       /* tokens the cache holds; 0: the model's own limit */
    uint32_t max_step_rows;        /* most rows in one step, 1 to 64; default 32 */
    uint32_t prefill_chunk;        /* rows in one chunk of a prefill, 1 to 1024; 0: the library's
                                    * choice. No bit of the result depends on it. */
    ss_kv_type kv_type;            /* numbers in the cache; SS_KV_F16 */
    ss_on_full on_full;            /* SS_ON_FULL_ERROR */
    uint32_t keep_count;           /* for SS_ON_FULL_SLIDE: tokens at the start that stay */
    uint32_t reserved0;            /* must be 0 */
} ss_session_params;

SS_API ss_status ss_session_params_init(ss_session_params *params, size_t struct_size);

/* Bytes ss_session_create would take from the allocator for these settings; what drafting takes
 * later is not in it. Since 0.1. */
SS_API ss_status ss_session_memory_bytes(const ss_model *model, const ss_session_params *params,
                                         uint64_t *bytes, ss_error *error);

/* Creates a session, with all memory that plain decoding uses. Only ss_session_set_adapter and
 * ss_session_set_streams take more, to keep, and ss_session_save_file and _restore_file while they
 * run; prefills, steps and all other calls take none.
 *
 * model    borrowed; must outlive the session.
 * params   read during the call; NULL means defaults.
 * session  receives the handle, NULL on failure; release with ss_session_free().
 *
 * Returns SS_OK; SS_ERROR_ARGUMENT (a field is out of range: the message names it);
 * SS_ERROR_MEMORY; SS_ERROR_UNSUPPORTED (params comes from a newer header and sets a field this
 * library doesn't know).
 * Threads: may run beside any call on the same model but ss_model_free(). Since 0.1. */
SS_API ss_status ss_session_create(const ss_model *model, const ss_session_params *params,
                                   ss_session **session, ss_error *error);

SS_API void ss_session_free(ss_session *session); /* NULL is allowed */

/* How the next token is drawn. Applied in this order: logit bias, penalties, then, when
 * temperature > 0: top_k, top_p, min_p on the tempered distribution, and a Gumbel-max draw with
 * noise from (seed, position, token id). Ties go to the lower id. */
typedef struct ss_sampler_params {
    size_t struct_size;          /* set by _init */
    const int32_t *bias_tokens;  /* bias_count ids, copied; each id once */
    const float *bias_values;    /* added to their logits; -INFINITY bans a token */
    size_t bias_count;           /* at most 4096 */
    uint64_t seed;               /* all 64 bits count; default 0 */
    float temperature;           /* 0 (default): greedy, the token with the largest logit */
    float top_p;                 /* keep the likeliest whose sum reaches it, 0 to 1; default 1 */
    float min_p;                 /* keep those at least min_p times the likeliest; default 0 */
    uint32_t top_k;              /* keep the k likeliest; 0 (default): all */
    float repetition_penalty;    /* > 0, default 1: divides positive, multiplies negative logits */
    float frequency_penalty;     /* default 0: subtracted once per occurrence */
    float presence_penalty;      /* default 0: subtracted when it occurs */
    uint32_t penalty_window;     /* tokens looked back on, the prompt included, for all three
                                  * penalties; default 64; at most 1024; 0: none */
    bool ignore_end;             /* end tokens are emitted like others and end nothing */
    uint8_t reserved0[7];        /* must be 0 */
} ss_sampler_params;

SS_API ss_status ss_sampler_params_init(ss_sampler_params *params, size_t struct_size);

/* Sets the sampler; NULL means defaults. On error the one before stays. Since 0.1. */
SS_API ss_status ss_session_set_sampler(ss_session *session, const ss_sampler_params *params,
                                        ss_error *error);

/* Sets the stop strings (copied, NUL-terminated, at most 16 of at most 256 bytes each). A
 * generation ends with the token that completes one of them in the text generated since the
 * prefill. Since 0.1. */
SS_API ss_status ss_session_set_stops(ss_session *session, const char *const *stops,
                                      size_t stop_count, ss_error *error);

/* Sets the adapter (borrowed until another is set or the session freed); NULL removes it. Allowed
 * between any two calls. Tokens depend on the main half of the adapter now set, never on what was
 * set before: where the main half differs, the cached rows are redone by the next step or prefill;
 * between adapters without one the cache stays.
 *
 * Takes memory for drafting with it, then gives back what drafting had before.
 * Unless ss_session_set_streams has said otherwise, streams and n-grams draft from now on.
 * Returns SS_OK; SS_ERROR_MISMATCH (it was loaded for another model); SS_ERROR_MEMORY or
 * SS_ERROR_UNSUPPORTED (the schedule set does not go with it): the one before stays. Since 0.1. */
SS_API ss_status ss_session_set_adapter(ss_session *session, const ss_adapter *adapter,
                                        ss_error *error);

typedef uint32_t ss_draft_sources; /* any union of: */
#define SS_DRAFT_NONE ((ss_draft_sources)0)    /* plain decoding */
#define SS_DRAFT_STREAMS ((ss_draft_sources)1) /* the adapter's streams, where it has any */
#define SS_DRAFT_NGRAM ((ss_draft_sources)2)   /* what prompt and output have said before; where no
                                                * streams draft, also what the session generated in
                                                * sequences it has let go, 4,096 tokens of it, until
                                                * adapter or streams are set anew */
#define SS_DRAFT_CALLER ((ss_draft_sources)4)  /* the host's own guesses */

typedef int32_t ss_tree_mode;
#define SS_TREE_AUTO ((ss_tree_mode)0)   /* by expected tokens per millisecond */
#define SS_TREE_BEST ((ss_tree_mode)1)   /* best_count nodes below the root, best-first by the
                                          * product of the sources' probabilities; no clock */
#define SS_TREE_WIDTHS ((ss_tree_mode)2) /* widths[depth] children per node; of that shape the
                                          * best-scored part that fits max_step_rows */

typedef int32_t ss_schedule;
#define SS_SCHEDULE_AUTO ((ss_schedule)0)     /* by measured cost */
#define SS_SCHEDULE_PARALLEL ((ss_schedule)1) /* streams beside every node (the paper's); not for
                                               * adapters with root terms */
#define SS_SCHEDULE_DEFERRED ((ss_schedule)2) /* verify, then the accepted node's streams alone */

typedef int32_t ss_prune;
#define SS_PRUNE_AUTO ((ss_prune)0)
#define SS_PRUNE_ON ((ss_prune)1) /* where the adapter has a pruner */
#define SS_PRUNE_OFF ((ss_prune)2)

/* One guess of the host's. Of many that follow the same parent the 8 likeliest count. Fixed for ever:
 * no struct_size. */
typedef struct ss_draft_node {
    int32_t token;
    int32_t parent;    /* index of an earlier guess, or -1: it follows the sequence */
    float probability; /* that it follows its parent, 0 to 1; 0: unknown */
} ss_draft_node;

/* How a session drafts. No field changes a token. */
typedef struct ss_stream_config {
    size_t struct_size;            /* set by _init */
    ss_draft_sources sources;      /* default: SS_DRAFT_STREAMS | SS_DRAFT_NGRAM */
    ss_tree_mode tree_mode;        /* SS_TREE_AUTO */
    ss_schedule schedule;          /* SS_SCHEDULE_AUTO */
    ss_prune prune;                /* SS_PRUNE_AUTO */
    const uint32_t *widths;        /* for SS_TREE_WIDTHS: width_count numbers, read by the call */
    size_t width_count;            /* 1 to 63 */
    const float *row_cost;         /* NULL, or row_cost_count numbers: what a step of 1, 2, ...
                                    * rows costs, in any unit, read by the call: where the
                                    * estimate begins */
    size_t row_cost_count;         /* 64 */
    /* For SS_DRAFT_CALLER, called before each pass: tokens[0..count-1] is the sequence. Fills at
     * most `capacity` guesses, parents first, and returns how many. */
    uint32_t (*draft)(void *context, const int32_t *tokens, size_t count, ss_draft_node *nodes,
                      uint32_t capacity);
    void *draft_context;
    uint32_t best_count;           /* for SS_TREE_BEST: 0 to 63 */
    uint32_t reserved0;            /* must be 0 */
} ss_stream_config;

SS_API ss_status ss_stream_config_init(ss_stream_config *config, size_t struct_size);

/* Sets how the session drafts, with or without an adapter; NULL means the defaults. Forgets what
 * was learnt of acceptance and cost. Takes memory as ss_session_set_adapter does. On error,
 * SS_ERROR_MEMORY included, the settings before stay. Since 0.1. */
SS_API ss_status ss_session_set_streams(ss_session *session, const ss_stream_config *config,
                                        ss_error *error);

typedef int32_t ss_node_state;
#define SS_NODE_REJECTED ((ss_node_state)0)
#define SS_NODE_ACCEPTED ((ss_node_state)1) /* the root, too */
#define SS_NODE_PRUNED ((ss_node_state)2)

/* A node of the last step's tree, for display. Fixed for ever: no struct_size. */
typedef struct ss_tree_node {
    int32_t token;
    int32_t parent;      /* index of an earlier node; -1: the root */
    float probability;   /* of the path, as it was estimated */
    uint32_t source;     /* SS_DRAFT_STREAMS, _NGRAM, _CALLER; 0: the root */
    uint32_t rank;       /* in its source, from 0 */
    ss_node_state state;
} ss_tree_node;

/* The tree of the last step, root first; none after a step without a pass or one that was cancelled,
 * or where the session doesn't draft. Valid until the next call on the session. Since 0.1. */
SS_API ss_status ss_session_get_tree(const ss_session *session, const ss_tree_node **nodes,
                                     size_t *count, ss_error *error);

/* Makes the session's sequence equal to `tokens`. What it shares with the cached sequence is not
 * computed again. Emits nothing; keeps the last row's logits for the first step.
 *
 * count    1 to context_length; an empty sequence is refused.
 * Returns SS_OK; SS_ERROR_ARGUMENT (no tokens, or an id outside the vocabulary: named);
 * SS_ERROR_CONTEXT_FULL (more tokens than the context holds: nothing changed);
 * SS_ERROR_CANCELLED (the session holds the tokens prefilled so far; call again to go on);
 * SS_ERROR_NUMERIC (the session holds the tokens; a step would say the same). Since 0.1. */
SS_API ss_status ss_session_prefill(ss_session *session, const int32_t *tokens, size_t count,
                                    ss_error *error);

typedef int32_t ss_stop;
#define SS_STOP_NONE ((ss_stop)0)   /* go on */
#define SS_STOP_END ((ss_stop)1)    /* the last token is an end token */
#define SS_STOP_STRING ((ss_stop)2) /* the last token completed a stop string */

/* What a step did. */
typedef struct ss_step {
    size_t struct_size;    /* set by the caller */
    const int32_t *tokens; /* count tokens, valid until the next call on the session */
    uint32_t count;        /* at least 1 after SS_OK */
    ss_stop stop;
    uint32_t row_count;    /* tree nodes computed in this step, the root included; 0 when the
                            * token came from kept logits and no pass was needed */
    uint32_t drafted;      /* nodes of the tree below the root */
    uint32_t accepted;     /* of them, accepted */
    uint32_t reserved0;
} ss_step;

/* Emits the next tokens, by one forward pass: the pending token and its draft tree are run, and
 * the tokens verified by it are emitted. The first step after a prefill draws its first token
 * from the prefill's logits.
 *
 * max_tokens  most tokens to emit, 0: no bound. Afterwards the state is exactly what plain
 *             decoding of as many tokens would have left. With max_tokens 1 the first step needs
 *             no pass.
 * Returns SS_OK; SS_ERROR_STATE (no prefill yet, or the generation has ended: prefill again);
 * SS_ERROR_CONTEXT_FULL (nothing emitted, unless on_full slides); SS_ERROR_NUMERIC (the message
 * names the position; tokens before it have been emitted. Also: every token is banned, or bias and
 * penalties leave an infinite logit);
 * SS_ERROR_CANCELLED (nothing emitted, the state is that before the call, but for tokens that a slide
 * has dropped already). A step takes no memory and can't fail for lack of it.
 * Since 0.1. */
SS_API ss_status ss_session_step(ss_session *session, uint32_t max_tokens, ss_step *step,
                                 ss_error *error);

/* Makes a running or the next prefill, score or step return SS_ERROR_CANCELLED, once; an evaluation,
 * too, that runs rows of the sequence first. The one function that any thread, or a signal handler,
 * may call at any time. Since 0.1. */
SS_API void ss_session_cancel(ss_session *session);

/* Forgets all tokens from position `count` on, so that `count` remain (1 to the present number).
 * The next step continues from there as if nothing had followed. Since 0.1. */
SS_API ss_status ss_session_rewind(ss_session *session, size_t count, ss_error *error);

/* The tokens of the session: prompt and emitted ones. Valid until the next call. Since 0.1. */
SS_API ss_status ss_session_get_tokens(const ss_session *session, const int32_t **tokens,
                                       size_t *count, ss_error *error);

/* Runs rows above the session's sequence without emitting or keeping anything: row i holds
 * tokens[i] and continues row parents[i], or the sequence itself where parents[i] is -1; parents
 * come before children. Gives the logits after every row.
 *
 * row_count  1 to max_step_rows.
 * logits     receives [row_count][vocabulary_size], valid until the next call on the session.
 *            Each row's bits are those that plain decoding of its path would see.
 * The session keeps its sequence; the next step is unaffected.
 * Returns SS_OK; SS_ERROR_ARGUMENT; SS_ERROR_CONTEXT_FULL (a row would stand beyond the context);
 * SS_ERROR_CANCELLED or SS_ERROR_NUMERIC where rows of the sequence itself had to be run first.
 * Since 0.1. */
SS_API ss_status ss_session_evaluate(ss_session *session, const int32_t *tokens,
                                     const int32_t *parents, uint32_t row_count,
                                     const float **logits, ss_error *error);

/* Natural log probabilities of tokens[first..count-1], each given all before it, by the model's
 * plain distribution (no sampler). Replaces the session's sequence as ss_session_prefill does.
 *
 * first             1 to count - 1.
 * log_probabilities receives count - first numbers.
 * Returns what ss_session_prefill does, and leaves what that does; SS_ERROR_NUMERIC (the message
 * names the position) where any of the scores would be no number. Since 0.1. */
SS_API ss_status ss_session_score(ss_session *session, const int32_t *tokens, size_t count,
                                  size_t first, float *log_probabilities, ss_error *error);

/* Saves the session: tokens, keys and values, sampler settings, where in a generation it stands, and
 * what has been learnt of acceptance. The blob is checksummed and carries hashes of the model's
 * tensors, of its hyperparameters and tokenizer, and of the adapter set, and
 * SS_ARITHMETIC_VERSION. Params, hooks, stop strings, streams' settings, counters and the adapter
 * are not in it, nor text that slides have dropped.
 *
 * buffer  room for `capacity` bytes; may be NULL when capacity is 0.
 * bytes   receives the blob's size, also on SS_ERROR_CAPACITY (call again with that room).
 * Returns SS_OK; SS_ERROR_CAPACITY; for a path SS_ERROR_MEMORY (the blob is made in the session's
 * memory first) or SS_ERROR_IO (the file is replaced whole or left alone). The session is
 * unchanged. Since 0.1. */
SS_API ss_status ss_session_save(const ss_session *session, void *buffer, size_t capacity,
                                 size_t *bytes, ss_error *error);
SS_API ss_status ss_session_save_file(const ss_session *session, const char *path,
                                      ss_error *error);

/* Restores what ss_session_save wrote, in this process or another, on this CPU or another: the
 * next tokens are those the saved session would have given. Set the adapter first. What had been
 * learnt of acceptance is taken up where the same adapter is set.
 *
 * Returns SS_OK; SS_ERROR_FORMAT (not a session, truncated or altered); SS_ERROR_UNSUPPORTED
 * (another format or arithmetic version: both are named); SS_ERROR_MISMATCH (another model, the
 * main half of another adapter, another kv_type); SS_ERROR_CONTEXT_FULL (more tokens than this
 * session's context holds); for a path SS_ERROR_IO or SS_ERROR_MEMORY.
 * After an error the session is what it was. Since 0.1. */
SS_API ss_status ss_session_restore(ss_session *session, const void *data, size_t bytes,
                                    ss_error *error);
SS_API ss_status ss_session_restore_file(ss_session *session, const char *path,
                                         ss_error *error);

/* Counters since creation or the last ss_session_reset_stats. */
typedef struct ss_stats {
    size_t struct_size;        /* set by the caller */
    uint64_t steps;            /* forward passes after prefill */
    uint64_t tokens;           /* emitted */
    uint64_t first_tokens;     /* of them, those drawn from a prefill's logits; tokens a step =
                                * (tokens - first_tokens) / steps */
    uint64_t rows;             /* tree nodes run in steps, roots included */
    uint64_t drafted;
    uint64_t accepted;
    uint64_t prefill_tokens;   /* rows computed by prefills */
    uint64_t prefill_reused;   /* rows found in the cache instead */
    uint64_t prefill_ns;
    uint64_t step_ns;
    uint64_t lower_ns;         /* of step_ns: layers below the MSA layers */
    uint64_t prune_ns;
    uint64_t msa_ns;           /* MSA layers, main and stream rows */
    uint64_t head_ns;
    uint64_t verify_ns;        /* sampling, walk, commit */
    uint64_t plan_ns;          /* drafting and planning */
    uint64_t pruned;           /* tree nodes cut before the MSA layers */
    uint64_t memory_bytes;     /* held by the session */
    uint64_t kv_bytes;         /* of them, keys and values */
    float row_cost_ms[64];     /* [r - 1]: estimated milliseconds of a step of r rows */
} ss_stats;

SS_API ss_status ss_session_get_stats(const ss_session *session, ss_stats *stats,
                                      ss_error *error);
SS_API void ss_session_reset_stats(ss_session *session);

#ifdef __cplusplus
}
#endif
#endif
