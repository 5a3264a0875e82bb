/* SPDX-License-Identifier: Apache-2.0 */
/* B of a LoRA pair, added to rows, eight output rows a register. Quants up to 255 times ±127
 * would saturate VPMADDUBSW, so 16-bit products are made of both. */
#include <immintrin.h>

#include "base/bytes.h"
#include "kernel/kernel_list.h"

/* dot += for eight rows, the four products of each: the even two and the odd two apart. */
static inline __m256i add_chunk(__m256i dot, const uint8_t *quants, __m256i even, __m256i odd)
{
    __m256i bytes = _mm256_load_si256((const __m256i *)quants);
    __m256i low = _mm256_and_si256(bytes, _mm256_set1_epi16(255));
    __m256i high = _mm256_srli_epi16(bytes, 8);
    dot = _mm256_add_epi32(dot, _mm256_madd_epi16(low, even));
    return _mm256_add_epi32(dot, _mm256_madd_epi16(high, odd));
}

void ssi_lora_add__avx2(const ssi_lora_b *b, uint32_t group_begin, uint32_t group_end,
                        const ssi_lora_rank *t, uint32_t row_count, float *y,
                        size_t y_stride)
{
    uint32_t chunk_count = (b->rank + 3) / 4;
    for (uint32_t half = 2 * group_begin; half < 2 * group_end && chunk_count > 0; half++) {
        const uint8_t *quants = b->quants + (size_t)(half / 2) * chunk_count * 64 + half % 2 * 32;
        __m256 scales = _mm256_load_ps(b->scales + half * 8);
        float *out = y + (size_t)half * 8;
        for (uint32_t row = 0; row < row_count; row++, out += y_stride) {
            const int8_t *q = t[row].quants;
            __m256i dot = _mm256_set1_epi32(t[row].offset);
            for (uint32_t chunk = 0; chunk < chunk_count; chunk++, q += 4) {
                uint32_t even = (uint16_t)q[0] | (uint32_t)(uint16_t)q[2] << 16;
                uint32_t odd = (uint16_t)q[1] | (uint32_t)(uint16_t)q[3] << 16;
                dot = add_chunk(dot, quants + chunk * 64, _mm256_set1_epi32((int32_t)even),
                                _mm256_set1_epi32((int32_t)odd));
            }
            __m256 both = _mm256_mul_ps(scales, _mm256_set1_ps(t[row].scale));
            _mm256_store_ps(out, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), both,
                                                 _mm256_load_ps(out)));
        }
    }
}
