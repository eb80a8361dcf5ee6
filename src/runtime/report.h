/*
 * report: what becomes of a socket's connections, told to whoever listens.
 *
 * Layer:   runtime.
 * Threads: reports come from any thread that may touch the socket: holders of its lock, and its
 *          engine. Listeners are told in the engine's thread, one report after the other.
 * Bound:   MCQ_REPORTS_MAX that were not told yet; the oldest make room for newer ones,
 *          and the next that is told says how many are gone.
 *
 *   mcq_report_* --> queue --request--> engine: told, in order
 *
 * Nobody listens, and a report is one load. Else it is queued under `mutex`, the last lock that
 * anybody takes, and the engine tells it under `telling`, of which only it and mcq_reports_listen
 * have need: who listens may be slow, or take locks of its own, and no reporter waits for it.
 * `telling` is taken before `mutex`, and no socket's lock inside them but for what a listener does,
 * which must not be about the socket that it listens to.
 */
#ifndef MCQ_RUNTIME_REPORT_H
#define MCQ_RUNTIME_REPORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "wire/ids.h"

#define MCQ_REPORTS_MAX 4096
#define MCQ_REPORT_TEXT_BYTES 256
#define MCQ_REPORT_ADDRESS_BYTES 128
#define MCQ_REPORT_TYPE_BYTES 16

struct mcq_socket;

/* One bit each; the numbers are public, and libzmq's. */
enum mcq_report_of {
    MCQ_REPORT_OF_CONNECTED = 0x0001,
    MCQ_REPORT_OF_CONNECT_DELAYED = 0x0002,
    MCQ_REPORT_OF_CONNECT_RETRIED = 0x0004,
    MCQ_REPORT_OF_LISTENING = 0x0008,
    MCQ_REPORT_OF_BIND_FAILED = 0x0010,
    MCQ_REPORT_OF_ACCEPTED = 0x0020,
    MCQ_REPORT_OF_ACCEPT_FAILED = 0x0040,
    MCQ_REPORT_OF_CLOSED = 0x0080,
    MCQ_REPORT_OF_DISCONNECTED = 0x0200,
    MCQ_REPORT_OF_STOPPED = 0x0400, /* of who listens: it is told nothing more */
    MCQ_REPORT_OF_HANDSHAKE_FAILED = 0x0800,
    MCQ_REPORT_OF_HANDSHAKE_SUCCEEDED = 0x1000,
    MCQ_REPORT_OF_HANDSHAKE_BROKEN = 0x2000,
    MCQ_REPORT_OF_HANDSHAKE_REFUSED = 0x4000,
};

struct mcq_report_item {
    struct mcq_report_item *next;
    enum mcq_report_of kind;
    int value;
    uint64_t epoch;
    uint64_t peer;      /* its id; 0: it is not one yet */
    enum mcq_err why;   /* MCQ_OK: nothing failed */
    enum mcq_rule rule; /* that the peer broke; MCQ_RULE_NONE */
    enum mcq_reason reason;
    uint64_t lost;         /* that were to be told before it, and are gone */
    enum mcq_zmtp version; /* of who is READY; MCQ_ZMTP_NONE */
    const char *mechanism; /* constant; NULL */
    char type[MCQ_REPORT_TYPE_BYTES];
    bool is_bound; /* the endpoint is ours; else the peer's */
    char endpoint[MCQ_REPORT_TEXT_BYTES];
    char address[MCQ_REPORT_ADDRESS_BYTES]; /* the other side's; "" if it has none */
    char own[MCQ_REPORT_ADDRESS_BYTES];     /* this side's, where the endpoint is the peer's */
};

/* Who is told: `pass` knows what `callee` is. */
struct mcq_listener {
    void (*pass)(const struct mcq_listener *listener, const struct mcq_report_item *item);
    void (*end)(const struct mcq_listener *listener); /* it is told no more; NULL: nothing to do */
    void (*callee)(void);
    void *hint;
};

struct mcq_reports {
    pthread_mutex_t telling;
    pthread_mutex_t mutex;
    _Atomic uint32_t kinds;       /* that are listened for; 0: nobody listens */
    struct mcq_listener listener; /* pass NULL: nobody */
    struct mcq_report_item *first;
    struct mcq_report_item **last;
    uint32_t count;
    uint64_t lost_count; /* since the last one was told */
};

/* In a slot that is new, or that a fork has brought: nobody listens. */
void mcq_reports_init(struct mcq_reports *reports);

/* Who listens from now on, to which kinds; one without `pass`: nobody. What was reported before is
 * told first, to who listened then, in this thread; afterwards that one is told nothing any more,
 * and its `end` runs. Not from a listener, and without the socket's lock. */
void mcq_reports_listen(struct mcq_socket *socket, uint32_t kinds, struct mcq_listener listener);

/* The engine's turn to tell. */
void mcq_reports_tell(struct mcq_socket *socket);

/* Queued, where anybody listens to this kind, for the engine to tell; the text is copied.
 *   is_bound   the endpoint is ours; else the peer's */
void mcq_report_now(struct mcq_socket *socket, enum mcq_report_of kind, int value, bool is_bound,
                    const char *endpoint);

/* What a report is about. */
struct mcq_report_stream {
    int fd;               /* -1: none stands */
    const char *endpoint; /* NULL: it was accepted, at its own side's address */
    bool is_bound;        /* the endpoint is ours all the same */
    uint64_t epoch;
    uint64_t peer;
    enum mcq_err why;
    const struct mcq_failure *broken; /* by the peer; NULL: nothing */
    enum mcq_zmtp version;            /* and the next two, of who is READY; else 0 */
    const char *mechanism;            /* constant */
    const char *type;                 /* NULL: it has not said it */
};

/* The same of a stream, with the addresses that it has. */
void mcq_report_of_stream(struct mcq_socket *socket, enum mcq_report_of kind, int value,
                          const struct mcq_report_stream *stream);

/* Whether anybody wants this kind, so that nothing is made ready for nobody. Any thread. */
bool mcq_is_listened_to(const struct mcq_socket *socket, enum mcq_report_of kind);

#endif
