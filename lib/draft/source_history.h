/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts from what a session generated in sequences that it has since let go: answers to like tasks
 * resemble each other, where nothing in the prompt does (a datastore to draft from, as in REST,
 * arXiv 2311.08252, but the session's own). What stays in the sequence is source_ngram.h's.
 *
 * An automaton of the same kind holds the runs, each closed by a mark that no text contains; the end
 * of the sequence is followed through it, token by token. When it is full the older half goes. */
#ifndef SSI_DRAFT_SOURCE_HISTORY_H
#define SSI_DRAFT_SOURCE_HISTORY_H

#include "draft/source_ngram.h"

typedef struct ssi_history {
    ssi_ngram said;
    uint32_t followed; /* tokens of the sequence that brought said.here where it is */
    uint32_t runs;     /* kept so far; tells their marks apart */
} ssi_history;

void ssi_history_layout(ssi_history *history, ssi_arena *arena, uint32_t capacity);
void ssi_history_reset(ssi_history *history);

/* Keeps a run of tokens; of one too long for half the capacity, the end. Amortised O(count). */
void ssi_history_keep(ssi_history *history, const int32_t *tokens, uint32_t count);

/* The sequence is now tokens[0 .. count), of which the first `unchanged` at least are as they were
 * when last followed. */
void ssi_history_follow(ssi_history *history, const int32_t *tokens, uint32_t unchanged,
                        uint32_t count);

/* The tree's root must hold the last token followed. */
ssi_draft_source ssi_history_interface(ssi_history *history);

#endif
