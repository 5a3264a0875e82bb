/* SPDX-License-Identifier: Apache-2.0 */
/* All that is trained, side by side in flat arrays: values, gradients, and AdamW's two moments.
 * Every tensor has the name that it has in an adapter file. */
#ifndef SSI_TRAIN_PARAMETERS_H
#define SSI_TRAIN_PARAMETERS_H

#include "specstream/train.h"
#include "train/train_layer.h"

#define SSI_PARAMETER_NAME 72u

typedef struct ssi_parameter {
    char name[SSI_PARAMETER_NAME];
    uint32_t rows, columns;
    size_t offset;        /* of its first number in the arrays */
    ss_train_stage stage; /* that trains it */
    bool decays;          /* weight decay acts on it */
    float rate;      /* factor on the stage's learning rate: the size of what it is added to */
    float deviation; /* of its first values; 0: zeros */
} ssi_parameter;

typedef struct ssi_parameters {
    uint32_t count;
    size_t value_count;
    ssi_parameter *items;      /* [count] */
    float *values, *gradients; /* [value_count] */
    float *first, *second;     /* moments of the gradient */
} ssi_parameters;

/* Typical sizes (root mean squares), which first values and learning rates are measured by. */
typedef struct ssi_train_scale {
    float entry; /* of a number of M at the entry of the MSA layers: median over dimensions */
    float embedding; /* of a number of a token's embedding */
    float normed;    /* of a number behind the output norm: its weight's */
} ssi_train_scale;

/* The list of what `params` ask for, from an arena (runs twice, base/arena.h). */
void ssi_parameters_layout(ssi_parameters *parameters, const ss_model *model,
                           const ss_train_params *params, ssi_arena *arena);

/* First values, and each tensor's rate. */
void ssi_parameters_fill(ssi_parameters *parameters, const ssi_train_scale *scale,
                         uint64_t seed);

/* NULL: no such tensor. */
const ssi_parameter *ssi_parameters_find(const ssi_parameters *parameters, const char *name);

/* The tensor in the form that passes take; without a gradient unless `trained`. Zeros where it is
 * absent. */
ssi_trained ssi_parameters_get(const ssi_parameters *parameters, const char *name,
                               bool trained);
/* <stem>a and <stem>b; rank 0 where absent. */
ssi_trained_pair ssi_parameters_pair(const ssi_parameters *parameters, const char *stem,
                                     float scale, bool trained);

/* Stem of a LoRA pair's names: "blk.3.attn_q.weight.stream.lora_". */
void ssi_parameter_stem(const ss_model *model, uint32_t layer, uint32_t map, uint32_t kind,
                        char stem[SSI_PARAMETER_NAME]);

#endif
