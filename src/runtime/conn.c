/* The peers of a socket: their slots, and how they come and go. All under the socket's lock. */

#include "arena/alloc.h"
#include "base/assert.h"
#include "pump/link_datagram.h"
#include "runtime/datagram.h"
#include "runtime/holder.h"
#include "runtime/source.h"
#include "session/state.h"

#define SLOTS_MIN 4
#define SLOTS_MAX (UINT32_MAX / 2)

/* --- slots ----------------------------------------------------------------------------------- */

/* A slot's generation grows with each peer that it had, so an event of an earlier one is known. */
static enum mcq_err take_slot(struct mcq_socket *socket, struct mcq_conn *conn)
{
    uint32_t index = socket->first_free_slot;

    if (index == socket->slot_count) {
        uint32_t count = socket->slot_count > 0 ? socket->slot_count * 2 : SLOTS_MIN;
        struct mcq_conn_slot *slots =
            count <= SLOTS_MAX ? mcq_realloc(socket->slots, mcq_size_mul(count, sizeof *slots))
                               : NULL;

        if (slots == NULL)
            return MCQ_NOMEM;
        for (uint32_t i = socket->slot_count; i < count; i++)
            slots[i] = (struct mcq_conn_slot) {.next_free = i + 1};
        socket->slots = slots;
        socket->slot_count = count;
    }
    socket->first_free_slot = socket->slots[index].next_free;
    socket->slots[index].conn = conn;
    conn->key = (struct mcq_ready_key) {index, ++socket->slots[index].generation};
    socket->conn_count++;
    return MCQ_OK;
}

static void put_slot(struct mcq_socket *socket, struct mcq_conn *conn)
{
    struct mcq_conn_slot *slot = &socket->slots[conn->key.slot];

    slot->conn = NULL;
    slot->next_free = socket->first_free_slot;
    socket->first_free_slot = conn->key.slot;
    socket->conn_count--;
}

/* --- life ------------------------------------------------------------------------------------ */

enum mcq_err mcq_conn_new(struct mcq_socket *socket, bool is_connecting, struct mcq_conn **out)
{
    struct mcq_conn *conn = mcq_alloc(sizeof *conn);
    enum mcq_err err = MCQ_NOMEM;

    if (conn == NULL)
        return MCQ_NOMEM;
    *conn = (struct mcq_conn) {.socket = socket};
    mcq_link_init(&conn->peer.link, &socket->group, (uint32_t) socket->options.send_hwm,
                  (uint32_t) socket->options.recv_hwm);
    conn->peer.link.keeps_input = socket->pattern->ops->hear == NULL;
    conn->peer.link.conflates = socket->options.conflates;
    if (MCQ_UNLIKELY(socket->options.is_raw))
        conn->peer.link.framing = MCQ_FRAMING_RAW;
    conn->peer.is_connecting = is_connecting;
    conn->peer.epoch = mcq_context_next_epoch(socket->context);
    err = take_slot(socket, conn);
    if (err == MCQ_OK && is_connecting) {
        err = socket->pattern->ops->attach(socket->pattern, &conn->peer);
        conn->is_attached = err == MCQ_OK;
        socket->news |= MCQ_NEWS_OUT;
    }
    if (err != MCQ_OK) {
        mcq_conn_free(conn);
        return err;
    }
    *out = conn;
    return MCQ_OK;
}

static void forget_ending(struct mcq_socket *socket, struct mcq_conn *conn)
{
    struct mcq_conn **at = &socket->ending;

    if (!conn->is_ending)
        return;
    while (*at != conn)
        at = &(*at)->ending_next;
    *at = conn->ending_next;
}

void mcq_conn_free(struct mcq_conn *conn)
{
    struct mcq_socket *socket = conn->socket;

    mcq_socket_forget_unread(socket, conn);
    mcq_conn_unlist(conn);
    forget_ending(socket, conn);
    if (conn->is_attached)
        socket->pattern->ops->detach(socket->pattern, &conn->peer);
    if (conn->key.generation != 0)
        put_slot(socket, conn);
    mcq_link_retire(&conn->peer.link);
    if (conn->end != NULL)
        mcq_inproc_release(conn);
    mcq_source_put(&conn->source, false);
    mcq_link_fini(&conn->peer.link);
    mcq_free(conn->datagram);
    mcq_free(conn);
}

/* Who it is that is READY. */
static void describe(const struct mcq_link *link, struct mcq_report_stream *stream)
{
    stream->version = link->session->version;
    stream->mechanism = link->session->handshake.machine->mechanism;
    if (link->origin != NULL)
        stream->type = mcq_origin_text(link->origin, MCQ_PROPERTY_SOCKET_TYPE);
}

/* Of its stream, which may be no link's any more. */
static void report(const struct mcq_conn *conn, enum mcq_report_of kind, int value, int fd,
                   const struct mcq_failure *broken)
{
    struct mcq_report_stream stream = {
        .fd = conn->datagram == NULL ? fd : -1, /* nobody is at the other end */
        .endpoint = conn->connector != NULL  ? mcq_connector_name(conn->connector)
                    : conn->datagram != NULL ? conn->datagram->name
                                             : NULL,
        .is_bound = conn->datagram != NULL && conn->datagram->is_bound,
        .epoch = conn->peer.link.epoch,
        .peer = conn->peer.epoch,
        .why = conn->peer.link.lost_by,
        .broken = broken,
    };

    if (kind == MCQ_REPORT_OF_HANDSHAKE_SUCCEEDED && mcq_is_listened_to(conn->socket, kind))
        describe(&conn->peer.link, &stream);
    mcq_report_of_stream(conn->socket, kind, value, &stream);
}

static enum mcq_err start(struct mcq_conn *conn, struct mcq_opening *opening)
{
    uint64_t epoch = mcq_context_next_epoch(conn->socket->context);

    if (conn->end != NULL) {
        mcq_link_start_piped(&conn->peer.link, epoch);
        return MCQ_OK;
    }
    if (conn->datagram != NULL) {
        MCQ_TRY(mcq_link_start_datagrams(&conn->peer.link, epoch, conn->key));
        conn->socket->stream_count++;
        return MCQ_OK;
    }
    MCQ_TRY(mcq_link_start(&conn->peer.link, opening, epoch, conn->key));
    conn->socket->stream_count++;
    report(conn, MCQ_REPORT_OF_HANDSHAKE_SUCCEEDED, 0, conn->peer.link.fd, NULL);
    return MCQ_OK;
}

static enum mcq_err say_hello(struct mcq_conn *conn)
{
    struct mcq_msg *hello = &conn->socket->words[MCQ_WORD_HELLO];

    return mcq_msg_len(hello) > 0 ? mcq_link_greet(&conn->peer.link, hello) : MCQ_OK;
}

static void say_end(struct mcq_conn *conn);

/* The name is another one's. Who is sent away would come again and take it back, so it stays,
 * unheard, while whoever has it is there. What it has said by now is received first. */
static void oust(struct mcq_conn *older, struct mcq_conn *conn)
{
    struct mcq_socket *socket = conn->socket;
    struct mcq_link *link = &older->peer.link;

    if (older->ousted != NULL) /* one for each name: who is gone without a word adds nothing up */
        mcq_link_lose(&older->ousted->peer.link, MCQ_MISMATCH);
    if (mcq_link_is_piped(link) || !link->is_up || link->is_lost) {
        mcq_link_lose(link, MCQ_MISMATCH);
        return;
    }
    mcq_socket_share(socket);
    (void) mcq_link_prefetch(link);
    say_end(older);
    older->is_met = false;
    link->is_unheard = true;
    conn->ousted = older;
    older->ouster = conn;
    mcq_socket_set_unread(socket, older);
    if (mcq_link_is_readable(link))
        socket->pattern->ops->readable(socket->pattern, &older->peer);
}

/* The connection is over: who was ousted may come again. */
static void forget_ousted(struct mcq_conn *conn)
{
    if (conn->ouster != NULL)
        conn->ouster->ousted = NULL;
    if (conn->ousted != NULL) {
        conn->ousted->ouster = NULL;
        mcq_link_lose(&conn->ousted->peer.link, MCQ_MISMATCH);
    }
    conn->ouster = NULL;
    conn->ousted = NULL;
}

enum mcq_err mcq_conn_up(struct mcq_conn *conn, struct mcq_opening *opening,
                         struct mcq_bytes identity)
{
    struct mcq_socket *socket = conn->socket;
    const struct mcq_pattern_ops *ops = socket->pattern->ops;
    struct mcq_peer *older = NULL;
    enum mcq_err err = MCQ_OK;

    if (!conn->is_attached) {
        MCQ_TRY(ops->attach(socket->pattern, &conn->peer));
        conn->is_attached = true;
    }
    MCQ_TRY(start(conn, opening));
    if (!conn->is_leaving) {
        socket->up_count++;
        err = say_hello(conn);
        if (err == MCQ_OK)
            err = ops->up(socket->pattern, &conn->peer, identity, &older);
        conn->is_met = err == MCQ_OK;
    }
    if (older != NULL)
        oust((struct mcq_conn *) older, conn);
    if (err != MCQ_OK) {
        mcq_link_lose(&conn->peer.link, err); /* buried before the lock is let go */
        return MCQ_OK;
    }
    socket->news |= MCQ_NEWS_ALL;
    mcq_socket_flush(socket);
    mcq_socket_begin_input(socket, conn);
    mcq_socket_guard_output(socket);
    if (mcq_link_deadline_ns(&conn->peer.link) != MCQ_NEVER_NS)
        mcq_socket_set_tick(socket);
    return MCQ_OK;
}

static bool has_input_left(const struct mcq_conn *conn)
{
    return conn->socket->state == MCQ_SOCKET_OPEN && conn->socket->pattern->ops->can_recv &&
           mcq_link_is_readable(&conn->peer.link);
}

/* What is put for a peer with a pipe waits for no other connection. */
static void end(struct mcq_conn *conn)
{
    struct mcq_socket *socket = conn->socket;
    const struct mcq_session *session = conn->peer.link.session;
    struct mcq_failure broken = {0};
    int fd;

    if (session != NULL)
        broken = *mcq_session_failure(session); /* which goes with its link */
    fd = mcq_link_end(&conn->peer.link);
    if (conn->end == NULL) {
        report(conn,
               conn->datagram != NULL && conn->datagram->is_bound ? MCQ_REPORT_OF_CLOSED
                                                                  : MCQ_REPORT_OF_DISCONNECTED,
               fd, fd, &broken);
        mcq_reactor_close(socket->engine->reactor, fd);
        mcq_source_put(&conn->source, false);
        socket->stream_count--;
        return;
    }
    conn->peer.is_connecting = false;
    mcq_inproc_tell_down(conn);
}

bool mcq_conn_is_accepted(const struct mcq_conn *conn)
{
    if (conn->datagram != NULL)
        return conn->datagram->is_bound;
    return conn->end != NULL ? mcq_inproc_is_bound(conn->end) : !conn->is_dialed;
}

/* The application receives it as the last of what came on the connection. */
static void say_end(struct mcq_conn *conn)
{
    struct mcq_msg *words = conn->socket->words;
    struct mcq_msg *word = conn->connector != NULL      ? &words[MCQ_WORD_HICCUP]
                           : mcq_conn_is_accepted(conn) ? &words[MCQ_WORD_DISCONNECT]
                                                        : NULL;

    if (word == NULL || mcq_msg_len(word) == 0 || !conn->is_met || conn->peer.link.is_finishing)
        return;
    if (mcq_link_note(&conn->peer.link, word) != MCQ_OK)
        mcq_tally_drop(&conn->peer.link.tally, MCQ_TALLY_NO_MEMORY, 1);
}

void mcq_conn_down(struct mcq_conn *conn)
{
    struct mcq_socket *socket = conn->socket;
    struct mcq_link *link = &conn->peer.link;

    if (link->is_up) {
        end(conn);
        forget_ousted(conn);
        socket->up_count -= !conn->is_leaving;
        say_end(conn);
        conn->is_met = false;
        socket->pattern->ops->down(socket->pattern, &conn->peer);
        if (mcq_link_is_readable(link) && socket->pattern->ops->can_recv)
            socket->pattern->ops->readable(socket->pattern, &conn->peer);
        socket->news |= MCQ_NEWS_ALL;
    }
    if (conn->connector != NULL && (conn->peer.is_connecting || conn->leaving_at != NULL))
        return;
    if (conn->connector != NULL)
        mcq_connector_let_go(conn->connector);
    mcq_conn_unlist(conn);
    if (!has_input_left(conn)) {
        mcq_conn_free(conn);
    } else if (!conn->is_ending) {
        conn->is_ending = true;
        conn->ending_next = socket->ending;
        socket->ending = conn;
    }
}

void mcq_socket_bury(struct mcq_socket *socket)
{
    struct mcq_link *link;
    struct mcq_conn *next;

    while ((link = mcq_link_next_lost(&socket->group)) != NULL) {
        struct mcq_conn *conn = mcq_conn_of(link);
        struct mcq_connector *connector = conn->connector;
        enum mcq_err why = link->lost_by;
        bool is_over = link->is_finishing;

        if (why == MCQ_LIMIT) {
            socket->limited_count++;
            mcq_tally_drop(&link->tally, MCQ_TALLY_OVERSIZED, 1);
        }
        mcq_conn_down(conn);
        if (connector != NULL && is_over)
            mcq_connector_quit(connector);
        else if (connector != NULL)
            mcq_connector_retry(connector, why);
    }
    for (struct mcq_conn *conn = socket->ending; conn != NULL; conn = next) {
        next = conn->ending_next;
        if (!has_input_left(conn))
            mcq_conn_free(conn);
    }
}
