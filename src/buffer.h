/* SPDX-License-Identifier: Apache-2.0 */
/* A growable run of bytes. The program, unlike the library, ends when memory does: appending
 * never fails. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stddef.h>

typedef struct buffer {
    char *bytes;
    size_t length;
    size_t capacity;
} buffer;

void buffer_append(buffer *to, const void *bytes, size_t length);
void buffer_text(buffer *to, const char *text);
void buffer_format(buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_join(buffer *to, const char *path, const char *ending); /* both, and the NUL */
void buffer_clear(buffer *to); /* keeps the memory */
void buffer_free(buffer *to);

/* count * element_bytes, never NULL; exits with a message when there is no memory. */
void *take_memory(size_t count, size_t element_bytes);

/* An array's memory with room for one element more: `items`, or twice as much in its place. */
void *grow_memory(void *items, size_t count, size_t *capacity, size_t element_bytes);

#endif
