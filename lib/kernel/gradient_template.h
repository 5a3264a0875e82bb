/* SPDX-License-Identifier: Apache-2.0 */
/* What training adds to the vector operations: softmax with its gradient, and the gradients of the
 * norm and the gate. 16 virtual lanes, number i in lane i % 16, joined by the tree of reduce_ref.h.
 * gradient_ref.c and x86/gradient_avx2.c compile it under the names SSI_NAME(...) gives; written so
 * that the compiler turns the lanes into vectors. Blocks go through local arrays: outputs may lie
 * where inputs lay, and the last block is padded there. */
#include <math.h>
#include <string.h>

#include "kernel/exp_ref.h"
#include "kernel/kernel_list.h"
#include "kernel/reduce_ref.h"

#define LANES 16u
#define FOR_EACH_BLOCK(block, block_count, count)                                              \
    for (uint32_t block = 0, block_count; block < (count); block += block_count)               \
        if ((block_count = (count)-block < LANES ? (count)-block : LANES, true))

/* A constant size where it can be one: memcpy is then a vector. */
static inline void load(float lane[LANES], const float *from, uint32_t count, float rest)
{
    if (count == LANES) {
        memcpy(lane, from, LANES * sizeof(float));
        return;
    }
    for (uint32_t i = 0; i < LANES; i++)
        lane[i] = i < count ? from[i] : rest;
}

static inline void store(float *to, const float lane[LANES], uint32_t count)
{
    if (count == LANES)
        memcpy(to, lane, LANES * sizeof(float));
    else
        memcpy(to, lane, count * sizeof(float));
}

void SSI_NAME(ssi_softmax)(float *x, uint32_t count, float scale)
{
    float largest[LANES], sum[LANES] = {0}, lane[LANES];
    for (uint32_t i = 0; i < LANES; i++)
        largest[i] = -INFINITY;
    FOR_EACH_BLOCK(block, block_count, count)
    {
        load(lane, x + block, block_count, -INFINITY);
        for (uint32_t i = 0; i < LANES; i++)
            largest[i] = lane[i] * scale > largest[i] ? lane[i] * scale : largest[i];
    }
    float most = largest[0];
    for (uint32_t i = 1; i < LANES; i++)
        most = largest[i] > most ? largest[i] : most;

    FOR_EACH_BLOCK(block, block_count, count)
    {
        load(lane, x + block, block_count, -INFINITY);
        for (uint32_t i = 0; i < LANES; i++) {
            lane[i] = ssi_exp_ref(lane[i] * scale - most);
            sum[i] += lane[i];
        }
        store(x + block, lane, block_count);
    }
    float factor = 1.0f / ssi_reduce16(sum);
    FOR_EACH_BLOCK(block, block_count, count)
    {
        load(lane, x + block, block_count, 0.0f);
        for (uint32_t i = 0; i < LANES; i++)
            lane[i] *= factor;
        store(x + block, lane, block_count);
    }
}

void SSI_NAME(ssi_softmax_backward)(const float *probabilities, float *gradient, uint32_t count,
                                    float scale)
{
    float sum[LANES] = {0}, p[LANES], lane[LANES];
    FOR_EACH_BLOCK(block, block_count, count)
    {
        load(p, probabilities + block, block_count, 0.0f);
        load(lane, gradient + block, block_count, 0.0f);
        for (uint32_t i = 0; i < LANES; i++)
            sum[i] += p[i] * lane[i];
    }
    float mean = ssi_reduce16(sum);
    FOR_EACH_BLOCK(block, block_count, count)
    {
        load(p, probabilities + block, block_count, 0.0f);
        load(lane, gradient + block, block_count, 0.0f);
        for (uint32_t i = 0; i < LANES; i++)
            lane[i] = (lane[i] - mean) * p[i] * scale;
        store(gradient + block, lane, block_count);
    }
}

/* y = x w f with f = 1 / sqrt(mean of squares + epsilon):
 * dx = w dy f - x f^3 (sum of x w dy) / count. */
void SSI_NAME(ssi_rms_norm_backward)(const float *x, const float *weight,
                                     const float *out_gradient, float epsilon, uint32_t count,
                                     bool add, float *x_gradient)
{
    float squares[LANES] = {0}, dots[LANES] = {0}, xs[LANES], w[LANES], dy[LANES], dx[LANES];
    FOR_EACH_BLOCK(block, block_count, count)
    {
        load(xs, x + block, block_count, 0.0f);
        load(w, weight + block, block_count, 0.0f);
        load(dy, out_gradient + block, block_count, 0.0f);
        for (uint32_t i = 0; i < LANES; i++) {
            squares[i] += xs[i] * xs[i];
            dots[i] += xs[i] * (w[i] * dy[i]);
        }
    }
    float factor = 1.0f / sqrtf(ssi_reduce16(squares) / (float)count + epsilon);
    float along = ssi_reduce16(dots) / (float)count * factor * factor * factor;
    FOR_EACH_BLOCK(block, block_count, count)
    {
        load(xs, x + block, block_count, 0.0f);
        load(w, weight + block, block_count, 0.0f);
        load(dy, out_gradient + block, block_count, 0.0f);
        load(dx, x_gradient + block, add ? block_count : 0, 0.0f);
        for (uint32_t i = 0; i < LANES; i++)
            dx[i] += w[i] * dy[i] * factor - xs[i] * along;
        store(x_gradient + block, dx, block_count);
    }
}

/* With s = 1 / (1 + exp(-gate)): silu = gate s, its derivative s (1 + gate (1 - s)). Far below
 * zero exp(-gate) is +inf and s = 0: both are then 0. */
void SSI_NAME(ssi_silu_mul_backward)(const float *gate, const float *up,
                                     const float *out_gradient, uint32_t count,
                                     float *gate_gradient, float *up_gradient)
{
    float g[LANES], u[LANES], dy[LANES], dg[LANES], du[LANES];
    FOR_EACH_BLOCK(block, block_count, count)
    {
        load(g, gate + block, block_count, 0.0f);
        load(u, up + block, block_count, 0.0f);
        load(dy, out_gradient + block, block_count, 0.0f);
        for (uint32_t i = 0; i < LANES; i++) {
            float s = 1.0f / (1.0f + ssi_exp_ref(-g[i]));
            dg[i] = dy[i] * u[i] * (s * (1.0f + g[i] * (1.0f - s)));
            du[i] = dy[i] * (g[i] * s);
        }
        store(gate_gradient + block, dg, block_count);
        store(up_gradient + block, du, block_count);
    }
}

#undef LANES
#undef FOR_EACH_BLOCK
