/*
 * tool: what the verbs of mcq share.
 *
 * Layer:   tool.
 *
 * Results go to stdout, all else to stderr. A verb gives the exit code: 0 done, 1 failed, 2 usage.
 */
#ifndef MCQ_TOOL_TOOL_H
#define MCQ_TOOL_TOOL_H

#include <limits.h>

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

/* One verb: its name, and the arguments behind it; the vector ends with NULL. */
int mcq_tool_run(int argc, char **argv);
int mcq_tool_proxy(int argc, char **argv);
int mcq_tool_monitor(int argc, char **argv);
int mcq_tool_keygen(int argc, char **argv);
int mcq_tool_decode(int argc, char **argv);
int mcq_tool_ping(int argc, char **argv);
int mcq_tool_doctor(int argc, char **argv);
/* Those that send and receive. */
int mcq_tool_talk(int argc, char **argv);

/* "mcq: WHAT: WHY" on stderr; gives TOOL_FAILED. */
int mcq_tool_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The folder of our libzmq.so.5; 0: there is none. */
int mcq_tool_find_library(char folder[PATH_MAX]);

#endif
