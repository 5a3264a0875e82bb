/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint is not trusted: what no training of this kind can have saved is named. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trainer_fixture.h"

static const char *path(void)
{
    return fixture_path(0, "test_checkpoint.checkpoint");
}

/* One step made and saved. */
static trainer_fixture *open_saved(ss_train_mode mode, uint32_t prune_rank)
{
    trainer_fixture *is = fixture_open(mode);
    is->params.prune_rank = prune_rank;
    fixture_create(is);
    fixture_step(is, 1);
    accept(is, ss_trainer_save(is->trainer, path(), &is->error));
    return is;
}

/* Saves as it stands; another trainer refuses it, and what it has stays. */
static void refuse_saved(trainer_fixture *is, const char *words)
{
    accept(is, ss_trainer_save(is->trainer, path(), &is->error));
    fixture_create(is);
    accept(is, ss_trainer_begin(is->trainer, &is->error));
    const ssi_parameters *parameters = &is->trainer->parameters;
    ssi_hash128 before = ssi_hash(parameters->values, parameters->value_count * sizeof(float));
    refuse(is, SS_ERROR_FORMAT, words, ss_trainer_resume(is->trainer, path(), &is->error));
    ssi_hash128 after = ssi_hash(parameters->values, parameters->value_count * sizeof(float));
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(is->trainer->step, 0);
    accept(is, ss_trainer_step(is->trainer,
                               &(ss_train_report){.struct_size = sizeof(ss_train_report)},
                               &is->error));
}

static void more_steps_than_there_are_are_refused(void **state)
{
    (void)state;
    trainer_fixture *is = open_saved(SS_TRAIN_SHARED, 2);
    is->trainer->step = 7;
    refuse_saved(is, "checkpoint.step: 7, expected 0 to 6");
    is->trainer->params.steps[SS_STAGE_STREAMS] = SSI_STAGE_STEPS_MAX + 1;
    refuse_saved(is, "checkpoint.steps.streams");
    fixture_close(is);
}

static void steps_of_a_stage_that_trains_nothing_are_refused(void **state)
{
    static const struct {
        ss_train_mode mode;
        uint32_t prune_rank;
        ss_train_stage stage;
        const char *words;
    } cases[] = {
        {SS_TRAIN_LOSSLESS, 2, SS_STAGE_MAIN, "checkpoint.steps.main: 3, expected 0 to 0"},
        {SS_TRAIN_JOINT, 2, SS_STAGE_STREAMS, "checkpoint.steps.streams: 3, expected 0 to 0"},
        {SS_TRAIN_SHARED, 0, SS_STAGE_PRUNE, "checkpoint.steps.prune: 3, expected 0 to 0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trainer_fixture *is = open_saved(cases[i].mode, cases[i].prune_rank);
        is->trainer->params.steps[cases[i].stage] = 3;
        refuse_saved(is, cases[i].words);
        fixture_close(is);
    }
}

static void numbers_that_no_step_makes_are_refused(void **state)
{
    (void)state;
    trainer_fixture *is = open_saved(SS_TRAIN_LOSSLESS, 2);
    is->trainer->parameters.values[5] = NAN;
    refuse_saved(is, "tensor values: number 5");
    is->trainer->parameters.first[6] = -INFINITY;
    refuse_saved(is, "tensor first_moments: number 6");
    is->trainer->parameters.second[7] = -1;
    refuse_saved(is, "tensor second_moments: number 7");
    fixture_close(is);
}

static unsigned char *find(unsigned char *bytes, size_t count, const char *words)
{
    for (size_t i = 0; i + strlen(words) <= count; i++)
        if (memcmp(bytes + i, words, strlen(words)) == 0)
            return bytes + i;
    fail_msg("no %s", words);
    return NULL;
}

/* A changed bit of any array, and a counter that would be possible. */
static void damage_is_noticed(void **state)
{
    (void)state;
    trainer_fixture *is = open_saved(SS_TRAIN_SHARED, 2);
    const char key[] = "specstream.checkpoint.step";
    size_t bytes, array = is->trainer->parameters.value_count * sizeof(float);
    unsigned char *whole = read_file(path(), &bytes);
    unsigned char *step = find(whole, bytes, key) + strlen(key) + 4; /* behind its type */
    unsigned char *places[] = {whole + bytes - 100, whole + bytes - array - 100,
                               whole + bytes - 2 * array - 100, step};
    assert_int_equal(*step, 1);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        *places[i] ^= 2;
        write_file(path(), whole, bytes);
        fixture_create(is);
        refuse(is, SS_ERROR_FORMAT, "damaged",
               ss_trainer_resume(is->trainer, path(), &is->error));
        assert_non_null(strstr(is->error.message, path()));
        *places[i] ^= 2;
    }
    write_file(path(), whole, bytes);
    accept(is, ss_trainer_resume(is->trainer, path(), &is->error));
    fixture_step(is, 5);
    free(whole);
    fixture_close(is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_steps_than_there_are_are_refused),
        cmocka_unit_test(steps_of_a_stage_that_trains_nothing_are_refused),
        cmocka_unit_test(numbers_that_no_step_makes_are_refused),
        cmocka_unit_test(damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
