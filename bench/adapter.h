/*
 * adapter: the five calls through which bench/race.c and bench/fanout.c drive a messaging library.
 *
 * One file per library defines one struct race_adapter; a few lines in CMakeLists.txt and race.c
 * enter it. The driver calls open in the process that uses the socket, and all calls of a socket
 * from one thread. Each adapter uses its library as its manual advises, defaults untouched but for
 * the high-water marks, which are the library's "1000 messages" or nearest to it.
 */
#ifndef MCQ_BENCH_ADAPTER_H
#define MCQ_BENCH_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>

enum race_role { RACE_PUSH, RACE_PULL, RACE_REQ, RACE_REP, RACE_PUB };

/* The keys of CURVE that all peers of a run have, as text: who listens is the server. Libraries
 * that do not know it fail to open. NULL: all is in clear. */
struct race_keys {
    char public_key[41];
    char secret_key[41];
};

extern const struct race_keys *race_keys;

struct race_adapter {
    const char *name;
    /* PULL, REP and PUB listen, PUSH and REQ connect. endpoint: "tcp://127.0.0.1:PORT", or
     * "inproc://NAME": all sockets of the process are in one context then. NULL: it failed. */
    void *(*open)(enum race_role role, const char *endpoint);
    /* Copies the octets; blocks while the library will not take them. */
    bool (*send)(void *socket, const void *data, size_t len);
    /* Makes a message of its own of that length, writes all of it, and hands it over. NULL:
     * not offered. */
    bool (*give)(void *socket, size_t len);
    /* Blocks until a message is there; its octets are the library's until the next recv, or close.
     */
    bool (*recv)(void *socket, const void **data, size_t *len);
    /* Until a message is there, at most for timeout_ms; false: none. */
    bool (*wait)(void *socket, int timeout_ms);
    void (*close)(void *socket);
};

extern const struct race_adapter race_monocoque;
extern const struct race_adapter race_libzmq;
extern const struct race_adapter race_nng;

#endif
