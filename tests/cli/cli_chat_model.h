/* SPDX-License-Identifier: Apache-2.0 */
/* The small model as one that can be talked with: it gets a template, and its two special tokens
 * become what begins and ends a turn. */
#ifndef CLI_CHAT_MODEL_H
#define CLI_CHAT_MODEL_H

#include "cli_run.h"

static inline char *put_bytes(char *to, const void *bytes, size_t length)
{
    memcpy(to, bytes, length);
    return to + length;
}

/* As GGUF has it: the length, then the bytes. */
static inline char *put_text(char *to, const char *text)
{
    const uint64_t length = strlen(text);
    return put_bytes(put_bytes(to, &length, sizeof length), text, length);
}

/* Copies up to the text `old`, then `new` in its place; *from goes on behind it. */
static inline char *put_up_to(char *to, const char **from, const char *end, const char *old,
                              const char *new)
{
    char entry[64];
    size_t entry_bytes = (size_t)(put_text(entry, old) - entry);
    const char *at = memmem(*from, (size_t)(end - *from), entry, entry_bytes);
    assert_non_null(at);
    to = put_bytes(to, *from, (size_t)(at - *from));
    *from = at + entry_bytes;
    return put_text(to, new);
}

static inline char *chat_model(size_t *bytes)
{
    enum { KEY_COUNT_AT = 4 + 4 + 8, KEYS_AT = KEY_COUNT_AT + 8, STRING = 8, ALIGNMENT = 32 };
    static const char key[] = "tokenizer.chat_template";
    const uint32_t type = STRING;
    /* The comment at its end is as long as keeps the tensors where they may stand. */
    char template[512] =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
        "message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}{#";
    size_t added = 8 + strlen(key) + 4 + 8 + strlen(template) + 2;
    added += strlen("<|im_start|>") - strlen("<s>") + strlen("<|im_end|>") - strlen("</s>");
    for (; added % ALIGNMENT != 0; added++)
        strcat(template, ".");
    strcat(template, "#}");

    FILE *file = fopen(SMALL_MODEL, "rb");
    assert_non_null(file);
    char *model = read_all(file, bytes), *changed = malloc(*bytes + added), *to = changed;
    const char *end = model + *bytes, *from = model + KEYS_AT;
    uint64_t key_count;
    memcpy(&key_count, model + KEY_COUNT_AT, sizeof key_count);
    key_count++;
    to = put_bytes(to, model, KEY_COUNT_AT);
    to = put_bytes(to, &key_count, sizeof key_count);
    to = put_text(to, key);
    to = put_bytes(to, &type, sizeof type);
    to = put_text(to, template);
    to = put_up_to(to, &from, end, "<s>", "<|im_start|>");
    to = put_up_to(to, &from, end, "</s>", "<|im_end|>");
    to = put_bytes(to, from, (size_t)(end - from));
    *bytes += added;
    assert_ptr_equal(to, changed + *bytes);
    free(model);
    return changed;
}

#endif
