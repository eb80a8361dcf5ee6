#include <monocoque.h>

#include "api/fail.h"
#include "runtime/report.h"

static_assert((int) MCQ_REPORT_CONNECTED == MCQ_REPORT_OF_CONNECTED &&
                  (int) MCQ_REPORT_CONNECT_DELAYED == MCQ_REPORT_OF_CONNECT_DELAYED &&
                  (int) MCQ_REPORT_CONNECT_RETRIED == MCQ_REPORT_OF_CONNECT_RETRIED &&
                  (int) MCQ_REPORT_LISTENING == MCQ_REPORT_OF_LISTENING &&
                  (int) MCQ_REPORT_BIND_FAILED == MCQ_REPORT_OF_BIND_FAILED &&
                  (int) MCQ_REPORT_ACCEPTED == MCQ_REPORT_OF_ACCEPTED &&
                  (int) MCQ_REPORT_ACCEPT_FAILED == MCQ_REPORT_OF_ACCEPT_FAILED &&
                  (int) MCQ_REPORT_CLOSED == MCQ_REPORT_OF_CLOSED &&
                  (int) MCQ_REPORT_DISCONNECTED == MCQ_REPORT_OF_DISCONNECTED &&
                  (int) MCQ_REPORT_HANDSHAKE_FAILED == MCQ_REPORT_OF_HANDSHAKE_FAILED &&
                  (int) MCQ_REPORT_HANDSHAKE_SUCCEEDED == MCQ_REPORT_OF_HANDSHAKE_SUCCEEDED &&
                  (int) MCQ_REPORT_HANDSHAKE_BROKEN == MCQ_REPORT_OF_HANDSHAKE_BROKEN &&
                  (int) MCQ_REPORT_HANDSHAKE_REFUSED == MCQ_REPORT_OF_HANDSHAKE_REFUSED,
              "the public numbers are the runtime's");

typedef void tell_fn(const struct mcq_report *report, void *hint);

static void pass(const struct mcq_listener *listener, const struct mcq_report_item *item)
{
    const struct mcq_report report = {
        .kind = (enum mcq_report_kind) item->kind,
        .value = item->value,
        .epoch = item->epoch,
        .endpoint = item->endpoint,
        .peer = item->peer,
        .address = item->address,
        .cause = mcq_err_errno(item->why),
        .why = item->why != MCQ_OK ? mcq_err_text(item->why) : "",
        .rule = item->rule != MCQ_RULE_NONE ? mcq_rule_name(item->rule) : "",
    };

    ((tell_fn *) listener->callee)(&report, listener->hint);
}

int mcq_monitor(struct mcq_socket *socket, unsigned kinds,
                void (*tell)(const struct mcq_report *report, void *hint), void *hint)
{
    struct mcq_listener listener = {pass, (void (*)(void)) tell, hint};
    enum mcq_err err;

    if (socket == NULL)
        return mcq_fail_null("monitor", "socket");
    err = mcq_socket_enter(socket);
    if (err == MCQ_TERMINATED && tell == NULL) { /* open, so its context is there */
        mcq_reports_listen(socket, 0, (struct mcq_listener) {0});
        return 0;
    }
    if (err != MCQ_OK)
        return mcq_fail_on(socket, MCQ_CALL_OTHER, err);
    mcq_socket_pause(socket);
    mcq_reports_listen(socket, kinds, tell != NULL ? listener : (struct mcq_listener) {0});
    (void) !mcq_socket_resume(socket); /* it was told so in time; who calls next hears of the end */
    mcq_socket_leave(socket);
    return 0;
}
