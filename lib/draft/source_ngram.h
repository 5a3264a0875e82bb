/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts from what prompt and output have already said: the longest suffix of the text (and of a
 * path in the tree) that occurred before, and what followed it. Needs no training and next to no
 * time; schemas, code, names and summaries repeat themselves.
 *
 * A suffix automaton (Blumer et al. 1985; as a drafter: SAM-Decoding, arXiv 2411.10666): one token
 * is appended in amortised constant time, and the state of the whole text links to its longest
 * suffix with an earlier occurrence. Its edges are the continuations; the links lead on to shorter
 * matches, as the contexts of PPM do, and as there an occurrence counts in the longest context
 * that knew it. */
#ifndef SSI_DRAFT_SOURCE_NGRAM_H
#define SSI_DRAFT_SOURCE_NGRAM_H

#include "base/arena.h"
#include "draft/source.h"

typedef struct ssi_ngram_state {
    uint32_t length;     /* of the longest string that leads here */
    int32_t link;        /* state of the longest suffix with more occurrences; -1: the start */
    int32_t first_edge;  /* most recently used first; -1: none */
    uint32_t edge_count;
    uint32_t use_count;  /* sum of the edges' counts */
} ssi_ngram_state;

typedef struct ssi_ngram_edge {
    int32_t token;
    int32_t from, to; /* states */
    int32_t next, previous; /* in the order of use */
    uint32_t count;   /* times it was taken, as far as counted here */
} ssi_ngram_edge;

typedef struct ssi_ngram_match { /* what a path of the tree ends in */
    int32_t state;
    uint32_t length; /* of the longest suffix that the text holds */
} ssi_ngram_match;

typedef struct ssi_ngram {
    uint32_t capacity;        /* tokens */
    uint32_t count;           /* tokens observed; beyond the capacity they are ignored and
                               * nothing is proposed until a rewind */
    ssi_source_kind kind;     /* SSI_SOURCE_NGRAM and 1 unless the owner says otherwise after */
    float trust;              /* the layout: confidence is multiplied by this */
    uint32_t state_count, edge_count;
    int32_t last;             /* the state of the whole text */
    ssi_ngram_match here;     /* where the tree's root stands in the text */
    uint32_t bucket_mask;
    int32_t *tokens;          /* [capacity] */
    ssi_ngram_state *states;  /* [2 * capacity + 1] */
    ssi_ngram_edge *edges;    /* [3 * capacity + 1] */
    int32_t *buckets;         /* [bucket_mask + 1]: open addressing over (from, token); -1: free */
    ssi_ngram_match *match_of_node; /* [SSI_TREE_NODES] */
} ssi_ngram;

/* About 130 bytes a token of `capacity`. Call ssi_ngram_reset() once there is memory. */
void ssi_ngram_layout(ssi_ngram *ngram, ssi_arena *arena, uint32_t capacity);
void ssi_ngram_reset(ssi_ngram *ngram);

/* Appends a token: amortised O(1). The root stands at the text's end. A negative one is a mark: it is
 * never proposed. */
void ssi_ngram_append(ssi_ngram *ngram, int32_t token);

/* Forgets the tokens from `count` on, or the first `count`, by building anew: O(tokens left). */
void ssi_ngram_truncate(ssi_ngram *ngram, uint32_t count);
void ssi_ngram_drop(ssi_ngram *ngram, uint32_t count);

/* For another text than the one appended: its end stands nowhere; or a token further on. Until the
 * next append. */
void ssi_ngram_leave(ssi_ngram *ngram);
void ssi_ngram_follow(ssi_ngram *ngram, int32_t token);

/* The tree's root must hold the last token appended or followed. */
ssi_draft_source ssi_ngram_interface(ssi_ngram *ngram);

#endif
