/* SPDX-License-Identifier: Apache-2.0 */
/* The forward half of the streams' training pass, over the numbers of an adapter as the engine has
 * packed them, gives the logits that the engine decodes with. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/session_state.h"
#include "support/adapter_file.h"
#include "train_bench.h"

static float *unpack(train_bench *bench, const ssi_matrix *matrix)
{
    float *values = bench_floats(bench, (size_t)matrix->rows * matrix->columns);
    float whole[256]; /* of blocks */
    for (uint32_t row = 0; row < matrix->rows; row++) {
        ssi_type_get(matrix->type)->unpack_row(matrix, row, whole);
        memcpy(values + (size_t)row * matrix->columns, whole, matrix->columns * sizeof *whole);
    }
    return values;
}

static ssi_trained_pair pair_of(train_bench *bench, const ssi_low_rank *low)
{
    ssi_trained_pair pair = {.rank = low->rank, .scale = 1};
    if (low->rank > 0) {
        pair.a.values = unpack(bench, &low->a);
        pair.b.values = unpack(bench, &low->b);
    }
    return pair;
}

/* The very numbers the engine computes with; alpha / rank is in B. */
static ssi_trained_pair lora_of(train_bench *bench, const ssi_lora *lora)
{
    const ssi_lora_b *b = &lora->b;
    uint32_t quads = (b->rank + 3) / 4;
    ssi_trained_pair pair = {.rank = b->rank, .scale = 1};
    pair.a.values = unpack(bench, &lora->a);
    pair.b.values = bench_floats(bench, (size_t)b->rows * b->rank);
    for (uint32_t row = 0; row < b->rows; row++)
        for (uint32_t i = 0; i < b->rank; i++) {
            size_t group = row / 16, lane = row % 16;
            int quant = b->quants[((group * quads + i / 4) * 16 + lane) * 4 + i % 4] - 128;
            pair.b.values[(size_t)row * b->rank + i] = (float)quant * b->scales[row];
        }
    return pair;
}

static void set_loras(train_bench *bench, ssi_train_layer *layer, uint32_t kind,
                      const ssi_lora *loras)
{
    for (uint32_t map = 0; map < SSI_LINEAR_COUNT; map++)
        layer->maps[map].pairs[kind] =
            loras ? lora_of(bench, &loras[map]) : (ssi_trained_pair){.rank = 0};
}

/* The bench with the adapter's numbers in place of its own, and the whole vocabulary. */
static train_bench *bench_of(const ss_adapter *adapter)
{
    train_bench *bench = bench_create(&bench_cases[0], SS_CPU_AUTO, 1, 16);
    ssi_train_streams *streams = &bench->streams;
    assert_int_equal(adapter->embedding_stride, bench->model->hyper.embedding_length);
    for (uint32_t layer = 0; layer < BENCH_LAYERS; layer++) {
        const ssi_lora *loras = adapter->main_lora;
        loras = loras ? loras + layer * SSI_LINEAR_COUNT : NULL;
        set_loras(bench, &bench->main_layers[layer], SSI_LORA_MAIN, loras);
        if (layer >= BENCH_LAYERS - BENCH_MSA)
            set_loras(bench, &bench->stream_layers[layer + BENCH_MSA - BENCH_LAYERS],
                      SSI_LORA_MAIN, loras);
    }
    for (uint32_t layer = 0; layer < BENCH_MSA; layer++) {
        const ssi_lora *loras = adapter->stream_lora;
        set_loras(bench, &bench->stream_layers[layer], SSI_LORA_STREAM,
                  loras ? loras + layer * SSI_LINEAR_COUNT : NULL);
    }
    bench_merge(bench);
    streams->stream_init = adapter->stream_init;
    streams->rotation_step = adapter->rotation_step;
    streams->embedding = (ssi_trained){(float *)(uintptr_t)adapter->stream_embedding, NULL};
    streams->root_gain = (ssi_trained){(float *)(uintptr_t)adapter->root_gain, NULL};
    streams->init = pair_of(bench, &adapter->init);
    streams->root = pair_of(bench, &adapter->root);
    streams->parent = (ssi_trained_pair){.rank = 0};
    streams->draft_head = bench->main.head;
    streams->draft_count = bench->model->hyper.vocabulary_size;
    streams->draft_of_token = NULL;
    streams->teacher_weight = 0;
    bench_lay_out(bench, 16);
    bench_run_context(bench, 0);
    return bench;
}

/* Log probability of `token` by logits. */
static double log_probability(const float *logits, uint32_t count, uint32_t token)
{
    double sum = 0, largest = -INFINITY;
    for (uint32_t i = 0; i < count; i++)
        largest = (double)logits[i] > largest ? (double)logits[i] : largest;
    for (uint32_t i = 0; i < count; i++)
        sum += exp((double)logits[i] - largest);
    return (double)logits[token] - largest - log(sum);
}

/* Largest difference of any token's log probability by any stream, after some tokens. Without a
 * parent term streams depend on nothing behind the root, so every token can stand there. */
static double compare_streams(train_bench *bench, ss_session *session, uint32_t position)
{
    const ssi_streams *engine = &session->work.streams;
    uint32_t vocabulary = bench->model->hyper.vocabulary_size;
    int32_t *tokens = bench->tokens[0];
    ssi_train_context context = bench->contexts[0];
    double worst = 0;
    size_t skipped = position - context.first_anchor;
    context.entries += skipped * bench->model->hyper.embedding_length;
    context.first_anchor = position;
    context.anchor_count = 1;
    context.token_count = position + 2 + BENCH_STREAMS;
    prefill(session, tokens, position + 1);
    ssi_step_defer(&session->work, tokens[position + 1]);
    for (uint32_t token = 0; token < vocabulary; token++) {
        ssi_train_sums sums = {0};
        for (uint32_t j = 0; j < BENCH_STREAMS; j++)
            tokens[position + 2 + j] = (int32_t)token;
        ssi_train_streams_run(&bench->test->math, &bench->streams, bench->streams_pass,
                              &context, 1, 1, false, &sums);
        for (uint32_t j = 0; j < BENCH_STREAMS; j++) {
            double apart = fabs(
                -sums.stream_loss[j] -
                log_probability(engine->logits + j * engine->logit_stride, vocabulary, token));
            assert_int_equal(sums.stream_rows[j], 1);
            worst = apart > worst ? apart : worst; /* NaN doesn't pass the caller */
            if (!(apart < INFINITY))
                return NAN;
        }
    }
    return worst;
}

static void streams_are_those_of_the_engine(void **state)
{
    (void)state;
    /* Float weights: what LoRA there is computes in 8 bits in the engine, all else in binary32. */
    static const struct {
        const char *name;
        adapter_recipe recipe;
        double bound;
    } adapters[] = {
        {"terms",
         {.deviation = 0.3f, .streams = 3, .msa_layers = 2, .init_rank = 2, .root_rank = 3},
         1e-4},
        {"value rotation",
         {.deviation = 0.3f,
          .streams = 3,
          .msa_layers = 2,
          .root_rank = 3,
          .rotation_step = 0.7f},
         1e-4},
        {"LoRA",
         {.deviation = 0.05f,
          .streams = 3,
          .msa_layers = 2,
          .root_rank = 3,
          .main_rank = 4,
          .stream_rank = 4},
         0.05},
    };
    for (size_t i = 0; i < sizeof adapters / sizeof adapters[0]; i++) {
        ss_model *model = open_model();
        ss_adapter *adapter = load_recipe(model, &adapters[i].recipe);
        ss_session_params params = small_params();
        params.kv_type = SS_KV_F32;
        ss_session *session = open_session_with(model, &params);
        train_bench *bench = bench_of(adapter);
        double worst = 0;
        assert_int_equal(ssi_session_set_adapter(session, adapter, NULL), SS_OK);
        for (uint32_t position = 16; position >= 6;
             position -= 5) { /* overwrites what follows */
            double apart = compare_streams(bench, session, position);
            if (!(apart <= adapters[i].bound))
                fail_msg("%s: a log probability is %g away", adapters[i].name, apart);
            worst = apart > worst ? apart : worst;
        }
        if (getenv("SS_SHOW"))
            print_message("%s: log probabilities at most %.2g away\n", adapters[i].name, worst);
        ssi_session_free(session);
        bench_free(bench);
        ssi_adapter_free(adapter);
        ssi_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_those_of_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
