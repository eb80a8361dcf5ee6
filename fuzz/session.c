/* session: all that a peer says, to each end that it may be talking to. */
#include "fuzz.h"

#include "arena/alloc.h"
#include "session/session.h"
#include "session/state.h"
#include "table/socket_type.h"

/* Which end we are, and how ZAP answers. */
static const struct end {
    enum mcq_mechanism mechanism;
    bool as_server;
    bool asks_zap;
    unsigned status;
} ends[] = {
    {MCQ_MECHANISM_NULL, false, false, 0},  {MCQ_MECHANISM_NULL, false, true, 200},
    {MCQ_MECHANISM_NULL, false, true, 400}, {MCQ_MECHANISM_PLAIN, false, false, 0},
    {MCQ_MECHANISM_PLAIN, true, true, 200}, {MCQ_MECHANISM_PLAIN, true, true, 300},
};

/* The first of our types that talks to the one which the peer seems to be; else the first. */
static enum mcq_socket_type own_type(struct mcq_bytes octets)
{
    static const char name[] = MCQ_PROPERTY_SOCKET_TYPE;
    const uint8_t *found = memmem(octets.data, octets.len, name, sizeof name - 1);
    enum mcq_socket_type peer = MCQ_SOCKET_TYPE_NONE;
    size_t first = MCQ_SOCKET_TYPE_LIMIT;

    if (found != NULL) {
        size_t at = (size_t) (found - octets.data) + sizeof name - 1 + sizeof(uint32_t);

        if (at <= octets.len)
            peer = mcq_socket_type_find(
                mcq_bytes(octets.data + at, mcq_min_size(octets.len - at, octets.data[at - 1])));
    }
    for (unsigned own = MCQ_SOCKET_TYPE_LIMIT; own-- > 0;) {
        if (mcq_socket_type_row((enum mcq_socket_type) own) == NULL)
            continue;
        if (peer == MCQ_SOCKET_TYPE_NONE || mcq_socket_type_fits((enum mcq_socket_type) own, peer))
            first = own;
    }
    return first < MCQ_SOCKET_TYPE_LIMIT ? (enum mcq_socket_type) first : MCQ_SOCKET_TYPE_DEALER;
}

static void write_body(struct text *text, const struct mcq_event *event)
{
    const struct mcq_frame_piece *piece = &event->body.piece;

    if (piece->first) {
        write_number(text, "body, flags", piece->flags);
        write_number(text, "size", piece->size);
        write_number(text, "part", event->body.part_index);
        write_text(text, ": ");
    }
    write_raw(text, piece->body.data, piece->body.len);
    if (piece->last)
        write_text(text, " last\n");
}

static void write_event(struct text *text, const struct mcq_event *event)
{
    if (event->kind == MCQ_EVENT_BODY) {
        write_body(text, event);
        return;
    }
    write_number(text, "event", event->kind);
    switch (event->kind) {
    case MCQ_EVENT_GREETING: write_greeting(text, &event->greeting); break;
    case MCQ_EVENT_ZAP:
        write_text(text, event->zap.mechanism);
        write_octets(text, "username", event->zap.credentials.username);
        write_octets(text, "password", event->zap.credentials.password);
        break;
    case MCQ_EVENT_READY:
        write_number(text, "type", event->ready.socket_type);
        write_octets(text, "identity", event->ready.identity);
        write_octets(text, "metadata", event->ready.metadata);
        break;
    case MCQ_EVENT_REFUSED: write_octets(text, "reason", event->reason); break;
    case MCQ_EVENT_SUBSCRIBE:
    case MCQ_EVENT_CANCEL: write_octets(text, "topic", event->topic); break;
    case MCQ_EVENT_JOIN:
    case MCQ_EVENT_LEAVE: write_octets(text, "group", event->group); break;
    case MCQ_EVENT_PING:
    case MCQ_EVENT_PONG:
        write_number(text, "ttl", event->ping.ttl_ns);
        write_octets(text, "context", event->ping.context);
        break;
    case MCQ_EVENT_IGNORED:
        write_number(text, "id", event->ignored.id);
        write_number(text, "size", event->ignored.size);
        break;
    case MCQ_EVENT_BODY: break;
    }
    write_text(text, "\n");
}

/* All control octets leave at once; what they are is compared when the run is over. */
static void let_out(struct mcq_session *session, struct text *sent)
{
    struct mcq_bytes out = mcq_session_want(session);

    write_raw(sent, out.data, out.len);
    mcq_session_sent(session, out.len);
}

static enum mcq_err feed_piece(struct mcq_session *session, const struct end *end,
                               struct mcq_bytes piece, struct text *text, struct text *sent)
{
    struct mcq_event event;
    enum mcq_err err;

    while ((err = mcq_session_feed(session, &piece, 0, &event)) == MCQ_OK || err == MCQ_BUSY) {
        if (err == MCQ_BUSY)
            must(mcq_session_want(session).len > 0, "busy with nothing to write", text);
        else
            write_event(text, &event);
        if (err == MCQ_OK && event.kind == MCQ_EVENT_ZAP)
            write_number(text, "zap", mcq_session_zap(session, end->status, 0));
        let_out(session, sent);
    }
    let_out(session, sent);
    return err;
}

static void run(struct feed *feed, uint32_t profile, unsigned variant, struct text *text)
{
    static struct text sent; /* kept like the texts of fuzz.h */
    const struct end *end = &ends[variant];
    struct mcq_session session;
    struct mcq_session_config config;
    const struct mcq_failure *failure;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    sent.len = 0;
    mcq_session_config_init(&config, own_type(feed->all), (enum mcq_profile) profile);
    config.mechanism = end->mechanism;
    config.as_server = end->as_server;
    config.asks_zap = end->asks_zap;
    config.username = mcq_bytes_of("user");
    config.password = mcq_bytes_of("password");
    must(mcq_session_init(&session, &config, 0) == MCQ_OK, "no session", text);
    let_out(&session, &sent);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = feed_piece(&session, end, piece, text, &sent);
    failure = mcq_session_failure(&session);
    must(is_refusal(err) == (failure->err != MCQ_OK), "verdict and failure do not agree", text);
    write_octets(text, "sent", mcq_bytes(sent.data, sent.len));
    write_number(text, "phase", mcq_session_phase(&session));
    write_number(text, "reason", failure->reason);
    write_verdict(text, err, failure->rule, failure->offset);
    mcq_session_end(&session);
    mcq_session_fini(&session);
    must(mcq_alloc_ledger().block_count == 0, "memory is out", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned end = 0; end < MCQ_COUNTOF(ends); end++) {
        compare_cuttings(mcq_bytes(data, size), MCQ_PROFILE_NATIVE, end, run, false);
        compare_cuttings(mcq_bytes(data, size), MCQ_PROFILE_COMPAT, end, run, false);
    }
    return 0;
}
