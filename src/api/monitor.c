#include <errno.h>
#include <monocoque.h>
#include <string.h>

#include "api/fail.h"
#include "arena/alloc.h"
#include "runtime/report.h"

#define PARTS_MAX 5 /* of a message */

static_assert((int) MCQ_REPORT_CONNECTED == MCQ_REPORT_OF_CONNECTED &&
                  (int) MCQ_REPORT_CONNECT_DELAYED == MCQ_REPORT_OF_CONNECT_DELAYED &&
                  (int) MCQ_REPORT_CONNECT_RETRIED == MCQ_REPORT_OF_CONNECT_RETRIED &&
                  (int) MCQ_REPORT_LISTENING == MCQ_REPORT_OF_LISTENING &&
                  (int) MCQ_REPORT_BIND_FAILED == MCQ_REPORT_OF_BIND_FAILED &&
                  (int) MCQ_REPORT_ACCEPTED == MCQ_REPORT_OF_ACCEPTED &&
                  (int) MCQ_REPORT_ACCEPT_FAILED == MCQ_REPORT_OF_ACCEPT_FAILED &&
                  (int) MCQ_REPORT_CLOSED == MCQ_REPORT_OF_CLOSED &&
                  (int) MCQ_REPORT_DISCONNECTED == MCQ_REPORT_OF_DISCONNECTED &&
                  (int) MCQ_REPORT_STOPPED == MCQ_REPORT_OF_STOPPED &&
                  (int) MCQ_REPORT_HANDSHAKE_FAILED == MCQ_REPORT_OF_HANDSHAKE_FAILED &&
                  (int) MCQ_REPORT_HANDSHAKE_SUCCEEDED == MCQ_REPORT_OF_HANDSHAKE_SUCCEEDED &&
                  (int) MCQ_REPORT_HANDSHAKE_BROKEN == MCQ_REPORT_OF_HANDSHAKE_BROKEN &&
                  (int) MCQ_REPORT_HANDSHAKE_REFUSED == MCQ_REPORT_OF_HANDSHAKE_REFUSED,
              "the public numbers are the runtime's");

typedef void tell_fn(const struct mcq_report *report, void *hint);

/* Addresses by side: an item has them by who came to whom. */
static const char *local_of(const struct mcq_report_item *item)
{
    return item->is_bound ? item->endpoint : item->own;
}

static const char *remote_of(const struct mcq_report_item *item)
{
    return item->is_bound ? item->address : item->endpoint;
}

static void pass(const struct mcq_listener *listener, const struct mcq_report_item *item)
{
    const struct mcq_report report = {
        .kind = (enum mcq_report_kind) item->kind,
        .value = item->value,
        .epoch = item->epoch,
        .endpoint = item->endpoint,
        .peer = item->peer,
        .address = item->address,
        .local = local_of(item),
        .remote = remote_of(item),
        .cause = mcq_err_errno(item->why),
        .why = item->why != MCQ_OK ? mcq_err_text(item->why) : "",
        .rule = item->rule != MCQ_RULE_NONE ? mcq_rule_name(item->rule) : "",
        .reason = item->reason != MCQ_REASON_NONE ? mcq_reason_name(item->reason) : "",
        .lost = item->lost,
        .version = item->version != MCQ_ZMTP_NONE ? mcq_zmtp_name(item->version) : "",
        .type = item->type,
        .mechanism = item->mechanism != NULL ? item->mechanism : "",
    };

    ((tell_fn *) listener->callee)(&report, listener->hint);
}

/* Takes the socket's lock, and lets go of it again: the socket stays, and others may use it. */
static enum mcq_err hold(struct mcq_socket *socket)
{
    enum mcq_err err = mcq_socket_enter(socket);

    if (err == MCQ_OK)
        mcq_socket_pause(socket);
    return err;
}

static enum mcq_err let_go(struct mcq_socket *socket)
{
    enum mcq_err err = mcq_socket_resume(socket);

    mcq_socket_leave(socket);
    return err;
}

int mcq_monitor(struct mcq_socket *socket, unsigned kinds,
                void (*tell)(const struct mcq_report *report, void *hint), void *hint)
{
    struct mcq_listener listener = {.pass = pass, .callee = (void (*)(void)) tell, .hint = hint};
    enum mcq_err err;

    if (socket == NULL)
        return mcq_fail_null("monitor", "socket");
    err = hold(socket);
    if (err == MCQ_TERMINATED && tell == NULL) { /* open, so its context is there */
        mcq_reports_listen(socket, 0, (struct mcq_listener) {0});
        return 0;
    }
    if (err != MCQ_OK)
        return mcq_fail_on(socket, MCQ_CALL_OTHER, err);
    mcq_reports_listen(socket, kinds, tell != NULL ? listener : (struct mcq_listener) {0});
    (void) let_go(socket); /* it was told so in time; who calls next hears of the end */
    return 0;
}

/* --- reports as messages --------------------------------------------------------------------- */

/* A listener's `hint`. */
struct teller {
    struct mcq_socket *socket;
    bool is_versioned;
};

static void send_parts(struct mcq_socket *socket, const struct mcq_bytes *parts, size_t count)
{
    struct mcq_message messages[PARTS_MAX];
    size_t made = 0;

    while (made < count &&
           mcq_message_init_copy(&messages[made], parts[made].data, parts[made].len) == 0)
        made++;
    if (made == count)
        (void) mcq_send_parts(socket, messages, count, MCQ_DONTWAIT);
    while (made > 0)
        (void) mcq_message_close(&messages[--made]);
}

static void send_first_form(struct mcq_socket *socket, const struct mcq_report_item *item)
{
    uint16_t kind = (uint16_t) item->kind;
    int32_t value = item->value;
    uint8_t head[sizeof kind + sizeof value];

    memcpy(head, &kind, sizeof kind);
    memcpy(head + sizeof kind, &value, sizeof value);
    send_parts(
        socket,
        (const struct mcq_bytes[]) {mcq_bytes(head, sizeof head), mcq_bytes_of(item->endpoint)}, 2);
}

static void send_second_form(struct mcq_socket *socket, const struct mcq_report_item *item)
{
    const uint64_t numbers[] = {(uint64_t) item->kind, 1, (uint64_t) (int64_t) item->value};
    const uint8_t *octets = (const uint8_t *) numbers;
    const struct mcq_bytes parts[PARTS_MAX] = {
        mcq_bytes(octets, sizeof *numbers),
        mcq_bytes(octets + sizeof *numbers, sizeof *numbers),
        mcq_bytes(octets + 2 * sizeof *numbers, sizeof *numbers),
        mcq_bytes_of(local_of(item)),
        mcq_bytes_of(remote_of(item)),
    };

    send_parts(socket, parts, MCQ_COUNTOF(parts));
}

static void send_report(const struct mcq_listener *listener, const struct mcq_report_item *item)
{
    const struct teller *teller = listener->hint;

    (teller->is_versioned ? send_second_form : send_first_form)(teller->socket, item);
}

/* What its readers have not read stays theirs. */
static void end_teller(const struct mcq_listener *listener)
{
    const struct mcq_report_item last = {.kind = MCQ_REPORT_OF_STOPPED, .is_bound = true};
    struct teller *teller = listener->hint;

    send_report(listener, &last);
    (void) mcq_close(teller->socket);
    mcq_free(teller);
}

/* NULL: errno and the sentence say why. */
static struct teller *new_teller(struct mcq_context *context, const char *endpoint, int version,
                                 enum mcq_type type)
{
    struct teller *teller = mcq_alloc(sizeof *teller);

    if (teller == NULL) {
        (void) mcq_fail(ENOMEM, "monitor_bind %s: %s", endpoint, mcq_err_text(MCQ_NOMEM));
        return NULL;
    }
    *teller = (struct teller) {mcq_socket(context, type), version == 2};
    if (teller->socket != NULL && mcq_set(teller->socket, MCQ_OPT_LINGER, 0) == 0 &&
        mcq_bind(teller->socket, endpoint) == 0)
        return teller;
    if (teller->socket != NULL) {
        int number = errno;

        (void) mcq_close(teller->socket);
        errno = number;
    }
    mcq_free(teller);
    return NULL;
}

static int check_teller(const struct mcq_socket *socket, const char *endpoint, int version,
                        enum mcq_type type)
{
    static const char inproc[] = "inproc://";

    if (socket == NULL || endpoint == NULL)
        return mcq_fail_null("monitor_bind", socket == NULL ? "socket" : "endpoint");
    if (version != 1 && version != 2)
        return mcq_fail(EINVAL, "monitor_bind %s: there is no version %d", endpoint, version);
    if (type != MCQ_PAIR && type != MCQ_PUB && type != MCQ_PUSH)
        return mcq_fail(EINVAL, "monitor_bind %s: the type is PAIR, PUB or PUSH", endpoint);
    if (strncmp(endpoint, inproc, sizeof inproc - 1) != 0)
        return mcq_fail(EPROTONOSUPPORT, "monitor_bind %s: it is told over inproc only", endpoint);
    return 0;
}

int mcq_monitor_bind(struct mcq_socket *socket, unsigned kinds, const char *endpoint, int version,
                     enum mcq_type type)
{
    struct mcq_listener listener = {.pass = send_report, .end = end_teller};
    enum mcq_err err;

    if (check_teller(socket, endpoint, version, type) != 0)
        return -1;
    err = hold(socket);
    if (err != MCQ_OK)
        return mcq_fail_on(socket, MCQ_CALL_OTHER, err);
    listener.hint = new_teller(socket->context, endpoint, version, type);
    if (listener.hint != NULL) /* whoever listens, it hears of its own end, so that it is freed */
        mcq_reports_listen(socket, kinds | MCQ_REPORT_OF_STOPPED, listener);
    err = let_go(socket);
    if (listener.hint == NULL)
        return -1;
    if (err == MCQ_OK)
        return 0;
    mcq_reports_listen(socket, 0, (struct mcq_listener) {0}); /* it was closed meanwhile */
    return mcq_fail_on(socket, MCQ_CALL_OTHER, err);
}
