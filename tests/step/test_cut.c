/* SPDX-License-Identifier: Apache-2.0 */
/* However a region is cut, every unit of every row is in one task and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "step/cut.h"

enum { MOST_UNITS = 200, MOST_ROWS = 150, MOST_THREADS = 9 };

static void every_unit_is_in_one_task(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= MOST_THREADS; threads++)
        for (uint32_t rows = 1; rows <= MOST_ROWS; rows += 1 + rows / 4)
            for (uint32_t units = 1; units <= MOST_UNITS; units += 1 + units / 16) {
                static uint8_t seen[MOST_ROWS][MOST_UNITS];
                memset(seen, 0, sizeof seen);
                ssi_cut cut = ssi_cut_make(units, rows, threads);
                for (uint32_t task = 0; task < ssi_cut_tasks(&cut); task++) {
                    ssi_part part = ssi_cut_part(&cut, task);
                    assert_true(part.unit_end <= units && part.row_end <= rows);
                    for (uint32_t row = part.row_begin; row < part.row_end; row++)
                        for (uint32_t unit = part.unit_begin; unit < part.unit_end; unit++)
                            seen[row][unit]++;
                }
                for (uint32_t row = 0; row < rows; row++)
                    for (uint32_t unit = 0; unit < units; unit++)
                        assert_int_equal(seen[row][unit], 1);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_unit_is_in_one_task)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
