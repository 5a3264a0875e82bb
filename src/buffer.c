/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer.h"
#include "report.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void no_memory(void)
{
    report("out of memory");
    exit(EXIT_ERROR);
}

void *take_memory(size_t count, size_t element_bytes)
{
    void *memory = calloc(count > 0 ? count : 1, element_bytes > 0 ? element_bytes : 1);
    if (memory == NULL)
        no_memory();
    return memory;
}

void *grow_memory(void *items, size_t count, size_t *capacity, size_t element_bytes)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity > 0 ? 2 * *capacity : 16;
    void *more = take_memory(*capacity, element_bytes);
    if (count > 0)
        memcpy(more, items, count * element_bytes);
    free(items);
    return more;
}

static void reserve(buffer *to, size_t more)
{
    if (more <= to->capacity - to->length)
        return;
    if (more > SIZE_MAX / 2 - to->length)
        no_memory();
    size_t capacity = to->capacity > 0 ? to->capacity : 256;
    while (capacity - to->length < more)
        capacity *= 2;
    char *bytes = realloc(to->bytes, capacity);
    if (bytes == NULL)
        no_memory();
    to->bytes = bytes;
    to->capacity = capacity;
}

void buffer_append(buffer *to, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    reserve(to, length);
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

void buffer_text(buffer *to, const char *text)
{
    buffer_append(to, text, strlen(text));
}

void buffer_format(buffer *to, const char *format, ...)
{
    va_list arguments;
    char text[512];
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        buffer_append(to, text,
                      (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void buffer_join(buffer *to, const char *path, const char *ending)
{
    buffer_text(to, path);
    buffer_text(to, ending);
    buffer_append(to, "", 1);
}

void buffer_clear(buffer *to)
{
    to->length = 0;
}

void buffer_free(buffer *to)
{
    free(to->bytes);
    *to = (buffer){0};
}
