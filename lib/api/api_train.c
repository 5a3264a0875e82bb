/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of specstream/train.h. */
#include "api/api.h"
#include "base/float_env.h"
#include "train/trainer.h"

SSI_NO_TAIL_PADDING(ss_train_params, row_tokens_max);
SSI_NO_TAIL_PADDING(ss_train_report, product_flops);
SSI_NO_TAIL_PADDING(ss_train_evaluation, acceptance);

ss_status ss_train_params_init(ss_train_params *params, size_t struct_size)
{
    ss_train_params defaults;
    ssi_train_params_default(&defaults);
    return ssi_params_fill(params, struct_size, &defaults, sizeof defaults);
}

ss_status ss_trainer_create(const ss_model *model, const ss_train_params *params,
                            ss_trainer **trainer, ss_error *error)
{
    ss_train_params ours;
    ssi_hooks hooks;
    SSI_TRY(ssi_need(trainer, "trainer", error));
    *trainer = NULL;
    SSI_TRY(ssi_need(model, "model", error));
    ssi_train_params_default(&ours);
    if (params != NULL) {
        SSI_TRY(ssi_params_read(&ours, sizeof ours, params, "ss_train_params", error));
        SSI_TRY(ssi_hooks_read(&hooks, &ours.allocator, NULL, NULL, &ours.parallel, error));
    }
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_trainer_create(model, &ours, trainer, error);
    ssi_float_env_leave(before);
    return status;
}

void ss_trainer_free(ss_trainer *trainer)
{
    ssi_trainer_free(trainer);
}

ss_status ss_trainer_add_row(ss_trainer *trainer, const int32_t *tokens, size_t count,
                             size_t prompt_count, ss_error *error)
{
    SSI_TRY(ssi_need(trainer, "trainer", error));
    SSI_TRY(ssi_need(tokens, "tokens", error));
    return ssi_trainer_add(trainer, &trainer->rows, tokens, count, prompt_count, error);
}

ss_status ss_trainer_add_dev_prompt(ss_trainer *trainer, const int32_t *tokens, size_t count,
                                    ss_error *error)
{
    SSI_TRY(ssi_need(trainer, "trainer", error));
    SSI_TRY(ssi_need(tokens, "tokens", error));
    return ssi_trainer_add(trainer, &trainer->dev, tokens, count, count, error);
}

ss_status ss_trainer_begin(ss_trainer *trainer, ss_error *error)
{
    SSI_TRY(ssi_need(trainer, "trainer", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_trainer_begin(trainer, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_trainer_plan_minutes(ss_trainer *trainer, double minutes, ss_error *error)
{
    SSI_TRY(ssi_need(trainer, "trainer", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_trainer_plan_minutes(trainer, minutes, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_trainer_step(ss_trainer *trainer, ss_train_report *report, ss_error *error)
{
    ss_train_report ours;
    SSI_TRY(ssi_need(trainer, "trainer", error));
    SSI_TRY(ssi_need_result(report, "ss_train_report", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_trainer_step(trainer, &ours, error);
    ssi_float_env_leave(before);
    SSI_TRY(status);
    return ssi_result_write(report, &ours, sizeof ours, "ss_train_report", error);
}

ss_status ss_trainer_evaluate(ss_trainer *trainer, uint32_t prompt_count, uint32_t token_count,
                              uint32_t nodes, ss_train_evaluation *evaluation, ss_error *error)
{
    ss_train_evaluation ours;
    SSI_TRY(ssi_need(trainer, "trainer", error));
    SSI_TRY(ssi_need_result(evaluation, "ss_train_evaluation", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status =
        ssi_trainer_evaluate(trainer, prompt_count, token_count, nodes, &ours, error);
    ssi_float_env_leave(before);
    SSI_TRY(status);
    return ssi_result_write(evaluation, &ours, sizeof ours, "ss_train_evaluation", error);
}

ss_status ss_trainer_save(const ss_trainer *trainer, const char *path, ss_error *error)
{
    SSI_TRY(ssi_need(trainer, "trainer", error));
    SSI_TRY(ssi_need(path, "path", error));
    return ssi_trainer_save(trainer, path, error);
}

ss_status ss_trainer_resume(ss_trainer *trainer, const char *path, ss_error *error)
{
    SSI_TRY(ssi_need(trainer, "trainer", error));
    SSI_TRY(ssi_need(path, "path", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_trainer_resume(trainer, path, error);
    ssi_float_env_leave(before);
    return status;
}

ss_status ss_trainer_write_adapter(ss_trainer *trainer, const char *path, ss_error *error)
{
    SSI_TRY(ssi_need(trainer, "trainer", error));
    SSI_TRY(ssi_need(path, "path", error));
    ssi_float_env before = ssi_float_env_enter();
    ss_status status = ssi_trainer_begin(trainer, error);
    if (status == SS_OK)
        status = ssi_trainer_write_adapter(trainer, path, error);
    ssi_float_env_leave(before);
    return status;
}
