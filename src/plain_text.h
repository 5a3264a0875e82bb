/* SPDX-License-Identifier: Apache-2.0 */
/* File names and what files say of themselves may hold anything; a terminal and a line-reader shall
 * not see it. */
#ifndef PLAIN_TEXT_H
#define PLAIN_TEXT_H

/* Control characters, those beyond ASCII included, become question marks. */
void plain_text(char *text);

#endif
