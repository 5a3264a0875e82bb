/* SPDX-License-Identifier: Apache-2.0 */
/* One function per command; `arguments` are those after the command's name. Each returns the
 * program's exit status. */
#ifndef COMMANDS_H
#define COMMANDS_H

int cmd_adapter(int count, char **arguments);
int cmd_adapter_export_lora(int count, char **arguments);
int cmd_adapter_merge(int count, char **arguments);
int cmd_bench(int count, char **arguments);
int cmd_chat(int count, char **arguments);
int cmd_detokenize(int count, char **arguments);
int cmd_generate(int count, char **arguments);
int cmd_info(int count, char **arguments);
int cmd_perplexity(int count, char **arguments);
int cmd_plot(int count, char **arguments);
int cmd_quantize(int count, char **arguments);
int cmd_tokenize(int count, char **arguments);
int cmd_train(int count, char **arguments);

#endif
