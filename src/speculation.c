/* SPDX-License-Identifier: Apache-2.0 */
#include "speculation.h"
#include "report.h"

#include <string.h>

/* A number from `least` on, at *text; anything past `most` counts as that: shapes too large for a
 * step are clipped. Moves *text behind it. */
static bool read_count(const char **text, uint32_t least, uint32_t most, uint32_t *value)
{
    const char *at = *text;
    uint64_t number = 0;
    while (*at >= '0' && *at <= '9') {
        number = number * 10 + (uint64_t)(*at++ - '0');
        number = number < most ? number : most;
    }
    bool found = at > *text && number >= least;
    *value = (uint32_t)number;
    *text = at;
    return found;
}

static bool read_widths(speculation *of, const char *at)
{
    of->tree_mode = SS_TREE_WIDTHS;
    for (of->width_count = 0;; at++) {
        uint32_t width;
        if (!read_count(&at, 1, MOST_DEPTH + 1, &width))
            return false;
        if (of->width_count < MOST_DEPTH)
            of->widths[of->width_count++] = width;
        if (*at != ',')
            return *at == '\0';
    }
}

static bool read_tree(speculation *of)
{
    const char *at = of->tree;
    of->tree_mode = SS_TREE_AUTO;
    if (at == NULL || strcmp(at, "auto") == 0)
        return true;
    if (strncmp(at, "best:", 5) != 0)
        return read_widths(of, at);
    of->tree_mode = SS_TREE_BEST;
    at += 5;
    return read_count(&at, 0, MOST_DEPTH, &of->best_count) && *at == '\0';
}

static bool read_draft(speculation *of)
{
    static const struct {
        const char *name;
        ss_draft_sources source;
    } names[] = {{"streams", SS_DRAFT_STREAMS}, {"ngram", SS_DRAFT_NGRAM}};
    const char *at = of->draft;
    of->sources = SS_DRAFT_NONE;
    if (at == NULL) {
        if (of->adapter != NULL)
            of->sources = SS_DRAFT_STREAMS | SS_DRAFT_NGRAM;
        return true;
    }
    if (strcmp(at, "none") == 0)
        return true;
    for (;; at++) {
        size_t length = strcspn(at, ","), i = 0;
        while (i < 2 && (strlen(names[i].name) != length ||
                         memcmp(names[i].name, at, length) != 0))
            i++;
        if (i == 2)
            return false;
        of->sources |= names[i].source;
        at += length;
        if (*at == '\0')
            return true;
    }
}

int speculation_check(speculation *of, const char *command)
{
    if (!read_draft(of))
        return usage_error(command, "--draft: '%s' is neither none nor of streams,ngram",
                           of->draft);
    if (!read_tree(of))
        return usage_error(command, "--tree: '%s' is none of auto, best:N and W1,W2,..",
                           of->tree);
    if (of->off)
        of->sources = SS_DRAFT_NONE;
    if ((of->sources & SS_DRAFT_STREAMS) != 0 && of->adapter == NULL)
        return usage_error(command, "--draft: streams are an adapter's: -a ADAPTER is missing");
    return GO_ON;
}

int speculation_load(const speculation *of, const ss_model *model, ss_adapter **adapter)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    *adapter = NULL;
    if (of->adapter == NULL)
        return GO_ON;
    if (ss_adapter_load(model, of->adapter, NULL, adapter, &error) != SS_OK)
        return report_error(of->adapter, &error);
    return GO_ON;
}

static int set(const speculation *of, const ss_adapter *adapter, ss_stream_config *config,
               ss_session *session)
{
    ss_error error;
    ss_error_init(&error, sizeof error);
    if (config->sources != SS_DRAFT_NONE) { /* plain decoding has no tree and no schedule */
        config->tree_mode = of->tree_mode;
        config->best_count = of->best_count;
        config->widths = of->widths;
        config->width_count = of->width_count;
        config->schedule = of->schedule;
        config->prune = of->prune;
    }
    if (ss_session_set_streams(session, config, &error) != SS_OK ||
        (adapter != NULL && ss_session_set_adapter(session, adapter, &error) != SS_OK))
        return report_error(of->adapter, &error);
    return GO_ON;
}

int speculation_set(const speculation *of, const ss_adapter *adapter, ss_session *session)
{
    ss_stream_config config;
    if (adapter == NULL && of->sources == SS_DRAFT_NONE)
        return GO_ON;
    ss_stream_config_init(&config, sizeof config);
    config.sources = of->sources;
    return set(of, adapter, &config, session);
}

int speculation_set_caller(const speculation *of, const ss_adapter *adapter,
                           uint32_t (*draft)(void *, const int32_t *, size_t, ss_draft_node *,
                                             uint32_t),
                           void *context, ss_session *session)
{
    ss_stream_config config;
    ss_stream_config_init(&config, sizeof config);
    config.sources = SS_DRAFT_CALLER;
    config.draft = draft;
    config.draft_context = context;
    return set(of, adapter, &config, session);
}
