#include "reactor/reactor.h"

#include <stdlib.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "reactor/engine.h"

#define ACCEPTS_MAX 64 /* between two waits: a flood of connections leaves room for the others */

/* --- choice ---------------------------------------------------------------------------------- */

static bool engine_of(const char *word, enum mcq_engine_kind *engine)
{
    static const struct {
        const char *word;
        enum mcq_engine_kind engine;
    } words[] = {
        {"auto", MCQ_ENGINE_AUTO},
        {"io_uring", MCQ_ENGINE_URING},
        {"epoll", MCQ_ENGINE_EPOLL},
    };

    for (size_t i = 0; i < MCQ_COUNTOF(words); i++) {
        if (strcmp(word, words[i].word) != 0)
            continue;
        *engine = words[i].engine;
        return true;
    }
    return false;
}

enum mcq_err mcq_reactor_new(enum mcq_engine_kind engine, struct mcq_reactor **reactor,
                             const char **fallback)
{
    const char *word = getenv("MONOCOQUE_ENGINE");
    enum mcq_err err;

    *fallback = NULL;
    if (engine == MCQ_ENGINE_AUTO && word != NULL && word[0] != '\0' && !engine_of(word, &engine))
        return MCQ_INVAL;
    if (engine == MCQ_ENGINE_EPOLL)
        return mcq_epoll_new(reactor);
    err = mcq_uring_new(reactor, fallback);
    if (err != MCQ_STATE)
        return err;
    return engine == MCQ_ENGINE_AUTO ? mcq_epoll_new(reactor) : MCQ_INVAL;
}

/* The oldest of the completions; NULL: there is none. */
static struct mcq_op *take_done(struct mcq_reactor *reactor)
{
    struct mcq_op *op = reactor->done_first;

    if (op == NULL)
        return NULL;
    reactor->done_first = op->next;
    if (reactor->done_first == NULL)
        reactor->done_last = NULL;
    op->next = NULL;
    return op;
}

static void end_op(struct mcq_reactor *reactor, struct mcq_op *op)
{
    op->kind = MCQ_OP_IDLE;
    reactor->armed_count--;
}

const char *mcq_reactor_name(const struct mcq_reactor *reactor)
{
    return reactor->ops->name;
}

void mcq_reactor_free(struct mcq_reactor **reactor)
{
    (*reactor)->ops->free(*reactor);
    *reactor = NULL;
}

void mcq_reactor_init(struct mcq_reactor *reactor, const struct mcq_engine_ops *ops)
{
    *reactor = (struct mcq_reactor) {.ops = ops, .accept_left = ACCEPTS_MAX};
    atomic_init(&reactor->sleep, MCQ_AWAKE);
}

void mcq_reactor_fini(struct mcq_reactor *reactor)
{
    struct mcq_op *op;

    while ((op = take_done(reactor)) != NULL) {
        if (op->kind == MCQ_OP_CONNECT && op->fd >= 0)
            reactor->ops->close(reactor, op->fd);
        end_op(reactor, op);
    }
    mcq_assert(reactor->armed_count == 0);
}

/* --- now ------------------------------------------------------------------------------------- */

struct mcq_io mcq_reactor_recv(struct mcq_reactor *reactor, int fd, const struct iovec *iov,
                               size_t iov_count)
{
    return reactor->ops->recv(reactor, fd, iov, iov_count);
}

struct mcq_io mcq_reactor_send(struct mcq_reactor *reactor, int fd, const struct iovec *iov,
                               size_t iov_count)
{
    return reactor->ops->send(reactor, fd, iov, iov_count);
}

enum mcq_io_result mcq_reactor_listen(struct mcq_reactor *reactor,
                                      const struct mcq_address *address,
                                      const struct mcq_tuning *tuning, int backlog, int *fd)
{
    return reactor->ops->listen(reactor, address, tuning, backlog, fd);
}

bool mcq_reactor_adopt(struct mcq_reactor *reactor, int fd)
{
    return reactor->ops->adopt(reactor, fd);
}

enum mcq_io_result mcq_reactor_accept(struct mcq_reactor *reactor, int listener, int *fd)
{
    return reactor->ops->accept(reactor, listener, fd);
}

enum mcq_io_result mcq_reactor_connect(struct mcq_reactor *reactor,
                                       const struct mcq_address *source,
                                       const struct mcq_address *address,
                                       const struct mcq_tuning *tuning, int *fd)
{
    return reactor->ops->connect(reactor, source, address, tuning, fd);
}

enum mcq_io_result mcq_reactor_connected(struct mcq_reactor *reactor, int fd)
{
    return reactor->ops->connected(reactor, fd);
}

enum mcq_io_result mcq_reactor_open_datagrams(struct mcq_reactor *reactor,
                                              const struct mcq_datagram_place *place,
                                              const struct mcq_tuning *tuning, int *fd)
{
    return reactor->ops->open_datagrams(reactor, place, tuning, fd);
}

struct mcq_io mcq_reactor_recv_datagram(struct mcq_reactor *reactor, int fd, void *room,
                                        size_t room_len, struct mcq_address *from)
{
    return reactor->ops->recv_datagram(reactor, fd, room, room_len, from);
}

struct mcq_io mcq_reactor_send_datagram(struct mcq_reactor *reactor, int fd,
                                        struct mcq_bytes octets, const struct mcq_address *to)
{
    return reactor->ops->send_datagram(reactor, fd, octets, to);
}

bool mcq_reactor_local_address(struct mcq_reactor *reactor, int fd, struct mcq_address *address)
{
    return reactor->ops->local_address(reactor, fd, address);
}

bool mcq_reactor_peer_address(struct mcq_reactor *reactor, int fd, struct mcq_address *address)
{
    return reactor->ops->peer_address(reactor, fd, address);
}

bool mcq_reactor_is_held_back(struct mcq_reactor *reactor, int fd)
{
    return reactor->ops->is_held_back(reactor, fd);
}

void mcq_reactor_tune(struct mcq_reactor *reactor, int fd, const struct mcq_tuning *tuning)
{
    reactor->ops->tune(reactor, fd, tuning);
}

bool mcq_reactor_owner(struct mcq_reactor *reactor, int fd, struct mcq_owner *owner)
{
    return reactor->ops->owner(reactor, fd, owner);
}

bool mcq_reactor_has_group(struct mcq_reactor *reactor, int fd, uint32_t gid)
{
    return reactor->ops->has_group(reactor, fd, gid);
}

void mcq_reactor_shutdown(struct mcq_reactor *reactor, int fd)
{
    reactor->ops->shutdown(reactor, fd);
}

void mcq_reactor_close(struct mcq_reactor *reactor, int fd)
{
    reactor->ops->close(reactor, fd);
}

uint64_t mcq_reactor_now_ns(struct mcq_reactor *reactor)
{
    return reactor->ops->now_ns(reactor);
}

/* --- rows ------------------------------------------------------------------------------------ */

struct mcq_row *mcq_row_new(struct mcq_reactor *reactor)
{
    return reactor->ops->row_new != NULL ? reactor->ops->row_new(reactor) : NULL;
}

void mcq_row_free(struct mcq_reactor *reactor, struct mcq_row **row)
{
    if (*row != NULL)
        reactor->ops->row_free(*row);
    *row = NULL;
}

void mcq_row_send(struct mcq_reactor *reactor, struct mcq_row **row, struct mcq_row_send *sends,
                  size_t count)
{
    mcq_assert(count <= MCQ_ROW_MAX);
    if (*row != NULL) {
        if (!reactor->ops->row_send(reactor, *row, sends, count))
            mcq_row_free(reactor, row);
        return;
    }
    for (size_t i = 0; i < count; i++)
        sends[i].io = mcq_reactor_send(reactor, sends[i].fd, &sends[i].octets, 1);
}

/* --- timers ---------------------------------------------------------------------------------- */

/* A pairing heap that lies in the operations themselves, so that a timer can always be armed. Each
 * one is no earlier than its parent; the children of one are a list. `back` is the parent of the
 * first of them and the elder sibling of each other one. Orders wrap around: two of the same time
 * that are 2^31 arms apart may complete the other way around. */
static bool is_earlier(const struct mcq_op *a, const struct mcq_op *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns
                                : (int32_t) (a->timer_order - b->timer_order) < 0;
}

/* One heap of two, neither of which has siblings. */
static struct mcq_op *meld(struct mcq_op *a, struct mcq_op *b)
{
    struct mcq_op *first = is_earlier(b, a) ? b : a;
    struct mcq_op *child = first == a ? b : a;

    child->timer.back = first;
    child->timer.sibling = first->timer.child;
    if (child->timer.sibling != NULL)
        child->timer.sibling->timer.back = child;
    first->timer.child = child;
    return first;
}

static struct mcq_op *split_first(struct mcq_op **siblings)
{
    struct mcq_op *first = *siblings;

    *siblings = first->timer.sibling;
    first->timer.sibling = NULL;
    first->timer.back = NULL;
    return first;
}

/* Two by two, then those from the last to the first, which is what keeps the heap flat. */
static struct mcq_op *meld_siblings(struct mcq_op *siblings)
{
    struct mcq_op *pairs = NULL;
    struct mcq_op *all;

    if (siblings == NULL)
        return NULL;
    while (siblings != NULL) {
        struct mcq_op *pair = split_first(&siblings);

        if (siblings != NULL)
            pair = meld(pair, split_first(&siblings));
        pair->timer.sibling = pairs;
        pairs = pair;
    }
    all = split_first(&pairs);
    while (pairs != NULL)
        all = meld(all, split_first(&pairs));
    return all;
}

static void heap_put(struct mcq_reactor *reactor, struct mcq_op *op)
{
    reactor->timer_first = reactor->timer_first == NULL ? op : meld(reactor->timer_first, op);
}

static void heap_remove(struct mcq_reactor *reactor, struct mcq_op *op)
{
    struct mcq_op *below = meld_siblings(op->timer.child);
    struct mcq_op *back = op->timer.back;

    if (op == reactor->timer_first) {
        reactor->timer_first = below;
        return;
    }
    if (back->timer.child == op)
        back->timer.child = op->timer.sibling;
    else
        back->timer.sibling = op->timer.sibling;
    if (op->timer.sibling != NULL)
        op->timer.sibling->timer.back = back;
    if (below != NULL)
        heap_put(reactor, below);
}

static void expire_timers(struct mcq_reactor *reactor)
{
    if (reactor->timer_first == NULL)
        return;

    uint64_t now_ns = mcq_reactor_now_ns(reactor);

    while (reactor->timer_first != NULL && reactor->timer_first->at_ns <= now_ns) {
        struct mcq_op *op = reactor->timer_first;

        heap_remove(reactor, op);
        mcq_reactor_complete(reactor, op, MCQ_IO_DONE);
    }
}

/* --- armed ----------------------------------------------------------------------------------- */

void mcq_reactor_begin(struct mcq_reactor *reactor, struct mcq_op *op, enum mcq_op_kind kind)
{
    op->kind = kind;
    op->is_complete = false;
    op->is_canceled = false;
    op->is_final = true;
    op->next = NULL;
    reactor->armed_count++;
}

enum mcq_err mcq_reactor_arm_poll(struct mcq_reactor *reactor, struct mcq_op *op, int fd,
                                  enum mcq_op_kind kind)
{
    enum mcq_err err;

    mcq_assert(!mcq_op_is_armed(op));
    mcq_assert(kind == MCQ_OP_POLL_IN || kind == MCQ_OP_POLL_OUT);
    op->fd = fd;
    mcq_reactor_begin(reactor, op, kind);
    err = reactor->ops->arm_poll(reactor, op);
    if (err != MCQ_OK) {
        op->kind = MCQ_OP_IDLE;
        reactor->armed_count--;
    }
    return err;
}

void mcq_reactor_arm_timer(struct mcq_reactor *reactor, struct mcq_op *op, uint64_t at_ns)
{
    mcq_assert(!mcq_op_is_armed(op));
    mcq_reactor_begin(reactor, op, MCQ_OP_TIMER);
    op->at_ns = at_ns;
    op->timer_order = reactor->timer_order++;
    op->timer = (struct mcq_timer_place) {0};
    heap_put(reactor, op);
}

void mcq_reactor_cancel(struct mcq_reactor *reactor, struct mcq_op *op)
{
    if (!mcq_op_is_armed(op) || op->is_canceled)
        return;
    op->is_canceled = true; /* one of stream.c is not tried again, even if its poll was faster */
    if (op->is_complete)
        return;
    if (op->kind != MCQ_OP_TIMER) {
        reactor->ops->cancel_poll(reactor, op);
        return;
    }
    heap_remove(reactor, op);
    mcq_reactor_complete(reactor, op, MCQ_IO_CANCELED);
}

void mcq_reactor_complete(struct mcq_reactor *reactor, struct mcq_op *op, enum mcq_io_result result)
{
    mcq_assert(mcq_op_is_armed(op) && !op->is_complete);
    op->result = result;
    op->polled = result;
    op->is_complete = true;
    op->next = NULL;
    if (reactor->done_last != NULL)
        reactor->done_last->next = op;
    else
        reactor->done_first = op;
    reactor->done_last = op;
}

struct mcq_op *mcq_reactor_next(struct mcq_reactor *reactor)
{
    struct mcq_op *op;

    while ((op = take_done(reactor)) != NULL) {
        bool is_stream =
            op->kind != MCQ_OP_POLL_IN && op->kind != MCQ_OP_POLL_OUT && op->kind != MCQ_OP_TIMER;

        if (is_stream && !mcq_stream_resume(reactor, op))
            continue;
        if (op->is_final)
            end_op(reactor, op);
        return op;
    }
    return NULL;
}

void mcq_reactor_wait(struct mcq_reactor *reactor, uint64_t until_ns)
{
    reactor->accept_left = ACCEPTS_MAX;
    expire_timers(reactor);
    if (reactor->timer_first != NULL && reactor->timer_first->at_ns < until_ns)
        until_ns = reactor->timer_first->at_ns;
    reactor->ops->collect(reactor, until_ns);
    expire_timers(reactor);
}

bool mcq_reactor_doze(struct mcq_reactor *reactor, int *fd, uint64_t *until_ns)
{
    expire_timers(reactor);
    if (reactor->timer_first != NULL && reactor->timer_first->at_ns < *until_ns)
        *until_ns = reactor->timer_first->at_ns;
    *fd = reactor->ops->watch(reactor);
    return *fd >= 0 && mcq_reactor_may_sleep(reactor);
}

void mcq_reactor_rouse(struct mcq_reactor *reactor, bool is_ready)
{
    mcq_reactor_awake(reactor);
    if (is_ready)
        mcq_reactor_wait(reactor, 0);
    else
        expire_timers(reactor);
}

uint32_t mcq_reactor_armed_count(const struct mcq_reactor *reactor)
{
    return reactor->armed_count;
}

/* --- sleep and wake -------------------------------------------------------------------------- */

bool mcq_reactor_may_sleep(struct mcq_reactor *reactor)
{
    int awake = MCQ_AWAKE;

    return reactor->done_first == NULL &&
           atomic_compare_exchange_strong(&reactor->sleep, &awake, MCQ_ASLEEP);
}

/* An exchange, not a store: it reads what the waker wrote, so that what was published before a wake
 * that this forgets is seen after the wait. */
void mcq_reactor_awake(struct mcq_reactor *reactor)
{
    (void) atomic_exchange(&reactor->sleep, MCQ_AWAKE);
}

void mcq_reactor_wake(struct mcq_reactor *reactor)
{
    if (atomic_exchange(&reactor->sleep, MCQ_NOTIFIED) == MCQ_ASLEEP)
        reactor->ops->wake(reactor);
}
