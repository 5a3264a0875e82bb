/* SPDX-License-Identifier: Apache-2.0 */
/* The three standard descriptors of a program that was started without some of them. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

/* Before any file is opened: one that is closed becomes /dev/null, so that no file takes its number
 * and receives what was meant for people. Reading or writing it fails as on a closed one, but for
 * messages, which are lost. */
void descriptors_hold(void);

#endif
