/* SPDX-License-Identifier: Apache-2.0 */
/* llama: pre-norm decoder with RMS norms, grouped-query attention, gated feed-forward with SiLU,
 * rotary positions on adjacent pairs (Llama 1 to 3, TinyLlama, SmolLM2, Mistral 7B). */
#include "model/arch.h"

#define MODEL(member) offsetof(ss_model, member)
#define LAYER(member) offsetof(ssi_layer, member)
#define WEIGHT(index) offsetof(ssi_layer, linear[index].weight)
#define BIAS(index) offsetof(ssi_layer, linear[index].bias)

/* clang-format off */
static const ssi_arch_tensor model_tensors[] = {
    { "token_embd.weight",  SSI_SLOT_MATRIX, SSI_REQUIRED, SSI_DIM_VOCABULARY, SSI_DIM_EMBEDDING, MODEL(embedding) },
    { "output_norm.weight", SSI_SLOT_VECTOR, SSI_REQUIRED, SSI_DIM_ONE, SSI_DIM_EMBEDDING, MODEL(output_norm) },
    { "output.weight",      SSI_SLOT_MATRIX, SSI_OPTIONAL, SSI_DIM_VOCABULARY, SSI_DIM_EMBEDDING, MODEL(head.weight) },
    { "output.bias",        SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_VOCABULARY, MODEL(head.bias) },
    { "rope_freqs.weight",  SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_ROPE_PAIRS, MODEL(rope_divisors) },
};

static const ssi_arch_tensor layer_tensors[] = {
    { "attn_norm.weight",   SSI_SLOT_VECTOR, SSI_REQUIRED, SSI_DIM_ONE, SSI_DIM_EMBEDDING, LAYER(attention_norm) },
    { "attn_q.weight",      SSI_SLOT_MATRIX, SSI_REQUIRED, SSI_DIM_QUERY, SSI_DIM_EMBEDDING, WEIGHT(SSI_QUERY) },
    { "attn_q.bias",        SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_QUERY, BIAS(SSI_QUERY) },
    { "attn_k.weight",      SSI_SLOT_MATRIX, SSI_REQUIRED, SSI_DIM_KEY_VALUE, SSI_DIM_EMBEDDING, WEIGHT(SSI_KEY) },
    { "attn_k.bias",        SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_KEY_VALUE, BIAS(SSI_KEY) },
    { "attn_v.weight",      SSI_SLOT_MATRIX, SSI_REQUIRED, SSI_DIM_KEY_VALUE, SSI_DIM_EMBEDDING, WEIGHT(SSI_VALUE) },
    { "attn_v.bias",        SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_KEY_VALUE, BIAS(SSI_VALUE) },
    { "attn_output.weight", SSI_SLOT_MATRIX, SSI_REQUIRED, SSI_DIM_EMBEDDING, SSI_DIM_QUERY, WEIGHT(SSI_OUTPUT) },
    { "attn_output.bias",   SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_EMBEDDING, BIAS(SSI_OUTPUT) },
    { "ffn_norm.weight",    SSI_SLOT_VECTOR, SSI_REQUIRED, SSI_DIM_ONE, SSI_DIM_EMBEDDING, LAYER(feed_forward_norm) },
    { "ffn_gate.weight",    SSI_SLOT_MATRIX, SSI_REQUIRED, SSI_DIM_FEED_FORWARD, SSI_DIM_EMBEDDING, WEIGHT(SSI_GATE) },
    { "ffn_gate.bias",      SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_FEED_FORWARD, BIAS(SSI_GATE) },
    { "ffn_up.weight",      SSI_SLOT_MATRIX, SSI_REQUIRED, SSI_DIM_FEED_FORWARD, SSI_DIM_EMBEDDING, WEIGHT(SSI_UP) },
    { "ffn_up.bias",        SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_FEED_FORWARD, BIAS(SSI_UP) },
    { "ffn_down.weight",    SSI_SLOT_MATRIX, SSI_REQUIRED, SSI_DIM_EMBEDDING, SSI_DIM_FEED_FORWARD, WEIGHT(SSI_DOWN) },
    { "ffn_down.bias",      SSI_SLOT_VECTOR, SSI_OPTIONAL, SSI_DIM_ONE, SSI_DIM_EMBEDDING, BIAS(SSI_DOWN) },
};
/* clang-format on */

const ssi_arch ssi_arch_llama = {
    .name = "llama",
    .rope_interleaved = true,
    .model_tensors = model_tensors,
    .layer_tensors = layer_tensors,
    .model_tensor_count = sizeof model_tensors / sizeof model_tensors[0],
    .layer_tensor_count = sizeof layer_tensors / sizeof layer_tensors[0],
};
