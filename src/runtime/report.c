#include "runtime/report.h"

#include <string.h>

#include "arena/alloc.h"
#include "base/probe.h"
#include "runtime/holder.h"
#include "transport/transport.h"

static_assert(MCQ_REPORT_TEXT_BYTES >= MCQ_TRANSPORT_TEXT_BYTES &&
                  MCQ_REPORT_ADDRESS_BYTES >= MCQ_TRANSPORT_TEXT_BYTES,
              "addresses fit");

void mcq_reports_init(struct mcq_reports *reports)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

    *reports = (struct mcq_reports) {.telling = fresh, .mutex = fresh};
    reports->last = &reports->first;
}

/* The mutex is held. NULL: there is none. */
static struct mcq_report_item *pop(struct mcq_reports *reports)
{
    struct mcq_report_item *item = reports->first;

    if (item != NULL) {
        reports->first = item->next;
        reports->count--;
        if (reports->first == NULL)
            reports->last = &reports->first;
    }
    return item;
}

static struct mcq_report_item *next_of(struct mcq_reports *reports)
{
    struct mcq_report_item *item;

    (void) pthread_mutex_lock(&reports->mutex);
    item = pop(reports);
    if (item != NULL) {
        item->lost = reports->lost_count;
        reports->lost_count = 0;
    }
    (void) pthread_mutex_unlock(&reports->mutex);
    return item;
}

/* `telling` is held. What the listener calls does not drive an inline engine, which would tell. */
static void tell_all(struct mcq_socket *socket)
{
    struct mcq_reports *reports = &socket->reports;
    struct mcq_engine *engine = mcq_engine_is_mine(socket->engine) ? socket->engine : NULL;
    struct mcq_report_item *item;

    if (engine != NULL)
        engine->is_telling = true;
    while ((item = next_of(reports)) != NULL) {
        if (reports->listener.pass != NULL)
            reports->listener.pass(&reports->listener, item);
        mcq_free(item);
    }
    if (engine != NULL)
        engine->is_telling = false;
}

void mcq_reports_listen(struct mcq_socket *socket, uint32_t kinds, struct mcq_listener listener)
{
    struct mcq_reports *reports = &socket->reports;
    struct mcq_listener before;

    (void) pthread_mutex_lock(&reports->telling);
    atomic_store_explicit(&reports->kinds, 0, memory_order_relaxed);
    tell_all(socket);
    before = reports->listener;
    reports->listener = listener;
    atomic_store_explicit(&reports->kinds, listener.pass != NULL ? kinds : 0, memory_order_relaxed);
    (void) pthread_mutex_unlock(&reports->telling);
    if (before.end != NULL)
        before.end(&before);
}

void mcq_reports_tell(struct mcq_socket *socket)
{
    struct mcq_reports *reports = &socket->reports;

    (void) pthread_mutex_lock(&reports->telling);
    tell_all(socket);
    (void) pthread_mutex_unlock(&reports->telling);
}

/* --- reporting ------------------------------------------------------------------------------- */

bool mcq_is_listened_to(const struct mcq_socket *socket, enum mcq_report_of kind)
{
    return (atomic_load_explicit(&socket->reports.kinds, memory_order_relaxed) & kind) != 0;
}

/* The oldest makes room. What cannot be kept, or made, is counted. */
static void join_queue(struct mcq_reports *reports, struct mcq_report_item *item)
{
    struct mcq_report_item *oldest = NULL;

    (void) pthread_mutex_lock(&reports->mutex);
    if (item != NULL && reports->count == MCQ_REPORTS_MAX)
        oldest = pop(reports);
    if (item != NULL) {
        *reports->last = item;
        reports->last = &item->next;
        reports->count++;
    }
    reports->lost_count += item == NULL || oldest != NULL;
    (void) pthread_mutex_unlock(&reports->mutex);
    mcq_free(oldest);
}

static void set_text(char *text, size_t room, const char *from)
{
    size_t len = mcq_min_size(strlen(from), room - 1);

    memcpy(text, from, len);
    text[len] = '\0';
}

static MCQ_COLD void report(struct mcq_socket *socket, const struct mcq_report_item *made)
{
    struct mcq_report_item *item = mcq_alloc(sizeof *item);

    if (item != NULL) {
        *item = *made;
        item->next = NULL;
    }
    join_queue(&socket->reports, item);
    if (item != NULL)
        mcq_socket_ask(socket, MCQ_REQUEST_REPORT);
}

void mcq_report_now(struct mcq_socket *socket, enum mcq_report_of kind, int value, bool is_bound,
                    const char *endpoint)
{
    struct mcq_report_item item;

    MCQ_PROBE(event, socket, kind, value, -1, endpoint);
    if (MCQ_LIKELY(!mcq_is_listened_to(socket, kind)))
        return;
    item = (struct mcq_report_item) {.kind = kind, .value = value, .is_bound = is_bound};
    set_text(item.endpoint, sizeof item.endpoint, endpoint);
    report(socket, &item);
}

static MCQ_COLD void report_of_stream(struct mcq_socket *socket, struct mcq_report_item *item,
                                      const struct mcq_report_stream *stream)
{
    struct mcq_reactor *reactor = socket->engine->reactor;
    char text[MCQ_TRANSPORT_TEXT_BYTES] = "";
    struct mcq_address address;

    if (stream->endpoint == NULL && mcq_reactor_local_address(reactor, stream->fd, &address))
        mcq_transport_text(&address, text);
    set_text(item->endpoint, sizeof item->endpoint,
             stream->endpoint != NULL ? stream->endpoint : text);
    if (stream->fd >= 0 && mcq_reactor_peer_address(reactor, stream->fd, &address) &&
        (address.storage.ss_family != AF_UNIX || stream->endpoint != NULL))
        mcq_transport_text(&address, item->address);
    if (stream->fd >= 0 && !item->is_bound &&
        mcq_reactor_local_address(reactor, stream->fd, &address) &&
        address.storage.ss_family != AF_UNIX) /* who connects has no name there */
        mcq_transport_text(&address, item->own);
    report(socket, item);
}

void mcq_report_of_stream(struct mcq_socket *socket, enum mcq_report_of kind, int value,
                          const struct mcq_report_stream *stream)
{
    struct mcq_report_item item;

    MCQ_PROBE(event, socket, kind, value, stream->fd, stream->endpoint);
    if (MCQ_LIKELY(!mcq_is_listened_to(socket, kind)))
        return;
    item = (struct mcq_report_item) {
        .kind = kind,
        .value = value,
        .is_bound = stream->is_bound || stream->endpoint == NULL,
        .epoch = stream->epoch,
        .peer = stream->peer,
        .why = stream->why,
        .rule = stream->broken != NULL ? stream->broken->rule : MCQ_RULE_NONE,
        .reason = stream->broken != NULL ? stream->broken->reason : MCQ_REASON_NONE,
        .version = stream->version,
        .mechanism = stream->mechanism,
    };
    set_text(item.type, sizeof item.type, stream->type != NULL ? stream->type : "");
    report_of_stream(socket, &item, stream);
}
