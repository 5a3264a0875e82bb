/* SPDX-License-Identifier: Apache-2.0 */
/* A model cut at every byte, changed at every byte, and loaded with every allocation failing: each
 * time an error with a message or a model, never a leak, never more memory than the file is worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model.h"
#include "support/counting_memory.h"
#include "toy_file.h"

/* Loads a copy that ends where its heap block ends, so that a sanitizer sees a read beyond. */
static ss_status load_copy(const void *bytes, size_t count, counting_memory *counted,
                           ss_error *error)
{
    unsigned char *copy = malloc(count > 0 ? count : 1);
    ss_allocator allocator = counting_allocator(counted);
    ss_model_params params = { .struct_size = sizeof params, .thread_count = 1,
                               .allocator = &allocator };
    ssi_source source;
    ss_model *model = NULL;
    memcpy(copy, bytes, count);
    ssi_source_from_buffer(&source, copy, count);
    *error = (ss_error){ .struct_size = sizeof *error };
    ss_status status = ssi_model_load(&source, &params, &model, error);
    assert_true((status == SS_OK) == (model != NULL));
    assert_true(status == SS_OK || error->message[0] != 0);
    ssi_model_free(model);
    assert_int_equal(counted->held_blocks, 0);
    free(copy);
    return status;
}

static void a_model_cut_anywhere_is_refused(void **state)
{
    toy_file toy = make_toy(NULL);
    (void)state;
    for (size_t count = 0; count < toy.count; count++) {
        counting_memory counted = { 0 };
        ss_error error;
        assert_int_equal(load_copy(toy.bytes, count, &counted, &error), SS_ERROR_FORMAT);
    }
    free_toy(&toy);
}

static void a_model_changed_anywhere_is_no_surprise(void **state)
{
    static const unsigned char masks[] = { 0x01, 0x10, 0x80, 0xff };
    toy_file toy = make_toy(NULL);
    unsigned char *bytes = toy.bytes;
    (void)state;
    for (size_t at = 0; at < toy.count; at++)
        for (size_t i = 0; i < sizeof masks; i++) {
            counting_memory counted = { 0 };
            ss_error error;
            bytes[at] ^= masks[i];
            (void)load_copy(bytes, toy.count, &counted, &error);
            /* A file this small is mostly names and tables; what matters is that no number in it
             * can ask for more. */
            assert_true(counted.peak_bytes < 16 * toy.count);
            bytes[at] ^= masks[i];
        }
    free_toy(&toy);
}

static void every_failing_allocation_is_survived(void **state)
{
    toy_file toy = make_toy(NULL);
    ss_status status = SS_ERROR_MEMORY;
    (void)state;
    for (unsigned call = 1; status != SS_OK; call++) {
        counting_memory counted = { .fail_call = call };
        ss_error error;
        status = load_copy(toy.bytes, toy.count, &counted, &error);
        assert_true(status == SS_OK || status == SS_ERROR_MEMORY);
        assert_true(call < 50);
    }
    free_toy(&toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_cut_anywhere_is_refused),
        cmocka_unit_test(a_model_changed_anywhere_is_no_surprise),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
