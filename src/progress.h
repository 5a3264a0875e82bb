/* SPDX-License-Identifier: Apache-2.0 */
/* Long work with a file at its end: how far it is, on a terminal; and Ctrl-C, which ends it through
 * the library, so that nothing half-written stays behind. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "specstream/specstream.h"

ss_progress progress_begin(void);
void progress_end(void);

#endif
