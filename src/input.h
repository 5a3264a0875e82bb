/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a file whole, as bytes; "-" is standard input. */
#ifndef INPUT_H
#define INPUT_H

#include "buffer.h"

/* GO_ON, or EXIT_ERROR after naming the file and what is wrong with it. */
int input_read(const char *path, buffer *to);

#endif
