/*
 * Proxies: what comes in at one socket goes out at another, both ways.
 *
 *   PASSING --PAUSE--> PAUSED --RESUME--> PASSING      either --STOP--> run returns
 *
 * The order, and the counters, are atomic: who tells and who asks are other threads. An order is
 * stored before the bell rings, and read after the bell was silenced, so none is missed.
 */

#include <errno.h>
#include <monocoque.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/fail.h"
#include "api/pending.h"
#include "arena/alloc.h"

#define BURST 1000 /* messages one way before the other way has its turn */

/* Written by the thread that runs. */
struct counts {
    _Atomic uint64_t messages_in;
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t messages_out;
    _Atomic uint64_t bytes_out;
};

struct side {
    struct mcq_socket *socket;
    struct counts counts;
    bool can_recv;
    bool can_send;
};

typedef int steer_fn(struct mcq_proxy *proxy, struct mcq_socket *control, void *hint);

struct mcq_proxy {
    struct side front;
    struct side back;
    struct mcq_socket *capture; /* NULL: none */
    struct mcq_socket *control; /* the same */
    steer_fn *steer;
    void *hint;
    int bell; /* readable: an order has come */
    _Atomic bool is_paused;
    _Atomic bool is_stopped;
};

/* --- life ------------------------------------------------------------------------------------ */

struct mcq_proxy *mcq_proxy_new(struct mcq_socket *front, struct mcq_socket *back,
                                struct mcq_socket *capture)
{
    struct mcq_proxy *proxy;
    int bell;

    if (front == NULL || back == NULL) {
        (void) mcq_fail_null("proxy_new", front == NULL ? "front" : "back");
        return NULL;
    }
    bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (bell < 0) {
        (void) mcq_fail(errno, "proxy_new: no descriptors are left");
        return NULL;
    }
    proxy = mcq_alloc(sizeof *proxy);
    if (proxy == NULL) {
        (void) close(bell);
        (void) mcq_fail(ENOMEM, "proxy_new: out of memory");
        return NULL;
    }
    *proxy = (struct mcq_proxy) {.capture = capture, .bell = bell};
    proxy->front.socket = front;
    proxy->back.socket = back;
    return proxy;
}

int mcq_proxy_free(struct mcq_proxy **proxy)
{
    if (proxy == NULL)
        return mcq_fail_null("proxy_free", "proxy");
    if (*proxy != NULL)
        (void) close((*proxy)->bell);
    mcq_free(*proxy);
    *proxy = NULL;
    return 0;
}

int mcq_proxy_set_control(struct mcq_proxy *proxy, struct mcq_socket *control, steer_fn *steer,
                          void *hint)
{
    if (proxy == NULL || (control != NULL && steer == NULL))
        return mcq_fail_null("proxy_set_control", proxy == NULL ? "proxy" : "steer");
    proxy->control = control;
    proxy->steer = steer;
    proxy->hint = hint;
    return 0;
}

/* --- from other threads ---------------------------------------------------------------------- */

int mcq_proxy_tell(struct mcq_proxy *proxy, enum mcq_proxy_order order)
{
    const uint64_t one = 1;

    if (proxy == NULL)
        return mcq_fail_null("proxy_tell", "proxy");
    switch (order) {
    case MCQ_PROXY_PAUSE: atomic_store(&proxy->is_paused, true); break;
    case MCQ_PROXY_RESUME: atomic_store(&proxy->is_paused, false); break;
    case MCQ_PROXY_STOP: atomic_store(&proxy->is_stopped, true); break;
    default: return mcq_fail(EINVAL, "proxy_tell: there is no order %d", (int) order);
    }
    if (write(proxy->bell, &one, sizeof one) < 0 && errno != EAGAIN) /* it rings already */
        return mcq_fail(errno, "proxy_tell: the proxy cannot be woken");
    return 0;
}

static struct mcq_proxy_counts copy_of(const struct counts *counts)
{
    return (struct mcq_proxy_counts) {
        .messages_in = atomic_load_explicit(&counts->messages_in, memory_order_relaxed),
        .bytes_in = atomic_load_explicit(&counts->bytes_in, memory_order_relaxed),
        .messages_out = atomic_load_explicit(&counts->messages_out, memory_order_relaxed),
        .bytes_out = atomic_load_explicit(&counts->bytes_out, memory_order_relaxed),
    };
}

int mcq_proxy_stats(struct mcq_proxy *proxy, struct mcq_proxy_stats *stats, size_t stats_bytes)
{
    struct mcq_proxy_stats found;

    if (proxy == NULL || stats == NULL)
        return mcq_fail_null("proxy_stats", proxy == NULL ? "proxy" : "stats");
    found = (struct mcq_proxy_stats) {copy_of(&proxy->front.counts), copy_of(&proxy->back.counts)};
    mcq_hand_out(stats, stats_bytes, &found, sizeof found);
    return 0;
}

/* --- passing --------------------------------------------------------------------------------- */

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

static int copy_to(struct mcq_socket *capture, struct mcq_message *message, bool more)
{
    struct mcq_message copy;

    if (capture == NULL)
        return 0;
    (void) mcq_message_init(&copy);
    (void) mcq_message_copy(&copy, message);
    if (mcq_send_message(capture, &copy, more ? MCQ_SNDMORE : 0) == 0)
        return 0;
    (void) mcq_message_close(&copy);
    return -1;
}

/* One message, all of its parts. EAGAIN: there was none. */
static int pass_one(struct mcq_proxy *proxy, struct side *from, struct side *to)
{
    struct mcq_message part;
    uint64_t bytes = 0;
    bool more = true;
    int flags = MCQ_DONTWAIT;
    int result = 0;

    (void) mcq_message_init(&part);
    for (; more && result == 0; flags = 0) {
        result = mcq_recv_message(from->socket, &part, flags);
        if (result != 0)
            break;
        more = mcq_message_more(&part);
        bytes += mcq_message_size(&part);
        result = copy_to(proxy->capture, &part, more);
        if (result == 0)
            result = mcq_send_message(to->socket, &part, more ? MCQ_SNDMORE : 0);
    }
    (void) mcq_message_close(&part);
    if (result != 0)
        return -1;
    count(&from->counts.messages_in, 1);
    count(&from->counts.bytes_in, bytes);
    count(&to->counts.messages_out, 1);
    count(&to->counts.bytes_out, bytes);
    return 0;
}

/* A socket that is both sides answers what it has just received: there is always room. */
static bool is_single(const struct mcq_proxy *proxy)
{
    return proxy->front.socket == proxy->back.socket;
}

static int look(struct side *side)
{
    int64_t events;

    if (mcq_get(side->socket, MCQ_OPT_EVENTS, &events) != 0)
        return -1;
    side->can_recv = (events & MCQ_POLLIN) != 0;
    side->can_send = (events & MCQ_POLLOUT) != 0;
    return 0;
}

static int look_at_both(struct mcq_proxy *proxy)
{
    if (look(&proxy->front) != 0 || look(&proxy->back) != 0)
        return -1;
    if (is_single(proxy))
        proxy->back.can_send = proxy->front.can_send = true;
    return 0;
}

static bool may_pass(const struct mcq_proxy *proxy)
{
    return !atomic_load(&proxy->is_paused) && !atomic_load(&proxy->is_stopped);
}

static int pass(struct mcq_proxy *proxy, struct side *from, struct side *to)
{
    for (int i = 0; i < BURST && from->can_recv && to->can_send && may_pass(proxy); i++) {
        if (pass_one(proxy, from, to) != 0 && errno != EAGAIN)
            return -1;
        if (look_at_both(proxy) != 0)
            return -1;
    }
    return 0;
}

/* --- the loop -------------------------------------------------------------------------------- */

enum entry { ENTRY_FRONT, ENTRY_BACK, ENTRY_BELL, ENTRY_CONTROL, ENTRY_COUNT };

/* Whoever is known to have something is not asked again: the other side is, for room. */
static void ask(const struct mcq_proxy *proxy, struct mcq_poll_entry entries[ENTRY_COUNT])
{
    const struct side *front = &proxy->front;
    const struct side *back = &proxy->back;

    entries[ENTRY_BELL] = (struct mcq_poll_entry) {.fd = proxy->bell, .events = MCQ_POLLIN};
    entries[ENTRY_CONTROL] =
        (struct mcq_poll_entry) {.socket = proxy->control, .fd = -1, .events = MCQ_POLLIN};
    entries[ENTRY_FRONT] = (struct mcq_poll_entry) {.socket = front->socket};
    entries[ENTRY_BACK] = (struct mcq_poll_entry) {.socket = back->socket};
    if (may_pass(proxy)) {
        entries[ENTRY_FRONT].events =
            (short) ((front->can_recv ? 0 : MCQ_POLLIN) |
                     (back->can_recv && !front->can_send ? MCQ_POLLOUT : 0));
        entries[ENTRY_BACK].events =
            (short) ((back->can_recv ? 0 : MCQ_POLLIN) |
                     (front->can_recv && !back->can_send ? MCQ_POLLOUT : 0));
    }
    if (is_single(proxy))
        entries[ENTRY_BACK] = (struct mcq_poll_entry) {.fd = -1};
}

static bool can_pass(const struct mcq_proxy *proxy)
{
    return may_pass(proxy) && ((proxy->front.can_recv && proxy->back.can_send) ||
                               (proxy->back.can_recv && proxy->front.can_send));
}

static int wait_for_work(struct mcq_proxy *proxy)
{
    struct mcq_poll_entry entries[ENTRY_COUNT];
    uint64_t rings;

    ask(proxy, entries);
    if (mcq_poll(entries, ENTRY_COUNT, can_pass(proxy) ? 0 : -1) < 0)
        return -1;
    if (entries[ENTRY_BELL].revents & MCQ_POLLIN)
        (void) !read(proxy->bell, &rings, sizeof rings);
    if (look_at_both(proxy) != 0)
        return -1;
    if (proxy->control == NULL || (entries[ENTRY_CONTROL].revents & MCQ_POLLIN) == 0)
        return 0;
    return proxy->steer(proxy, proxy->control, proxy->hint) == 0 ? 0 : -1;
}

int mcq_proxy_run(struct mcq_proxy *proxy)
{
    if (proxy == NULL)
        return mcq_fail_null("proxy_run", "proxy");
    if (look_at_both(proxy) != 0)
        return -1;
    while (!atomic_exchange(&proxy->is_stopped, false)) {
        if (pass(proxy, &proxy->front, &proxy->back) != 0)
            return -1;
        if (!is_single(proxy) && pass(proxy, &proxy->back, &proxy->front) != 0)
            return -1;
        if (wait_for_work(proxy) != 0)
            return -1;
    }
    return 0;
}
