/* SPDX-License-Identifier: Apache-2.0 */
/* What is inside a session: the tree of its last step, the rows in its cache. Include after
 * cmocka.h. */
#ifndef TEST_SESSION_LOOK_H
#define TEST_SESSION_LOOK_H

#include <stdlib.h>

#include "session/session_state.h"

static inline void print_tree(const ss_session *session)
{
    const ss_tree_node *nodes;
    size_t count;
    ssi_session_get_tree(session, &nodes, &count);
    for (size_t i = 0; i < count; i++)
        print_error("  node %zu: token %d, parent %d, probability %g, source %u, rank %u, %s\n",
                    i, nodes[i].token, nodes[i].parent, (double)nodes[i].probability,
                    nodes[i].source, nodes[i].rank,
                    nodes[i].state == SS_NODE_ACCEPTED ? "accepted"
                    : nodes[i].state == SS_NODE_PRUNED ? "pruned"
                                                       : "rejected");
}

/* Of the first `count` cached rows, in the layout of saved sessions. */
static inline ssi_hash128 hash_rows(const ss_session *session, uint32_t count)
{
    const ssi_kv_cache *cache = &session->work.cache;
    size_t bytes = ssi_kv_row_bytes(cache);
    unsigned char *rows = malloc(bytes * (count + 1));
    for (uint32_t row = 0; row < count; row++)
        ssi_kv_save_row(cache, row, rows + row * bytes);
    ssi_hash128 hash = ssi_hash(rows, bytes * count);
    free(rows);
    return hash;
}

#endif
