/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the keys this library reads. Those of an architecture come after its name and a dot. */
#ifndef SSI_GGUF_GGUF_KEYS_H
#define SSI_GGUF_GGUF_KEYS_H

#define SSI_KEY_ALIGNMENT "general.alignment"
#define SSI_KEY_ARCHITECTURE "general.architecture"
#define SSI_KEY_NAME "general.name"
#define SSI_KEY_TYPE "general.type"
#define SSI_KEY_SPLIT_COUNT "split.count"

#define SSI_KEY_BLOCK_COUNT "block_count"
#define SSI_KEY_CONTEXT_LENGTH "context_length"
#define SSI_KEY_EMBEDDING_LENGTH "embedding_length"
#define SSI_KEY_FEED_FORWARD_LENGTH "feed_forward_length"
#define SSI_KEY_VOCAB_SIZE "vocab_size"
#define SSI_KEY_EXPERT_COUNT "expert_count"
#define SSI_KEY_HEAD_COUNT "attention.head_count"
#define SSI_KEY_HEAD_COUNT_KV "attention.head_count_kv"
#define SSI_KEY_KEY_LENGTH "attention.key_length"
#define SSI_KEY_VALUE_LENGTH "attention.value_length"
#define SSI_KEY_RMS_EPSILON "attention.layer_norm_rms_epsilon"
#define SSI_KEY_ATTENTION_SCALE "attention.scale"
#define SSI_KEY_SLIDING_WINDOW "attention.sliding_window"
#define SSI_KEY_CAUSAL "attention.causal"
#define SSI_KEY_ROPE_LENGTH "rope.dimension_count"
#define SSI_KEY_ROPE_BASE "rope.freq_base"
#define SSI_KEY_ROPE_SCALE_LINEAR "rope.scale_linear" /* older name of the factor */
#define SSI_KEY_ROPE_SCALING_TYPE "rope.scaling.type"
#define SSI_KEY_ROPE_SCALING_FACTOR "rope.scaling.factor"
#define SSI_KEY_ROPE_ORIGINAL_CONTEXT "rope.scaling.original_context_length"
#define SSI_KEY_ROPE_ATTENTION_FACTOR "rope.scaling.attn_factor"
#define SSI_KEY_YARN_EXTENSION_FACTOR "rope.scaling.yarn_ext_factor"
#define SSI_KEY_YARN_ATTENTION_FACTOR "rope.scaling.yarn_attn_factor"
#define SSI_KEY_YARN_BETA_FAST "rope.scaling.yarn_beta_fast"
#define SSI_KEY_YARN_BETA_SLOW "rope.scaling.yarn_beta_slow"
#define SSI_KEY_YARN_LOG_MULTIPLIER "rope.scaling.yarn_log_multiplier"

#define SSI_KEY_TOKENIZER_MODEL "tokenizer.ggml.model"
#define SSI_KEY_TOKENIZER_PRE "tokenizer.ggml.pre"
#define SSI_KEY_TOKENS "tokenizer.ggml.tokens"
#define SSI_KEY_TOKEN_SCORES "tokenizer.ggml.scores"
#define SSI_KEY_TOKEN_TYPES "tokenizer.ggml.token_type"
#define SSI_KEY_MERGES "tokenizer.ggml.merges"
#define SSI_KEY_BOS "tokenizer.ggml.bos_token_id"
#define SSI_KEY_EOS "tokenizer.ggml.eos_token_id"
#define SSI_KEY_EOT "tokenizer.ggml.eot_token_id"
#define SSI_KEY_UNKNOWN "tokenizer.ggml.unknown_token_id"
#define SSI_KEY_ADD_BOS "tokenizer.ggml.add_bos_token"
#define SSI_KEY_ADD_EOS "tokenizer.ggml.add_eos_token"
#define SSI_KEY_ADD_SPACE_PREFIX "tokenizer.ggml.add_space_prefix"
#define SSI_KEY_CHAT_TEMPLATE "tokenizer.chat_template"

#endif
