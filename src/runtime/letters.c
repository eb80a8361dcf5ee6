/* Between the holder of a socket's lock and its engine: letters in, requests out, and the end. */

#include "arena/alloc.h"
#include "runtime/holder.h"

#define MS UINT64_C(1000000)
#define RELIEF_NS (10 * MS) /* who lacks memory, or has said enough, is looked at again */
#define TRIM_NS (200 * MS)  /* who has done nothing for so long gives some back */
/* Answers that never waited until a look, so many times, are looked at less often: the engine takes
 * a processor from those who make and read them (docs/adr/0044). */
#define STEADY_LOOKS 8
#define STEADY_TAIL_NS (2 * MS)

/* What the engine tells the holder. */
enum socket_event {
    EVENT_IN_EDGE = 1,
    EVENT_COLD_DUE = 2,
    EVENT_OUT_EDGE = 4,
    EVENT_TAIL_DUE = 8,
    EVENT_TICK_DUE = 16,
    EVENT_CLOSE_DUE = 32,
    EVENT_RELIEF_DUE = 64,
    EVENT_FLUSH_DUE = 128,
};

void mcq_socket_ask(struct mcq_socket *socket, uint32_t request)
{
    (void) atomic_fetch_or_explicit(&socket->requests, request, memory_order_release);
    if (MCQ_UNLIKELY(!atomic_load_explicit(&socket->is_engine_fixed, memory_order_relaxed)))
        atomic_store_explicit(&socket->is_engine_fixed, true, memory_order_relaxed);
    mcq_engine_post(socket->engine, &socket->task);
}

static void read_events(struct mcq_mail *mail, struct mcq_socket *socket)
{
    uint32_t events;

    (void) mail;
    (void) atomic_exchange_explicit(&socket->is_mailed, false, memory_order_acq_rel);
    events = atomic_exchange_explicit(&socket->events, 0, memory_order_acquire);
    if (socket->state == MCQ_SOCKET_FREE || socket->is_finishing)
        return;
    if (events & ~(uint32_t) EVENT_FLUSH_DUE) /* a flush does so if it goes on */
        mcq_socket_share(socket);
    if (events & EVENT_CLOSE_DUE)
        socket->leave_at_ns = MCQ_NEVER_NS;
    if (events & EVENT_OUT_EDGE)
        mcq_socket_on_output(socket);
    if (events & (EVENT_IN_EDGE | EVENT_COLD_DUE))
        mcq_socket_on_input(socket, (events & EVENT_COLD_DUE) != 0);
    if (events & EVENT_TAIL_DUE)
        mcq_socket_on_tail(socket);
    if (events & EVENT_FLUSH_DUE)
        mcq_socket_on_flush(socket);
    if (events & EVENT_TICK_DUE)
        mcq_socket_on_tick(socket);
    if (events & EVENT_RELIEF_DUE)
        mcq_socket_on_relief(socket);
    mcq_socket_guard_output(socket);
}

static void tell(struct mcq_socket *socket, uint32_t event)
{
    if (socket->is_ended)
        return;
    (void) atomic_fetch_or_explicit(&socket->events, event, memory_order_release);
    if (!atomic_exchange_explicit(&socket->is_mailed, true, memory_order_acq_rel))
        mcq_socket_post(socket, &socket->mail);
}

/* In the engine's thread, as the last one: no peer, endpoint or caller is left, and once nothing is
 * armed no letter is under way. Who asked for the end may still be between its request and its
 * post, both under the lock: only there is it sure that the task will not come once more. */
static void try_to_end(struct mcq_socket *socket)
{
    if (!socket->is_ended || mcq_wait_is_armed(&socket->in_watch) ||
        mcq_wait_is_armed(&socket->out_watch) || mcq_wait_is_armed(&socket->cold_timer) ||
        mcq_wait_is_armed(&socket->tail_timer) || mcq_wait_is_armed(&socket->tick_timer) ||
        mcq_wait_is_armed(&socket->close_timer) || mcq_wait_is_armed(&socket->relief_timer))
        return;
    mcq_lock_take(&socket->lock);
    if (atomic_load(&socket->task.is_posted)) {
        mcq_socket_leave(socket);
        return;
    }
    mcq_hint_close(&socket->hint);
    mcq_bell_free(&socket->recv_bell);
    mcq_bell_free(&socket->send_bell);
    socket->pattern->ops->free(socket->pattern);
    mcq_link_group_fini(&socket->group);
    for (size_t i = 0; i < MCQ_WORD_COUNT; i++)
        mcq_msg_fini(&socket->words[i]);
    mcq_socket_options_drop(&socket->options);
    mcq_free(socket->slots);
    socket->slots = NULL;
    socket->slot_count = 0;
    socket->pattern = NULL;
    socket->state = MCQ_SOCKET_FREE;
    mcq_socket_leave(socket);
    mcq_context_put_slot(socket->context, socket);
}

/* The watch or timer is over, or was canceled because the socket ends. */
static void on_wait(struct mcq_socket *socket, uint32_t event)
{
    tell(socket, event);
    try_to_end(socket);
}

static void in_watch_done(struct mcq_wait *wait)
{
    on_wait(MCQ_CONTAINER_OF(wait, struct mcq_socket, in_watch), EVENT_IN_EDGE);
}

static void out_watch_done(struct mcq_wait *wait)
{
    on_wait(MCQ_CONTAINER_OF(wait, struct mcq_socket, out_watch), EVENT_OUT_EDGE);
}

static void cold_timer_done(struct mcq_wait *wait)
{
    on_wait(MCQ_CONTAINER_OF(wait, struct mcq_socket, cold_timer), EVENT_COLD_DUE);
}

static void arm_tail(struct mcq_socket *socket);
static void arm_tick(struct mcq_socket *socket);
static void arm_close(struct mcq_socket *socket);
static void arm_relief(struct mcq_socket *socket, uint64_t after_ns);

/* Whether all that was dirty at the last look has left, and somebody sends. */
static bool is_tail_young(struct mcq_socket *socket)
{
    uint64_t count = atomic_load_explicit(&socket->tail_count, memory_order_acquire);
    uint64_t oldest = atomic_load_explicit(&socket->tail_oldest, memory_order_relaxed);
    bool is_young = oldest >= socket->tail_before && count > socket->tail_before;

    socket->tail_young_looks = is_young ? socket->tail_young_looks + 1 : 0;
    if (is_young) {
        socket->tail_before = count;
        socket->tail_puts_seen = atomic_load_explicit(&socket->tail_puts, memory_order_relaxed);
    }
    return is_young;
}

/* Who sends all the time is let alone. */
static void tail_timer_done(struct mcq_wait *wait)
{
    struct mcq_socket *socket = MCQ_CONTAINER_OF(wait, struct mcq_socket, tail_timer);

    if (!socket->is_ended && is_tail_young(socket))
        arm_tail(socket);
    else
        on_wait(socket, EVENT_TAIL_DUE);
}

/* Nobody is waited for in vain: what is not whole, and cannot become so, gives way. One that was
 * canceled was far off, and is wanted soon. */
static void relief_timer_done(struct mcq_wait *wait)
{
    struct mcq_socket *socket = MCQ_CONTAINER_OF(wait, struct mcq_socket, relief_timer);

    if (wait->op.result == MCQ_IO_CANCELED && !socket->is_ended) {
        arm_relief(socket, RELIEF_NS);
        return;
    }
    if (!socket->is_ended)
        mcq_context_relieve(socket->context);
    on_wait(socket, EVENT_RELIEF_DUE);
}

/* A timer that was canceled to be armed for another time is armed then. */
static void tick_timer_done(struct mcq_wait *wait)
{
    struct mcq_socket *socket = MCQ_CONTAINER_OF(wait, struct mcq_socket, tick_timer);

    if (wait->op.result == MCQ_IO_CANCELED && !socket->is_ended)
        arm_tick(socket);
    else
        on_wait(socket, EVENT_TICK_DUE);
}

static void close_timer_done(struct mcq_wait *wait)
{
    struct mcq_socket *socket = MCQ_CONTAINER_OF(wait, struct mcq_socket, close_timer);

    if (wait->op.result == MCQ_IO_CANCELED && !socket->is_ended)
        arm_close(socket);
    else
        on_wait(socket, EVENT_CLOSE_DUE);
}

/* Where none can be armed its event is told at once: work is done too early, and never not. */
static void arm_watch(struct mcq_socket *socket, struct mcq_wait *wait,
                      const struct mcq_ready_set *set, uint32_t event)
{
    if (mcq_engine_poll(socket->engine, wait, mcq_ready_fd(set), MCQ_OP_POLL_IN) != MCQ_OK)
        tell(socket, event);
}

static void arm_at(struct mcq_socket *socket, struct mcq_wait *wait, uint64_t at_ns)
{
    if (mcq_wait_is_armed(wait))
        mcq_reactor_cancel(socket->engine->reactor, &wait->op);
    else if (at_ns != MCQ_NEVER_NS)
        mcq_engine_timer(socket->engine, wait, at_ns);
}

static void arm_after(struct mcq_socket *socket, struct mcq_wait *wait, uint64_t after_ns)
{
    mcq_engine_timer(socket->engine, wait, mcq_engine_now_ns(socket->engine) + after_ns);
}

static void arm_tail(struct mcq_socket *socket)
{
    uint64_t after_ns = atomic_load_explicit(&socket->tail_ns, memory_order_relaxed);

    if (socket->tail_young_looks >= STEADY_LOOKS &&
        atomic_load_explicit(&socket->tail_answers, memory_order_relaxed))
        after_ns = after_ns < STEADY_TAIL_NS ? STEADY_TAIL_NS : after_ns;
    arm_after(socket, &socket->tail_timer, after_ns);
}

static void arm_tick(struct mcq_socket *socket)
{
    arm_at(socket, &socket->tick_timer,
           atomic_load_explicit(&socket->tick_at_ns, memory_order_acquire));
}

static void arm_close(struct mcq_socket *socket)
{
    arm_at(socket, &socket->close_timer,
           atomic_load_explicit(&socket->close_at_ns, memory_order_acquire));
}

static void arm_relief(struct mcq_socket *socket, uint64_t after_ns)
{
    if (mcq_wait_is_armed(&socket->relief_timer))
        mcq_reactor_cancel(socket->engine->reactor, &socket->relief_timer.op);
    else
        arm_after(socket, &socket->relief_timer, after_ns);
}

static void cancel_all(struct mcq_socket *socket)
{
    struct mcq_wait *waits[] = {&socket->in_watch,    &socket->out_watch,  &socket->cold_timer,
                                &socket->tail_timer,  &socket->tick_timer, &socket->close_timer,
                                &socket->relief_timer};

    for (size_t i = 0; i < MCQ_COUNTOF(waits); i++)
        mcq_reactor_cancel(socket->engine->reactor, &waits[i]->op);
}

static void run_requests(struct mcq_task *task)
{
    struct mcq_socket *socket = MCQ_CONTAINER_OF(task, struct mcq_socket, task);
    uint32_t requests = atomic_exchange_explicit(&socket->requests, 0, memory_order_acquire);

    if (socket->is_ended || (requests & MCQ_REQUEST_END)) {
        socket->is_ended = true;
        cancel_all(socket);
        try_to_end(socket);
        return;
    }
    if (MCQ_UNLIKELY(requests & MCQ_REQUEST_REPORT))
        mcq_reports_tell(socket);
    if (requests & MCQ_REQUEST_IN_WATCH)
        arm_watch(socket, &socket->in_watch, socket->group.in_set, EVENT_IN_EDGE);
    if (requests & MCQ_REQUEST_OUT_WATCH)
        arm_watch(socket, &socket->out_watch, socket->group.out_set, EVENT_OUT_EDGE);
    if (requests & MCQ_REQUEST_COLD_TIMER)
        arm_after(socket, &socket->cold_timer,
                  atomic_load_explicit(&socket->cold_ns, memory_order_relaxed));
    if (requests & MCQ_REQUEST_TAIL_TIMER)
        arm_tail(socket);
    if (requests & (MCQ_REQUEST_RELIEF_TIMER | MCQ_REQUEST_TRIM_TIMER))
        arm_relief(socket, requests & MCQ_REQUEST_RELIEF_TIMER ? RELIEF_NS : TRIM_NS);
    if (requests & MCQ_REQUEST_SERVE_AGAIN)
        tell(socket, EVENT_COLD_DUE);
    if (requests & MCQ_REQUEST_FLUSH)
        tell(socket, EVENT_FLUSH_DUE);
    if (requests & MCQ_REQUEST_TICK_TIMER)
        arm_tick(socket);
    if (requests & MCQ_REQUEST_CLOSE_TIMER)
        arm_close(socket);
}

void mcq_socket_init_letters(struct mcq_socket *socket)
{
    socket->mail.read = read_events;
    socket->task.run = run_requests;
    socket->in_watch.done = in_watch_done;
    socket->out_watch.done = out_watch_done;
    socket->cold_timer.done = cold_timer_done;
    socket->tail_timer.done = tail_timer_done;
    socket->tick_timer.done = tick_timer_done;
    socket->close_timer.done = close_timer_done;
    socket->relief_timer.done = relief_timer_done;
    socket->leave_at_ns = MCQ_NEVER_NS;
    socket->alarm_at_ns = MCQ_NEVER_NS;
    atomic_store_explicit(&socket->tick_at_ns, MCQ_NEVER_NS, memory_order_relaxed);
    atomic_store_explicit(&socket->tail_ns, MCQ_TAIL_NS, memory_order_relaxed);
    atomic_store_explicit(&socket->cold_ns, MCQ_COLD_NS, memory_order_relaxed);
}
