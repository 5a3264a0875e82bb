/* SPDX-License-Identifier: Apache-2.0 */
/* Along a tensor's own gradient the loss climbs by the gradient's norm, in the corners of what can be
 * asked for: one stream and all eight, one layer and all, ranks of one, rows of two tokens, biases. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "trainer_fixture.h"

typedef struct corner {
    const char *name;
    ss_train_mode mode;
    uint32_t streams, layers, rank, draft_vocabulary, behind; /* behind: tokens, of a prompt */
    bool rotation, biases, no_terms;
} corner;

static const corner corners[] = {
    {"usual", SS_TRAIN_SHARED, 3, 2, 4, 64, 12, false, false, false},
    {"one stream, one layer, rank 1", SS_TRAIN_SHARED, 1, 1, 1, 64, 12, false, false, false},
    {"eight streams, all layers", SS_TRAIN_LOSSLESS, 8, 5, 2, 0, 12, false, false, false},
    {"two tokens to learn", SS_TRAIN_SHARED, 8, 2, 2, 0, 2, false, false, false},
    {"rotated values, no terms", SS_TRAIN_LOSSLESS, 8, 5, 2, 100, 12, true, false, true},
    {"biases", SS_TRAIN_SHARED, 4, 3, 2, 100, 12, false, true, false},
    {"joint, all layers, biases", SS_TRAIN_JOINT, 8, 5, 2, 0, 12, false, true, false},
    {"joint, one stream, rotated", SS_TRAIN_JOINT, 1, 1, 1, 50, 2, true, false, false},
};

enum { PROMPT = 5, BIAS_MOST = 1024 };
static float biases[SSI_LINEAR_COUNT + 1][BIAS_MOST];

/* The base has none: each map gets one, or loses it. */
static void set_biases(ss_model *model, bool set)
{
    ssi_layer *layers = (ssi_layer *)model->layers; /* the test's alone */
    for (uint32_t map = 0; map <= SSI_LINEAR_COUNT; map++)
        for (uint32_t i = 0; i < BIAS_MOST; i++)
            biases[map][i] = (ssi_uniform(ssi_mix64(map * BIAS_MOST + i)) - 0.5f) * 0.2f;
    for (uint32_t layer = 0; layer < model->hyper.layer_count; layer++)
        for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++)
            layers[layer].linear[map].bias = set ? biases[map] : NULL;
    model->head.bias = set ? biases[SSI_LINEAR_COUNT] : NULL;
}

static void open_corner(trainer_fixture *is, const corner *at)
{
    ss_train_params *params = &is->params;
    int32_t tokens[PROMPT + 12] = {1};
    params->stream_count = at->streams;
    params->msa_layer_count = at->layers;
    params->main_rank = params->stream_rank = params->init_rank = params->prune_rank = at->rank;
    params->root_rank = params->parent_rank = at->no_terms ? 0 : at->rank;
    params->draft_vocabulary_size = at->draft_vocabulary;
    params->value_rotation = at->rotation;
    params->teacher_weight = 0.25f;
    params->stream_decay = 0.75f;
    set_biases(is->model, at->biases);
    accept(is, ss_trainer_create(is->model, params, &is->trainer, &is->error));
    for (uint32_t row = 0; row < 2; row++) {
        for (uint32_t i = 1; i < PROMPT + at->behind; i++)
            tokens[i] = (int32_t)(270 + ssi_mix64(row * 100 + i) % 200);
        accept(is, ss_trainer_add_row(is->trainer, tokens, PROMPT + at->behind, PROMPT, &is->error));
    }
    accept(is, ss_trainer_begin(is->trainer, &is->error));
    ssi_parameters *all = &is->trainer->parameters; /* no B is zero, so every tensor counts */
    for (size_t n = 0; n < all->value_count; n++)
        all->values[n] += (ssi_uniform(ssi_mix64(n + 7)) - 0.5f) * 0.1f;
}

/* What the step lessens, from its sums. */
static double loss_of(trainer_fixture *is, ss_train_stage stage)
{
    const ss_train_params *params = &is->trainer->params;
    const bool joint = params->mode == SS_TRAIN_JOINT && stage == SS_STAGE_MAIN;
    uint64_t positions, engine_ns;
    ssi_train_sums sums;
    ssi_trainer_gradient(is->trainer, 0, &sums, &positions, &engine_ns);
    double weight = joint ? (double)params->stream_weight : 1 / (double)params->stream_count;
    double loss = sums.main_loss * (joint ? (double)params->main_weight : 1);
    for (uint32_t j = 0; j < params->stream_count; j++, weight *= (double)params->stream_decay)
        loss += weight * sums.stream_loss[j];
    return loss / (double)positions;
}

/* Each of the streams' and the pruner's tensors alone; LoRAs together. */
static bool is_in(const ssi_parameters *all, uint32_t item, uint32_t group)
{
    const bool alone = strncmp(all->items[item].name, "specstream.", 11) == 0;
    return group == all->count ? !alone : alone && item == group;
}

/* In units of the group's own gradient; its norm goes to *norm. */
static double slope_of(trainer_fixture *is, ss_train_stage stage, const float *start,
                       const float *gradients, uint32_t group, double *norm)
{
    ssi_parameters *all = &is->trainer->parameters;
    double loss[2], square = 0;
    for (int side = -1; side < 2; side++) {
        memcpy(all->values, start, all->value_count * sizeof *start);
        for (uint32_t i = 0; i < all->count; i++) {
            const ssi_parameter *item = &all->items[i];
            const size_t end = item->offset + (size_t)item->rows * item->columns;
            for (size_t n = item->offset; item->stage == stage && is_in(all, i, group) && n < end; n++)
                if (side < 0)
                    square += (double)gradients[n] * (double)gradients[n];
                else
                    all->values[n] += (float)((side ? 0x1p-8 : -0x1p-8) / sqrt(square)) * gradients[n];
        }
        if (side < 0 && square <= 0)
            break;
        if (side >= 0)
            loss[side] = loss_of(is, stage);
    }
    memcpy(all->values, start, all->value_count * sizeof *start);
    *norm = sqrt(square);
    return square > 0 ? (loss[1] - loss[0]) / 0x1p-7 : 0;
}

static void check_stage(trainer_fixture *is, const corner *at, ss_train_stage stage)
{
    const ssi_parameters *all = &is->trainer->parameters;
    const size_t bytes = all->value_count * sizeof(float);
    float *start = malloc(bytes), *gradients = malloc(bytes);
    accept(is, ssi_trainer_enter_stage(is->trainer, stage, &is->error));
    (void)loss_of(is, stage);
    memcpy(start, all->values, bytes);
    memcpy(gradients, all->gradients, bytes);
    for (uint32_t group = 0; group <= all->count; group++) {
        double norm, slope = slope_of(is, stage, start, gradients, group, &norm);
        const char *name = group < all->count ? all->items[group].name : "LoRA";
        if (getenv("SS_SHOW") && norm > 0)
            print_message("%s, stage %d, %s: slope %g, norm %g\n", at->name, stage, name, slope, norm);
        if (!(fabs(slope - norm) <= 0.01 * norm + 1e-4))
            fail_msg("%s, stage %d, %s: slope %g, gradient's norm %g", at->name, stage, name, slope,
                     norm);
        if (group < all->count && all->items[group].stage == stage &&
            is_in(all, group, group) && norm <= 1e-3)
            fail_msg("%s, stage %d, %s: a gradient of %g tells nothing", at->name, stage, name, norm);
    }
    free(start);
    free(gradients);
}

static void losses_climb_as_gradients_say_in_every_corner(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) {
        trainer_fixture *is = fixture_open(corners[i].mode);
        open_corner(is, &corners[i]);
        for (ss_train_stage stage = 0; stage < SS_STAGE_COUNT; stage++)
            if (is->trainer->params.steps[stage] > 0)
                check_stage(is, &corners[i], stage);
        set_biases(is->model, false);
        fixture_close(is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_climb_as_gradients_say_in_every_corner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
