/* SPDX-License-Identifier: Apache-2.0 */
/* Every wrong argument of specstream/tokenizer.h, buffers of every size, and text streams. */
#include "api_test.h"

static ss_error error;

static void what_must_be_given_is_asked_for(void **state)
{
    ss_model *model = *state;
    int32_t tokens[8];
    char text[8];
    size_t count;
    ss_chat_message message = {"user", "hi", 2};
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_tokenize(NULL, "a", 1, NULL, tokens, 8, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "count", &error,
           ss_tokenize(model, "a", 1, NULL, tokens, 8, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "text", &error,
           ss_tokenize(model, NULL, 1, NULL, tokens, 8, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "tokens", &error,
           ss_tokenize(model, "a", 1, NULL, NULL, 8, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_detokenize(NULL, tokens, 0, false, text, 8, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "text_bytes", &error,
           ss_detokenize(model, tokens, 0, false, text, 8, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "tokens", &error,
           ss_detokenize(model, NULL, 1, false, text, 8, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "text", &error,
           ss_detokenize(model, tokens, 0, false, NULL, 8, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_chat_format(NULL, &message, 1, true, tokens, 8, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "messages", &error,
           ss_chat_format(model, NULL, 1, true, tokens, 8, &count, &error));
    refuse(SS_ERROR_ARGUMENT, "count", &error,
           ss_chat_format(model, &message, 1, true, tokens, 8, NULL, &error));
    message.role = NULL;
    refuse(SS_ERROR_ARGUMENT, "role", &error,
           ss_chat_format(model, &message, 1, true, tokens, 8, &count, &error));
    message = (ss_chat_message){"user", NULL, 2};
    refuse(SS_ERROR_ARGUMENT, "content", &error,
           ss_chat_format(model, &message, 1, true, tokens, 8, &count, &error));
    message = (ss_chat_message){"user", "hi", 2};
    refuse(SS_ERROR_UNSUPPORTED, "template", &error, /* the small model has none */
           ss_chat_format(model, &message, 1, true, tokens, 8, &count, &error));
    assert_false(ss_token_is_end(NULL, 0));
    assert_false(ss_token_is_end(model, -1));
    assert_false(ss_token_is_end(model, 512));
    assert_true(ss_token_is_end(model, 2));
}

static void choices_have_three_values(void **state)
{
    ss_tokenize_params params;
    size_t count;
    ss_choice *const fields[] = {&params.add_bos, &params.add_eos, &params.special};
    const char *const names[] = {"add_bos", "add_eos", "special"};
    for (size_t i = 0; i < 3; i++)
        for (ss_choice wrong = -1; wrong <= 3; wrong += 4) {
            ss_tokenize_params_init(&params, sizeof params);
            *fields[i] = wrong;
            refuse(SS_ERROR_ARGUMENT, names[i], &error,
                   ss_tokenize(*state, "a", 1, &params, NULL, 0, &count, &error));
        }
    ss_tokenize_params_init(&params, sizeof params);
    params.reserved0 = 1;
    refuse(SS_ERROR_ARGUMENT, "reserved0", &error,
           ss_tokenize(*state, "a", 1, &params, NULL, 0, &count, &error));
}

static void the_room_needed_is_said(void **state)
{
    int32_t tokens[64], whole[64];
    char text[64], again[64];
    size_t wanted = encode_small(*state, whole), count, bytes, length;
    for (size_t room = 0; room <= wanted; room++) {
        ss_error_init(&error, sizeof error);
        ss_status status =
            ss_tokenize(*state, PROMPT, strlen(PROMPT), NULL, tokens, room, &count, &error);
        assert_int_equal(status, room < wanted ? SS_ERROR_CAPACITY : SS_OK);
        assert_int_equal(count, wanted);
    }
    assert_memory_equal(tokens, whole, wanted * sizeof *whole);
    accept(&error,
           ss_detokenize(*state, whole, wanted, false, text, sizeof text, &bytes, &error));
    for (size_t room = 0; room <= bytes; room++) {
        memset(again, '#', sizeof again);
        ss_status status =
            ss_detokenize(*state, whole, wanted, false, again, room, &length, NULL);
        assert_int_equal(status, room < bytes ? SS_ERROR_CAPACITY : SS_OK);
        assert_int_equal(length, bytes);
        assert_int_equal(again[room], '#');
    }
    assert_memory_equal(again, text, bytes);
}

static void any_bytes_come_back(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } texts[] = {
        {"", 0},          {"\0", 1},           {"a\0b\0", 4},       {"\xff\xfe", 2},
        {"\xe2\x82", 2},  {"\xc3\xa9t\xc3", 4}, {"  two  spaces ", 15}, {"\n\n\t", 3},
        {"\xf0\x9f\x98\x80!", 5},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int32_t tokens[64];
        char text[64];
        size_t count, length;
        accept(&error, ss_tokenize(*state, texts[i].bytes, texts[i].length, NULL, tokens, 64,
                                   &count, &error));
        accept(&error, ss_detokenize(*state, tokens, count, false, text, 64, &length, &error));
        assert_int_equal(length, texts[i].length);
        assert_memory_equal(text, texts[i].bytes, length);
    }
}

static void ids_outside_the_vocabulary_are_named(void **state)
{
    char text[64];
    size_t length;
    ss_text_stream *stream;
    const char *shown;
    bool stopped;
    const int32_t wrong[] = {512, -1, INT32_MAX, INT32_MIN};
    accept(&error, ss_text_stream_create(*state, NULL, 0, &stream, &error));
    for (size_t i = 0; i < 4; i++) {
        refuse(SS_ERROR_ARGUMENT, "511", &error,
               ss_detokenize(*state, &wrong[i], 1, false, text, 64, &length, &error));
        refuse(SS_ERROR_ARGUMENT, "511", &error,
               ss_text_stream_push(stream, wrong[i], &shown, &length, &stopped, &error));
    }
    ss_text_stream_free(stream);
}

static void streams_check_their_arguments(void **state)
{
    ss_model *model = *state;
    ss_text_stream *stream = (ss_text_stream *)&error;
    const char *many[17], *empty[] = {""}, *null[] = {NULL}, *text;
    size_t length;
    bool stopped;
    for (size_t i = 0; i < 17; i++)
        many[i] = "stop";
    refuse(SS_ERROR_ARGUMENT, "stream", &error,
           ss_text_stream_create(model, NULL, 0, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "model", &error,
           ss_text_stream_create(NULL, NULL, 0, &stream, &error));
    assert_null(stream);
    refuse(SS_ERROR_ARGUMENT, "stops", &error,
           ss_text_stream_create(model, NULL, 1, &stream, &error));
    refuse(SS_ERROR_ARGUMENT, "", &error,
           ss_text_stream_create(model, many, 17, &stream, &error));
    refuse(SS_ERROR_ARGUMENT, "", &error,
           ss_text_stream_create(model, empty, 1, &stream, &error));
    refuse(SS_ERROR_ARGUMENT, "", &error,
           ss_text_stream_create(model, null, 1, &stream, &error));
    assert_null(stream);
    accept(&error, ss_text_stream_create(model, many, 16, &stream, &error));
    refuse(SS_ERROR_ARGUMENT, "stream", &error,
           ss_text_stream_push(NULL, 1, &text, &length, &stopped, &error));
    refuse(SS_ERROR_ARGUMENT, "text", &error,
           ss_text_stream_push(stream, 1, NULL, &length, &stopped, &error));
    refuse(SS_ERROR_ARGUMENT, "text_bytes", &error,
           ss_text_stream_push(stream, 1, &text, NULL, &stopped, &error));
    refuse(SS_ERROR_ARGUMENT, "stopped", &error,
           ss_text_stream_push(stream, 1, &text, &length, NULL, &error));
    refuse(SS_ERROR_ARGUMENT, "stream", &error,
           ss_text_stream_finish(NULL, &text, &length, &error));
    refuse(SS_ERROR_ARGUMENT, "text", &error,
           ss_text_stream_finish(stream, NULL, &length, &error));
    refuse(SS_ERROR_ARGUMENT, "text_bytes", &error,
           ss_text_stream_finish(stream, &text, NULL, &error));
    ss_text_stream_free(stream);
    ss_text_stream_free(NULL);
}

/* Pushes the bytes of `text` one byte token at a time (ids 3 to 258 of the small model); gives
 * what was shown, and whether a stop string was found. */
static bool show(ss_text_stream *stream, const char *text, char *shown)
{
    const char *piece;
    size_t length, at = 0;
    bool stopped = false;
    for (const char *byte = text; *byte != '\0'; byte++) {
        accept(&error, ss_text_stream_push(stream, 3 + (unsigned char)*byte, &piece, &length,
                                           &stopped, &error));
        memcpy(shown + at, piece, length);
        at += length;
    }
    shown[at] = '\0';
    return stopped;
}

static void streams_hold_back_what_is_not_certain(void **state)
{
    const char *stops[] = {"STOP", "TOTAL"}, *rest;
    char shown[64];
    size_t length;
    ss_text_stream *stream;
    accept(&error, ss_text_stream_create(*state, stops, 2, &stream, &error));
    assert_false(show(stream, "a\xc3", shown)); /* half a character */
    assert_string_equal(shown, "a");
    assert_false(show(stream, "\xa9 STO", shown)); /* what may become a stop string */
    assert_string_equal(shown, "\xc3\xa9 ");
    assert_false(show(stream, "R", shown)); /* it did not, nor does a part of it */
    assert_string_equal(shown, "STOR");
    assert_false(show(stream, "STOTA", shown)); /* one may begin inside the other */
    assert_string_equal(shown, "S");
    assert_true(show(stream, "L!", shown));
    assert_string_equal(shown, "");
    assert_true(show(stream, "more", shown)); /* after a stop nothing comes */
    assert_string_equal(shown, "");
    accept(&error, ss_text_stream_finish(stream, &rest, &length, &error));
    assert_int_equal(length, 0);

    assert_false(show(stream, "ST", shown)); /* finish has reset it */
    assert_string_equal(shown, "");
    accept(&error, ss_text_stream_finish(stream, &rest, &length, &error));
    assert_int_equal(length, 2);
    assert_memory_equal(rest, "ST", 2);
    assert_false(show(stream, "\xe2\x82", shown));
    accept(&error, ss_text_stream_finish(stream, &rest, &length, &error));
    assert_int_equal(length, 3);
    assert_memory_equal(rest, "\xef\xbf\xbd", 3);
    ss_text_stream_free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_given_is_asked_for),
        cmocka_unit_test(choices_have_three_values),
        cmocka_unit_test(the_room_needed_is_said),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(ids_outside_the_vocabulary_are_named),
        cmocka_unit_test(streams_check_their_arguments),
        cmocka_unit_test(streams_hold_back_what_is_not_certain),
    };
    return cmocka_run_group_tests(tests, set_up_small, tear_down_small);
}
