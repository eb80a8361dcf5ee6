/*
 * wire: the socket of a verb, and the messages that it sends and receives.
 *
 * Layer:   tool.
 * Threads: the main one; reports of connections come in the library's.
 */
#ifndef MCQ_TOOL_WIRE_H
#define MCQ_TOOL_WIRE_H

#include <stdio.h>

#include "tool/options.h"

struct tool_wire {
    const struct tool_options *options;
    struct mcq_context *context;
    struct mcq_socket *socket;
};

/* A message: its parts. */
struct tool_message {
    struct mcq_message *parts;
    size_t count;
    size_t room;
};

/* Whether the user or the system wants an end (SIGINT, SIGTERM). */
bool mcq_tool_is_over(void);
/* Can be polled for input from then on: a signal that comes before a call sleeps is not lost. */
int mcq_tool_end_fd(void);

/* Opens a socket of this type as the options want it, with its endpoints, and waits for peers. 0,
 * and *wire is to be closed; else it has said why not, and this is the exit code. */
int mcq_tool_open(struct tool_wire *wire, enum mcq_type type, const struct tool_options *options);

/* The same, and all that connections do is told to this one, whose hint is the options. */
typedef void tool_tell(const struct mcq_report *report, void *hint);
int mcq_tool_open_for(struct tool_wire *wire, enum mcq_type type,
                      const struct tool_options *options, tool_tell *listener);

/* One more socket of its context, with the same options but no endpoint; NULL: it has said why. */
struct mcq_socket *mcq_tool_socket(struct tool_wire *wire, enum mcq_type type);

/* The line of a key file that begins so; false: there is none. */
bool mcq_tool_key_of(const char *path, const char *name, char key[MCQ_KEY_TEXT_BYTES]);

/* Waits until what was sent has left, for as long as the options say. status, or a failure. */
int mcq_tool_close(struct tool_wire *wire, int status);

/* mcq_last_error, behind the verb's name; gives TOOL_FAILED. */
int mcq_tool_fail_call(const struct tool_wire *wire);

/* Receives a whole message, for as long as the options say. 0; -1 and errno: EAGAIN, it is too
 * late; EINTR, it is over. */
int mcq_tool_recv(const struct tool_wire *wire, struct mcq_socket *socket,
                  struct tool_message *message);
/* Sends it, and empties it. The same. */
int mcq_tool_send(const struct tool_wire *wire, struct mcq_socket *socket,
                  struct tool_message *message);

/* One more part, a copy. false: no memory, and it has said so. */
bool mcq_tool_add(struct tool_message *message, const void *data, size_t len);
/* Without parts; the room stays, until `free`. */
void mcq_tool_clear(struct tool_message *message);
void mcq_tool_free(struct tool_message *message);
size_t mcq_tool_bytes(const struct tool_message *message);

/* Shows a message. */
void mcq_tool_print(FILE *stream, const struct tool_message *message, enum tool_format format);

/* Its parts as an array of JSON, without an end of line. */
void mcq_tool_print_array(FILE *stream, const struct tool_message *message);

#define TOOL_TIME_BYTES 32

/* Now: 2026-01-01T12:00:00.000Z */
void mcq_tool_write_time(char text[TOOL_TIME_BYTES]);

/* A number with commas: "824,602". Good until the fourth call from here. */
const char *mcq_tool_number(double value);

#endif
