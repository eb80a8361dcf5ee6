#include "runtime/report.h"

#include <string.h>

#include "arena/alloc.h"
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

static struct mcq_report_item *next_of(struct mcq_reports *reports)
{
    struct mcq_report_item *item;

    (void) pthread_mutex_lock(&reports->mutex);
    item = reports->first;
    if (item != NULL) {
        reports->first = item->next;
        reports->count--;
        if (reports->first == NULL)
            reports->last = &reports->first;
    }
    (void) pthread_mutex_unlock(&reports->mutex);
    return item;
}

/* `telling` is held. */
static void tell_all(struct mcq_reports *reports)
{
    struct mcq_report_item *item;

    while ((item = next_of(reports)) != NULL) {
        if (reports->listener.pass != NULL)
            reports->listener.pass(&reports->listener, item);
        mcq_free(item);
    }
}

void mcq_reports_listen(struct mcq_socket *socket, uint32_t kinds, struct mcq_listener listener)
{
    struct mcq_reports *reports = &socket->reports;

    (void) pthread_mutex_lock(&reports->telling);
    atomic_store_explicit(&reports->kinds, 0, memory_order_relaxed);
    tell_all(reports);
    reports->listener = listener;
    atomic_store_explicit(&reports->kinds, listener.pass != NULL ? kinds : 0, memory_order_relaxed);
    (void) pthread_mutex_unlock(&reports->telling);
}

void mcq_reports_tell(struct mcq_socket *socket)
{
    struct mcq_reports *reports = &socket->reports;

    (void) pthread_mutex_lock(&reports->telling);
    tell_all(reports);
    (void) pthread_mutex_unlock(&reports->telling);
}

/* --- reporting ------------------------------------------------------------------------------- */

bool mcq_is_listened_to(const struct mcq_socket *socket, enum mcq_report_of kind)
{
    return (atomic_load_explicit(&socket->reports.kinds, memory_order_relaxed) & kind) != 0;
}

/* What cannot be kept is counted. */
static bool join_queue(struct mcq_reports *reports, struct mcq_report_item *item)
{
    bool has_room;

    (void) pthread_mutex_lock(&reports->mutex);
    has_room = item != NULL && reports->count < MCQ_REPORTS_MAX;
    if (has_room) {
        *reports->last = item;
        reports->last = &item->next;
        reports->count++;
    } else {
        reports->lost_count++;
    }
    (void) pthread_mutex_unlock(&reports->mutex);
    return has_room;
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
    if (join_queue(&socket->reports, item))
        mcq_socket_ask(socket, MCQ_REQUEST_REPORT);
    else
        mcq_free(item);
}

void mcq_report_now(struct mcq_socket *socket, enum mcq_report_of kind, int value, uint64_t epoch,
                    const char *endpoint)
{
    struct mcq_report_item item;

    if (MCQ_LIKELY(!mcq_is_listened_to(socket, kind)))
        return;
    item = (struct mcq_report_item) {.kind = kind, .value = value, .epoch = epoch};
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
    report(socket, item);
}

void mcq_report_of_stream(struct mcq_socket *socket, enum mcq_report_of kind, int value,
                          const struct mcq_report_stream *stream)
{
    struct mcq_report_item item;

    if (MCQ_LIKELY(!mcq_is_listened_to(socket, kind)))
        return;
    item = (struct mcq_report_item) {
        .kind = kind,
        .value = value,
        .epoch = stream->epoch,
        .peer = stream->peer,
        .why = stream->why,
        .rule = stream->rule,
    };
    report_of_stream(socket, &item, stream);
}
