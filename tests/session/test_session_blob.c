/* SPDX-License-Identifier: Apache-2.0 */
/* Saved sessions that were altered, and such as were sealed anew, since a checksum vouches for
 * nobody: what is refused is refused as header and documents say, and the session is what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "session/session_blob.h"
#include "support/session_fixture.h"

enum { ROOM = 256, PROMPT = 12, BIASES = 3 };

typedef struct blob {
    unsigned char *bytes;
    size_t count;
} blob;

static blob save(const ss_session *session)
{
    blob saved = {NULL, 0};
    assert_int_equal(ssi_session_save(session, NULL, 0, &saved.count, NULL), SS_ERROR_CAPACITY);
    saved.bytes = malloc(saved.count);
    assert_int_equal(ssi_session_save(session, saved.bytes, saved.count, &saved.count, NULL),
                     SS_OK);
    return saved;
}

static void seal(const blob *saved)
{
    size_t sealed = saved->count - sizeof(ssi_hash128);
    ssi_hash128 checksum = ssi_hash(saved->bytes, sealed);
    memcpy(saved->bytes + sealed, &checksum, sizeof checksum);
}

static void expect_unchanged(const ss_session *session, const blob *before)
{
    blob now = save(session);
    assert_int_equal(now.count, before->count);
    assert_memory_equal(now.bytes, before->bytes, now.count);
    free(now.bytes);
}

/* A session in the middle of an answer, its sampler as rich as can be. */
static ss_session *open_speaking(const ss_model *model)
{
    static const int32_t tokens[BIASES] = {5, 300, 7};
    static const float values[BIASES] = {1.5f, -INFINITY, -2.0f};
    int32_t story[ROOM], said[5];
    ss_sampler_params params;
    ss_session *session = open_session(model);
    ssi_sampler_params_default(&params);
    params.temperature = 0.8f;
    params.top_p = 0.9f;
    params.repetition_penalty = 1.1f;
    params.bias_tokens = tokens;
    params.bias_values = values;
    params.bias_count = BIASES;
    assert_int_equal(ssi_session_set_sampler(session, &params, NULL), SS_OK);
    story_tokens(model, story, ROOM);
    prefill(session, story, PROMPT);
    generate(session, said, 5);
    return session;
}

static bool is_documented(ss_status status)
{
    return status == SS_ERROR_FORMAT || status == SS_ERROR_UNSUPPORTED ||
           status == SS_ERROR_MISMATCH || status == SS_ERROR_CONTEXT_FULL;
}

static void altered_bytes_are_refused(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session *speaking = open_speaking(model), *session = open_session(model);
    blob saved = save(speaking), before;
    prefill(session, (const int32_t[]){1, 2, 3}, 3);
    before = save(session);
    for (size_t at = 0; at < saved.count; at += at < sizeof(ssi_blob_head) ? 1 : 37) {
        saved.bytes[at] ^= 0x10;
        if (!is_documented(ssi_session_restore(session, saved.bytes, saved.count, NULL)))
            fail_msg("byte %zu", at);
        saved.bytes[at] ^= 0x10;
    }
    expect_unchanged(session, &before);
    free(saved.bytes);
    free(before.bytes);
    ssi_session_free(speaking);
    ssi_session_free(session);
    ssi_model_free(model);
}

/* Every bit of what stands before the numbers of the model. */
static void sealed_nonsense_is_refused(void **state)
{
    (void)state;
    ss_model *model = open_model();
    ss_session *speaking = open_speaking(model), *session = open_session(model);
    blob saved = save(speaking), before;
    size_t count = sizeof(ssi_blob_head) + (PROMPT + 5) * sizeof(int32_t) +
                   BIASES * (sizeof(int32_t) + sizeof(float));
    uint32_t refused = 0;
    prefill(session, (const int32_t[]){1, 2, 3}, 3);
    before = save(session);
    for (size_t bit = 0; bit < 8 * count; bit++) {
        ss_error error = {.struct_size = sizeof error};
        saved.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        seal(&saved);
        ss_status status = ssi_session_restore(session, saved.bytes, saved.count, &error);
        saved.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (status == SS_OK) { /* another seed, token, number: as good as any */
            assert_int_equal(ssi_session_restore(session, before.bytes, before.count, NULL),
                             SS_OK);
            continue;
        }
        if (!is_documented(status) || error.status != status)
            fail_msg("byte %zu, bit %zu: %s", bit / 8, bit % 8, error.message);
        expect_unchanged(session, &before);
        refused++;
    }
    assert_true(refused > count); /* of eight times as many */
    free(saved.bytes);
    free(before.bytes);
    ssi_session_free(speaking);
    ssi_session_free(session);
    ssi_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(altered_bytes_are_refused),
        cmocka_unit_test(sealed_nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
