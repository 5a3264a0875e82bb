/* SPDX-License-Identifier: Apache-2.0 */
/* How a command drafts: the adapter, the sources, the shape of the tree. None of it changes a token
 * but the adapter's main half. */
#ifndef SPECULATION_H
#define SPECULATION_H

#include "args.h"
#include "specstream/specstream.h"

#define MOST_DEPTH 63u

typedef struct speculation {
    const char *adapter, *draft, *tree; /* as on the command line, or NULL */
    int32_t schedule, prune;
    bool off; /* --no-spec */
    /* speculation_check fills these in. */
    ss_draft_sources sources;
    ss_tree_mode tree_mode;
    uint32_t best_count;
    uint32_t widths[MOST_DEPTH];
    size_t width_count;
} speculation;

/* Rows of an option table, over a variable of type speculation. */
#define ADAPTER_OPTION(of)                                                                     \
    {OPTION_TEXT, "-a", "ADAPTER", "an adapter for the model, a GGUF file", &(of).adapter, 0,  \
     0, 0}

#define SPECULATION_OPTIONS(of)                                                                \
    {OPTION_GROUP, 0, 0, "speculation (none of these changes a result)", 0, 0, 0, 0},          \
    {OPTION_TEXT, "--draft", "SOURCES",                                                        \
     "any of streams,ngram, or none [streams,ngram with -a, else none]", &(of).draft, 0, 0,    \
     0},                                                                                       \
    {OPTION_TEXT, "--tree", "auto|best:N|W1,W2,..",                                            \
     "by measured cost; the N likeliest nodes; or children a node by depth [auto]",            \
     &(of).tree, 0, 0, 0},                                                                     \
    {OPTION_CHOICE, "--schedule", 0, "when streams run", &(of).schedule, 0, 0,                 \
     "auto|parallel|deferred"},                                                                \
    {OPTION_CHOICE, "--prune", 0, "early-exit pruning", &(of).prune, 0, 0, "auto|on|off"}

#define NO_SPEC_OPTION(of)                                                                     \
    {OPTION_FLAG, "--no-spec", 0, "plain decoding; the adapter's LoRA on main rows stays",     \
     &(of).off, 0, 0, 0}

/* Reads the texts. GO_ON, or EXIT_USAGE after saying what is wrong with one. */
int speculation_check(speculation *of, const char *command);

/* *adapter: NULL where none was given. GO_ON, or EXIT_ERROR after saying why. */
int speculation_load(const speculation *of, const ss_model *model, ss_adapter **adapter);

/* Sets adapter and drafting on a session that has neither. GO_ON, or EXIT_ERROR. */
int speculation_set(const speculation *of, const ss_adapter *adapter, ss_session *session);

/* The same with a source of the caller's alone, beside what has been set for the tree. */
int speculation_set_caller(const speculation *of, const ss_adapter *adapter,
                           uint32_t (*draft)(void *, const int32_t *, size_t, ss_draft_node *,
                                             uint32_t),
                           void *context, ss_session *session);

#endif
