/* SPDX-License-Identifier: Apache-2.0 */
/* What commands that run a model have in common: their options, and opening model and session as
 * the options say. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "args.h"
#include "specstream/specstream.h"

typedef struct settings {
    const char *model;
    uint32_t threads, context, prefill_chunk, max_rows;
    int32_t cpu, kv;
    uint32_t length; /* -n */
    float temperature, top_p, min_p;
    float repeat_penalty, frequency_penalty, presence_penalty;
    uint32_t top_k;
    uint64_t seed;
    text_list stops;
    bool ignore_end;
} settings;

#define SETTINGS_DEFAULT                                                                       \
    {                                                                                          \
        .top_p = 1, .repeat_penalty = 1, .max_rows = 32                                        \
    }

/* Rows of an option table, over a variable of type settings. */
#define MODEL_OPTION(of) {OPTION_TEXT, "-m", "MODEL", "the model, a GGUF file", &(of).model, 0, 0, 0}

#define MACHINE_OPTIONS(of)                                                                    \
    {OPTION_GROUP, 0, 0, "machine (none of these changes a result)", 0, 0, 0, 0},              \
    {OPTION_COUNT, "--threads", "N", "threads; 0: one per core", &(of).threads, 0, 256, 0},    \
    {OPTION_CHOICE, "--cpu", 0, "kernels", &(of).cpu, 0, 0, "auto|portable|avx2|avx512"}

#define SESSION_OPTIONS(of)                                                                    \
    {OPTION_COUNT, "--prefill-chunk", "N", "rows of a prompt run at once; 0: automatic",       \
     &(of).prefill_chunk, 0, 1024, 0},                                                         \
    {OPTION_GROUP, 0, 0, "memory", 0, 0, 0, 0},                                                \
    {OPTION_CHOICE, "--kv", 0, "numbers of the key-value cache", &(of).kv, 0, 0, "f16|f32"}

#define CONTEXT_OPTION(of, help)                                                               \
    {OPTION_COUNT, "-c", "N", help, &(of).context, 0, 4294967295.0, 0}

#define SAMPLER_OPTIONS(of)                                                                    \
    {OPTION_GROUP, 0, 0, "sampling (greedy unless --temp is above 0)", 0, 0, 0, 0},            \
    {OPTION_REAL_0, "--temp", "T", "temperature", &(of).temperature, 0.0001, 100, 0},          \
    {OPTION_COUNT, "--top-k", "K", "of the K likeliest tokens; 0: of all", &(of).top_k, 0,     \
     4294967295.0, 0},                                                                         \
    {OPTION_REAL, "--top-p", "P", "of the likeliest that sum to P", &(of).top_p, 0, 1, 0},     \
    {OPTION_REAL, "--min-p", "P", "of those at least P times the likeliest", &(of).min_p, 0,   \
     1, 0},                                                                                    \
    {OPTION_SEED, "--seed", "S", "64 bits; the same seed gives the same text", &(of).seed, 0,  \
     0, 0},                                                                                    \
    {OPTION_REAL, "--repeat-penalty", "X", "logits of recent tokens are divided by X",         \
     &(of).repeat_penalty, 0.001, 1000, 0},                                                    \
    {OPTION_REAL, "--frequency-penalty", "X", "less for every recent occurrence",              \
     &(of).frequency_penalty, -1000, 1000, 0},                                                 \
    {OPTION_REAL, "--presence-penalty", "X", "less where a token occurred recently",           \
     &(of).presence_penalty, -1000, 1000, 0}

#define ROWS_OPTION(of)                                                                        \
    {OPTION_COUNT, "--max-rows", "N", "most rows of a step, the root included", &(of).max_rows, \
     1, 64, 0}

#define STOP_OPTIONS(of)                                                                       \
    {OPTION_LIST, "--stop", "TEXT", "end before TEXT; up to 16 times", &(of).stops, 0, 0, 0},  \
    {OPTION_FLAG, "--ignore-eos", 0, "go on after an end token", &(of).ignore_end, 0, 0, 0}

/* GO_ON, or EXIT_ERROR after saying why. */
int settings_load(const settings *from, ss_model **model);

/* Whether the model of the settings takes this adapter file; GO_ON, or EXIT_ERROR. */
int settings_check_adapter(const settings *from, const char *file);

/* A session with the sampler and stop strings as set, of `context` tokens, at most the model's
 * own limit unless -c asked for that many. */
int settings_session(const settings *from, const ss_model *model, uint64_t context,
                     ss_session **session);

#endif
