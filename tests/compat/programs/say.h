/*
 * say: what the files of the program calls share: each call's result and errno, printed, to be
 * compared between two libraries. Nothing that differs from run to run is printed: no handle,
 * descriptor, port, time.
 */
#ifndef SAY_H
#define SAY_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define ENDPOINT_BYTES 256

/* The program's parts, each run by its name. */
#define PARTS(X)                                                                                   \
    X(errors)                                                                                      \
    X(contexts)                                                                                    \
    X(types)                                                                                       \
    X(handles)                                                                                     \
    X(ended)                                                                                       \
    X(utilities)                                                                                   \
    X(defaults)                                                                                    \
    X(ranges)                                                                                      \
    X(filled)                                                                                      \
    X(endpoints)                                                                                   \
    X(ends)                                                                                        \
    X(files)                                                                                       \
    X(lonely)                                                                                      \
    X(turns)                                                                                       \
    X(fair)                                                                                        \
    X(limits)                                                                                      \
    X(routes)                                                                                      \
    X(subscriptions)                                                                               \
    X(messages)                                                                                    \
    X(passages)                                                                                    \
    X(arrays)                                                                                      \
    X(hints)                                                                                       \
    X(signals)                                                                                     \
    X(monitors)                                                                                    \
    X(lives)                                                                                       \
    X(faults)                                                                                      \
    X(keys)                                                                                        \
    X(pages)

#define PART_DECLARATION(name) void name(void);
PARTS(PART_DECLARATION)

extern const char *title;

/* An int result and its errno. */
void say(const char *what, long result);

#define SAY(call) say(#call, (long) (call))
/* Only whether it worked. */
#define TRY(call) say(#call, (call) == -1 ? -1L : 0L)
#define IS(call) say(#call, (call) != NULL ? 1L : -1L)

/* With limits of 5 s, and without linger. */
void *open_socket(void *context, int type);
void set_number(void *socket, int option, int value);
int number_of(void *socket, int option);
/* Good until the next call. */
const char *last_endpoint(void *socket);
/* Over tcp. */
void join(void *bound, void *connected);

/* Texts as the parts of a message; the last argument is NULL. What fails is said. */
void tell(void *socket, ...);
/* Shows the next message, or why there is none. */
void hear(const char *who, void *socket);
#define HEAR(socket) hear(#socket, socket)
/* A PAIR that reads what a socket's monitor tells. */
void *watch(void *context, void *socket, const char *name, int events);
/* Shows the next event; its number, 0: there is none. */
int show_event(const char *who, void *reader);
#define EVENT(reader) show_event(#reader, reader)

#endif
