/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF: what is written reads back; what is broken is named; nothing is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "gguf/gguf.h"
#include "gguf/gguf_write.h"
#include "support/counting_memory.h"

typedef struct file {
    unsigned char *bytes;
    size_t count;
} file;

static ssi_memory plain(void)
{
    return ssi_memory_from(NULL);
}

static void free_file(file *made)
{
    ssi_memory memory = plain();
    ssi_release(&memory, made->bytes, made->count);
}

static file finish(ssi_gguf_writer *writer)
{
    void *bytes = NULL;
    file made = { 0 };
    assert_int_equal(ssi_gguf_write_finish(writer, &bytes, &made.count, NULL), SS_OK);
    made.bytes = bytes;
    return made;
}

/* Keys of every written type and two tensors. */
static file make_file(uint32_t version, uint32_t alignment)
{
    static const float floats[] = { 0.5f, -2 };
    static const int32_t integers[] = { 1, -1, 7 };
    static const ssi_text texts[] = { { "one", 3 }, { "", 0 }, { "three", 5 } };
    static const uint64_t dims[] = { 32, 3 };
    unsigned char data[3 * 34];
    ssi_memory memory = plain();
    ssi_gguf_writer writer;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    ssi_gguf_write_begin(&writer, version, alignment, &memory);
    ssi_gguf_write_u32(&writer, "a.u32", 77);
    ssi_gguf_write_f32(&writer, "a.f32", 0.25f);
    ssi_gguf_write_bool(&writer, "a.bool", true);
    ssi_gguf_write_text(&writer, "a.text", (ssi_text){ "hello", 5 });
    ssi_gguf_write_texts(&writer, "a.texts", texts, 3);
    ssi_gguf_write_f32s(&writer, "a.f32s", floats, 2);
    ssi_gguf_write_i32s(&writer, "a.i32s", integers, 3);
    ssi_gguf_write_tensor(&writer, "first", 8, dims, 2, data, 3 * 34);
    ssi_gguf_write_tensor(&writer, "second", 0, dims + 1, 1, data, 12);
    return finish(&writer);
}

static ss_status open_bytes(ssi_gguf *gguf, const void *bytes, size_t count, ss_error *error)
{
    ssi_memory memory = plain();
    ssi_source source;
    ssi_source_from_buffer(&source, bytes, count);
    *error = (ss_error){ .struct_size = sizeof *error };
    return ssi_gguf_open(gguf, &source, &memory, error);
}

static void check_contents(const ssi_gguf *gguf, const file *made)
{
    ss_error error = { .struct_size = sizeof error };
    uint32_t number = 0;
    float real = 0;
    bool flag = false;
    ssi_text text = { 0 }, texts[3];
    int32_t integers[3];
    float floats[2];
    const ssi_gguf_key *array;
    assert_int_equal(ssi_gguf_get_u32(gguf, "a.u32", SSI_REQUIRED, &number, &error), SS_OK);
    assert_int_equal(number, 77);
    assert_int_equal(ssi_gguf_get_f32(gguf, "a.f32", SSI_REQUIRED, &real, &error), SS_OK);
    assert_true(real == 0.25f);
    assert_int_equal(ssi_gguf_get_bool(gguf, "a.bool", SSI_REQUIRED, &flag, &error), SS_OK);
    assert_true(flag);
    assert_int_equal(ssi_gguf_get_text(gguf, "a.text", SSI_REQUIRED, &text, &error), SS_OK);
    assert_true(ssi_text_is(text, "hello"));
    assert_int_equal(ssi_gguf_get_array(gguf, "a.texts", SSI_REQUIRED, SSI_GGUF_STRING, &array,
                                        &error), SS_OK);
    assert_int_equal(array->count, 3);
    ssi_gguf_array_texts(array, texts);
    assert_true(ssi_text_is(texts[0], "one") && ssi_text_is(texts[1], "")
                && ssi_text_is(texts[2], "three"));
    assert_int_equal(ssi_gguf_get_array(gguf, "a.f32s", SSI_REQUIRED, SSI_GGUF_F32, &array,
                                        &error), SS_OK);
    ssi_gguf_array_f32(array, floats);
    assert_true(floats[0] == 0.5f && floats[1] == -2);
    assert_int_equal(ssi_gguf_get_array(gguf, "a.i32s", SSI_REQUIRED, SSI_GGUF_I32, &array,
                                        &error), SS_OK);
    ssi_gguf_array_i32(array, integers);
    assert_true(integers[0] == 1 && integers[1] == -1 && integers[2] == 7);

    number = 5; /* absent and optional: the value stays */
    assert_int_equal(ssi_gguf_get_u32(gguf, "a.none", SSI_OPTIONAL, &number, &error), SS_OK);
    assert_int_equal(number, 5);

    assert_int_equal(gguf->tensor_count, 2);
    const ssi_gguf_tensor *first = ssi_gguf_find_tensor(gguf, "first");
    const ssi_gguf_tensor *second = ssi_gguf_find_tensor(gguf, "second");
    assert_true(first == &gguf->tensors[0] && second == &gguf->tensors[1]);
    assert_null(ssi_gguf_find_tensor(gguf, "third"));
    assert_true(first->dims_count == 2 && first->dims[0] == 32 && first->dims[1] == 3);
    assert_true(first->dims[2] == 1 && first->elements == 96 && first->bytes == 102);
    assert_true(second->elements == 3 && second->bytes == 12);
    assert_int_equal(first->offset % gguf->alignment, 0);
    for (size_t i = 0; i < first->bytes; i++)
        assert_int_equal(made->bytes[first->offset + i], i);
    assert_int_equal(made->bytes[second->offset + 11], 11);
}

static void what_is_written_reads_back(void **state)
{
    static const uint32_t alignments[] = { 1, 8, 32, 4096 };
    (void)state;
    for (uint32_t version = 2; version <= 3; version++)
        for (size_t i = 0; i < 4; i++) {
            ss_error error;
            ssi_gguf gguf;
            file made = make_file(version, alignments[i]);
            assert_int_equal(open_bytes(&gguf, made.bytes, made.count, &error), SS_OK);
            assert_int_equal(gguf.version, version);
            assert_int_equal(gguf.alignment, alignments[i]);
            check_contents(&gguf, &made);
            ssi_gguf_close(&gguf);
            free_file(&made);
        }
}

/* Keys copied as they were read, and tensors declared without their data, give the very bytes that
 * stand before the data. */
static void a_header_alone_is_how_the_whole_file_begins(void **state)
{
    (void)state;
    for (uint32_t alignment = 32; alignment <= 64; alignment *= 2) {
        file made = make_file(3, alignment);
        ssi_memory memory = plain();
        ssi_source source;
        ssi_gguf gguf;
        ssi_gguf_writer writer;
        ssi_source_from_buffer(&source, made.bytes, made.count);
        assert_int_equal(ssi_gguf_open(&gguf, &source, &memory, NULL), SS_OK);
        ssi_gguf_write_begin(&writer, 3, alignment, &memory);
        for (uint32_t i = alignment == 32 ? 0 : 1; i < gguf.key_count; i++)
            ssi_gguf_write_key(&writer, &gguf.keys[i]);
        for (uint32_t i = 0; i < gguf.tensor_count; i++)
            ssi_gguf_declare_tensor(&writer, gguf.tensors[i].name, gguf.tensors[i].type,
                                    gguf.tensors[i].dims, gguf.tensors[i].dims_count,
                                    gguf.tensors[i].bytes);
        file header = finish(&writer);
        assert_int_equal(header.count, gguf.tensors[0].offset);
        assert_memory_equal(header.bytes, made.bytes, header.count);
        ssi_gguf_close(&gguf);
        free_file(&header);
        free_file(&made);
    }
    uint64_t dims[] = {32};
    ssi_memory memory = plain();
    ssi_gguf_writer writer;
    void *bytes;
    size_t count;
    ssi_gguf_write_begin(&writer, 3, 32, &memory); /* offsets past what 64 bits count */
    for (uint32_t i = 0; i < 3; i++)
        ssi_gguf_declare_tensor(&writer, (ssi_text){"t", 1}, 0, dims, 1, UINT64_MAX / 2);
    assert_int_equal(ssi_gguf_write_finish(&writer, &bytes, &count, NULL), SS_ERROR_MEMORY);
}

/* A header of several windows, behind other bytes of the same descriptor. */
static void a_long_header_is_read_from_a_descriptor(void **state)
{
    enum { STRINGS = 60000, BEFORE = 100 };
    (void)state;
    ssi_memory memory = plain();
    ssi_gguf_writer writer;
    ssi_text *texts = calloc(STRINGS, sizeof *texts);
    for (size_t i = 0; i < STRINGS; i++)
        texts[i] = (ssi_text){ "twelve bytes", i % 13 };
    ssi_gguf_write_begin(&writer, 3, 32, &memory);
    ssi_gguf_write_texts(&writer, "many", texts, STRINGS);
    ssi_gguf_write_u32(&writer, "last", 9);
    file made = finish(&writer);
    FILE *stream = tmpfile();
    assert_non_null(stream);
    for (int i = 0; i < BEFORE; i++)
        fputc('x', stream);
    fwrite(made.bytes, 1, made.count, stream);
    fflush(stream);

    counting_memory counted = { 0 };
    ss_allocator allocator = counting_allocator(&counted);
    memory = ssi_memory_from(&allocator);
    ssi_source source;
    ssi_gguf gguf;
    uint32_t last = 0;
    assert_int_equal(ssi_source_from_fd(&source, fileno(stream), BEFORE, 0, NULL), SS_OK);
    assert_int_equal(ssi_gguf_open(&gguf, &source, &memory, NULL), SS_OK);
    ssi_source_close(&source);
    assert_int_equal(ssi_gguf_get_u32(&gguf, "last", SSI_REQUIRED, &last, NULL), SS_OK);
    assert_int_equal(last, 9);
    ssi_text *back = calloc(STRINGS, sizeof *back);
    ssi_gguf_array_texts(ssi_gguf_find_key(&gguf, "many"), back);
    for (size_t i = 0; i < STRINGS; i++)
        assert_true(back[i].length == texts[i].length
                    && memcmp(back[i].bytes, texts[i].bytes, back[i].length) == 0);
    ssi_gguf_close(&gguf);
    assert_int_equal(counted.held_blocks, 0);
    assert_true(counted.peak_bytes <= 2 * made.count + 4096);
    fclose(stream);
    free(texts);
    free(back);
    free_file(&made);
}

static void integers_are_taken_from_any_type_they_fit(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t bits;
        bool fits;
    } cases[] = {
        { SSI_GGUF_U8, 200, true },         { SSI_GGUF_I8, 100, true },
        { SSI_GGUF_I8, 0xff, false },       { SSI_GGUF_U16, 65535, true },
        { SSI_GGUF_I16, 0x8000, false },    { SSI_GGUF_I32, 5, true },
        { SSI_GGUF_I32, 1u << 31, false },  { SSI_GGUF_U64, UINT32_MAX, true },
        { SSI_GGUF_U64, 1ull << 32, false }, { SSI_GGUF_I64, 12, true },
        { SSI_GGUF_I64, UINT64_MAX, false }, { SSI_GGUF_F32, 0, false },
        { SSI_GGUF_BOOL, 1, false },        { SSI_GGUF_F64, 0, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char bits[8];
        ssi_store_u64le(bits, cases[i].bits);
        ssi_gguf_key key = { .name = { "k", 1 }, .type = cases[i].type, .count = 1, .data = bits };
        uint32_t order = 0, value = 0;
        ss_error error = { .struct_size = sizeof error };
        ssi_gguf gguf = { .keys = &key, .key_count = 1, .key_order = &order };
        ss_status status = ssi_gguf_get_u32(&gguf, "k", SSI_REQUIRED, &value, &error);
        assert_int_equal(status, cases[i].fits ? SS_OK : SS_ERROR_FORMAT);
        if (cases[i].fits)
            assert_int_equal(value, cases[i].bits);
        else
            assert_non_null(strstr(error.message, "key k: "));
    }
}

static void a_wrong_type_names_the_key_and_both_types(void **state)
{
    ss_error error;
    ssi_gguf gguf;
    uint32_t number;
    float real;
    bool flag;
    ssi_text text;
    const ssi_gguf_key *array;
    (void)state;
    file made = make_file(3, 32);
    assert_int_equal(open_bytes(&gguf, made.bytes, made.count, &error), SS_OK);
    assert_int_equal(ssi_gguf_get_u32(&gguf, "a.text", SSI_OPTIONAL, &number, &error),
                     SS_ERROR_FORMAT);
    assert_string_equal(error.message, "key a.text: string, expected u32");
    assert_int_equal(ssi_gguf_get_f32(&gguf, "a.i32s", SSI_OPTIONAL, &real, &error),
                     SS_ERROR_FORMAT);
    assert_string_equal(error.message, "key a.i32s: array of i32, expected f32");
    assert_int_equal(ssi_gguf_get_bool(&gguf, "a.u32", SSI_OPTIONAL, &flag, &error),
                     SS_ERROR_FORMAT);
    assert_string_equal(error.message, "key a.u32: u32, expected bool");
    assert_int_equal(ssi_gguf_get_text(&gguf, "a.texts", SSI_OPTIONAL, &text, &error),
                     SS_ERROR_FORMAT);
    assert_string_equal(error.message, "key a.texts: array of string, expected string");
    assert_int_equal(ssi_gguf_get_array(&gguf, "a.f32s", SSI_OPTIONAL, SSI_GGUF_STRING, &array,
                                        &error), SS_ERROR_FORMAT);
    assert_string_equal(error.message, "key a.f32s: array of f32, expected array of string");
    assert_int_equal(ssi_gguf_get_text(&gguf, "b", SSI_REQUIRED, &text, &error),
                     SS_ERROR_FORMAT);
    assert_string_equal(error.message, "key b is missing");
    ssi_gguf_close(&gguf);
    free_file(&made);
}

static size_t find_bytes(const file *in, const char *bytes)
{
    size_t length = strlen(bytes);
    for (size_t at = 0; at + length <= in->count; at++)
        if (memcmp(in->bytes + at, bytes, length) == 0)
            return at + length; /* just behind */
    fail_msg("%s not found", bytes);
    return 0;
}

/* One number changed: where (behind a text, plus an offset), its size, its value. */
static void broken_files_are_named(void **state)
{
    static const struct {
        const char *behind;
        size_t offset, bytes;
        uint64_t value;
        ss_status status;
        const char *message;
    } cases[] = {
        { "GGUF", 0, 4, 1, SS_ERROR_UNSUPPORTED, "GGUF version 1 is not supported" },
        { "GGUF", 0, 4, 4, SS_ERROR_UNSUPPORTED, "GGUF version 4 is not supported" },
        { "GGUF", 0, 4, 0x03000000, SS_ERROR_UNSUPPORTED, "(big-endian)" },
        { "GGUF", 4, 8, UINT64_MAX, SS_ERROR_FORMAT, "header: 18446744073709551615 tensors" },
        { "GGUF", 12, 8, 1000000, SS_ERROR_FORMAT, "header: 1000000 keys, at most " },
        { "GGUF", 12, 8, 30, SS_ERROR_FORMAT, "" }, /* tensors read as keys */
        { "GGUF", 20, 8, UINT64_MAX - 3, SS_ERROR_FORMAT, "a name of 18446744073709551612" },
        { "GGUF", 20, 8, 0, SS_ERROR_FORMAT, "key at offset 24: a name of 0 bytes" },
        { "a.u32", 0, 4, 13, SS_ERROR_FORMAT, "key a.u32: value type 13 is not known" },
        { "a.texts", 4, 4, 9, SS_ERROR_FORMAT, "key a.texts: array of value type 9" },
        { "a.texts", 4, 4, 99, SS_ERROR_FORMAT, "key a.texts: array of value type 99" },
        { "a.texts", 8, 8, 1u << 30, SS_ERROR_FORMAT, "key a.texts: needs " },
        { "a.f32s", 8, 8, UINT64_MAX / 4 + 2, SS_ERROR_FORMAT, "key a.f32s: needs " },
        { "a.text", 4, 8, UINT64_MAX, SS_ERROR_FORMAT, "key a.text: needs " },
        { "first", 0, 4, 0, SS_ERROR_FORMAT, "tensor first: 0 dimensions, expected 1 to 4" },
        { "first", 0, 4, 5, SS_ERROR_FORMAT, "tensor first: 5 dimensions" },
        { "first", 4, 8, 0, SS_ERROR_FORMAT, "tensor first: dimension 0 is 0" },
        { "first", 4, 8, 33, SS_ERROR_FORMAT, "type Q8_0 needs a multiple of 32" },
        { "first", 12, 8, UINT64_MAX / 16, SS_ERROR_FORMAT, "first: dimensions overflow" },
        { "first", 12, 8, UINT64_MAX / 32, SS_ERROR_FORMAT, "first: dimensions overflow" },
        { "first", 12, 8, 1000, SS_ERROR_FORMAT, "tensor first: 34000 bytes at offset 0" },
        { "first", 12, 8, 4, SS_ERROR_FORMAT, "second: offset 128 lies inside tensor first" },
        { "first", 20, 4, 4, SS_ERROR_UNSUPPORTED, "tensor first: type 4 is not known" },
        { "first", 20, 4, UINT32_MAX, SS_ERROR_UNSUPPORTED, "type 4294967295 is not known" },
        { "first", 24, 8, 33, SS_ERROR_FORMAT, "offset 33 is no multiple of the alignment 32" },
        { "first", 24, 8, 1u << 20, SS_ERROR_FORMAT, "102 bytes at offset 1048576" },
        { "first", 24, 8, 0 - 32ull, SS_ERROR_FORMAT, "tensor first: 102 bytes at offset " },
        { "second", 16, 8, 0, SS_ERROR_FORMAT, "lies inside tensor " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error error;
        ssi_gguf gguf;
        file made = make_file(3, 32);
        unsigned char bits[8];
        ssi_store_u64le(bits, cases[i].value);
        memcpy(made.bytes + find_bytes(&made, cases[i].behind) + cases[i].offset, bits,
               cases[i].bytes);
        if (open_bytes(&gguf, made.bytes, made.count, &error) != cases[i].status
            || strstr(error.message, cases[i].message) == NULL)
            fail_msg("case %zu: status %d, \"%s\"", i, (int)error.status, error.message);
        ssi_gguf_close(&gguf);
        free_file(&made);
    }
}

static void a_wrong_alignment_is_named(void **state)
{
    static const uint32_t alignments[] = { 0, 3, 48 };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        ss_error error;
        ssi_gguf gguf;
        file made = make_file(3, 64);
        ssi_store_u32le(made.bytes + find_bytes(&made, "general.alignment") + 4, alignments[i]);
        assert_int_equal(open_bytes(&gguf, made.bytes, made.count, &error), SS_ERROR_FORMAT);
        assert_non_null(strstr(error.message, "key general.alignment: "));
        free_file(&made);
    }
}

static void names_occur_once(void **state)
{
    static const uint64_t dims[] = { 1 };
    ssi_memory memory = plain();
    ssi_gguf_writer writer;
    ss_error error;
    ssi_gguf gguf;
    (void)state;
    ssi_gguf_write_begin(&writer, 3, 32, &memory);
    ssi_gguf_write_u32(&writer, "twice", 1);
    ssi_gguf_write_u32(&writer, "once", 1);
    ssi_gguf_write_bool(&writer, "twice", false);
    file made = finish(&writer);
    assert_int_equal(open_bytes(&gguf, made.bytes, made.count, &error), SS_ERROR_FORMAT);
    assert_string_equal(error.message, "key twice occurs twice");
    free_file(&made);

    ssi_gguf_write_begin(&writer, 3, 32, &memory);
    ssi_gguf_write_tensor(&writer, "t", 0, dims, 1, "1234", 4);
    ssi_gguf_write_tensor(&writer, "t", 0, dims, 1, "1234", 4);
    made = finish(&writer);
    assert_int_equal(open_bytes(&gguf, made.bytes, made.count, &error), SS_ERROR_FORMAT);
    assert_string_equal(error.message, "tensor t occurs twice");
    free_file(&made);
}

/* Bytes on the heap that end where the file ends, so that a sanitizer sees a read beyond. */
static void open_copy(const unsigned char *bytes, size_t count, size_t *peak, ss_status *status,
                      ss_error *error)
{
    unsigned char *copy = malloc(count > 0 ? count : 1);
    counting_memory counted = { 0 };
    ss_allocator allocator = counting_allocator(&counted);
    ssi_memory memory = ssi_memory_from(&allocator);
    ssi_source source;
    ssi_gguf gguf;
    memcpy(copy, bytes, count);
    ssi_source_from_buffer(&source, copy, count);
    *error = (ss_error){ .struct_size = sizeof *error };
    *status = ssi_gguf_open(&gguf, &source, &memory, error);
    ssi_gguf_close(&gguf);
    assert_int_equal(counted.held_blocks, 0);
    *peak = counted.peak_bytes;
    free(copy);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    file made = make_file(3, 32);
    size_t peak, data_end = made.count - 20; /* the last tensor's 12 bytes, padded to 32 */
    (void)state;
    for (size_t count = 0; count < made.count; count++) {
        ss_error error;
        ss_status status;
        open_copy(made.bytes, count, &peak, &status, &error);
        assert_int_equal(status, count < data_end ? SS_ERROR_FORMAT : SS_OK);
        assert_true(status == SS_OK || error.message[0] != 0);
    }
    free_file(&made);
}

static void a_flipped_byte_never_costs_more_than_the_file(void **state)
{
    static const unsigned char masks[] = { 0x01, 0x80, 0xff };
    file made = make_file(3, 32);
    (void)state;
    for (size_t at = 0; at < made.count; at++)
        for (size_t i = 0; i < sizeof masks; i++) {
            ss_error error;
            ss_status status;
            size_t peak;
            made.bytes[at] ^= masks[i];
            open_copy(made.bytes, made.count, &peak, &status, &error);
            assert_true(status == SS_OK || error.message[0] != 0);
            assert_true(peak <= 4 * made.count);
            made.bytes[at] ^= masks[i];
        }
    free_file(&made);
}

static void every_failing_allocation_is_survived(void **state)
{
    file made = make_file(3, 32);
    FILE *stream = tmpfile();
    ss_status status = SS_ERROR_MEMORY;
    (void)state;
    assert_non_null(stream);
    fwrite(made.bytes, 1, made.count, stream);
    fflush(stream);
    for (unsigned call = 1; status != SS_OK; call++) {
        counting_memory counted = { .fail_call = call };
        ss_allocator allocator = counting_allocator(&counted);
        ssi_memory memory = ssi_memory_from(&allocator);
        ssi_source source;
        ssi_gguf gguf;
        assert_int_equal(ssi_source_from_fd(&source, fileno(stream), 0, 0, NULL), SS_OK);
        status = ssi_gguf_open(&gguf, &source, &memory, NULL);
        assert_true(status == SS_OK || status == SS_ERROR_MEMORY);
        ssi_gguf_close(&gguf);
        assert_int_equal(counted.held_blocks, 0);
        assert_true(call < 10);
    }
    fclose(stream);

    status = SS_ERROR_MEMORY;
    for (unsigned call = 1; status != SS_OK; call++) {
        counting_memory counted = { .fail_call = call };
        ss_allocator allocator = counting_allocator(&counted);
        ssi_memory memory = ssi_memory_from(&allocator);
        ssi_gguf_writer writer;
        void *bytes = NULL;
        size_t count = 0;
        static const uint64_t dims[] = { 3 };
        ssi_gguf_write_begin(&writer, 3, 32, &memory);
        ssi_gguf_write_u32(&writer, "key", 1);
        ssi_gguf_write_text(&writer, "longer", (ssi_text){ "some text to make it grow", 25 });
        ssi_gguf_write_tensor(&writer, "tensor", 0, dims, 1, "twelve bytes", 12);
        status = ssi_gguf_write_finish(&writer, &bytes, &count, NULL);
        assert_true(status == SS_OK || status == SS_ERROR_MEMORY);
        ssi_release(&memory, bytes, count);
        assert_int_equal(counted.held_blocks, 0);
        assert_true(call < 30);
    }
    free_file(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_header_alone_is_how_the_whole_file_begins),
        cmocka_unit_test(a_long_header_is_read_from_a_descriptor),
        cmocka_unit_test(integers_are_taken_from_any_type_they_fit),
        cmocka_unit_test(a_wrong_type_names_the_key_and_both_types),
        cmocka_unit_test(broken_files_are_named),
        cmocka_unit_test(a_wrong_alignment_is_named),
        cmocka_unit_test(names_occur_once),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_flipped_byte_never_costs_more_than_the_file),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
