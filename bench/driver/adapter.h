/*
 * adapter: the calls through which the driver uses a messaging library.
 *
 * One file per library defines `bench_library`, and each is linked into a program of its own. All
 * calls of a socket come from one thread, in the process that opened it. Each adapter uses its
 * library as its manual advises, defaults untouched but for high-water marks: they are the
 * library's "1000 messages" or nearest to it, none for PUB (row_crowd.c says why). A process has
 * one context; a thread that does without engine threads has one of its own.
 */
#ifndef MCQ_BENCH_ADAPTER_H
#define MCQ_BENCH_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_role {
    BENCH_PUSH,
    BENCH_PULL,
    BENCH_REQ,
    BENCH_REP,
    BENCH_PUB,
    BENCH_ROUTER,
    BENCH_DEALER
};

/* PUSH, REQ and DEALER connect, the others listen. */
static inline bool bench_listens(enum bench_role role)
{
    return role != BENCH_PUSH && role != BENCH_REQ && role != BENCH_DEALER;
}

/* What a run asks of the library. */
struct bench_choice {
    bool is_inproc; /* all sockets of the process are in one context */
    bool is_inline; /* contexts without threads; libraries that do not know them fail to open */
    bool is_sealed; /* CURVE: who listens is the server. Libraries without it fail to open */
    char public_key[41];
    char secret_key[41];
};

extern struct bench_choice bench_choice;

struct bench_library {
    const char *name;
    /* What runs: a text that stays good. After an open it may tell more than before. */
    const char *(*version)(void);
    const char *(*engine)(void);
    /* Fills the two keys of bench_choice; NULL: it has none. */
    bool (*make_keys)(void);
    /* endpoint: "tcp://ADDRESS:PORT", "ipc://@NAME" or "inproc://NAME". NULL: it failed. */
    void *(*open)(enum bench_role role, const char *endpoint);
    /* Copies the octets; blocks while the library will not take them. */
    bool (*send)(void *socket, const void *data, size_t len);
    /* Makes a message of its own of that length, writes all of it, and hands it over. NULL:
     * not offered. */
    bool (*give)(void *socket, size_t len);
    /* Blocks until a message is there; its octets are the library's until the next recv, or close.
     */
    bool (*recv)(void *socket, const void **data, size_t *len);
    /* Of a ROUTER: blocks until a request is there; gives it back to who sent it, if it is to be
     * answered. */
    bool (*answer)(void *socket, bool is_answered);
    /* Until a message is there, at most for timeout_ms; false: none. */
    bool (*wait)(void *socket, int timeout_ms);
    /* Of a thread without engine threads: what is to be done now; NULL: it knows no such. */
    void (*turn)(void);
    /* Octets that the library says it holds for connections and messages; NULL: it does not. */
    uint64_t (*ledger)(void);
};

extern const struct bench_library bench_library;

#endif
