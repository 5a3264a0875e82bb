/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary positions: the frequency of each pair, with the ways of stretching a context that files
 * use. Linear: all frequencies divided by a factor. Llama 3: one divisor a pair, a tensor of the
 * file. YaRN (arXiv 2309.00071): pairs that turn often within the original context keep their
 * frequency, those that turn rarely are divided by the factor, a ramp between; cosine and sine
 * grow with the logarithm of the factor. Keys and formulas as llama.cpp reads and computes them.
 *
 * In binary64 and without libm, since the frequencies reach every logit. */
#include <math.h>

#include "gguf/gguf_keys.h"
#include "kernel/kernel.h"
#include "model/load.h"

static ss_status read_number(const ssi_gguf *gguf, const ssi_arch *arch, const char *key,
                             float *value, ss_error *error)
{
    char name[SSI_KEY_MAX];
    return ssi_gguf_get_f32(gguf, ssi_arch_key(name, arch, key), SSI_OPTIONAL, value, error);
}

static ss_status read_positive(const ssi_gguf *gguf, const ssi_arch *arch, const char *key,
                               float *value, ss_error *error)
{
    char name[SSI_KEY_MAX];
    SSI_TRY(read_number(gguf, arch, key, value, error));
    if (!(*value > 0))
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %g, expected above 0",
                        ssi_arch_key(name, arch, key), (double)*value);
    return SS_OK;
}

static ss_status read_type(const ssi_gguf *gguf, const ssi_arch *arch, bool *scaled, bool *yarn,
                           ss_error *error)
{
    char name[SSI_KEY_MAX];
    ssi_text type = { "linear", 6 };
    ssi_arch_key(name, arch, SSI_KEY_ROPE_SCALING_TYPE);
    SSI_TRY(ssi_gguf_get_text(gguf, name, SSI_OPTIONAL, &type, error));
    *yarn = ssi_text_is(type, "yarn");
    *scaled = *yarn || ssi_text_is(type, "linear");
    if (!*scaled && !ssi_text_is(type, "none"))
        return ssi_fail(error, SS_ERROR_UNSUPPORTED,
                        "key %s: '%.*s' is not supported; none, linear and yarn are", name,
                        SSI_SHOW(type));
    return SS_OK;
}

/* 1 + 0.1 * weight * ln(factor), 1 for factors up to 1. */
static float yarn_magnitude(float factor, float weight)
{
    return factor <= 1 ? 1 : 1 + 0.1f * weight * ssi_logf(factor);
}

ss_status ssi_rope_read(const ssi_gguf *gguf, const ssi_arch *arch, uint32_t context_length,
                        ssi_rope *rope, ss_error *error)
{
    char name[SSI_KEY_MAX];
    float factor = 0, log_multiplier = 0, attention_factor = 1, yarn_attention_factor = 1;
    bool scaled;
    *rope = (ssi_rope){ .base = 10000,
                        .factor = 1,
                        .beta_fast = 32,
                        .beta_slow = 1,
                        .original_context = context_length,
                        .magnitude = 1 };
    SSI_TRY(read_type(gguf, arch, &scaled, &rope->yarn, error));
    SSI_TRY(read_positive(gguf, arch, SSI_KEY_ROPE_BASE, &rope->base, error));
    SSI_TRY(read_number(gguf, arch, SSI_KEY_ROPE_SCALE_LINEAR, &factor, error));
    SSI_TRY(read_number(gguf, arch, SSI_KEY_ROPE_SCALING_FACTOR, &factor, error));
    if (factor < 0)
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %g, expected 0 or above",
                        ssi_arch_key(name, arch, SSI_KEY_ROPE_SCALING_FACTOR), (double)factor);
    if (scaled && factor > 0) /* 0 means none */
        rope->factor = factor;
    SSI_TRY(read_positive(gguf, arch, SSI_KEY_ROPE_ATTENTION_FACTOR, &attention_factor, error));
    SSI_TRY(read_positive(gguf, arch, SSI_KEY_YARN_ATTENTION_FACTOR, &yarn_attention_factor,
                          error));
    rope->magnitude = attention_factor;
    if (!rope->yarn)
        return SS_OK;

    rope->extension_factor = -1; /* below 0 means not set */
    SSI_TRY(read_number(gguf, arch, SSI_KEY_YARN_EXTENSION_FACTOR, &rope->extension_factor,
                        error));
    if (rope->extension_factor < 0)
        rope->extension_factor = 1;
    SSI_TRY(read_positive(gguf, arch, SSI_KEY_YARN_BETA_FAST, &rope->beta_fast, error));
    SSI_TRY(read_positive(gguf, arch, SSI_KEY_YARN_BETA_SLOW, &rope->beta_slow, error));
    SSI_TRY(read_number(gguf, arch, SSI_KEY_YARN_LOG_MULTIPLIER, &log_multiplier, error));
    ssi_arch_key(name, arch, SSI_KEY_ROPE_ORIGINAL_CONTEXT);
    SSI_TRY(ssi_gguf_get_u32(gguf, name, SSI_OPTIONAL, &rope->original_context, error));
    if (rope->original_context == 0)
        rope->original_context = context_length;
    if (!(rope->base > 1))
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %g, yarn needs it above 1",
                        ssi_arch_key(name, arch, SSI_KEY_ROPE_BASE), (double)rope->base);
    if (rope->extension_factor == 0)
        rope->magnitude *= yarn_attention_factor;
    else
        rope->magnitude *= yarn_magnitude(rope->factor, 1)
                         / (log_multiplier != 0 ? yarn_magnitude(rope->factor, log_multiplier)
                                                : 1);
    if (!(rope->magnitude > 0 && isfinite(rope->magnitude)))
        return ssi_fail(error, SS_ERROR_FORMAT, "key %s: %g makes the magnitude %g",
                        ssi_arch_key(name, arch, SSI_KEY_YARN_LOG_MULTIPLIER),
                        (double)log_multiplier, (double)rope->magnitude);
    return SS_OK;
}

/* The pair, not a whole number, that turns `turns` times within the original context, at least 0
 * and at most rope_length - 1. */
static float pair_of_turns(const ssi_rope *rope, uint32_t rope_length, float turns)
{
    float ratio = (float)rope->original_context / (turns * 2 * 3.14159265358979f);
    float pair = (float)rope_length * ssi_logf(ratio) / (2 * ssi_logf(rope->base));
    float last = (float)(rope_length - 1);
    return pair > 0 ? (pair < last ? pair : last) : 0;
}

ss_status ssi_rope_frequencies(const ssi_rope *rope, uint32_t rope_length,
                               const float *divisors, double *frequency, ss_error *error)
{
    float low = 0, high = 0, width = 0;
    bool ramp = rope->yarn && rope->extension_factor != 0;
    if (ramp) { /* whole pairs: down for the first, up for the last */
        float last = pair_of_turns(rope, rope_length, rope->beta_slow);
        low = (float)(uint32_t)pair_of_turns(rope, rope_length, rope->beta_fast);
        high = (float)(uint32_t)last;
        high += high < last ? 1 : 0;
        width = high - low > 0.001f ? high - low : 0.001f;
    }
    for (uint32_t i = 0; i < rope_length / 2; i++) {
        double own = ssi_pow(rope->base, -2.0 * i / rope_length);
        if (divisors != NULL)
            own /= divisors[i];
        frequency[i] = own / rope->factor;
        if (ramp) {
            float along = ((float)i - low) / width;
            along = along < 0 ? 0 : along > 1 ? 1 : along;
            double kept = (double)((1 - along) * rope->extension_factor);
            frequency[i] = frequency[i] * (1 - kept) + own * kept;
        }
        /* Angles are reduced exactly below 2^50; a position takes 24 bits of that. */
        if (!(frequency[i] >= 0 && frequency[i] < 0x1p+20))
            return ssi_fail(error, SS_ERROR_FORMAT,
                            "rope: pair %u turns by %g a position, expected 0 to 2^20 (see the "
                            "file's rope keys and rope_freqs.weight)", i, frequency[i]);
    }
    return SS_OK;
}
