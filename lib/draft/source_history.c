/* SPDX-License-Identifier: Apache-2.0 */
/* Runs and marks, and where the sequence's end stands among them. */
#include "draft/source_history.h"

/* What a continuation found here is worth, beside one found in the sequence itself: between 0.4 (open
 * questions) and 1.2 (forms filled in, one like the other). The acceptance tracker corrects it. */
#define TRUST 0.6f
/* Where the end of a new sequence is followed from: longer matches are none the surer. */
#define RETRACED 64u

void ssi_history_layout(ssi_history *history, ssi_arena *arena, uint32_t capacity)
{
    ssi_ngram_layout(&history->said, arena, capacity);
    history->said.kind = SSI_SOURCE_HISTORY;
    history->said.trust = TRUST;
}

void ssi_history_reset(ssi_history *history)
{
    ssi_ngram_reset(&history->said);
    history->followed = history->runs = 0;
}

void ssi_history_keep(ssi_history *history, const int32_t *tokens, uint32_t count)
{
    ssi_ngram *said = &history->said;
    uint32_t half = said->capacity / 2;
    if (count >= half) {
        tokens += count - (half - 1);
        count = half - 1;
    }
    if (said->count + count + 1 > said->capacity)
        ssi_ngram_drop(said, said->count - half);
    for (uint32_t i = 0; i < count; i++)
        ssi_ngram_append(said, tokens[i]);
    ssi_ngram_append(said, -1 - (int32_t)(history->runs++ & INT32_MAX));
    history->followed = 0; /* the states may have been split */
}

void ssi_history_follow(ssi_history *history, const int32_t *tokens, uint32_t unchanged,
                        uint32_t count)
{
    if (unchanged < history->followed || history->followed == 0) {
        ssi_ngram_leave(&history->said);
        history->followed = count > RETRACED ? count - RETRACED : 0;
    }
    while (history->followed < count)
        ssi_ngram_follow(&history->said, tokens[history->followed++]);
}

ssi_draft_source ssi_history_interface(ssi_history *history)
{
    return ssi_ngram_interface(&history->said);
}
