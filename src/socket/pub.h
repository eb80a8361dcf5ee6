/*
 * pub: what a publisher does with its subscribers, whether the application hears of them (XPUB) or
 * not (PUB).
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   hub/subscriptions.h, and socket/fanout.h.
 */
#ifndef MCQ_SOCKET_PUB_H
#define MCQ_SOCKET_PUB_H

#include "socket/duplex.h"
#include "socket/fanout.h"

struct mcq_pub {
    struct mcq_duplex duplex; /* first; of its halves XPUB has use for the incoming one */
    struct mcq_fanout fanout;
    struct mcq_subscriptions subscriptions;
    bool waits_for_all;           /* XPUB_NODROP */
    bool is_inverted;             /* to those who do not want it */
    bool is_held;                 /* the last send found somebody full */
    struct mcq_audience audience; /* of what the fan-out has deferred */
};

static inline struct mcq_pub *mcq_pub_of(struct mcq_pattern *pattern)
{
    return (struct mcq_pub *) pattern;
}

/* A pattern of `bytes` octets that begins with a publisher; the rest is zero.
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_pub_new(const struct mcq_pattern_ops *ops,
                                        const struct mcq_pattern_config *config, size_t bytes,
                                        struct mcq_pattern **pattern);
void mcq_pub_free(struct mcq_pattern *pattern);

/* The next connection of this peer, without subscriptions. As up of the table. */
MCQ_MUST_CHECK enum mcq_err mcq_pub_up(struct mcq_pub *pub, struct mcq_peer *peer);

/* Its connection is over, and no message goes to it. True: it was up, and its subscriptions are to
 * be drained (mcq_subscriptions_drain). */
bool mcq_pub_leave(struct mcq_pub *pub, struct mcq_peer *peer);

/* Calls of the table. */
void mcq_pub_share(struct mcq_pattern *pattern);
void mcq_pub_room(struct mcq_pattern *pattern, struct mcq_peer *peer);
bool mcq_pub_is_writable(struct mcq_pattern *pattern);
uint32_t mcq_pub_audience(const struct mcq_pattern *pattern);
uint32_t mcq_pub_reach(struct mcq_pattern *pattern, struct mcq_bytes topic);
enum mcq_err mcq_pub_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value);
enum mcq_err mcq_pub_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                         int64_t *value);

/* As send of the table. only: the message goes to this peer if it wants it, and to nobody else;
 * NULL: to all who want it. */
MCQ_MUST_CHECK enum mcq_err mcq_pub_send(struct mcq_pub *pub, struct mcq_part *part,
                                         const struct mcq_peer *only);

#endif
