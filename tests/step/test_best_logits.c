/* SPDX-License-Identifier: Apache-2.0 */
/* The best logits are those that a sort of all of them puts first. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "step/best_logits.h"

enum { MOST_LOGITS = 3000, MOST_BEST = 48, ROUNDS = 3000 };

/* Best first; of equals the lower index. */
static int by_rank(const void *a, const void *b)
{
    const ssi_ranked_logit *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    return (uint32_t)(ssi_mix64(seed++) % below);
}

/* Of several kinds: all different, many equal, rising, falling, falling by steps,
 * mostly -inf. */
static void draw_logits(float *logits, uint32_t count)
{
    uint32_t kind = draw(6);
    for (uint32_t i = 0; i < count; i++)
        switch (kind) {
        case 0: logits[i] = ssi_uniform(ssi_mix64(seed++)) * 40.0f - 20.0f; break;
        case 1: logits[i] = (float)draw(7); break;
        case 2: logits[i] = (float)i; break;
        case 3: logits[i] = -(float)i; break;
        case 4: logits[i] = -(float)(i / 3); break;
        default: logits[i] = draw(40) == 0 ? (float)draw(9) : -INFINITY;
        }
}

static void the_best_logits_are_those_a_sort_puts_first(void **state)
{
    (void)state;
    static float logits[MOST_LOGITS];
    static ssi_ranked_logit all[MOST_LOGITS];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t count = 1 + draw(round % 2 ? 100 : MOST_LOGITS), most = 1 + draw(MOST_BEST);
        ssi_ranked_logit best[MOST_BEST];
        draw_logits(logits, count);
        for (uint32_t i = 0; i < count; i++)
            all[i] = (ssi_ranked_logit){logits[i], i};
        qsort(all, count, sizeof *all, by_rank);
        uint32_t found = ssi_best_logits(logits, count, most, best);
        assert_int_equal(found, most < count ? most : count);
        for (uint32_t i = 0; i < found; i++)
            if (best[i].index != all[i].index || best[i].logit != all[i].logit)
                fail_msg("round %u: place %u of %u among %u: logit %u, by a sort %u", round, i,
                         most, count, best[i].index, all[i].index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_logits_are_those_a_sort_puts_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
