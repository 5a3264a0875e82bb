/* SPDX-License-Identifier: Apache-2.0 */
/* The loss against its definition in binary64: hard and soft targets, rows without one, classes
 * outside, ties, more rows than a block. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "train/train_passes.h"
#include "train_math.h"

enum { ROWS = 261, COLUMNS = 24, CLASSES = 77 };

typedef struct fixture {
    test_math *test;
    float *head, *bias, *states, *weights, *logits;
    int32_t targets[ROWS], soft_targets[ROWS * SSI_TEACHER_MAX];
    float probabilities[ROWS * SSI_TEACHER_MAX];
    float loss[ROWS], gradient[ROWS * COLUMNS];
    uint8_t right[ROWS];
} fixture;

static fixture *create(void)
{
    fixture *is = calloc(1, sizeof *is);
    is->test = test_math_create(ssi_cpu_best(), 3);
    is->head = random_floats(CLASSES * COLUMNS, 0.5f, 1);
    is->bias = random_floats(CLASSES, 1.0f, 5);
    is->states = random_floats(ROWS * COLUMNS, 1.0f, 2);
    is->weights = random_floats(ROWS, 1.0f, 3);
    is->logits = random_floats((size_t)ssi_train_loss_rows() * CLASSES, 0, 4);
    for (uint32_t row = 0; row < ROWS; row++) {
        is->targets[row] = (int32_t)(ssi_mix64(row + 99) % CLASSES);
        for (uint32_t i = 0; i < SSI_TEACHER_MAX; i++) {
            size_t at = row * SSI_TEACHER_MAX + i;
            is->soft_targets[at] = (int32_t)((ssi_mix64(row) + 5 * i) % (CLASSES + 20));
            if (is->soft_targets[at] >= CLASSES ||
                row % 7 == 3) /* every seventh: none inside */
                is->soft_targets[at] = -1;
            is->probabilities[at] = ssi_uniform(ssi_mix64(at + 12345)) / SSI_TEACHER_MAX;
        }
        if (row % 5 == 2)
            is->targets[row] = -1;
    }
    return is;
}

static void destroy(fixture *is)
{
    test_math_free(is->test);
    free(is->head);
    free(is->bias);
    free(is->states);
    free(is->weights);
    free(is->logits);
    free(is);
}

static ssi_train_loss loss_of(fixture *is, float share, bool gradient)
{
    return (ssi_train_loss){
        .head = is->head,
        .count = CLASSES,
        .columns = COLUMNS,
        .row_count = ROWS,
        .states = is->states,
        .targets = is->targets,
        .soft_targets = share > 0 ? is->soft_targets : NULL,
        .soft_probabilities = is->probabilities,
        .soft_share = share,
        .weights = is->weights,
        .logits = is->logits,
        .loss = is->loss,
        .right = is->right,
        .state_gradient = gradient ? is->gradient : NULL,
    };
}

/* The target's distribution of a row. */
static void find_target(const fixture *is, uint32_t row, double share, double q[CLASSES])
{
    const int32_t *soft = is->soft_targets + row * SSI_TEACHER_MAX;
    const float *p = is->probabilities + row * SSI_TEACHER_MAX;
    double mass = 0;
    memset(q, 0, CLASSES * sizeof *q);
    for (uint32_t i = 0; share > 0 && i < SSI_TEACHER_MAX; i++)
        mass += soft[i] >= 0 ? (double)p[i] : 0;
    for (uint32_t i = 0; mass > 0 && i < SSI_TEACHER_MAX; i++)
        if (soft[i] >= 0)
            q[soft[i]] += share * (double)p[i] / mass;
    if (is->targets[row] >= 0)
        q[is->targets[row]] += mass > 0 ? 1 - share : 1;
}

static void check_row(const fixture *is, uint32_t row, double share, const float *bias)
{
    const float *state = is->states + row * COLUMNS;
    double z[CLASSES], q[CLASSES], sum = 0, loss = 0, whole = 0;
    uint32_t best = 0;
    find_target(is, row, share, q);
    for (uint32_t k = 0; k < CLASSES; k++) {
        z[k] = bias ? (double)bias[k] : 0;
        for (uint32_t i = 0; i < COLUMNS; i++)
            z[k] += (double)state[i] * (double)is->head[k * COLUMNS + i];
        sum += exp(z[k]);
        best = z[k] > z[best] ? k : best;
    }
    for (uint32_t k = 0; k < CLASSES; k++) {
        loss += q[k] * (log(sum) - z[k]);
        whole += q[k];
    }
    assert_true(fabs((double)is->loss[row] - loss) <= 1e-5);
    assert_int_equal(is->right[row], is->targets[row] == (int32_t)best);
    for (uint32_t i = 0; i < COLUMNS; i++) {
        double gradient = 0;
        for (uint32_t k = 0; k < CLASSES; k++)
            gradient += (whole * exp(z[k]) / sum - q[k]) * (double)is->head[k * COLUMNS + i] *
                        (double)is->weights[row];
        assert_true(fabs((double)is->gradient[row * COLUMNS + i] - gradient) <= 1e-5);
    }
}

static void loss_and_gradient_are_those_of_the_definition(void **state)
{
    (void)state;
    static const float shares[] = {0, 0.3f, 1};
    fixture *is = create();
    for (int i = 0; i < 6; i++) {
        ssi_train_loss loss = loss_of(is, shares[i / 2], true);
        loss.bias = i % 2 ? is->bias : NULL;
        ssi_train_loss_run(&is->test->math, &loss);
        for (uint32_t row = 0; row < ROWS; row++)
            check_row(is, row, (double)shares[i / 2], loss.bias);
    }
    destroy(is);
}

static void evaluation_has_the_same_losses(void **state)
{
    (void)state;
    fixture *is = create();
    float trained[ROWS];
    ssi_train_loss loss = loss_of(is, 0.3f, true);
    ssi_train_loss_run(&is->test->math, &loss);
    memcpy(trained, is->loss, sizeof trained);
    memset(is->gradient, 0xa5, sizeof is->gradient);
    loss = loss_of(is, 0.3f, false);
    ssi_train_loss_run(&is->test->math, &loss);
    assert_memory_equal(is->loss, trained, sizeof trained);
    assert_int_equal(*(unsigned char *)is->gradient, 0xa5);
    destroy(is);
}

static void of_equal_logits_the_lowest_counts(void **state)
{
    (void)state;
    fixture *is = create();
    memset(is->states, 0, ROWS * COLUMNS * sizeof *is->states);
    for (uint32_t row = 0; row < ROWS; row++)
        is->targets[row] = (int32_t)(row % 3);
    ssi_train_loss loss = loss_of(is, 0, true);
    ssi_train_loss_run(&is->test->math, &loss);
    for (uint32_t row = 0; row < ROWS; row++)
        assert_int_equal(is->right[row], row % 3 == 0);
    destroy(is);
}

static void a_broken_state_makes_its_own_loss_nan(void **state)
{
    (void)state;
    fixture *is = create();
    is->states[130 * COLUMNS + 5] = NAN;
    is->states[200 * COLUMNS + 5] = INFINITY;
    ssi_train_loss loss = loss_of(is, 0, true);
    ssi_train_loss_run(&is->test->math, &loss);
    for (uint32_t row = 0; row < ROWS; row++)
        if (is->targets[row] >= 0)
            assert_int_equal(isnan(is->loss[row]) != 0, row == 130 || row == 200);
    destroy(is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_gradient_are_those_of_the_definition),
        cmocka_unit_test(evaluation_has_the_same_losses),
        cmocka_unit_test(of_equal_logits_the_lowest_counts),
        cmocka_unit_test(a_broken_state_makes_its_own_loss_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
