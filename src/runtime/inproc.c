#include "runtime/inproc.h"

#include <stddef.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "runtime/bias.h"
#include "runtime/holder.h"

/* What an end is told; the first two are the link's. */
enum end_event {
    END_INPUT = MCQ_TELL_INPUT,
    END_ROOM = MCQ_TELL_ROOM,
    END_ATTACH = 4, /* somebody connects */
    END_UP = 8,     /* the far side is there */
    END_DOWN = 16,  /* the far side is gone, or never comes */
    END_GONE = 32,  /* and has nothing left to read */
};

/* The mail is on its way while is_mailed: whoever sets that posts it, and who reads it clears that
 * before the events. */
struct mcq_inproc_end {
    struct mcq_mail mail; /* first */
    _Atomic bool is_mailed;
    _Atomic uint32_t events;
    struct mcq_inproc *inproc;
    struct mcq_inproc_end *far;
    struct mcq_socket *socket; /* whose letters; NULL while nobody has bound the name */
    uint64_t serial;           /* of that socket's life, for its slot may be another's by now */
    struct mcq_conn *conn;     /* under the socket's lock; NULL: not yet, or not any more */
    struct mcq_engine
        *engine; /* in a socket's place: what is told is a task of its, not a letter */
    struct mcq_task task;
    struct mcq_inproc_caller *caller; /* the engine's; NULL: it has rung off */
    enum mcq_socket_type type;        /* from here on: constant once the far end was told */
    uint8_t identity_len;
    uint8_t identity[MCQ_ROUTING_ID_MAX];
};

/* The end that connects is the first. */
struct mcq_inproc {
    struct mcq_pipe pipe; /* first: it has lines of its own */
    _Atomic uint32_t hold_count;
    struct mcq_inproc_end ends[2];
    bool is_secret;  /* what crossed is wiped; constant */
    bool is_pending; /* on the list; these two under the context's mutex */
    struct mcq_inproc *next;
    char text[MCQ_ENDPOINT_BYTES];
};

struct mcq_name {
    struct mcq_name *next;
    struct mcq_socket *socket;
    char text[MCQ_ENDPOINT_BYTES];
};

/* --- a connection ---------------------------------------------------------------------------- */

static void read_end(struct mcq_mail *mail, struct mcq_socket *socket);

static void hold(struct mcq_inproc *inproc)
{
    (void) atomic_fetch_add_explicit(&inproc->hold_count, 1, memory_order_relaxed);
}

static void let_go(struct mcq_inproc *inproc)
{
    if (atomic_fetch_sub_explicit(&inproc->hold_count, 1, memory_order_acq_rel) > 1)
        return;
    if (inproc->is_secret)
        mcq_pipe_wipe(&inproc->pipe);
    mcq_pipe_fini(&inproc->pipe);
    mcq_free(inproc);
}

static void set_text(char text[MCQ_ENDPOINT_BYTES], struct mcq_bytes from)
{
    mcq_assert(from.len < MCQ_ENDPOINT_BYTES);
    memcpy(text, from.data, from.len);
    text[from.len] = '\0';
}

/* Without holds; `text` was found to be short enough. */
static struct mcq_inproc *inproc_new(struct mcq_bytes text)
{
    struct mcq_inproc *inproc = mcq_alloc_lines(sizeof *inproc);

    if (inproc == NULL)
        return NULL;
    *inproc = (struct mcq_inproc) {.next = NULL};
    mcq_pipe_init(&inproc->pipe);
    if (mcq_bias_can_fence())
        mcq_pipe_set_fence(&inproc->pipe, mcq_bias_fence);
    for (unsigned i = 0; i < 2; i++) {
        inproc->ends[i].mail.read = read_end;
        inproc->ends[i].inproc = inproc;
        inproc->ends[i].far = &inproc->ends[1 - i];
    }
    set_text(inproc->text, text);
    return inproc;
}

static void tell(struct mcq_inproc_end *end, uint32_t events)
{
    if (end->socket == NULL && end->engine == NULL)
        return;
    (void) atomic_fetch_or_explicit(&end->events, events, memory_order_release);
    if (atomic_exchange_explicit(&end->is_mailed, true, memory_order_acq_rel))
        return;
    hold(end->inproc);
    if (end->engine != NULL)
        mcq_engine_post(end->engine, &end->task);
    else
        mcq_socket_post(end->socket, &end->mail);
}

void mcq_inproc_tell(struct mcq_link *link, enum mcq_link_tell what)
{
    tell(mcq_conn_of(link)->end->far, what);
}

const char *mcq_inproc_name(const struct mcq_inproc_end *end)
{
    return end->inproc->text;
}

bool mcq_inproc_is_bound(const struct mcq_inproc_end *end)
{
    return end == &end->inproc->ends[1];
}

void mcq_inproc_tell_down(struct mcq_conn *conn)
{
    tell(conn->end->far, END_DOWN);
}

/* The end is this conn's: what it calls itself is what the socket says now. */
static void claim(struct mcq_inproc_end *end, struct mcq_conn *conn)
{
    const struct mcq_socket *socket = conn->socket;
    struct mcq_bytes identity = mcq_socket_options_routing_id(&socket->options);

    hold(end->inproc);
    conn->end = end;
    end->conn = conn;
    end->type = socket->type;
    end->identity_len = (uint8_t) identity.len;
    memcpy(end->identity, identity.data, identity.len);
    mcq_link_set_pipe(&conn->peer.link,
                      mcq_pipe_end(&end->inproc->pipe, (unsigned) (end - end->inproc->ends)));
}

static struct mcq_bytes identity_of(const struct mcq_inproc_end *end)
{
    return mcq_bytes(end->identity, end->identity_len);
}

/* Somebody has connected to a name that this socket has bound, or had. */
static enum mcq_err accept_end(struct mcq_inproc_end *end, struct mcq_socket *socket)
{
    struct mcq_conn *conn;
    enum mcq_err err;

    if (socket->state != MCQ_SOCKET_OPEN || socket->serial != end->serial)
        return MCQ_NOT_OPEN;
    if (!mcq_socket_type_fits(socket->type, end->far->type))
        return MCQ_MISMATCH;
    MCQ_TRY(mcq_conn_new(socket, false, &conn));
    claim(end, conn);
    err = mcq_conn_up(conn, NULL, identity_of(end->far));
    if (err != MCQ_OK)
        mcq_conn_free(conn);
    return err;
}

static void attach(struct mcq_inproc_end *end, struct mcq_socket *socket)
{
    tell(end->far, accept_end(end, socket) == MCQ_OK ? END_UP : END_DOWN | END_GONE);
}

static void go_up(struct mcq_conn *conn)
{
    if (mcq_conn_up(conn, NULL, identity_of(conn->end->far)) != MCQ_OK)
        mcq_conn_down(conn);
}

/* A peer that never came up has nothing to say. */
static void go_down(struct mcq_conn *conn)
{
    if (conn->peer.link.is_up)
        mcq_link_lose(&conn->peer.link, MCQ_CLOSED);
    else
        mcq_conn_down(conn);
}

/* Under the lock of the socket, or of the one that has its slot now: then the end has no conn. Each
 * step may free the conn. */
static void read_end(struct mcq_mail *mail, struct mcq_socket *socket)
{
    struct mcq_inproc_end *end = (struct mcq_inproc_end *) mail; /* its first member */
    struct mcq_inproc *inproc = end->inproc;
    uint32_t events;

    (void) atomic_exchange_explicit(&end->is_mailed, false, memory_order_acq_rel);
    events = atomic_exchange_explicit(&end->events, 0, memory_order_acquire);
    if (events & END_ATTACH)
        attach(end, socket);
    if (end->conn != NULL && (events & END_UP))
        go_up(end->conn);
    if (end->conn != NULL && (events & END_INPUT))
        mcq_socket_on_told(socket, end->conn);
    if (end->conn != NULL && (events & END_ROOM))
        mcq_link_on_room(&end->conn->peer.link);
    if (end->conn != NULL && (events & END_DOWN))
        go_down(end->conn);
    let_go(inproc);
}

/* The same of an end that is an engine's, in its thread. */
static void run_end(struct mcq_task *task)
{
    struct mcq_inproc_end *end = MCQ_CONTAINER_OF(task, struct mcq_inproc_end, task);
    struct mcq_inproc *inproc = end->inproc;
    uint32_t events;

    (void) atomic_exchange_explicit(&end->is_mailed, false, memory_order_acq_rel);
    events = atomic_exchange_explicit(&end->events, 0, memory_order_acquire);
    if (end->caller != NULL && (events & (END_INPUT | END_DOWN | END_GONE)))
        end->caller->told(end->caller, (events & END_DOWN) != 0, (events & END_GONE) != 0);
    let_go(inproc);
}

/* --- names ----------------------------------------------------------------------------------- */

static struct mcq_name **find_name(struct mcq_names *names, struct mcq_bytes text)
{
    struct mcq_name **at = &names->bound;

    while (*at != NULL && !mcq_bytes_equal(mcq_bytes_of((*at)->text), text))
        at = &(*at)->next;
    return at;
}

/* The oldest that waits for this name, off the list; NULL: none. */
static struct mcq_inproc *take_pending(struct mcq_names *names, struct mcq_bytes text)
{
    struct mcq_inproc **at = &names->pending;
    struct mcq_inproc *inproc;

    while (*at != NULL && !mcq_bytes_equal(mcq_bytes_of((*at)->text), text))
        at = &(*at)->next;
    inproc = *at;
    if (inproc != NULL) {
        *at = inproc->next;
        inproc->is_pending = false;
    }
    return inproc;
}

static void set_binder(struct mcq_inproc *inproc, struct mcq_socket *socket)
{
    inproc->ends[1].socket = socket;
    inproc->ends[1].serial = socket->serial;
}

/* Those who wait. Each is held until it was told, for its connector may give up meanwhile. */
static void attach_pending(struct mcq_socket *socket, struct mcq_bytes text)
{
    struct mcq_inproc *inproc;

    for (;;) {
        mcq_context_lock(socket->context);
        inproc = take_pending(&socket->context->names, text);
        if (inproc != NULL) {
            set_binder(inproc, socket);
            hold(inproc);
        }
        mcq_context_unlock(socket->context);
        if (inproc == NULL)
            return;
        attach(&inproc->ends[1], socket);
        let_go(inproc);
    }
}

enum mcq_err mcq_inproc_bind(struct mcq_socket *socket, struct mcq_bytes text)
{
    struct mcq_name *name = mcq_alloc(sizeof *name);
    struct mcq_name **at;

    if (name == NULL)
        return MCQ_NOMEM;
    *name = (struct mcq_name) {.socket = socket};
    set_text(name->text, text);
    mcq_context_lock(socket->context);
    at = find_name(&socket->context->names, text);
    if (*at != NULL) {
        mcq_context_unlock(socket->context);
        mcq_free(name);
        return MCQ_IN_USE;
    }
    *at = name;
    mcq_context_unlock(socket->context);
    set_text(socket->last_endpoint, text);
    attach_pending(socket, text);
    return MCQ_OK;
}

enum mcq_err mcq_inproc_unbind(struct mcq_socket *socket, struct mcq_bytes text)
{
    struct mcq_name **at;
    struct mcq_name *name;

    mcq_context_lock(socket->context);
    at = find_name(&socket->context->names, text);
    name = *at != NULL && (*at)->socket == socket ? *at : NULL;
    if (name != NULL)
        *at = name->next;
    mcq_context_unlock(socket->context);
    mcq_free(name);
    return name != NULL ? MCQ_OK : MCQ_NOT_FOUND;
}

void mcq_inproc_unbind_all(struct mcq_socket *socket)
{
    struct mcq_name **at = &socket->context->names.bound;

    mcq_context_lock(socket->context);
    while (*at != NULL) {
        struct mcq_name *name = *at;

        if (name->socket != socket) {
            at = &name->next;
            continue;
        }
        *at = name->next;
        mcq_free(name);
    }
    mcq_context_unlock(socket->context);
}

/* To whom the name belongs, or among those who wait for it: then nothing of the far end may be
 * looked at before it tells. */
static enum mcq_err enter_name(struct mcq_inproc *inproc, struct mcq_socket *socket,
                               struct mcq_bytes text, bool *is_bound)
{
    struct mcq_names *names = &socket->context->names;
    struct mcq_inproc **end = &names->pending;
    enum mcq_err err = MCQ_OK;
    struct mcq_name *name;

    mcq_context_lock(socket->context);
    name = *find_name(names, text);
    *is_bound = name != NULL;
    if (name != NULL) {
        set_binder(inproc, name->socket);
        if (!mcq_socket_type_fits(name->socket->type, socket->type))
            err = MCQ_MISMATCH;
    } else {
        while (*end != NULL)
            end = &(*end)->next;
        *end = inproc;
        inproc->is_pending = true;
    }
    mcq_context_unlock(socket->context);
    return err;
}

enum mcq_err mcq_inproc_connect(struct mcq_socket *socket, struct mcq_bytes text,
                                const char **fault)
{
    struct mcq_inproc *inproc = inproc_new(text);
    struct mcq_conn *conn;
    enum mcq_err err;
    bool is_bound;

    if (inproc == NULL)
        return MCQ_NOMEM;
    inproc->ends[0].socket = socket;
    inproc->ends[0].serial = socket->serial;
    err = mcq_conn_new(socket, true, &conn);
    if (err != MCQ_OK) {
        *fault = err == MCQ_MISMATCH ? "this socket has its one peer"
                 : err == MCQ_IN_USE ? "another peer has this CONNECT_ROUTING_ID"
                                     : NULL;
        mcq_free(inproc);
        return err;
    }
    claim(&inproc->ends[0], conn);
    err = enter_name(inproc, socket, text, &is_bound);
    if (err != MCQ_OK) {
        *fault = "the socket that has bound it is of a type that this one does not talk to";
        inproc->ends[1].socket = NULL;
        mcq_conn_free(conn);
        return MCQ_INVAL;
    }
    set_text(socket->last_endpoint, text);
    if (is_bound)
        tell(&inproc->ends[1], END_ATTACH);
    return MCQ_OK;
}

enum mcq_err mcq_inproc_disconnect(struct mcq_socket *socket, struct mcq_bytes text)
{
    enum mcq_err err = MCQ_NOT_FOUND;

    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || conn->end == NULL || conn->end != &conn->end->inproc->ends[0] ||
            conn->is_ending || conn->is_leaving ||
            !mcq_bytes_equal(mcq_bytes_of(conn->end->inproc->text), text))
            continue;
        mcq_conn_leave(conn);
        err = MCQ_OK;
    }
    return err;
}

/* Of those who wait for a name, if it is one. */
static void forget_pending(struct mcq_inproc *inproc, struct mcq_context *context)
{
    struct mcq_inproc **at = &context->names.pending;

    mcq_context_lock(context);
    if (inproc->is_pending) {
        while (*at != inproc)
            at = &(*at)->next;
        *at = inproc->next;
        inproc->is_pending = false;
    }
    mcq_context_unlock(context);
}

void mcq_inproc_release(struct mcq_conn *conn)
{
    struct mcq_inproc_end *end = conn->end;

    if (end == &end->inproc->ends[0])
        forget_pending(end->inproc, conn->socket->context);
    tell(end->far, END_DOWN | END_GONE);
    end->conn = NULL;
    conn->end = NULL;
    let_go(end->inproc);
}

/* --- ends without a socket ------------------------------------------------------------------- */

/* Who has bound the name is the far end's from now on. */
static enum mcq_err find_binder(struct mcq_inproc *inproc, struct mcq_context *context,
                                struct mcq_bytes text)
{
    enum mcq_err err = MCQ_NOT_FOUND;
    struct mcq_name *name;

    mcq_context_lock(context);
    name = *find_name(&context->names, text);
    if (name != NULL) {
        err =
            mcq_socket_type_fits(name->socket->type, inproc->ends[0].type) ? MCQ_OK : MCQ_MISMATCH;
        set_binder(inproc, name->socket);
    }
    mcq_context_unlock(context);
    return err;
}

bool mcq_inproc_has_name(struct mcq_context *context, struct mcq_bytes text)
{
    bool is_bound;

    mcq_context_lock(context);
    is_bound = *find_name(&context->names, text) != NULL;
    mcq_context_unlock(context);
    return is_bound;
}

enum mcq_err mcq_inproc_call(struct mcq_inproc_caller *caller, struct mcq_context *context,
                             struct mcq_engine *engine, struct mcq_bytes text,
                             enum mcq_socket_type type)
{
    struct mcq_inproc *inproc = inproc_new(text);
    enum mcq_err err;

    if (inproc == NULL)
        return MCQ_NOMEM;
    inproc->is_secret = true;
    inproc->ends[0].type = type;
    err = find_binder(inproc, context, text);
    if (err != MCQ_OK) {
        mcq_free(inproc);
        return err;
    }
    inproc->ends[0].engine = engine;
    inproc->ends[0].task.run = run_end;
    inproc->ends[0].caller = caller;
    caller->end = &inproc->ends[0];
    caller->pipe = mcq_pipe_end(&inproc->pipe, 0);
    mcq_pipe_set_max(&caller->pipe, 0, 0);
    hold(inproc);
    tell(&inproc->ends[1], END_ATTACH);
    return MCQ_OK;
}

void mcq_inproc_caller_show(struct mcq_inproc_caller *caller)
{
    if (mcq_pipe_publish(&caller->pipe))
        tell(caller->end->far, END_INPUT);
}

enum mcq_err mcq_inproc_caller_take(struct mcq_inproc_caller *caller, struct mcq_blocks *blocks,
                                    struct mcq_msg *msg)
{
    uint8_t tag;
    bool tells;

    do {
        enum mcq_err err = mcq_pipe_take(&caller->pipe, blocks, msg, &tag, &tells);

        if (tells)
            tell(caller->end->far, END_ROOM);
        MCQ_TRY(err);
        if (tag != MCQ_PIPE_PART)
            mcq_msg_fini(msg);
    } while (tag != MCQ_PIPE_PART);
    return MCQ_OK;
}

void mcq_inproc_caller_end(struct mcq_inproc_caller *caller)
{
    tell(caller->end->far, END_DOWN);
}

void mcq_inproc_caller_ring_off(struct mcq_inproc_caller *caller)
{
    struct mcq_inproc *inproc = caller->end->inproc;

    caller->end->caller = NULL;
    caller->end = NULL;
    let_go(inproc);
}
