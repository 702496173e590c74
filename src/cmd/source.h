/*
 * source: the part of a stop that l+l, l+s and l+o (and .lines, .prompt_allow src, lsp) decide
 * about.
 */
#ifndef RS_CMD_SOURCE_H
#define RS_CMD_SOURCE_H

#include "cmd/cmd.h"

/* Whether a place at the prompt is shown with its file and line. */
bool source_numbers(cmd *c);
/* Appends the source line of pc with those around it. False, and nothing: it is not wanted, or not
 * to be had. */
bool source_text(cmd *c, uint64_t pc, buf *b);
/* Whether the source line, where there is one, is all that is shown. */
bool source_only(cmd *c);

#endif
