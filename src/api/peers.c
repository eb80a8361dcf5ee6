#include "runtime/peers.h"

#include <inttypes.h>
#include <limits.h>
#include <monocoque.h>
#include <string.h>

#include "api/fail.h"
#include "api/pending.h"

#define MS UINT64_C(1000000)

static_assert((int) MCQ_DROP_FULL == MCQ_TALLY_FULL && (int) MCQ_DROP_OLDER == MCQ_TALLY_OLDER &&
                  (int) MCQ_DROP_NOBODY == MCQ_TALLY_NOBODY &&
                  (int) MCQ_DROP_FILTERED == MCQ_TALLY_FILTERED &&
                  (int) MCQ_DROP_REFUSED == MCQ_TALLY_REFUSED &&
                  (int) MCQ_DROP_OVERSIZED == MCQ_TALLY_OVERSIZED &&
                  (int) MCQ_DROP_DISCONNECTED == MCQ_TALLY_DISCONNECTED &&
                  (int) MCQ_DROP_NO_MEMORY == MCQ_TALLY_NO_MEMORY,
              "one number, two names");
static_assert((int) MCQ_TALLY_DROPS <= (int) MCQ_DROP_ROOM, "each cause has its counter");
static_assert(sizeof((struct mcq_peer_info *) NULL)->endpoint >= MCQ_ENDPOINT_BYTES &&
                  sizeof((struct mcq_peer_info *) NULL)->address >= MCQ_TRANSPORT_TEXT_BYTES &&
                  sizeof((struct mcq_peer_info *) NULL)->routing_id >= MCQ_ROUTING_ID_MAX,
              "what there is fits");

static void fill(struct mcq_peer_info *info, const struct mcq_conn *conn)
{
    const struct mcq_link *link = &conn->peer.link;
    const struct mcq_tally *tally = &link->tally;
    struct mcq_peer_state state;

    mcq_conn_describe(conn, &state);
    *info = (struct mcq_peer_info) {
        .id = state.id,
        .epoch = state.epoch,
        .connected_ms = state.connected_ns / MS,
        .connections = link->start_count,
        .is_accepted = state.is_accepted,
        .mechanism = mcq_mechanism_number(state.mechanism),
        .queued_out = state.queued_out,
        .queued_out_bytes = state.queued_out_bytes,
        .queued_out_max = link->out_max,
        .queued_in = link->in.message_count,
        .queued_in_bytes = link->in.body_bytes,
        .queued_in_max = link->in_max,
        .messages_out = tally->out_messages,
        .bytes_out = tally->out_bytes,
        .messages_in = tally->in_messages,
        .bytes_in = tally->in_bytes,
        .routing_id_len = (uint32_t) state.routing_id.len,
        .rtt_ns = state.rtt_ns,
    };
    memcpy(info->drops, tally->drops, sizeof tally->drops);
    memcpy(info->user_id, state.user_id,
           mcq_min_size(strlen(state.user_id), sizeof info->user_id - 1));
    if (state.routing_id.len > 0)
        memcpy(info->routing_id, state.routing_id.data, state.routing_id.len);
    memcpy(info->endpoint, state.endpoint, sizeof state.endpoint);
    memcpy(info->address, state.address, sizeof state.address);
}

int mcq_peers(struct mcq_socket *socket, struct mcq_peer_info *infos, size_t count,
              size_t info_bytes)
{
    struct mcq_peer_info info;
    struct mcq_conn *conn;
    uint32_t at = 0;
    size_t found = 0;
    enum mcq_err err;

    if (socket == NULL || (infos == NULL && count > 0))
        return mcq_fail_null("peers", socket == NULL ? "socket" : "infos");
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return mcq_fail_on(socket, MCQ_CALL_PEERS, err);
    while ((conn = mcq_socket_next_peer(socket, &at)) != NULL) {
        if (found < count) {
            fill(&info, conn);
            mcq_hand_out((char *) infos + found * info_bytes, info_bytes, &info, sizeof info);
        }
        found++;
    }
    mcq_socket_leave(socket);
    return (int) mcq_min_size(found, INT_MAX);
}

int mcq_wait_subscribers(struct mcq_socket *socket, const void *topic, size_t len, uint32_t count,
                         int timeout_ms)
{
    enum mcq_err err;

    if (socket == NULL || (topic == NULL && len > 0))
        return mcq_fail_null("wait_subscribers", socket == NULL ? "socket" : "topic");
    err = mcq_socket_wait_topic(socket, mcq_bytes(topic, len), count, timeout_ms);
    return err == MCQ_OK ? 0 : mcq_fail_on(socket, MCQ_CALL_WAIT_SUBSCRIBERS, err);
}

int mcq_close_peer(struct mcq_socket *socket, uint64_t id)
{
    enum mcq_err err;

    if (socket == NULL)
        return mcq_fail_null("close_peer", "socket");
    err = mcq_socket_enter(socket);
    if (err == MCQ_OK) {
        err = mcq_socket_close_peer(socket, id);
        mcq_socket_leave(socket);
    }
    if (err == MCQ_NOT_FOUND)
        return mcq_fail(mcq_err_errno(err), "close_peer %" PRIu64 ": the socket has no such peer",
                        id);
    return err == MCQ_OK ? 0 : mcq_fail_on(socket, MCQ_CALL_CLOSE_PEER, err);
}

int mcq_stats(struct mcq_socket *socket, struct mcq_socket_stats *stats, size_t stats_bytes)
{
    struct mcq_socket_stats found;
    struct mcq_tally sum;
    enum mcq_err err;

    if (socket == NULL || stats == NULL)
        return mcq_fail_null("stats", socket == NULL ? "socket" : "stats");
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return mcq_fail_on(socket, MCQ_CALL_STATS, err);
    mcq_socket_sum(socket, &sum);
    found = (struct mcq_socket_stats) {
        .peers = socket->conn_count,
        .connected = socket->up_count,
        .messages_out = sum.out_messages,
        .bytes_out = sum.out_bytes,
        .messages_in = sum.in_messages,
        .bytes_in = sum.in_bytes,
    };
    mcq_socket_leave(socket);
    memcpy(found.drops, sum.drops, sizeof sum.drops);
    mcq_hand_out(stats, stats_bytes, &found, sizeof found);
    return 0;
}
