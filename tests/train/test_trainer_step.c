/* SPDX-License-Identifier: Apache-2.0 */
/* A step that goes wrong tells what was wrong, and changes nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trainer_fixture.h"

/* Stage main has no streams: their losses, zeros, are no better news. */
static void a_loss_that_is_no_number_is_named(void **state)
{
    static const struct {
        uint32_t made; /* steps; the stage is under way after its first one */
        const char *poisoned, *words;
    } cases[] = {
        {0, "blk.0.attn_q.weight.lora_b", "step 1: main loss nan, gradient nan"},
        {3, "specstream.root.b", "step 4: stream 1 loss nan, gradient nan"},
    };
    ss_train_report report = {.struct_size = sizeof report};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trainer_fixture *is = fixture_open(SS_TRAIN_SHARED);
        fixture_create(is);
        fixture_step(is, cases[i].made);
        accept(is, ss_trainer_begin(is->trainer, &is->error));
        float *value =
            ssi_parameters_get(&is->trainer->parameters, cases[i].poisoned, false).values;
        for (uint32_t sign = 0; sign < 2; sign++) {
            *value = sign ? -NAN : NAN;
            refuse(is, SS_ERROR_NUMERIC, cases[i].words,
                   ss_trainer_step(is->trainer, &report, &is->error));
        }
        *value = 0;
        fixture_step(is, 1);
        fixture_close(is);
    }
}

/* A model's head may have one, and decoding adds it: streams, main stream and pruner have to be told by it,
 * too. Here it says at once what every row goes on with. */
static void a_bias_of_the_head_counts_in_every_stage(void **state)
{
    enum { SAID = 300 };
    static const ss_train_mode modes[] = {SS_TRAIN_LOSSLESS, SS_TRAIN_SHARED, SS_TRAIN_JOINT};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        int32_t tokens[TRAINER_TOKENS] = {1, 280, 290, 300, 310};
        trainer_fixture *is = fixture_open(modes[i / 2]);
        const uint32_t vocabulary = is->model->hyper.vocabulary_size;
        float *bias = calloc(vocabulary, sizeof *bias);
        bias[SAID] = 1000;
        is->model->head.bias = bias;
        is->params.draft_vocabulary_size = i % 2 ? 2 : 0; /* 0: the whole vocabulary */
        for (uint32_t at = 5; at < TRAINER_TOKENS; at++)
            tokens[at] = SAID;
        accept(is, ss_trainer_create(is->model, &is->params, &is->trainer, &is->error));
        accept(is, ss_trainer_add_row(is->trainer, tokens, TRAINER_TOKENS, 5, &is->error));
        ss_train_report report = {.struct_size = sizeof report};
        do {
            accept(is, ss_trainer_step(is->trainer, &report, &is->error));
            assert_true(report.main_loss <= 0 && report.stream_loss[0] <= 0 &&
                        report.stream_loss[1] <= 0);
        } while (!report.done);
        is->model->head.bias = NULL;
        fixture_close(is);
        free(bias);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_that_is_no_number_is_named),
        cmocka_unit_test(a_bias_of_the_head_counts_in_every_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
