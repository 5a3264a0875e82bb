/* SPDX-License-Identifier: Apache-2.0 */
/* An architecture as data: which tensors a file has, their shapes in terms of the model's sizes,
 * and where each goes. A new one is a file arch_<name>.c and a line in arch_list.inc. */
#ifndef SSI_MODEL_ARCH_H
#define SSI_MODEL_ARCH_H

#include <stddef.h>

#include "gguf/gguf.h"
#include "model/model.h"

typedef enum ssi_dim { /* sizes that shapes are made of */
    SSI_DIM_ONE,
    SSI_DIM_EMBEDDING,
    SSI_DIM_FEED_FORWARD,
    SSI_DIM_QUERY,      /* head_count * head_length */
    SSI_DIM_KEY_VALUE,  /* head_count_kv * head_length */
    SSI_DIM_VOCABULARY,
    SSI_DIM_ROPE_PAIRS, /* rope_length / 2 */
    SSI_DIM_COUNT
} ssi_dim;

typedef enum ssi_slot_kind {
    SSI_SLOT_MATRIX, /* an ssi_matrix, any type of the quant room */
    SSI_SLOT_VECTOR  /* a const float *, padded with zeros to 16; from F32, F16 or BF16 */
} ssi_slot_kind;

typedef struct ssi_arch_tensor {
    const char *name;      /* whole; of a layer's tensor: what follows "blk.<layer>." */
    ssi_slot_kind kind;
    ssi_presence presence;
    ssi_dim rows, columns; /* y = W x: W is [rows][columns]; a vector has one row */
    size_t slot;           /* its place in ss_model, or in ssi_layer */
} ssi_arch_tensor;

typedef struct ssi_arch {
    const char *name;      /* general.architecture, and the prefix of its keys */
    bool rope_interleaved; /* see ssi_hyper */
    const ssi_arch_tensor *model_tensors, *layer_tensors;
    uint32_t model_tensor_count, layer_tensor_count;
} ssi_arch;

const ssi_arch *ssi_arch_find(ssi_text name); /* NULL: not supported */

/* What follows "blk.<layer>." in the name of a linear map's weight: "attn_q.weight". */
const char *ssi_arch_map_name(const ss_model *model, uint32_t map);

/* A model file's architecture; what is no whole model is refused. */
ss_status ssi_arch_read(const ssi_gguf *gguf, const ssi_arch **arch,
                        ss_error *error) SSI_MUST_CHECK;

#endif
