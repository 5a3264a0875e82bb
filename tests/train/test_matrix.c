/* SPDX-License-Identifier: Apache-2.0 */
/* Our own product is the chain its file promises, to the bit, whatever kernels, threads and shapes;
 * and a host's sgemm is asked for the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "train_math.h"

typedef struct problem {
    bool a_transposed, b_transposed;
    size_t m, n, k;
    float alpha, beta;
} problem;

static const problem problems[] = {
    {false, true, 5, 7, 3, 1.0f, 0.0f},      {false, false, 33, 50, 130, 0.5f, 1.0f},
    {true, false, 201, 8, 77, 2.0f, 1.0f},   {true, true, 6, 33, 64, 1.0f, -0.75f},
    {false, true, 400, 191, 65, 1.0f, 0.0f}, {false, false, 1, 1, 1, -1.0f, 1.0f},
    {false, true, 9, 16, 0, 1.0f, 0.5f},     {true, false, 3, 100, 200, 0.25f, 0.0f},
    {false, true, 0, 4, 4, 1.0f, 0.0f},      {false, true, 4, 0, 4, 1.0f, 0.0f},
};

enum { GUARD = 3 }; /* columns beyond the matrix that nothing may touch */

static size_t a_stride(const problem *p)
{
    return (p->a_transposed ? p->m : p->k) + GUARD;
}

static size_t b_stride(const problem *p)
{
    return (p->b_transposed ? p->k : p->n) + GUARD;
}

static void naive(const problem *p, const float *a, const float *b, float *c)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            float *to = c + i * (p->n + GUARD) + j,
                  acc = p->beta == 0.0f ? 0.0f : p->beta * *to;
            for (size_t l = 0; l < p->k; l++)
                acc = fmaf(p->a_transposed ? a[l * a_stride(p) + i] : a[i * a_stride(p) + l],
                           p->alpha * (p->b_transposed ? b[j * b_stride(p) + l]
                                                       : b[l * b_stride(p) + j]),
                           acc);
            *to = acc;
        }
}

static void multiply(ssi_train_math *math, const problem *p, const float *a, const float *b,
                     float *c)
{
    ssi_train_product(math, p->a_transposed, p->b_transposed, p->m, p->n, p->k, p->alpha, a,
                      a_stride(p), b, b_stride(p), p->beta, c, p->n + GUARD);
}

/* runs the product of `math` on problem i and compares with the chain. */
static void check_problem(ssi_train_math *math, size_t i, const char *name)
{
    const problem *p = &problems[i];
    size_t c_count = p->m * (p->n + GUARD);
    float *a = random_floats((p->m + p->k) * a_stride(p), 1.0f, 10 * i);
    float *b = random_floats((p->n + p->k) * b_stride(p), 1.0f, 10 * i + 1);
    float *want = random_floats(c_count, 1.0f, 10 * i + 2);
    float *got = random_floats(c_count, 1.0f, 10 * i + 2);
    if (p->beta == 0.0f && p->n > 0 && p->m > 0)
        want[0] = got[0] = NAN; /* must not be read */
    naive(p, a, b, want);
    multiply(math, p, a, b, got);
    if (memcmp(want, got, c_count * sizeof *want) != 0)
        fail_msg("problem %zu with %s", i, name);
    free(a);
    free(b);
    free(want);
    free(got);
}

static void our_product_is_one_chain_per_output(void **state)
{
    static const uint32_t threads[] = {1, 2, 3};
    (void)state;
    for (ssi_isa isa = SSI_ISA_PORTABLE; isa <= ssi_cpu_best(); isa++)
        for (size_t t = 0; t < 3; t++) {
            test_math *test = test_math_create(isa, threads[t]);
            for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
                check_problem(&test->math, i, "our product");
            test_math_free(test);
        }
}

/* What cblas_sgemm promises, as the chain above. */
static uint32_t host_calls;
static void host_sgemm(int32_t order, int32_t transpose_a, int32_t transpose_b, int32_t m,
                       int32_t n, int32_t k, float alpha, const float *a, int32_t lda,
                       const float *b, int32_t ldb, float beta, float *c, int32_t ldc)
{
    problem p = {
        transpose_a == 112, transpose_b == 112, (size_t)m, (size_t)n, (size_t)k, alpha, beta};
    assert_int_equal(order, 101);
    assert_int_equal(lda, a_stride(&p));
    assert_int_equal(ldb, b_stride(&p));
    assert_int_equal(ldc, n + GUARD);
    naive(&p, a, b, c);
    host_calls++;
}

static void a_hosts_sgemm_is_asked_for_the_same(void **state)
{
    (void)state;
    test_math *test = test_math_create(ssi_cpu_best(), 1);
    test->math.sgemm = host_sgemm;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        check_problem(&test->math, i, "a host's sgemm");
    assert_int_equal(host_calls, 7); /* the empty ones are ours */
    assert_true(test->math.product_flops > 2.0 * 400 * 191 * 65);
    test_math_free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_product_is_one_chain_per_output),
        cmocka_unit_test(a_hosts_sgemm_is_asked_for_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
