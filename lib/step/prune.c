/* SPDX-License-Identifier: Apache-2.0 */
/* Early exit, method 2.10: at the entry of the MSA layers o_θ, the output norm and the draft head
 * turn every parent's state into preliminary probabilities, which score its children; paths with
 * little joint probability are cut before they cost rows. It decides what is offered, never what
 * comes out. */
#include "step/rows.h"

#include <string.h>

/* Nodes that have children, in order. */
static uint32_t find_parents(const ssi_tree *tree, uint8_t parents[SSI_TREE_NODES])
{
    uint64_t has_child = 0;
    uint32_t count = 0;
    for (uint32_t node = 1; node < tree->node_count; node++)
        has_child |= 1ull << tree->parent_of_node[node];
    for (uint32_t node = 0; node < tree->node_count; node++)
        if (has_child >> node & 1)
            parents[count++] = (uint8_t)node;
    return count;
}

/* A token outside the draft vocabulary: its own row of the head, against the same normaliser. */
static float logit_outside(const ssi_workspace *work, const float *normed, int32_t token)
{
    const ssi_linear *head = &work->model->head;
    float *row = work->streams.embedding;
    float sum = head->bias ? head->bias[token] : 0.0f;
    ssi_type_get(head->weight.type)->unpack_row(&head->weight, (uint32_t)token, row);
    for (uint32_t i = 0; i < head->weight.columns; i++)
        sum += row[i] * normed[i];
    return sum;
}

void ssi_prune_score(ssi_workspace *work, const ssi_tree *tree, float *probability)
{
    const ss_adapter *adapter = work->streams.adapter;
    const ssi_kernels *kernels = &work->model->kernels;
    uint32_t row_of_node[SSI_TREE_NODES];
    uint8_t parents[SSI_TREE_NODES];
    float largest[SSI_TREE_NODES], sum[SSI_TREE_NODES];
    uint32_t count = find_parents(tree, parents), stride = (uint32_t)work->logit_stride;
    float *states = work->hidden + (size_t)tree->node_count * work->hidden_stride;
    for (uint32_t i = 0; i < count; i++) {
        float *state = states + i * work->hidden_stride;
        row_of_node[parents[i]] = i;
        memcpy(state, work->hidden + parents[i] * work->hidden_stride,
               work->hidden_stride * sizeof *state);
        ssi_streams_add_low_rank(work, &adapter->prune, state);
    }
    if (adapter->draft_tokens)
        ssi_head_run(work, &adapter->draft_head, tree->node_count, count, work->logits, stride);
    else /* the whole vocabulary, weighed as verification will */
        ssi_main_head_run(work, tree->node_count, count, work->logits);
    for (uint32_t i = 0; i < count; i++) {
        const float *logits = work->logits + (size_t)i * stride;
        largest[i] = logits[work->peaks[i].token];
        sum[i] = kernels->exp_sum(logits, adapter->draft_count, largest[i], 1.0f);
    }
    probability[0] = 1.0f;
    for (uint32_t node = 1; node < tree->node_count; node++) {
        uint32_t row = row_of_node[tree->parent_of_node[node]];
        int32_t token = tree->token_of_node[node];
        int32_t index = adapter->draft_of_token ? adapter->draft_of_token[token] : token;
        float logit = index >= 0
                          ? work->logits[row * stride + (uint32_t)index]
                          : logit_outside(work, work->normed.values +
                                                    row * work->normed.value_stride, token);
        /* An early exit that makes no sense cuts nothing. */
        probability[node] =
            work->peaks[row].finite ? ssi_expf(logit - largest[row]) / sum[row] : 1.0f;
    }
}

/* The rows of kept nodes close up; each keeps the slot its keys went to in the lower layers, and
 * uses it in the MSA layers too. */
static void gather_rows(ssi_workspace *work, uint32_t count, const uint8_t *node_of_kept)
{
    ssi_batch *batch = &work->batch;
    uint32_t pair_count = work->model->hyper.rope_length / 2;
    for (uint32_t row = 0; row < count; row++) {
        uint32_t from = node_of_kept[row];
        if (from == row)
            continue;
        memcpy(work->hidden + row * work->hidden_stride, work->hidden + from * work->hidden_stride,
               work->hidden_stride * sizeof *work->hidden);
        memcpy(batch->cosines + (size_t)row * pair_count,
               batch->cosines + (size_t)from * pair_count, pair_count * sizeof *batch->cosines);
        memcpy(batch->sines + (size_t)row * pair_count, batch->sines + (size_t)from * pair_count,
               pair_count * sizeof *batch->sines);
        batch->tokens[row] = batch->tokens[from];
        batch->positions[row] = batch->positions[from];
        batch->slots[row] = batch->slots[from];
        batch->attention[row] = batch->attention[from]; /* ancestors[from] stays where it is */
    }
    batch->row_count = batch->main_count = count;
}

void ssi_prune_run(ssi_workspace *work, ssi_tree *tree, float threshold,
                   uint8_t node_of_kept[SSI_TREE_NODES])
{
    float probability[SSI_TREE_NODES];
    uint64_t kept = 1;
    if (tree->node_count == 1) {
        node_of_kept[0] = 0;
        return;
    }
    ssi_prune_score(work, tree, probability);
    for (uint32_t node = 1; node < tree->node_count; node++) {
        uint32_t parent = tree->parent_of_node[node];
        probability[node] *= probability[parent]; /* along the path */
        if (kept >> parent & 1 && probability[node] >= threshold)
            kept |= 1ull << node;
    }
    ssi_tree_keep(tree, kept, node_of_kept);
    gather_rows(work, tree->node_count, node_of_kept);
}
