/* SPDX-License-Identifier: Apache-2.0 */
/* What training adds to the vector operations: softmax with its gradient, and the gradients of the
 * norm and the gate. Number i of a sum goes to lane i % 16; lanes are joined by the tree of
 * reduce_ref.h. gradient_ref.c and x86/gradient_avx2.c compile it under the names SSI_NAME(...)
 * gives; the loops are such that the compiler makes vectors of them. */
#include <math.h>

#include "kernel/exp_ref.h"
#include "kernel/kernel_list.h"
#include "kernel/reduce_ref.h"

#define LANES 16u
/* Before a loop whose outputs may lie where its inputs lie, number for number. (clang's like warns
 * where it can't be heeded, as in sanitized builds.) */
#if defined(__clang__)
#define IN_PLACE
#else
#define IN_PLACE _Pragma("GCC ivdep")
#endif
/* statement, which adds number i to lane[j], for all i. */
#define IN_LANES(count, statement)                                                             \
    do {                                                                                       \
        uint32_t whole = (count) / LANES * LANES;                                              \
        for (uint32_t block = 0; block < whole; block += LANES)                                \
            for (uint32_t j = 0, i = block; j < LANES; j++, i = block + j)                     \
                statement;                                                                     \
        for (uint32_t j = 0, i = whole; i < (count); j++, i++)                                 \
            statement;                                                                         \
    } while (0)

void SSI_NAME(ssi_softmax)(float *x, uint32_t count, float scale)
{
    float largest[LANES], sum[LANES] = {0};
    for (uint32_t i = 0; i < LANES; i++)
        largest[i] = -INFINITY;
    IN_LANES(count, largest[j] = x[i] * scale > largest[j] ? x[i] * scale : largest[j]);
    float most = largest[0];
    for (uint32_t i = 1; i < LANES; i++)
        most = largest[i] > most ? largest[i] : most;

    for (uint32_t i = 0; i < count; i++)
        x[i] = ssi_exp_ref(x[i] * scale - most);
    IN_LANES(count, sum[j] += x[i]);
    float factor = 1.0f / ssi_reduce16(sum);
    for (uint32_t i = 0; i < count; i++)
        x[i] *= factor;
}

void SSI_NAME(ssi_softmax_backward)(const float *probabilities, float *gradient, uint32_t count,
                                    float scale)
{
    float sum[LANES] = {0};
    IN_LANES(count, sum[j] += probabilities[i] * gradient[i]);
    float mean = ssi_reduce16(sum);
    IN_PLACE
    for (uint32_t i = 0; i < count; i++)
        gradient[i] = (gradient[i] - mean) * probabilities[i] * scale;
}

/* y = x w f with f = 1 / sqrt(mean of squares + epsilon):
 * dx = w dy f - x f^3 (sum of x w dy) / count. */
void SSI_NAME(ssi_rms_norm_backward)(const float *x, const float *weight,
                                     const float *out_gradient, float epsilon, uint32_t count,
                                     bool add, float *x_gradient)
{
    float squares[LANES] = {0}, dots[LANES] = {0};
    IN_LANES(count, squares[j] += x[i] * x[i]);
    IN_LANES(count, dots[j] += x[i] * (weight[i] * out_gradient[i]));
    float factor = 1.0f / sqrtf(ssi_reduce16(squares) / (float)count + epsilon);
    float along = ssi_reduce16(dots) / (float)count * factor * factor * factor;
    if (!add) {
        IN_PLACE
        for (uint32_t i = 0; i < count; i++)
            x_gradient[i] = weight[i] * out_gradient[i] * factor - x[i] * along;
        return;
    }
    IN_PLACE
    for (uint32_t i = 0; i < count; i++)
        x_gradient[i] += weight[i] * out_gradient[i] * factor - x[i] * along;
}

/* With s = 1 / (1 + exp(-gate)): silu = gate s, its derivative s (1 + gate (1 - s)). Far below
 * zero exp(-gate) is +inf and s = 0: both are then 0. */
void SSI_NAME(ssi_silu_mul_backward)(const float *gate, const float *up,
                                     const float *out_gradient, uint32_t count,
                                     float *gate_gradient, float *up_gradient)
{
    IN_PLACE
    for (uint32_t i = 0; i < count; i++) {
        float s = 1.0f / (1.0f + ssi_exp_ref(-gate[i])), dy = out_gradient[i];
        gate_gradient[i] = dy * up[i] * (s * (1.0f + gate[i] * (1.0f - s)));
        up_gradient[i] = dy * (gate[i] * s);
    }
}

#undef LANES
#undef IN_PLACE
#undef IN_LANES
