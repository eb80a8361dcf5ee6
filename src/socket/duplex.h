/*
 * duplex: what patterns have in common: both halves, and the calls that are the same for all.
 *
 * Layer:   socket.
 * Threads: the holder of the socket's lock.
 */
#ifndef MCQ_SOCKET_DUPLEX_H
#define MCQ_SOCKET_DUPLEX_H

#include "socket/incoming.h"
#include "socket/outgoing.h"

/* A pattern that uses one half leaves the other empty. */
struct mcq_duplex {
    struct mcq_pattern base; /* first */
    struct mcq_incoming incoming;
    struct mcq_balance balance;
};

static inline struct mcq_duplex *mcq_duplex_of(struct mcq_pattern *pattern)
{
    return (struct mcq_duplex *) pattern;
}

/* A pattern of `bytes` octets that begins with a duplex; the rest is zero.
 *   MCQ_NOMEM */
MCQ_MUST_CHECK enum mcq_err mcq_duplex_new(const struct mcq_pattern_ops *ops,
                                           const struct mcq_pattern_config *config, size_t bytes,
                                           struct mcq_duplex **duplex);
void mcq_duplex_free(struct mcq_pattern *pattern);

/* Subscriptions of a publisher's peers, which may be charged what the type's default says.
 *   random   secret, MCQ_TABLE_KEY_BYTES of it */
void mcq_duplex_init_subscriptions(struct mcq_subscriptions *subscriptions,
                                   const struct mcq_pattern_ops *ops,
                                   const struct mcq_pattern_config *config, const uint8_t *random);

/* create, of the table: both halves and nothing else; with one peer at a time, whose turn to be
 * read lasts as long as it has something, so what is older comes first. */
enum mcq_err mcq_duplex_create(const struct mcq_pattern_ops *ops,
                               const struct mcq_pattern_config *config,
                               struct mcq_pattern **pattern);
enum mcq_err mcq_duplex_create_alone(const struct mcq_pattern_ops *ops,
                                     const struct mcq_pattern_config *config,
                                     struct mcq_pattern **pattern);

/* Calls of the table, for types that do nothing of their own there. */
enum mcq_err mcq_duplex_attach(struct mcq_pattern *pattern, struct mcq_peer *peer);
/* One peer at a time: MCQ_MISMATCH for another. */
enum mcq_err mcq_duplex_attach_only(struct mcq_pattern *pattern, struct mcq_peer *peer);
enum mcq_err mcq_duplex_up(struct mcq_pattern *pattern, struct mcq_peer *peer,
                           struct mcq_bytes identity, struct mcq_peer **older);
void mcq_duplex_down(struct mcq_pattern *pattern, struct mcq_peer *peer);
void mcq_duplex_detach(struct mcq_pattern *pattern, struct mcq_peer *peer);
void mcq_duplex_readable(struct mcq_pattern *pattern, struct mcq_peer *peer);
struct mcq_peer *mcq_duplex_next_readable(const struct mcq_pattern *pattern,
                                          const struct mcq_peer *peer);
void mcq_duplex_room(struct mcq_pattern *pattern, struct mcq_peer *peer);
/* For types whose peers have no turns, neither to be read nor to be written to. */
enum mcq_err mcq_duplex_attach_none(struct mcq_pattern *pattern, struct mcq_peer *peer);
void mcq_duplex_readable_none(struct mcq_pattern *pattern, struct mcq_peer *peer);
/* For types that do not receive: what their peers send is nobody's. */
void mcq_duplex_hear_nothing(struct mcq_pattern *pattern, struct mcq_peer *peer);
enum mcq_err mcq_duplex_send(struct mcq_pattern *pattern, struct mcq_part *part);
enum mcq_err mcq_duplex_recv(struct mcq_pattern *pattern, struct mcq_msg *msg);
bool mcq_duplex_is_writable(struct mcq_pattern *pattern);
void mcq_duplex_open_lane(struct mcq_pattern *pattern);
void mcq_duplex_open_tap(struct mcq_pattern *pattern);
void mcq_duplex_share(struct mcq_pattern *pattern);
/* PROBE_ROUTER. */
enum mcq_err mcq_duplex_set(struct mcq_pattern *pattern, enum mcq_pattern_option option, int value);

#endif
