/* SPDX-License-Identifier: Apache-2.0 */
/* The same (stream, parent token) turns up under several branches, and a tree may be grown more
 * than once for one step, while an answer costs a product over the whole draft vocabulary: so
 * answers are remembered for the step. */
#include "draft/source_stream.h"

#include <string.h>

void ssi_stream_source_layout(ssi_stream_source *source, ssi_arena *arena)
{
    memset(source, 0, sizeof *source);
    source->answers = ssi_arena_take(arena, SSI_TREE_NODES, sizeof *source->answers);
}

void ssi_stream_source_begin(ssi_stream_source *source, uint32_t stream_count,
                             bool parent_conditioned, ssi_stream_expand *expand,
                             void *expand_context)
{
    source->expand = expand;
    source->expand_context = expand_context;
    source->stream_count = stream_count;
    source->parent_conditioned = parent_conditioned;
    source->answer_count = 0;
}

/* Takes only what can be a probability: a stream gone wrong may cost speed, nothing else. */
static uint32_t ask(ssi_stream_source *source, uint32_t stream, int32_t parent_token,
                    ssi_candidate candidates[SSI_CANDIDATES])
{
    uint32_t kept = 0;
    uint32_t count = source->expand(source->expand_context, stream, parent_token, candidates);

    for (uint32_t i = 0; i < count; i++) {
        if (!(candidates[i].probability >= 0.0f && candidates[i].probability <= 1.0f))
            continue;
        candidates[kept] = candidates[i];
        candidates[kept].rank = (uint8_t)kept;
        candidates[kept].group = (uint8_t)stream;
        kept++;
    }
    return kept;
}

static uint32_t expand(void *context, const ssi_tree *tree, uint32_t node,
                       ssi_candidate candidates[SSI_CANDIDATES])
{
    ssi_stream_source *source = context;
    uint32_t stream = tree->depth_of_node[node];
    int32_t parent_token = source->parent_conditioned ? tree->token_of_node[node] : -1;

    if (stream >= source->stream_count)
        return 0;
    for (uint32_t i = 0; i < source->answer_count; i++) {
        const ssi_stream_answer *answer = &source->answers[i];
        if (answer->stream == stream && answer->parent_token == parent_token) {
            memcpy(candidates, answer->candidates, answer->count * sizeof *candidates);
            return answer->count;
        }
    }

    uint32_t count = ask(source, stream, parent_token, candidates);
    if (source->answer_count < SSI_TREE_NODES) {
        ssi_stream_answer *answer = &source->answers[source->answer_count++];
        answer->parent_token = parent_token;
        answer->stream = (uint8_t)stream;
        answer->count = (uint8_t)count;
        memcpy(answer->candidates, candidates, count * sizeof *candidates);
    }
    return count;
}

ssi_draft_source ssi_stream_source_interface(ssi_stream_source *source)
{
    return (ssi_draft_source){.kind = SSI_SOURCE_STREAM, .context = source, .expand = expand};
}
