/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_text.h"

void plain_text(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        if (*at < ' ' || *at == 0x7f)
            *at = '?';
        if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f) /* U+0080 to U+009F */
            at[0] = at[1] = '?';
    }
}
