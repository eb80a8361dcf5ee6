/*
 * capture: what a proxy passes on, written to a file, a JSON object a line: when, and the parts.
 *
 * Layer:   tool.
 * Threads: its own writes; open and close are the main one's. A proxy waits for the file: a capture
 *          leaves nothing out.
 */
#ifndef MCQ_TOOL_CAPTURE_H
#define MCQ_TOOL_CAPTURE_H

#include <pthread.h>

#include "tool/wire.h"

struct tool_capture {
    const struct tool_wire *wire;
    struct mcq_socket *front; /* the proxy's, which copies to it; NULL: nothing is captured */
    struct mcq_socket *back;
    FILE *file;
    int end_fd; /* can be read: the proxy has stopped */
    bool has_failed;
    pthread_t thread;
};

/* Makes the file, or empties it. 0; else it has said why not, and this is the exit code; close is
 * wanted in both cases. */
int mcq_tool_capture_open(struct tool_capture *capture, struct tool_wire *wire, const char *path);

/* The proxy has stopped: writes what it has still copied. TOOL_DONE, or TOOL_FAILED: not all of it
 * is in the file, and it has said so. */
int mcq_tool_capture_close(struct tool_capture *capture);

#endif
