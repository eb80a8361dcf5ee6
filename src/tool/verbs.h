/*
 * verbs: the table of what mcq can do.
 *
 * Layer:   tool.
 */
#ifndef MCQ_TOOL_VERBS_H
#define MCQ_TOOL_VERBS_H

#include "tool/options.h"

/* NULL: there is no such verb. */
const struct tool_verb *mcq_tool_verb(const char *name);

#endif
