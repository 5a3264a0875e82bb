/* SPDX-License-Identifier: Apache-2.0 */
/* What an adapter file may hold, what it may not and how it is told, and that no damage to one
 * does any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "support/adapter_file.h"
#include "support/counting_memory.h"
#include "support/session_fixture.h"

#define LOSSLESS .deviation = 0.1f, .streams = 4, .msa_layers = 2, .stream_rank = 3

static ss_error error = {.struct_size = sizeof error};

static ss_status load_changed(const ss_model *model, const adapter_recipe *recipe)
{
    ssi_memory memory = ssi_memory_from(NULL);
    adapter_file file = make_adapter(model, recipe);
    ss_adapter *adapter = (ss_adapter *)&error;
    error.message[0] = '\0';
    ss_status status = try_adapter(model, file.bytes, file.count, &memory, &adapter, &error);
    assert_int_equal(status == SS_OK, adapter != NULL);
    assert_int_equal(status != SS_OK, error.message[0] != '\0');
    ssi_adapter_free(adapter);
    free_adapter_file(&file);
    return status;
}

static void every_part_is_found(void **state)
{
    const ss_model *model = *state;
    ss_adapter *adapter = load_recipe(
        model, &(adapter_recipe){.deviation = 1, .streams = 5, .msa_layers = 3, .main_rank = 2,
                                 .stream_rank = 7, .init_rank = 3, .root_rank = 4,
                                 .parent_rank = 6, .prune_rank = 8, .draft_count = 77});
    assert_string_equal(adapter->name, "noise");
    assert_true(adapter->shared && adapter->main_lora && adapter->stream_lora);
    assert_int_equal(adapter->stream_count, 5);
    assert_int_equal(adapter->msa_layer_count, 3);
    assert_int_equal(adapter->rank, 2);
    assert_int_equal(adapter->stream_rank, 7);
    assert_int_equal(adapter->init.rank, 3);
    assert_int_equal(adapter->root.rank, 4);
    assert_int_equal(adapter->parent_rank, 6);
    assert_int_equal(adapter->prune.rank, 8);
    assert_int_equal(adapter->draft_count, 77);
    for (int32_t i = 0; i < 77; i++)
        assert_int_equal(adapter->draft_of_token[adapter->draft_tokens[i]], i);
    ssi_adapter_free(adapter);
}

static void main_halves_are_told_apart_and_nothing_else(void **state)
{
    const ss_model *model = *state;
    adapter_recipe recipe = {LOSSLESS, .main_rank = 2, .prune_rank = 4};
    ss_adapter *first = load_recipe(model, &recipe);
    recipe.prune_rank = 0; /* main pairs are drawn before the other parts */
    ss_adapter *same = load_recipe(model, &recipe);
    recipe.seed = 9;
    ss_adapter *other = load_recipe(model, &recipe);
    recipe.main_rank = 0;
    ss_adapter *without = load_recipe(model, &recipe);
    ssi_hash128 zero = {0, 0};
    assert_memory_equal(&first->main_hash, &same->main_hash, sizeof zero);
    assert_memory_not_equal(&first->file_hash, &same->file_hash, sizeof zero);
    assert_memory_not_equal(&first->main_hash, &other->main_hash, sizeof zero);
    assert_memory_equal(&without->main_hash, &zero, sizeof zero);
    ssi_adapter_free(first);
    ssi_adapter_free(same);
    ssi_adapter_free(other);
    ssi_adapter_free(without);
}

#define U32(name, value) .change = {.key = (name), .kind = CHANGE_U32, .u32 = (value)}
#define F32(name, value) .change = {.key = (name), .kind = CHANGE_F32, .f32 = (value)}
#define TEXT(name, value) .change = {.key = (name), .kind = CHANGE_TEXT, .text = (value)}
#define MISSING_KEY(name) .change = {.key = (name)}
#define MISSING(name) .change = {.tensor = (name)}
#define EXTRA(name, columns, rows) .change = {.extra = (name), .extra_dims = {(columns), (rows)}}
#define OTHER(name, columns, rows)                                                             \
    .change = {.tensor = (name), .extra = (name), .extra_dims = {(columns), (rows)}}
#define DRAFTS(values, count)                                                                  \
    .change = {.key = "specstream.draft_vocabulary", .kind = CHANGE_I32S, .i32s = (values),    \
               .u32 = (count)}

static const int32_t too_high[] = {1, 2, 512}, negative[] = {5, -1}, twice[] = {3, 4, 3};
static const int32_t too_many[513];
static char wrong_hash[] = "00112233445566778899aabbccddeeff";

static const struct {
    adapter_recipe recipe;
    ss_status status;
    const char *words[2]; /* in the message */
} wrong[] = {
    {{LOSSLESS, TEXT("general.type", "model")}, SS_ERROR_MISMATCH, {"general.type", "model"}},
    {{LOSSLESS, TEXT("general.architecture", "qwen2")}, SS_ERROR_MISMATCH, {"qwen2", "llama"}},
    {{LOSSLESS, TEXT("adapter.type", "prefix")}, SS_ERROR_UNSUPPORTED, {"adapter.type", "prefix"}},
    {{LOSSLESS, MISSING_KEY("adapter.type")}, SS_ERROR_FORMAT, {"adapter.type"}},
    {{LOSSLESS, F32("adapter.lora.alpha", INFINITY)}, SS_ERROR_FORMAT, {"adapter.lora.alpha"}},
    {{LOSSLESS, F32("adapter.lora.alpha", NAN)}, SS_ERROR_FORMAT, {"adapter.lora.alpha"}},
    {{LOSSLESS, U32("specstream.format_version", 2)}, SS_ERROR_UNSUPPORTED,
     {"format_version", "2"}},
    {{LOSSLESS, MISSING_KEY("specstream.format_version")}, SS_ERROR_FORMAT, {"format_version"}},
    {{LOSSLESS, TEXT("specstream.base.xxh3", wrong_hash)}, SS_ERROR_MISMATCH, {wrong_hash, "#"}},
    {{LOSSLESS, MISSING_KEY("specstream.base.xxh3")}, SS_ERROR_FORMAT, {"specstream.base.xxh3"}},
    {{LOSSLESS, TEXT("specstream.mode", "lossy")}, SS_ERROR_UNSUPPORTED, {"mode", "lossy"}},
    {{LOSSLESS, .main_rank = 2, TEXT("specstream.mode", "lossless")}, SS_ERROR_FORMAT,
     {"blk.0.attn_q.weight.lora_a", "lossless"}},
    {{LOSSLESS, U32("specstream.stream_count", 0)}, SS_ERROR_FORMAT, {"stream_count", "0"}},
    {{LOSSLESS, U32("specstream.stream_count", 9)}, SS_ERROR_FORMAT, {"stream_count", "9"}},
    {{LOSSLESS, U32("specstream.stream_count", 3)}, SS_ERROR_FORMAT, {"stream_embd"}},
    {{LOSSLESS, TEXT("specstream.stream_count", "4")}, SS_ERROR_FORMAT, {"stream_count"}},
    {{LOSSLESS, U32("specstream.msa_layer_count", 0)}, SS_ERROR_FORMAT, {"msa_layer_count"}},
    {{LOSSLESS, U32("specstream.msa_layer_count", 6)}, SS_ERROR_FORMAT, {"msa_layer_count", "5"}},
    {{LOSSLESS, U32("specstream.msa_layer_count", 1)}, SS_ERROR_FORMAT,
     {"blk.3.attn_q.weight.stream.lora_a"}},
    {{LOSSLESS, TEXT("specstream.stream_init", "copy")}, SS_ERROR_UNSUPPORTED,
     {"stream_init", "copy"}},
    {{LOSSLESS, TEXT("specstream.stream_init", "value_rotation")}, SS_ERROR_FORMAT,
     {"value_rotation.step"}},
    {{LOSSLESS, .rotation_step = 1, F32("specstream.value_rotation.step", INFINITY)},
     SS_ERROR_FORMAT, {"value_rotation.step"}},
    {{LOSSLESS, .rotation_step = 1, F32("specstream.value_rotation.step", 11)}, SS_ERROR_FORMAT,
     {"value_rotation.step", "11"}},
    {{LOSSLESS, .rotation_step = 1, EXTRA("specstream.stream_embd", 64, 4)}, SS_ERROR_FORMAT,
     {"stream_embd", "value_rotation"}},
    {{LOSSLESS, U32("specstream.colour", 1)}, SS_ERROR_UNSUPPORTED, {"specstream.colour"}},
    {{LOSSLESS, DRAFTS(too_high, 3)}, SS_ERROR_FORMAT, {"draft_vocabulary", "512"}},
    {{LOSSLESS, DRAFTS(negative, 2)}, SS_ERROR_FORMAT, {"draft_vocabulary", "-1"}},
    {{LOSSLESS, DRAFTS(twice, 3)}, SS_ERROR_FORMAT, {"draft_vocabulary", "3"}},
    {{LOSSLESS, DRAFTS(too_many, 513)}, SS_ERROR_FORMAT, {"513 tokens", "512"}},
    {{LOSSLESS, DRAFTS(twice, 0)}, SS_ERROR_FORMAT, {"draft_vocabulary"}},
    {{LOSSLESS, MISSING("specstream.stream_embd")}, SS_ERROR_FORMAT, {"stream_embd"}},
    {{LOSSLESS, OTHER("specstream.stream_embd", 63, 4)}, SS_ERROR_FORMAT, {"stream_embd", "64"}},
    {{LOSSLESS, MISSING("blk.4.ffn_up.weight.stream.lora_b")}, SS_ERROR_FORMAT,
     {"blk.4.ffn_up.weight.stream.lora_a", "other half"}},
    {{LOSSLESS, MISSING("blk.3.attn_k.weight.stream.lora_a")}, SS_ERROR_FORMAT,
     {"blk.3.attn_k.weight.stream.lora_b", "other half"}},
    {{LOSSLESS, OTHER("blk.4.ffn_up.weight.stream.lora_b", 4, 172)}, SS_ERROR_FORMAT,
     {"blk.4.ffn_up.weight.stream.lora_b"}},
    {{LOSSLESS, OTHER("blk.4.ffn_up.weight.stream.lora_a", 65, 3)}, SS_ERROR_FORMAT,
     {"blk.4.ffn_up.weight.stream.lora_a"}},
    {{LOSSLESS, OTHER("blk.4.ffn_down.weight.stream.lora_a", 172, 257)}, SS_ERROR_FORMAT,
     {"blk.4.ffn_down.weight.stream.lora_a", "257"}},
    {{LOSSLESS, EXTRA("blk.2.attn_q.weight.stream.lora_a", 64, 3)}, SS_ERROR_FORMAT,
     {"blk.2.attn_q.weight.stream.lora_a", "layers 3 to 4"}},
    {{LOSSLESS, EXTRA("blk.5.attn_q.weight.stream.lora_a", 64, 3)}, SS_ERROR_UNSUPPORTED,
     {"blk.5.attn_q.weight.stream.lora_a"}},
    {{LOSSLESS, EXTRA("blk.04.attn_q.weight.stream.lora_a", 64, 3)}, SS_ERROR_UNSUPPORTED,
     {"blk.04.attn_q"}},
    {{.deviation = 1e6f, .main_rank = 2, F32("adapter.lora.alpha", 3e38f)}, SS_ERROR_FORMAT,
     {"lora_b", "too large"}},
    {{.deviation = 1e12f, .main_rank = 4}, SS_ERROR_FORMAT, {"lora_a", "too large"}},
    {{LOSSLESS, EXTRA("blk.4.attn_norm.weight.stream.lora_a", 64, 3)}, SS_ERROR_UNSUPPORTED,
     {"attn_norm"}},
    {{LOSSLESS, EXTRA("token_embd.weight.lora_a", 64, 3)}, SS_ERROR_UNSUPPORTED, {"token_embd"}},
    {{LOSSLESS, EXTRA("blk.4.attn_q.weight.stream.lora_c", 64, 3)}, SS_ERROR_UNSUPPORTED,
     {"lora_c"}},
    {{LOSSLESS, EXTRA("specstream.shade", 64, 3)}, SS_ERROR_UNSUPPORTED, {"specstream.shade"}},
    {{LOSSLESS, .root_rank = 2, MISSING("specstream.root.gain")}, SS_ERROR_FORMAT, {"root.gain"}},
    {{LOSSLESS, EXTRA("specstream.root.gain", 64, 4)}, SS_ERROR_FORMAT, {"root.a"}},
    {{LOSSLESS, .root_rank = 2, OTHER("specstream.root.gain", 64, 3)}, SS_ERROR_FORMAT,
     {"root.gain"}},
    {{LOSSLESS, .parent_rank = 4, OTHER("specstream.parent.b", 3, 64)}, SS_ERROR_FORMAT,
     {"parent.b"}},
    {{LOSSLESS, .prune_rank = 4, MISSING("specstream.prune.b")}, SS_ERROR_FORMAT, {"prune.a"}},
    {{LOSSLESS, .init_rank = 4, MISSING("specstream.stream_init.a")}, SS_ERROR_FORMAT,
     {"stream_init.b"}},
    {{LOSSLESS, .change = {.tensor = "specstream.stream_embd", .extra = "specstream.stream_embd",
                           .extra_dims = {64, 4}, .infinite = true}}, SS_ERROR_FORMAT,
     {"stream_embd", "finite"}},
    {{.deviation = 1, .main_rank = 4, EXTRA("blk.1.ffn_up.weight.stream.lora_a", 64, 4)},
     SS_ERROR_UNSUPPORTED, {"blk.1.ffn_up.weight.stream.lora_a"}},
    {{.deviation = 1, .main_rank = 4, EXTRA("output.weight.lora_a", 64, 4)}, SS_ERROR_UNSUPPORTED,
     {"output.weight.lora_a"}},
    {{.deviation = 1, .main_rank = 4, MISSING("blk.1.ffn_up.weight.lora_a")}, SS_ERROR_FORMAT,
     {"blk.1.ffn_up.weight.lora_b", "other half"}},
    {{.deviation = 1}, SS_ERROR_FORMAT, {"no tensors"}},
};

static void what_is_wrong_is_named(void **state)
{
    const ss_model *model = *state;
    char hash[33];
    ssi_hash_to_hex(model->tensor_hash, hash);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ss_status status = load_changed(model, &wrong[i].recipe);
        if (status != wrong[i].status)
            fail_msg("case %zu (%s): status %d, expected %d: %s", i, wrong[i].words[0], status,
                     wrong[i].status, error.message);
        for (int word = 0; word < 2 && wrong[i].words[word]; word++) {
            const char *wanted = wrong[i].words[word];
            wanted = strcmp(wanted, "#") == 0 ? hash : wanted; /* the model's own */
            if (!strstr(error.message, wanted))
                fail_msg("case %zu: '%s' is not in: %s", i, wanted, error.message);
        }
    }
}

/* Whatever of its numbers don't fit this one's sizes, either. */
static void an_adapter_for_another_model_is_called_that(void **state)
{
    const ss_model *model = *state;
    char hash[33];
    ssi_memory memory = ssi_memory_from(NULL);
    ssi_source source;
    ss_adapter *adapter;
    ssi_hash_to_hex(model->tensor_hash, hash);
    assert_int_equal(ssi_source_open(&source, "examples/adapters/sql.gguf", &error), SS_OK);
    assert_int_equal(ssi_adapter_load(model, &source, &memory, &adapter, &error),
                     SS_ERROR_MISMATCH);
    assert_non_null(strstr(error.message, hash));
    ssi_source_close(&source);
}

static void what_is_right_loads(void **state)
{
    const ss_model *model = *state;
    static const adapter_recipe right[] = {
        {LOSSLESS},
        {.deviation = 1, .streams = 1, .msa_layers = 5},
        {.deviation = 1, .streams = 8, .msa_layers = 1, .stream_rank = 256},
        {LOSSLESS, .main_rank = 3, .f16 = true},
        {LOSSLESS, MISSING_KEY("adapter.lora.alpha")},
        {LOSSLESS, .rotation_step = 0.2f, .init_rank = 1},
        {LOSSLESS, .draft_count = 512, .parent_rank = 33},
        {LOSSLESS, .draft_count = 1, .parent_rank = 1},
        {LOSSLESS, U32("general.file_type", 1)},
        {.deviation = 1, .main_rank = 4},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (load_changed(model, &right[i]) != SS_OK)
            fail_msg("case %zu: %s", i, error.message);
}

/* ── damage ── */

static const adapter_recipe small = {
    .deviation = 0.1f, .streams = 2, .msa_layers = 1, .main_rank = 1, .root_rank = 1,
    .parent_rank = 1, .prune_rank = 1, .draft_count = 40, .f16 = true};

static void load_bytes(const ss_model *model, const void *bytes, size_t count, bool must_fail)
{
    ssi_memory memory = ssi_memory_from(NULL);
    ss_adapter *adapter;
    error.message[0] = '\0';
    ss_status status = try_adapter(model, bytes, count, &memory, &adapter, &error);
    if (status == SS_OK ? must_fail || !adapter : adapter || !error.message[0])
        fail_msg("status %d of %zu bytes: '%s'", status, count, error.message);
    ssi_adapter_free(adapter);
}

static void no_piece_of_a_file_loads(void **state)
{
    const ss_model *model = *state;
    adapter_file file = make_adapter(model, &small);
    for (size_t count = 0; count < file.count; count += count < 4096 ? 1 : 97) {
        void *piece = malloc(count + 1); /* so that a sanitizer sees a read past the end */
        void *start = (char *)piece + 1;
        memcpy(start, file.bytes, count);
        load_bytes(model, start, count, true);
        free(piece);
    }
    free_adapter_file(&file);
}

static void no_altered_byte_does_harm(void **state)
{
    const ss_model *model = *state;
    adapter_file file = make_adapter(model, &small);
    unsigned char *bytes = malloc(file.count);
    memcpy(bytes, file.bytes, file.count);
    for (size_t i = 0; i < file.count; i += i < 6000 ? 1 : 61) {
        const unsigned char flips[] = {0x01, 0x80, 0xff, (unsigned char)ssi_mix64(i)};
        for (size_t flip = 0; flip < sizeof flips; flip++) {
            bytes[i] ^= flips[flip];
            load_bytes(model, bytes, file.count, false);
            bytes[i] ^= flips[flip];
        }
    }
    free(bytes);
    free_adapter_file(&file);
}

static void a_load_without_memory_leaves_nothing(void **state)
{
    const ss_model *model = *state;
    adapter_file file = make_adapter(model, &small);
    ss_status status = SS_ERROR_MEMORY;
    unsigned nth = 0;
    while (status != SS_OK) {
        counting_memory count = {.fail_call = ++nth};
        ss_allocator allocator = counting_allocator(&count);
        ssi_memory memory = ssi_memory_from(&allocator);
        ss_adapter *adapter;
        status = try_adapter(model, file.bytes, file.count, &memory, &adapter, &error);
        assert_true(status == SS_OK || (status == SS_ERROR_MEMORY && !adapter));
        ssi_adapter_free(adapter);
        assert_int_equal(count.held_blocks, 0);
    }
    assert_true(nth > 2);
    free_adapter_file(&file);
}

static int set_up(void **state)
{
    *state = open_model();
    return 0;
}

static int tear_down(void **state)
{
    ssi_model_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_found),
        cmocka_unit_test(main_halves_are_told_apart_and_nothing_else),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(an_adapter_for_another_model_is_called_that),
        cmocka_unit_test(what_is_right_loads),
        cmocka_unit_test(no_piece_of_a_file_loads),
        cmocka_unit_test(no_altered_byte_does_harm),
        cmocka_unit_test(a_load_without_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
