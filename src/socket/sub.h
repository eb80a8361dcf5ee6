/*
 * sub: what a subscriber does with its publishers, whether the application says what it wants by
 * options (SUB) or by messages (XSUB).
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 * Bound:   hub/subscriptions.h: the application's own.
 */
#ifndef MCQ_SOCKET_SUB_H
#define MCQ_SOCKET_SUB_H

#include "socket/duplex.h"

struct mcq_sub {
    struct mcq_duplex duplex; /* first */
    struct mcq_subscriptions subscriptions;
    struct mcq_subscriber self;
    bool is_inverted;   /* INVERT_MATCHING: what does not match comes */
    bool tells_cancels; /* XSUB_VERBOSE_UNSUBSCRIBE: not only the last of a topic */
    bool skips;         /* SUB: the rest of a message that nobody asked for */
};

static inline struct mcq_sub *mcq_sub_of(struct mcq_pattern *pattern)
{
    return (struct mcq_sub *) pattern;
}

/* A pattern of `bytes` octets that begins with a subscriber; the rest is zero.
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_sub_new(const struct mcq_pattern_ops *ops,
                                        const struct mcq_pattern_config *config, size_t bytes,
                                        struct mcq_pattern **pattern);
void mcq_sub_free(struct mcq_pattern *pattern);

/* Of the table: each new connection hears of all topics. */
enum mcq_err mcq_sub_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                        struct mcq_bytes identity, struct mcq_peer **older);

/* Whether a topic fits into a command. */
bool mcq_sub_fits(struct mcq_bytes topic);

/* One more subscription, or one less. *is_news: publishers are to be told: of each subscription, as
 * libzmq does it, and of the last cancellation.
 *   MCQ_INVAL   there was none
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_sub_note(struct mcq_sub *sub, struct mcq_bytes topic, bool is_on,
                                         bool *is_news);

/* Tells all publishers that are connected. */
void mcq_sub_tell(struct mcq_sub *sub, struct mcq_bytes topic, bool is_on);

enum mcq_err mcq_sub_get(const struct mcq_pattern *pattern, enum mcq_pattern_option option,
                         int64_t *value);

#endif
