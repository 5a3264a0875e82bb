/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_prompts.h"
#include "answer.h"
#include "json_write.h"
#include "output.h"
#include "prompt_tokens.h"
#include "report.h"
#include "stopwatch.h"

#include <inttypes.h>
#include <string.h>

#define ORACLE_CHAIN 4u

typedef struct sums { /* over the prompts, of one way of decoding */
    uint64_t tokens, first_tokens, steps, rows, step_ns;
    uint64_t lower_ns, prune_ns, msa_ns, head_ns, verify_ns, plan_ns;
    double prefill_ms, decode_ms;
} sums;

/* Drafts from what plain decoding has just said, wrong on purpose now and then. */
typedef struct oracle {
    const token_list *prompt, *truth;
    float right;
    uint32_t vocabulary_size;
} oracle;

typedef struct bench {
    const settings *from;
    const ss_model *model;
    ss_session *plain, *speculative;
    prompt_tokens prompts;
    answer plain_answer, speculative_answer;
    sums plain_sums, speculative_sums;
    oracle oracle;
    uint64_t identical; /* prompts with the same tokens both ways */
} bench;

/* Uniform in [0, 1), the same for the same two numbers everywhere (SplitMix64's finaliser). */
static double chance(uint64_t position, uint64_t depth)
{
    uint64_t x = position * 0x9e3779b97f4a7c15u + depth * 0xd1b54a32d192ed03u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

static uint32_t oracle_draft(void *context, const int32_t *tokens, size_t count,
                             ss_draft_node *nodes, uint32_t capacity)
{
    const oracle *of = context;
    size_t at = count - of->prompt->count;
    uint32_t made = 0;
    (void)tokens;
    for (; made < ORACLE_CHAIN && made < capacity && at + made < of->truth->count; made++) {
        int32_t token = of->truth->ids[at + made];
        if (chance(count, made) >= (double)of->right)
            token = (int32_t)(((uint32_t)token + 1) % of->vocabulary_size);
        nodes[made] = (ss_draft_node){token, (int32_t)made - 1, of->right};
    }
    return made;
}

static void add(sums *to, const answer *from)
{
    const ss_stats *stats = &from->stats;
    to->tokens += from->tokens.count;
    to->first_tokens += stats->first_tokens;
    to->steps += stats->steps;
    to->rows += stats->rows;
    to->step_ns += stats->step_ns;
    to->lower_ns += stats->lower_ns;
    to->prune_ns += stats->prune_ns;
    to->msa_ns += stats->msa_ns;
    to->head_ns += stats->head_ns;
    to->verify_ns += stats->verify_ns;
    to->plan_ns += stats->plan_ns;
    to->prefill_ms += from->prefill_ms;
    to->decode_ms += from->decode_ms;
}

static int run_one(bench *of, size_t row, bool speculative)
{
    ss_error error;
    char name[64];
    ss_error_init(&error, sizeof error);
    answer *to = speculative ? &of->speculative_answer : &of->plain_answer;
    if (answer_make(of->model, speculative ? of->speculative : of->plain, of->from,
                    &of->prompts.rows[row], false, NULL, to, &error) != SS_OK) {
        prompt_tokens_name(&of->prompts, row, name);
        return report_error(name, &error);
    }
    add(speculative ? &of->speculative_sums : &of->plain_sums, to);
    return GO_ON;
}

/* Who goes first changes from prompt to prompt, but an oracle has to be told the truth before. */
static int run_row(bench *of, size_t row)
{
    bool first = row % 2 == 1 && of->oracle.right <= 0;
    of->oracle.prompt = &of->prompts.rows[row];
    of->oracle.truth = &of->plain_answer.tokens;
    int status = run_one(of, row, first);
    if (status == GO_ON)
        status = run_one(of, row, !first);
    const token_list *a = &of->plain_answer.tokens, *b = &of->speculative_answer.tokens;
    of->identical += status == GO_ON && a->count == b->count &&
                     (a->count == 0 || memcmp(a->ids, b->ids, a->count * sizeof *a->ids) == 0);
    return status;
}

static void write_shares(buffer *line, const sums *of)
{
    const double all = (double)of->step_ns;
    json_object(line, "stage_share");
    json_number(line, "lower", ratio((double)of->lower_ns, all));
    json_number(line, "prune", ratio((double)of->prune_ns, all));
    json_number(line, "msa", ratio((double)of->msa_ns, all));
    json_number(line, "head", ratio((double)of->head_ns, all));
    json_number(line, "verify", ratio((double)of->verify_ns, all));
    json_number(line, "plan", ratio((double)of->plan_ns, all));
    json_close(line);
}

static void print_json(const bench *of)
{
    const sums *plain = &of->plain_sums, *spec = &of->speculative_sums;
    size_t count = of->prompts.prompts.count;
    buffer line = {0};
    json_open(&line);
    json_count(&line, "prompts", count);
    json_count(&line, "tokens", spec->tokens);
    json_number(&line, "plain_tokens_per_s", ratio((double)plain->tokens * 1e3, plain->decode_ms));
    json_number(&line, "spec_tokens_per_s", ratio((double)spec->tokens * 1e3, spec->decode_ms));
    json_number(&line, "speedup", ratio(plain->decode_ms, spec->decode_ms));
    json_number(&line, "speedup_with_prefill",
                ratio(plain->prefill_ms + plain->decode_ms, spec->prefill_ms + spec->decode_ms));
    json_number(&line, "tokens_per_step",
                ratio((double)(spec->tokens - spec->first_tokens), (double)spec->steps));
    json_number(&line, "rows_per_step", ratio((double)spec->rows, (double)spec->steps));
    json_bool(&line, "identical", of->identical == count);
    write_shares(&line, spec);
    json_close(&line);
    output_line(&line);
    buffer_free(&line);
}

static void print_share(const char *name, uint64_t ns, const sums *of)
{
    output_format("  %-13s %6.1f %%\n", name, 100 * ratio((double)ns, (double)of->step_ns));
}

static void print_table(const bench *of)
{
    const sums *plain = &of->plain_sums, *spec = &of->speculative_sums;
    output_format("prompts         %8zu, %" PRIu64 " tokens drawn\n", of->prompts.prompts.count,
                  spec->tokens);
    output_format("plain           %8.1f tokens/s\n",
                  ratio((double)plain->tokens * 1e3, plain->decode_ms));
    output_format("speculative     %8.1f tokens/s\n",
                  ratio((double)spec->tokens * 1e3, spec->decode_ms));
    output_format("speed-up        %8.2fx, with the prompts' prefill %.2fx\n",
                  ratio(plain->decode_ms, spec->decode_ms),
                  ratio(plain->prefill_ms + plain->decode_ms, spec->prefill_ms + spec->decode_ms));
    output_format("tokens a step   %8.2f, of %.1f rows\n",
                  ratio((double)(spec->tokens - spec->first_tokens), (double)spec->steps),
                  ratio((double)spec->rows, (double)spec->steps));
    output_format("same tokens     %8" PRIu64 " of %zu prompts\n", of->identical,
                  of->prompts.prompts.count);
    output_text("time of a speculative step\n");
    print_share("lower layers", spec->lower_ns, spec);
    print_share("prune", spec->prune_ns, spec);
    print_share("MSA layers", spec->msa_ns, spec);
    print_share("head", spec->head_ns, spec);
    print_share("verify", spec->verify_ns, spec);
    print_share("plan", spec->plan_ns, spec);
}

/* The two sessions; the plain one has the adapter, too: what is compared is the same tuned model. */
static int open_sessions(bench *of, const bench_prompts *how, const speculation *drafting,
                         const ss_adapter *adapter)
{
    speculation plain = *drafting;
    uint64_t context = (uint64_t)of->prompts.longest + of->from->length;
    plain.sources = SS_DRAFT_NONE;
    of->oracle.right = how->oracle;
    int status = settings_session(of->from, of->model, context, &of->plain);
    if (status == GO_ON)
        status = settings_session(of->from, of->model, context, &of->speculative);
    if (status == GO_ON)
        status = speculation_set(&plain, adapter, of->plain);
    if (status == GO_ON)
        status = how->oracle > 0
                     ? speculation_set_caller(drafting, adapter, oracle_draft, &of->oracle,
                                              of->speculative)
                     : speculation_set(drafting, adapter, of->speculative);
    return status;
}

int bench_prompts_run(const bench_prompts *how, const settings *from, const speculation *drafting)
{
    bench of = {.from = from};
    ss_model *model = NULL;
    ss_adapter *adapter = NULL;
    ss_model_info info = {.struct_size = sizeof info};
    of.prompts.named = true;
    int status = prompts_read(NULL, NULL, how->file, &of.prompts.prompts);
    if (status == GO_ON)
        status = settings_load(from, &model);
    if (status == GO_ON) {
        of.model = model;
        ss_model_get_info(model, &info, NULL);
        of.oracle.vocabulary_size = info.vocabulary_size;
        status = prompt_tokens_encode(&of.prompts, from, model, how->chat, false);
    }
    if (status == GO_ON)
        status = speculation_load(drafting, model, &adapter);
    if (status == GO_ON)
        status = open_sessions(&of, how, drafting, adapter);
    for (size_t row = 0; row < of.prompts.prompts.count && status == GO_ON; row++)
        status = run_row(&of, row);
    if (status == GO_ON && how->json)
        print_json(&of);
    else if (status == GO_ON)
        print_table(&of);
    ss_session_free(of.plain);
    ss_session_free(of.speculative);
    ss_adapter_free(adapter);
    ss_model_free(model);
    answer_free(&of.plain_answer);
    answer_free(&of.speculative_answer);
    prompt_tokens_free(&of.prompts);
    return status == GO_ON ? EXIT_DONE : status;
}
