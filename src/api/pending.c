#include "api/pending.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "api/fail.h"
#include "runtime/holder.h"
#include "runtime/peers.h"

#define MS UINT64_C(1000000)

void mcq_hand_out(void *room, size_t room_bytes, const void *known, size_t known_bytes)
{
    size_t shared = mcq_min_size(room_bytes, known_bytes);

    memcpy(room, known, shared);
    memset((char *) room + shared, 0, room_bytes - shared);
}

/* Where entries go. */
struct list {
    char *at;
    size_t count;
    size_t entry_bytes;
    size_t found;
};

static void add(struct list *list, const struct mcq_pending *entry)
{
    if (list->found < list->count)
        mcq_hand_out(list->at + list->found * list->entry_bytes, list->entry_bytes, entry,
                     sizeof *entry);
    list->found++;
}

static int64_t linger_ms(const struct mcq_socket *socket)
{
    uint64_t left_ns;

    if (socket->state == MCQ_SOCKET_OPEN)
        return socket->options.linger_ms;
    left_ns = mcq_socket_linger_left_ns(socket);
    return left_ns == MCQ_NEVER_NS ? -1 : (int64_t) ((left_ns + MS - 1) / MS);
}

static struct mcq_pending entry_of(const struct mcq_socket *socket)
{
    struct mcq_pending entry = {
        .socket = socket->serial,
        .type = (int32_t) socket->type,
        .state = socket->state == MCQ_SOCKET_OPEN ? MCQ_PENDING_OPEN
                 : socket->is_draining            ? MCQ_PENDING_DRAIN
                                                  : MCQ_PENDING_LINGER,
        .linger_ms = linger_ms(socket),
    };

    memcpy(entry.endpoint, socket->last_endpoint, sizeof socket->last_endpoint);
    return entry;
}

static void add_peer(struct list *list, const struct mcq_conn *conn)
{
    struct mcq_pending entry = entry_of(conn->socket);
    struct mcq_peer_state state;

    mcq_conn_describe(conn, &state);
    entry.peer = state.id;
    entry.messages = mcq_conn_keeping_count(conn);
    entry.bytes = state.queued_out_bytes;
    entry.is_connected = conn->peer.link.is_up;
    memcpy(entry.endpoint, state.endpoint, sizeof state.endpoint);
    add(list, &entry);
}

/* The lock is held. */
static void add_socket(struct list *list, const struct mcq_socket *socket)
{
    size_t before = list->found;
    struct mcq_pending entry;
    struct mcq_conn *conn;
    uint32_t at = 0;

    while ((conn = mcq_socket_next_peer(socket, &at)) != NULL)
        if (!socket->is_draining && mcq_conn_keeping_count(conn) > 0)
            add_peer(list, conn);
    if (list->found > before)
        return;
    entry = entry_of(socket);
    add(list, &entry);
}

int mcq_ctx_pending(struct mcq_context *context, struct mcq_pending *entries, size_t count,
                    size_t entry_bytes)
{
    struct list list = {(char *) entries, count, entry_bytes, 0};
    struct mcq_socket *socket;
    struct mcq_socket *next;

    if (context == NULL || (entries == NULL && count > 0))
        return mcq_fail_null("ctx_pending", context == NULL ? "context" : "entries");
    if (mcq_context_is_forked(context))
        return mcq_fail(EFAULT, "ctx_pending: the context was %s", mcq_err_text(MCQ_FORKED));
    for (socket = atomic_load(&context->slots); socket != NULL; socket = next) {
        next = socket->next_slot;
        mcq_lock_take(&socket->lock);
        if ((socket->state == MCQ_SOCKET_OPEN || socket->state == MCQ_SOCKET_CLOSING) &&
            !socket->is_finishing) {
            mcq_socket_share(socket);
            add_socket(&list, socket);
        }
        mcq_socket_leave(socket);
    }
    return (int) mcq_min_size(list.found, INT_MAX);
}

void mcq_pending_text(const struct mcq_pending *entry, char *text, size_t room)
{
    const char *type = mcq_socket_type_name((enum mcq_socket_type) entry->type);

    if (entry->state == MCQ_PENDING_OPEN)
        (void) snprintf(text, room, ": a %s is not closed", type);
    else if (entry->state == MCQ_PENDING_DRAIN)
        (void) snprintf(text, room, ": the peers of a %s have not ended yet", type);
    else
        (void) snprintf(text, room,
                        ": a %s lingers, %" PRIu64 " messages of %" PRIu64
                        " octets wait for %s, which is %s",
                        type, entry->messages, entry->bytes, entry->endpoint,
                        entry->is_connected ? "slow" : "not there");
}
