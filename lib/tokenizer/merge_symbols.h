/* SPDX-License-Identifier: Apache-2.0 */
/* The loop that both tokenizers share: of all neighbouring symbols that may merge, merge the best
 * pair, the leftmost of equals, until none is left. What "best" means is the finder's, inlined
 * into one instance each for bpe.c and sentencepiece.c. Few symbols are searched one by one;
 * many go through a heap, so that a word of n characters costs n log n. */
#ifndef SSI_TOKENIZER_MERGE_SYMBOLS_H
#define SSI_TOKENIZER_MERGE_SYMBOLS_H

#include "tokenizer/vocabulary.h"

#define SSI_FEW_SYMBOLS 48u
#define SSI_NO_PAIR UINT32_MAX

typedef struct ssi_symbol {
    int32_t token;          /* -1: no token (a character that only bytes can express) */
    uint32_t begin, length; /* in the text; length 0: merged into the symbol before */
    uint32_t previous, next; /* used among many; the ends point to symbol_count */
} ssi_symbol;

typedef struct ssi_pair {
    uint32_t priority; /* lower merges first; SSI_NO_PAIR: can't merge */
    int32_t token;
} ssi_pair;

typedef struct ssi_merge { /* that may be done: it waits in the heap */
    uint32_t priority, left;
    uint32_t length; /* of both symbols when it was found: symbols only grow, so a merge is out
                      * of date exactly if the lengths don't add up to this */
    int32_t token;
} ssi_merge;

typedef ssi_pair ssi_pair_finder(const ssi_tokenizer *tokenizer, const char *text,
                                 const ssi_symbol *left, const ssi_symbol *right);

/* Merges waiting at a time: one per neighbourhood at first; a merge takes one, adds two. */
static inline size_t ssi_merge_heap_count(size_t symbol_count)
{
    return symbol_count <= SSI_FEW_SYMBOLS ? 0 : 2 * symbol_count;
}

static inline bool ssi_merge_before(const ssi_merge *a, const ssi_merge *b)
{
    return a->priority < b->priority || (a->priority == b->priority && a->left < b->left);
}

static inline void ssi_heap_push(ssi_merge *heap, size_t *count, ssi_merge added)
{
    size_t at = (*count)++;
    while (at > 0 && ssi_merge_before(&added, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = added;
}

static inline ssi_merge ssi_heap_pop(ssi_merge *heap, size_t *count)
{
    ssi_merge first = heap[0], last = heap[--*count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < *count) {
        if (child + 1 < *count && ssi_merge_before(&heap[child + 1], &heap[child]))
            child++;
        if (!ssi_merge_before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

static inline uint32_t ssi_merge_few(const ssi_tokenizer *tokenizer, const char *text,
                                     ssi_symbol *symbols, uint32_t count,
                                     ssi_pair_finder *find)
{
    ssi_pair pairs[SSI_FEW_SYMBOLS];
    for (uint32_t i = 0; i + 1 < count; i++)
        pairs[i] = find(tokenizer, text, &symbols[i], &symbols[i + 1]);
    while (count > 1) {
        uint32_t best = SSI_NO_PAIR, at = 0;
        for (uint32_t i = 0; i + 1 < count; i++)
            if (pairs[i].priority < best) {
                best = pairs[i].priority;
                at = i;
            }
        if (best == SSI_NO_PAIR)
            break;
        symbols[at].token = pairs[at].token;
        symbols[at].length += symbols[at + 1].length;
        count--;
        for (uint32_t i = at + 1; i < count; i++) {
            symbols[i] = symbols[i + 1];
            pairs[i - 1] = pairs[i];
        }
        if (at > 0)
            pairs[at - 1] = find(tokenizer, text, &symbols[at - 1], &symbols[at]);
        if (at + 1 < count)
            pairs[at] = find(tokenizer, text, &symbols[at], &symbols[at + 1]);
    }
    return count;
}

static inline void ssi_offer_pair(const ssi_tokenizer *tokenizer, const char *text,
                                  const ssi_symbol *symbols, uint32_t left, uint32_t right,
                                  ssi_merge *heap, size_t *heap_count, ssi_pair_finder *find)
{
    ssi_pair pair = find(tokenizer, text, &symbols[left], &symbols[right]);
    if (pair.priority != SSI_NO_PAIR)
        ssi_heap_push(heap, heap_count,
                      (ssi_merge){.priority = pair.priority,
                                  .left = left,
                                  .length = symbols[left].length + symbols[right].length,
                                  .token = pair.token});
}

static inline uint32_t ssi_merge_many(const ssi_tokenizer *tokenizer, const char *text,
                                      ssi_symbol *symbols, uint32_t count, ssi_merge *heap,
                                      ssi_pair_finder *find)
{
    size_t heap_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        symbols[i].previous = i > 0 ? i - 1 : count;
        symbols[i].next = i + 1;
    }
    for (uint32_t i = 0; i + 1 < count; i++)
        ssi_offer_pair(tokenizer, text, symbols, i, i + 1, heap, &heap_count, find);
    while (heap_count > 0) {
        ssi_merge best = ssi_heap_pop(heap, &heap_count);
        ssi_symbol *left = &symbols[best.left];
        if (left->length == 0 || left->next == count)
            continue;
        ssi_symbol *right = &symbols[left->next];
        if (left->length + right->length != best.length)
            continue;
        left->token = best.token;
        left->length = best.length;
        left->next = right->next;
        right->length = 0;
        if (left->next != count)
            symbols[left->next].previous = best.left;
        if (left->previous != count)
            ssi_offer_pair(tokenizer, text, symbols, left->previous, best.left, heap,
                           &heap_count, find);
        if (left->next != count)
            ssi_offer_pair(tokenizer, text, symbols, best.left, left->next, heap, &heap_count,
                           find);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (symbols[i].length > 0)
            symbols[kept++] = symbols[i];
    return kept;
}

/* Merges in place and returns how many symbols are left. `heap` has room for
 * ssi_merge_heap_count(count) merges. */
static inline uint32_t ssi_merge_symbols(const ssi_tokenizer *tokenizer, const char *text,
                                         ssi_symbol *symbols, uint32_t count,
                                         ssi_merge *heap, ssi_pair_finder *find)
{
    return count <= SSI_FEW_SYMBOLS
               ? ssi_merge_few(tokenizer, text, symbols, count, find)
               : ssi_merge_many(tokenizer, text, symbols, count, heap, find);
}

#endif
