/* SPDX-License-Identifier: Apache-2.0 */
#include "train_shape.h"
#include "report.h"

#include <string.h>

#define PARTS 9u

typedef struct part {
    const char *option;
    size_t at; /* of its field in ss_train_params */
    uint32_t has;
    enum { FIXED, ADDED, NEEDED } where_none; /* what becomes of it where the adapter has none */
} part;

#define FIELD(name) offsetof(ss_train_params, name)

/* A plain LoRA has but one. What is beyond all bounds is left to the trainer, which refuses it. */
static size_t list_parts(const ss_adapter_file_info *start, part parts[PARTS])
{
    const part all[PARTS] = {
        {"--rank", FIELD(main_rank), start->main_rank, NEEDED},
        {"--streams", FIELD(stream_count), start->stream_count, FIXED},
        {"--msa-layers", FIELD(msa_layer_count), start->msa_layer_count, FIXED},
        {"--draft-vocab", FIELD(draft_vocabulary_size), start->draft_vocabulary_size, FIXED},
        {"--stream-rank", FIELD(stream_rank), start->stream_rank, NEEDED},
        {"--init", FIELD(init_rank), start->init_rank, ADDED},
        {"--root", FIELD(root_rank), start->root_rank, ADDED},
        {"--parent", FIELD(parent_rank), start->parent_rank, ADDED},
        {"--prune-rank", FIELD(prune_rank), start->prune_rank, ADDED},
    };
    memcpy(parts, all, sizeof all);
    return start->stream_count >= 1 && start->stream_count <= MOST_STREAMS ? PARTS : 1;
}

static bool rotates(const ss_adapter_file_info *start)
{
    return strcmp(start->stream_init, "value_rotation") == 0;
}

int train_shape_take(train_job *of, ss_adapter_file_info *start)
{
    part parts[PARTS];
    ss_error error;
    ss_error_init(&error, sizeof error);
    *start = (ss_adapter_file_info){.struct_size = sizeof *start};
    if (ss_adapter_read_file_info(of->params.start, start, &error) != SS_OK)
        return report_error(of->params.start, &error);
    const size_t count = list_parts(start, parts);
    for (size_t i = 0; i < count; i++)
        if (parts[i].has > 0 || parts[i].where_none != NEEDED)
            *(uint32_t *)((char *)&of->params + parts[i].at) = parts[i].has;
    of->value_rotation = of->value_rotation || rotates(start);
    return GO_ON;
}

int train_shape_check(const train_job *of, const ss_adapter_file_info *start)
{
    part parts[PARTS];
    const size_t count = list_parts(start, parts);
    for (size_t i = 0; i < count; i++) {
        const uint32_t asked = *(const uint32_t *)((const char *)&of->params + parts[i].at);
        if (asked != parts[i].has && (parts[i].has > 0 || parts[i].where_none == FIXED))
            return usage_error("train", "%s %u: %s has %u, and its shape is kept", parts[i].option,
                               asked, of->params.start, parts[i].has);
    }
    if (count == PARTS && of->value_rotation && !rotates(start))
        return usage_error("train", "--value-rotation: %s has embeddings, and its shape is kept",
                           of->params.start);
    return GO_ON;
}
