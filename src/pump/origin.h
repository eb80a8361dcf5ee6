/*
 * origin: what is known of whom a message came from: the properties of its handshake, the address,
 * the descriptor.
 *
 * Layer:   pump.
 * Threads: any; one mutex, under which nothing else is taken, orders them.
 * Bound:   one for each connection, of MCQ_ORIGIN_BYTES_MAX at most; of those that are gone as many
 *          as MCQ_ORIGINS_GONE_BYTES hold, the newest, and those that somebody holds.
 *
 *   new --leave--> GONE --put out by newer ones, or with its engine--> freed, once nobody holds it
 *
 * A message carries the number of its origin where SERVER's have their routing id, and holds
 * nothing: so a message costs no count of references, but what is known of a connection that has
 * ended may be forgotten before its last message is. Links leave their origin when the last message
 * was taken, so those who ask at once are in time. Whoever asks (mcq_origin_find) holds what it
 * finds. Numbers come again after 2^31 connections.
 */
#ifndef MCQ_PUMP_ORIGIN_H
#define MCQ_PUMP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define MCQ_ORIGIN_BYTES_MAX 4096    /* properties that do not fit in are left out */
#define MCQ_ORIGINS_GONE_BYTES 49152 /* some four hundred */
#define MCQ_ORIGIN_ADDRESS "Peer-Address"
#define MCQ_ORIGIN_USER "User-Id"

struct mcq_reactor;
struct mcq_origin;

/* What ZAP has said of a peer that it lets in. */
struct mcq_decision {
    size_t user_id_len;
    size_t metadata_len;
    uint8_t octets[]; /* the user's id, and properties that were checked */
};

/* Of the connection that has this stream.
 *   reactor    of the engine that the connection belongs to
 *   decision   what ZAP has said of it; NULL: nobody was asked
 *   metadata   properties as the peer sent them, checked; what it says of its own address and of
 *              who it is does not count, nor what ZAP has said already
 *   NULL       out of memory: nothing is known */
struct mcq_origin *mcq_origin_new(struct mcq_reactor *reactor, int fd,
                                  const struct mcq_decision *decision, struct mcq_bytes metadata);

/* The connection is over; *origin becomes NULL, if it is not.
 *   is_named   messages have its number; else it is forgotten at once */
void mcq_origin_leave(struct mcq_origin **origin, bool is_named);

/* What messages carry: not 0, and no routing id. 0: there is no origin. */
uint32_t mcq_origin_number(const struct mcq_origin *origin);

/* The origin with this number, held until mcq_origin_put; NULL: there is none, or no more. */
struct mcq_origin *mcq_origin_find(uint32_t number);
void mcq_origin_put(struct mcq_origin *origin);

/* A property's value, as text; NULL: there is none. Good while the origin is held. */
const char *mcq_origin_text(const struct mcq_origin *origin, const char *name);

/* Whether a connection of the newer one may take what is the older one's: whom ZAP has let in gives
 * way to the same user alone. NULL: unknown. */
bool mcq_origin_may_follow(const struct mcq_origin *older, const struct mcq_origin *newer);

/* The number that the descriptor has, or had. */
int mcq_origin_fd(const struct mcq_origin *origin);

/* The engine ends: those that are gone are forgotten. All others are. */
void mcq_origins_forget(const struct mcq_reactor *reactor);

/* How many are kept of connections that are gone, for tests: these are no leak. */
uint32_t mcq_origins_gone_count(void);

/* In a forked child, which has none. */
void mcq_origins_mark_forked(void);

#endif
