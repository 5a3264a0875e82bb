/* SPDX-License-Identifier: Apache-2.0 */
/* Going on from an adapter's file, which is read when the trainer is created and again when
 * training begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/adapter_file.h"
#include "trainer_fixture.h"

static const adapter_recipe first_recipe = {.deviation = 0.01f,
                                            .seed = 3,
                                            .streams = 2,
                                            .msa_layers = 2,
                                            .main_rank = 2,
                                            .stream_rank = 2,
                                            .root_rank = 2,
                                            .parent_rank = 2,
                                            .prune_rank = 2,
                                            .draft_count = 64,
                                            .f16 = true};

static void write_recipe(const trainer_fixture *is, const char *path,
                         const adapter_recipe *recipe)
{
    adapter_file file = make_adapter(is->model, recipe);
    write_file(path, file.bytes, file.count);
    free_adapter_file(&file);
}

static trainer_fixture *open_start(const char *path, const adapter_recipe *recipe)
{
    trainer_fixture *is = fixture_open(SS_TRAIN_SHARED);
    is->params.start = path;
    write_recipe(is, path, recipe);
    fixture_create(is);
    return is;
}

/* Nothing may be written past what was laid out for the first shape. */
static void a_start_of_another_shape_by_then_is_refused(void **state)
{
    (void)state;
    const char *path = fixture_path(0, "test_trainer_start.gguf");
    adapter_recipe others[5];
    for (uint32_t i = 0; i < 5; i++)
        others[i] = first_recipe;
    others[0].draft_count = 400;
    others[1].draft_count = 0;
    others[2].stream_rank = 3;
    others[3].streams = 3;
    others[4].root_rank = 0;
    trainer_fixture *is = open_start(path, &first_recipe);
    for (uint32_t i = 0; i < 5; i++) {
        write_recipe(is, path, &others[i]);
        refuse(is, SS_ERROR_MISMATCH, "has changed since",
               ss_trainer_begin(is->trainer, &is->error));
        assert_non_null(strstr(is->error.message, path));
    }
    write_recipe(is, path, &first_recipe);
    accept(is, ss_trainer_begin(is->trainer, &is->error));
    fixture_close(is);
}

static void a_list_where_there_was_none_is_refused(void **state)
{
    (void)state;
    const char *path = fixture_path(0, "test_trainer_start.gguf");
    adapter_recipe whole = first_recipe;
    whole.draft_count = 0;
    trainer_fixture *is = open_start(path, &whole);
    write_recipe(is, path, &first_recipe);
    refuse(is, SS_ERROR_MISMATCH, path, ss_trainer_begin(is->trainer, &is->error));
    fixture_close(is);
}

/* Listed whole, the vocabulary keeps its order; the file is written as it was read. */
static void a_start_may_list_the_whole_vocabulary(void **state)
{
    (void)state;
    const char *path = fixture_path(0, "test_trainer_start.gguf");
    const char *written = fixture_path(1, "test_trainer_start.2.gguf");
    adapter_recipe recipe = first_recipe;
    ss_adapter_info info = {.struct_size = sizeof info};
    ss_adapter *before, *after;
    recipe.draft_count = 512;
    trainer_fixture *is = open_start(path, &recipe);
    assert_int_equal(is->model->hyper.vocabulary_size, recipe.draft_count);
    accept(is, ss_trainer_write_adapter(is->trainer, written, &is->error));
    accept(is, ss_adapter_load(is->model, path, NULL, &before, &is->error));
    accept(is, ss_adapter_load(is->model, written, NULL, &after, &is->error));
    accept(is, ss_adapter_get_info(after, &info, &is->error));
    assert_int_equal(info.draft_vocabulary_size, 512);
    assert_memory_equal(after->draft_tokens, before->draft_tokens, 512 * sizeof(int32_t));
    fixture_step(is, 6);
    ss_adapter_free(before);
    ss_adapter_free(after);
    fixture_close(is);
}

/* Rates are measured by the main half that training begins with: with another one no step would be
 * what it was. */
static void a_resumed_run_has_the_start_it_began_with(void **state)
{
    (void)state;
    const char *path = fixture_path(0, "test_trainer_start.gguf");
    const char *saved = fixture_path(1, "test_trainer_start.checkpoint");
    adapter_recipe other = first_recipe;
    size_t whole_bytes, bytes;
    other.seed = 4;
    trainer_fixture *is = open_start(path, &first_recipe);
    fixture_step(is, 6);
    accept(is, ss_trainer_save(is->trainer, saved, &is->error));
    unsigned char *whole = read_file(saved, &whole_bytes);
    fixture_create(is);
    fixture_step(is, 3);
    accept(is, ss_trainer_save(is->trainer, saved, &is->error));
    write_recipe(is, path, &other);
    fixture_create(is);
    refuse(is, SS_ERROR_MISMATCH, "start", ss_trainer_resume(is->trainer, saved, &is->error));
    write_recipe(is, path, &first_recipe);
    fixture_create(is);
    accept(is, ss_trainer_resume(is->trainer, saved, &is->error));
    fixture_step(is, 3);
    accept(is, ss_trainer_save(is->trainer, saved, &is->error));
    unsigned char *resumed = read_file(saved, &bytes);
    assert_int_equal(bytes, whole_bytes);
    assert_memory_equal(resumed, whole, bytes);
    free(resumed);
    free(whole);
    fixture_close(is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_of_another_shape_by_then_is_refused),
        cmocka_unit_test(a_list_where_there_was_none_is_refused),
        cmocka_unit_test(a_start_may_list_the_whole_vocabulary),
        cmocka_unit_test(a_resumed_run_has_the_start_it_began_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
