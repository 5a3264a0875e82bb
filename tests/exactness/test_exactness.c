/* SPDX-License-Identifier: Apache-2.0 */
/* Same tokens and same hash of the logits for every pair of settings, on real weights. The
 * yardstick: portable kernels, one thread, one row a chunk, one token a step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "base/float_env.h"
#include "support/session_fixture.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { LENGTH = 40, SHORT = 12, ROWS = 7 };

typedef struct settings {
    ss_cpu cpu;
    uint32_t threads, chunk, bound;
    ss_kv_type kv_type;
    bool flush_to_zero;
} settings;

typedef struct outcome {
    int32_t tokens[LENGTH];
    ssi_hash128 prompt_logits, tree_logits;
} outcome;

static ssi_hash128 evaluate(ss_session *session, const int32_t *tokens, const int32_t *parents,
                            uint32_t rows, uint32_t vocabulary_size)
{
    const float *logits;
    assert_int_equal(ssi_session_evaluate(session, tokens, parents, rows, &logits, NULL), SS_OK);
    return ssi_hash(logits, (size_t)rows * vocabulary_size * sizeof *logits);
}

static void play(const ss_model *model, const settings *run, bool sampled, uint32_t length,
                 outcome *result)
{
    static const int32_t parents[ROWS] = {-1, 0, 0, 1, -1, 4, 3};
    ss_session_params params = small_params();
    int32_t story[200], rows[ROWS];
    size_t story_count = story_tokens(model, story, 200);
    params.thread_count = run->threads;
    params.prefill_chunk = run->chunk;
    params.kv_type = run->kv_type;
    ss_session *session = open_session_with(model, &params);
    set_sampled(session, sampled ? 0.8f : 0.0f, UINT64_C(0x8000000000000001));
    assert_true(story_count >= length);
    memset(result, 0, sizeof *result);
    prefill(session, story, length);
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = story[length - 1 - i];
    result->prompt_logits =
        evaluate(session, rows, parents, 1, model->hyper.vocabulary_size);
    for (uint32_t done = 0; done < length;) {
        uint32_t most = run->bound && run->bound < length - done ? run->bound : length - done;
        generate(session, result->tokens + done, most);
        done += most;
    }
    result->tree_logits =
        evaluate(session, rows, parents, ROWS, model->hyper.vocabulary_size);
    ssi_session_free(session);
}

static const settings runs[] = { /* every pair of settings meets; what the CPU lacks is left out */
    {SS_CPU_PORTABLE, 2, 7, 0, SS_KV_F16, false},
    {SS_CPU_PORTABLE, 1, 512, 0, SS_KV_F32, false},
    {SS_CPU_AVX2, 1, 64, 0, SS_KV_F16, false},
    {SS_CPU_AVX2, 3, 1, 1, SS_KV_F16, true},
    {SS_CPU_AVX2, 7, 7, 5, SS_KV_F16, false},
    {SS_CPU_AVX2, 2, 7, 1, SS_KV_F32, false},
    {SS_CPU_AVX512, 1, 1, 0, SS_KV_F16, true},
    {SS_CPU_AVX512, 2, 64, 3, SS_KV_F16, false},
    {SS_CPU_AVX512, 3, 512, 0, SS_KV_F16, false},
    {SS_CPU_AVX512, 7, 7, 1, SS_KV_F16, false},
    {SS_CPU_AVX512, 2, 64, 0, SS_KV_F32, false},
};

static void set_flush_to_zero(bool on)
{
#if defined(__x86_64__)
    _mm_setcsr(on ? _mm_getcsr() | 0x8040u : _mm_getcsr() & ~0x8040u);
#else
    (void)on;
#endif
}

/* All runs, greedy and sampled; a model too slow for that (its portable kernels are) drops one of
 * the two for each cache type, all portable runs but the yardsticks, and most of the length. */
static void check_model(const char *path, bool slow)
{
    static const settings yardsticks[2] = {
        [SS_KV_F16] = {SS_CPU_PORTABLE, 1, 1, 1, SS_KV_F16, false},
        [SS_KV_F32] = {SS_CPU_PORTABLE, 1, 1, 1, SS_KV_F32, false},
    };
    uint32_t length = slow ? SHORT : LENGTH;
    for (int sampled = 0; sampled < 2; sampled++) {
        outcome want[2], got;
        ss_model *model = open_model_of(path, SS_CPU_PORTABLE);
        for (int kv = 0; kv < 2; kv++)
            if (!slow || kv != sampled)
                play(model, &yardsticks[kv], sampled, length, &want[kv]);
        ss_cpu cpu = SS_CPU_PORTABLE;
        for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
            if (runs[i].cpu > SS_CPU_PORTABLE + (ss_cpu)ssi_cpu_best() ||
                (slow && (runs[i].cpu == SS_CPU_PORTABLE || (int)runs[i].kv_type == sampled)))
                continue;
            if (runs[i].cpu != cpu) {
                ssi_model_free(model);
                model = open_model_of(path, cpu = runs[i].cpu);
            }
            /* The host's mode reaches the library as far as the API lets it: not at all. */
            set_flush_to_zero(runs[i].flush_to_zero);
            ssi_float_env before = ssi_float_env_enter();
            play(model, &runs[i], sampled, length, &got);
            ssi_float_env_leave(before);
            set_flush_to_zero(false);
            if (memcmp(&got, &want[runs[i].kv_type], sizeof got) != 0)
                fail_msg("%s: run %zu, %s, differs from plain decoding", path, i,
                         sampled ? "sampled" : "greedy");
        }
        ssi_model_free(model);
    }
}

static void the_small_model_gives_the_same_bits_for_all_settings(void **state)
{
    (void)state;
    check_model(SMALL_MODEL, false);
}

static void the_default_model_gives_the_same_bits_for_all_settings(void **state)
{
    (void)state;
    check_model(DEFAULT_MODEL, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_small_model_gives_the_same_bits_for_all_settings),
        cmocka_unit_test(the_default_model_gives_the_same_bits_for_all_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
