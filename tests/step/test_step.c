/* SPDX-License-Identifier: Apache-2.0 */
/* Laws of a pass: a row's logits depend on its path alone, not on chunk, tree, threads or kernels;
 * and they are those of a naive forward pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "kernel/kernel_list.h"
#include "toy_model.h"

#define Q40 SSI_TYPE_Q4_0
#define Q41 SSI_TYPE_Q4_1
#define Q80 SSI_TYPE_Q8_0
#define F16 SSI_TYPE_F16
#define F32 SSI_TYPE_F32

enum { LENGTH = 75 };

static const toy_shape shapes[] = {
    {64, 4, 2, 16, 96, 130, {Q40, Q40, Q40, Q40, Q40, Q40, Q40}, Q80, true, false},
    {96, 6, 2, 64, 160, 100, {Q41, Q80, Q41, Q41, Q41, Q41, Q80}, Q80, false, true},
    {64, 8, 4, 8, 172, 97, {F16, F16, F32, F16, F32, F32, F16}, F16, true, false},
    {64, 5, 1, 20, 172, 97, {Q80, F32, Q40, F32, Q40, Q41, F32}, F32, true, true},
};

static void fill_tokens(const toy_model *toy, int32_t *tokens)
{
    for (uint32_t i = 0; i < LENGTH; i++)
        tokens[i] = toy_token(toy, 99, i);
}

/* Logits after every prefix of the tokens, one row at a time. */
static float *plain_logits(const toy_model *toy, int32_t *tokens, bool kv_f32)
{
    size_t size = toy->shape.vocabulary;
    float *all = malloc(LENGTH * size * sizeof *all);
    toy_engine *engine = toy_engine_create(toy, 1, 1, kv_f32);
    for (uint32_t i = 0; i < LENGTH; i++) {
        toy_prefill(engine, tokens, i + 1);
        memcpy(all + i * size, engine->last_logits, size * sizeof *all);
    }
    toy_engine_free(engine);
    return all;
}

static void a_chunked_prefill_gives_the_bits_of_single_rows(void **state)
{
    static const uint32_t chunks[] = {1, 7, 64, 100}, threads[] = {1, 2, 3, 7};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (uint32_t isa = 0; isa <= (uint32_t)ssi_cpu_best(); isa++) {
            toy_model *portable = toy_create(&shapes[s], SSI_ISA_PORTABLE);
            toy_model *toy = toy_create(&shapes[s], (ssi_isa)isa);
            int32_t tokens[LENGTH];
            bool kv_f32 = s % 2;
            fill_tokens(toy, tokens);
            float *plain = plain_logits(portable, tokens, kv_f32);
            for (size_t i = 0; i < 4; i++) {
                toy_engine *engine =
                    toy_engine_create(toy, threads[(i + isa) % 4], chunks[i], kv_f32);
                ssi_sequence half = {tokens, LENGTH / 2, 0}; /* whose logits nobody asks for */
                assert_int_equal(ssi_prefill_run(&engine->work, &half, NULL, NULL, NULL), SS_OK);
                toy_prefill(engine, tokens, LENGTH);
                assert_memory_equal(engine->last_logits,
                                    plain + (LENGTH - 1) * toy->shape.vocabulary,
                                    toy->shape.vocabulary * sizeof(float));
                toy_engine_free(engine);
            }
            free(plain);
            toy_free(toy);
            toy_free(portable);
        }
}

/* A random forest above a random prefix; every row against the chain of its path. */
static void check_forest(const toy_model *toy, toy_engine *engine, uint64_t seed)
{
    int32_t tokens[LENGTH], node_tokens[32], parents[32], path[LENGTH + 32];
    uint32_t prefix = (uint32_t)(ssi_mix64(seed) % LENGTH), depth;
    uint32_t row_count = 1 + (uint32_t)(ssi_mix64(seed + 1) % 32);
    fill_tokens(toy, tokens);
    for (uint32_t i = 0; i < row_count; i++) {
        node_tokens[i] = toy_token(toy, seed, i);
        parents[i] = (int32_t)(ssi_noise_bits(seed, i, 8) % (i + 1)) - 1;
    }
    engine->work.cache.length = 0;
    if (prefix > 0)
        toy_prefill(engine, tokens, prefix);
    ssi_step_evaluate(&engine->work, node_tokens, parents, row_count);

    toy_engine *plain = toy_engine_create(toy, 1, 64, engine->work.cache.number_bytes == 4);
    for (uint32_t row = 0; row < row_count; row++) {
        depth = 0;
        for (int32_t node = (int32_t)row; node >= 0; node = parents[node])
            depth++;
        memcpy(path, tokens, prefix * sizeof *path);
        uint32_t at = prefix + depth;
        for (int32_t node = (int32_t)row; node >= 0; node = parents[node])
            path[--at] = node_tokens[node];
        plain->work.cache.length = 0;
        toy_prefill(plain, path, prefix + depth);
        if (memcmp(plain->last_logits, engine->work.logits + row * engine->work.logit_stride,
                   toy->shape.vocabulary * sizeof(float)) != 0)
            fail_msg("seed %llu, row %u of %u above %u tokens", (unsigned long long)seed, row,
                     row_count, prefix);
    }
    toy_engine_free(plain);
}

static void a_tree_row_gives_the_bits_of_its_path(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (uint32_t isa = 0; isa <= (uint32_t)ssi_cpu_best(); isa++) {
            toy_model *toy = toy_create(&shapes[s], (ssi_isa)isa);
            toy_engine *engine = toy_engine_create(toy, 1 + (uint32_t)s, 17, s % 2 == 0);
            for (uint64_t seed = 0; seed < 4; seed++)
                check_forest(toy, engine, 1000 * s + seed);
            toy_engine_free(engine);
            toy_free(toy);
        }
}

/* What the head's run notes of a row is what a search finds, however many tokens contend: the
 * smaller the logits, the more of them lie close to the largest. */
static void a_peak_is_what_a_search_finds(void **state)
{
    static const float sizes[] = {1.0f, 0.2f, 0.02f};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        toy_model *toy = toy_create(&shapes[s], ssi_cpu_best());
        toy_engine *engine = toy_engine_create(toy, 2, 16, false);
        const float *gain = toy->model.output_norm;
        float scaled[128];
        toy->model.output_norm = scaled;
        for (uint32_t run = 0; run < 30; run++) {
            int32_t tokens[32], parents[32];
            for (uint32_t i = 0; i < 32; i++) {
                tokens[i] = toy_token(toy, run, i);
                parents[i] = (int32_t)i - 1;
            }
            for (uint32_t i = 0; i < shapes[s].d; i++)
                scaled[i] = gain[i] * sizes[run % 3];
            engine->work.cache.length = 0;
            ssi_step_evaluate(&engine->work, tokens, parents, 32);
            for (uint32_t row = 0; row < 32; row++) {
                const float *logits = engine->work.logits + row * engine->work.logit_stride;
                bool finite;
                assert_int_equal(engine->work.peaks[row].token,
                                 ssi_argmax__ref(logits, shapes[s].vocabulary, &finite));
                assert_true(finite && engine->work.peaks[row].finite);
            }
        }
        toy->model.output_norm = gain;
        toy_engine_free(engine);
        toy_free(toy);
    }
}

/* The naive model, in double where it matters little and float where the definition says so. */
static void naive_norm(const double *x, const float *weight, uint32_t count, double *out)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    for (uint32_t i = 0; i < count; i++)
        out[i] = x[i] / sqrt(sum / count + 1e-5) * (double)weight[i];
}

static void naive_multiply(const float *weight, const float *bias, uint32_t rows,
                           uint32_t columns, const double *x, double *y)
{
    for (uint32_t row = 0; row < rows; row++) {
        y[row] = bias ? (double)bias[row] : 0;
        for (uint32_t column = 0; column < columns; column++)
            y[row] += (double)weight[(size_t)row * columns + column] * x[column];
    }
}

static void naive_rope(const toy_model *toy, double *head, uint32_t position)
{
    uint32_t pairs = toy->shape.head_length / 2;
    for (uint32_t i = 0; i < pairs; i++) {
        double angle = position * pow(10000.0, -2.0 * i / toy->shape.head_length);
        double *a = toy->shape.interleaved ? head + 2 * i : head + i;
        double *b = toy->shape.interleaved ? head + 2 * i + 1 : head + i + pairs;
        double x = *a, y = *b;
        *a = x * cos(angle) - y * sin(angle);
        *b = x * sin(angle) + y * cos(angle);
    }
}

enum { WIDTH = 512 };

static void naive_attend(const toy_model *toy, uint32_t position, const double *query,
                         double (*keys)[WIDTH], double (*values)[WIDTH], double *out)
{
    uint32_t length = toy->shape.head_length, group = toy->shape.heads / toy->shape.heads_kv;
    for (uint32_t head = 0; head < toy->shape.heads; head++) {
        uint32_t kv = head / group * length;
        double score[LENGTH], sum = 0;
        for (uint32_t i = 0; i <= position; i++) {
            double dot = 0;
            for (uint32_t d = 0; d < length; d++)
                dot += query[head * length + d] * keys[i][kv + d];
            sum += score[i] = exp(dot / sqrt(length));
        }
        for (uint32_t d = 0; d < length; d++) {
            out[head * length + d] = 0;
            for (uint32_t i = 0; i <= position; i++)
                out[head * length + d] += score[i] / sum * values[i][kv + d];
        }
    }
}

static void naive_forward(const toy_model *toy, const int32_t *tokens, uint32_t count,
                          double *logits)
{
    static double keys[TOY_LAYERS][LENGTH][WIDTH], values[TOY_LAYERS][LENGTH][WIDTH];
    const toy_shape *shape = &toy->shape;
    double x[WIDTH], normed[WIDTH], query[WIDTH], out[WIDTH], gate[WIDTH], up[WIDTH];
    uint32_t width = shape->heads * shape->head_length;
    uint32_t width_kv = shape->heads_kv * shape->head_length;
    for (uint32_t position = 0; position < count; position++) {
        for (uint32_t i = 0; i < shape->d; i++)
            x[i] = (double)toy->embedding[(size_t)tokens[position] * shape->d + i];
        for (uint32_t l = 0; l < TOY_LAYERS; l++) {
            float *const *weight = toy->linear[l];
            const ssi_layer *layer = &toy->layers[l];
            naive_norm(x, layer->attention_norm, shape->d, normed);
            naive_multiply(weight[SSI_QUERY], layer->linear[SSI_QUERY].bias, width, shape->d,
                           normed, query);
            naive_multiply(weight[SSI_KEY], layer->linear[SSI_KEY].bias, width_kv, shape->d,
                           normed, keys[l][position]);
            naive_multiply(weight[SSI_VALUE], layer->linear[SSI_VALUE].bias, width_kv, shape->d,
                           normed, values[l][position]);
            for (uint32_t head = 0; head < shape->heads; head++)
                naive_rope(toy, query + head * shape->head_length, position);
            for (uint32_t head = 0; head < shape->heads_kv; head++)
                naive_rope(toy, keys[l][position] + head * shape->head_length, position);
            naive_attend(toy, position, query, keys[l], values[l], out);
            naive_multiply(weight[SSI_OUTPUT], NULL, shape->d, width, out, normed);
            for (uint32_t i = 0; i < shape->d; i++)
                x[i] += normed[i];
            naive_norm(x, layer->feed_forward_norm, shape->d, normed);
            naive_multiply(weight[SSI_GATE], NULL, shape->feed, shape->d, normed, gate);
            naive_multiply(weight[SSI_UP], NULL, shape->feed, shape->d, normed, up);
            for (uint32_t i = 0; i < shape->feed; i++)
                gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
            naive_multiply(weight[SSI_DOWN], NULL, shape->d, shape->feed, gate, normed);
            for (uint32_t i = 0; i < shape->d; i++)
                x[i] += normed[i];
        }
    }
    naive_norm(x, toy->model.output_norm, shape->d, normed);
    naive_multiply(toy->head, NULL, shape->vocabulary, shape->d, normed, logits);
}

/* Float weights and an F32 cache leave rounding alone; 8-bit activations cost about a hundredth of
 * the logits' spread. */
static void logits_are_those_of_a_naive_forward_pass(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        toy_model *toy = toy_create(&shapes[s], ssi_cpu_best());
        toy_engine *engine = toy_engine_create(toy, 2, 16, true);
        bool exact = ssi_type_get(shapes[s].types[0])->quantised == false;
        int32_t tokens[LENGTH];
        double want[WIDTH], error = 0, spread = 0;
        fill_tokens(toy, tokens);
        toy_prefill(engine, tokens, LENGTH);
        naive_forward(toy, tokens, LENGTH, want);
        for (uint32_t i = 0; i < shapes[s].vocabulary; i++) {
            error += pow((double)engine->last_logits[i] - want[i], 2);
            spread += want[i] * want[i];
        }
        if (!(sqrt(error / spread) < (exact ? 1e-5 : 0.03)))
            fail_msg("shape %zu: relative error %g", s, sqrt(error / spread));
        toy_engine_free(engine);
        toy_free(toy);
    }
}

/* A sequence that only counts: a token follows until the limit. */
typedef struct counted_sequence {
    ssi_sequence sequence;
    uint32_t limit;
} counted_sequence;

static bool count_token(void *context, int32_t token)
{
    counted_sequence *counter = context;
    counter->sequence.tokens[counter->sequence.count++] = token;
    return counter->sequence.count < counter->limit;
}

enum { PROMPT = 20, TOTAL = 120 };

/* Decodes with drafts from `drafts` (NULL: none; else tokens of a plain run, some made wrong). */
static void decode(const toy_model *toy, toy_engine *engine, const int32_t *oracle,
                   uint64_t seed, int32_t *tokens, uint64_t *passes)
{
    counted_sequence counter = {{tokens, PROMPT, 0}, TOTAL};
    ssi_emitter emitter = {count_token, &counter};
    ssi_tree tree;
    static const ssi_plan plan = {SSI_SCHEDULE_NONE, false, 0};
    ssi_walk walk;
    for (uint32_t i = 0; i < PROMPT; i++)
        tokens[i] = toy_token(toy, 5, i);
    *passes = 0;
    engine->work.cache.length = 0;
    toy_prefill(engine, tokens, PROMPT - 1);
    while (counter.sequence.count < TOTAL) {
        uint32_t count = counter.sequence.count;
        ssi_tree_init(&tree, tokens[count - 1]);
        for (uint32_t i = 0; oracle && i < 12; i++) { /* random nodes, about half of them right */
            uint64_t bits = ssi_noise_bits(seed, count, i);
            uint32_t parent = (uint32_t)(bits % tree.node_count);
            uint32_t place = count + tree.depth_of_node[parent];
            int32_t token = bits >> 60 < 9 && place < TOTAL
                                ? oracle[place]
                                : (int32_t)((bits >> 20) % toy->shape.vocabulary);
            ssi_tree_add(&tree, parent, token, 0.5f, SSI_SOURCE_CALLER, i);
        }
        assert_int_equal(ssi_step_run(&engine->work, &tree, &plan, &engine->sampler,
                                      &counter.sequence, &emitter, &walk, NULL), SS_OK);
        assert_int_equal(engine->work.cache.length, counter.sequence.count - 1);
        ++*passes;
    }
}

static void drafts_change_the_number_of_passes_and_not_one_token(void **state)
{
    static const float temperatures[] = {0.0f, 0.9f};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t t = 0; t < 2; t++) {
            toy_model *toy = toy_create(&shapes[s], ssi_cpu_best());
            toy_engine *engine = toy_engine_create(toy, 2, 64, false);
            toy_engine *plain_engine = toy_engine_create(toy, 1, 64, false);
            int32_t plain[TOTAL], drafted[TOTAL];
            uint64_t plain_passes, passes;
            ss_sampler_params params = {
                .top_p = 0.95f, .top_k = 50, .repetition_penalty = 1.1f, .penalty_window = 30,
                .seed = 7, .temperature = temperatures[t]};
            engine->sampler.params = plain_engine->sampler.params = params;
            decode(toy, plain_engine, NULL, 0, plain, &plain_passes);
            assert_int_equal(plain_passes, TOTAL - PROMPT);
            for (uint64_t seed = 0; seed < 3; seed++) {
                decode(toy, engine, plain, seed, drafted, &passes);
                assert_memory_equal(drafted, plain, sizeof plain);
                assert_true(passes < plain_passes);
                /* What was accepted lies in the cache as if it had been run there. */
                for (uint32_t layer = 0; layer < TOY_LAYERS; layer++)
                    for (uint32_t head = 0; head < shapes[s].heads_kv; head++)
                        assert_memory_equal(
                            ssi_kv_values(&engine->work.cache, SSI_KV_CONTEXT, layer, head),
                            ssi_kv_values(&plain_engine->work.cache, SSI_KV_CONTEXT, layer, head),
                            (TOTAL - 1) * shapes[s].head_length * sizeof(uint16_t));
            }
            toy_engine_free(plain_engine);
            toy_engine_free(engine);
            toy_free(toy);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunked_prefill_gives_the_bits_of_single_rows),
        cmocka_unit_test(a_tree_row_gives_the_bits_of_its_path),
        cmocka_unit_test(a_peak_is_what_a_search_finds),
        cmocka_unit_test(logits_are_those_of_a_naive_forward_pass),
        cmocka_unit_test(drafts_change_the_number_of_passes_and_not_one_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
