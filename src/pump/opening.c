#include "pump/opening.h"

#include "arena/alloc.h"
#include "session/state.h"
#include "wire/zap.h"

static enum mcq_err make_session(struct mcq_opening *opening,
                                 const struct mcq_session_config *config)
{
    struct mcq_session *session = mcq_alloc(sizeof *session);
    struct mcq_rpump *rpump = mcq_alloc(sizeof *rpump);
    enum mcq_err err = MCQ_NOMEM;

    if (session != NULL && rpump != NULL)
        err = mcq_session_init(session, config, mcq_reactor_now_ns(opening->reactor));
    if (err != MCQ_OK) {
        mcq_free(session);
        mcq_free(rpump);
        return err;
    }
    mcq_rpump_init(rpump, opening->receiver, session);
    opening->session = session;
    opening->rpump = rpump;
    return MCQ_OK;
}

static void free_session(struct mcq_opening *opening)
{
    mcq_rpump_fini(opening->rpump);
    mcq_session_fini(opening->session);
    mcq_free(opening->session);
    mcq_free(opening->rpump);
    opening->session = NULL;
    opening->rpump = NULL;
}

enum mcq_err mcq_opening_init(struct mcq_opening *opening, struct mcq_reactor *reactor,
                              struct mcq_receiver *receiver, int fd,
                              const struct mcq_session_config *config)
{
    *opening = (struct mcq_opening) {.reactor = reactor, .receiver = receiver, .fd = -1};
    MCQ_TRY(make_session(opening, config));
    opening->fd = fd;
    return MCQ_OK;
}

void mcq_opening_doze(struct mcq_opening *opening)
{
    const struct mcq_session *session = opening->session;

    if (opening->is_blocked || session->phase != MCQ_PHASE_GREETING ||
        session->greeting.accepted > 0 || mcq_session_want(session).len > 0)
        return;
    opening->greeted = session->greeting_queued;
    free_session(opening);
}

enum mcq_err mcq_opening_rouse(struct mcq_opening *opening, const struct mcq_session_config *config)
{
    MCQ_TRY(make_session(opening, config));
    mcq_session_sent(opening->session, opening->greeted); /* the same octets as before */
    return MCQ_OK;
}

static enum mcq_err opening_write(struct mcq_opening *opening)
{
    struct mcq_bytes want;

    opening->is_blocked = false;
    while ((want = mcq_session_want(opening->session)).len > 0) {
        struct iovec run = {(void *) (uintptr_t) want.data, want.len};
        struct mcq_io io = mcq_reactor_send(opening->reactor, opening->fd, &run, 1);

        mcq_session_sent(opening->session, io.len);
        opening->is_blocked = io.result == MCQ_IO_AGAIN;
        if (opening->is_blocked)
            return MCQ_OK;
        if (io.result != MCQ_IO_DONE)
            return MCQ_CLOSED;
    }
    return MCQ_OK;
}

static enum mcq_err opening_read(struct mcq_opening *opening)
{
    struct iovec iov[MCQ_RPUMP_IOV_MAX];
    struct mcq_io io;
    size_t count;

    MCQ_TRY(mcq_rpump_room(opening->rpump, iov, &count));
    io = mcq_reactor_recv(opening->reactor, opening->fd, iov, count);
    mcq_rpump_on_read(opening->rpump, io.len);
    if (io.result == MCQ_IO_DONE || io.result == MCQ_IO_AGAIN)
        return io.result == MCQ_IO_DONE ? MCQ_OK : MCQ_AGAIN;
    mcq_session_end(opening->session);
    return MCQ_CLOSED;
}

/* Up to READY, or a question to ZAP, and no octet further: what follows is the socket's. */
static enum mcq_err opening_advance(struct mcq_opening *opening, struct mcq_event *ready)
{
    enum mcq_err err;
    struct mcq_msg none;

    do {
        err = mcq_rpump_next(opening->rpump, mcq_reactor_now_ns(opening->reactor), &none, ready);
        if (err == MCQ_AGAIN) {
            MCQ_TRY(opening_write(opening));
            err = opening_read(opening);
            if (err == MCQ_OK)
                ready->kind = MCQ_EVENT_IGNORED;
        }
        if (err == MCQ_OK && ready->kind == MCQ_EVENT_REFUSED)
            opening->refusal = mcq_zap_status(ready->reason);
    } while (err == MCQ_OK && ready->kind != MCQ_EVENT_READY && ready->kind != MCQ_EVENT_ZAP);
    return err;
}

enum mcq_err mcq_opening_step(struct mcq_opening *opening, struct mcq_event *ready)
{
    enum mcq_err err = opening_advance(opening, ready);
    enum mcq_err written = MCQ_OK;

    if (err != MCQ_CLOSED) /* an ERROR is said before the end, too, unless nobody hears it */
        written = opening_write(opening);
    if (err == MCQ_OK && written == MCQ_OK && ready->kind == MCQ_EVENT_READY) {
        opening->origin =
            mcq_origin_new(opening->reactor, opening->fd, opening->decision, ready->ready.metadata);
        if (opening->origin == NULL && opening->decision != NULL)
            err = MCQ_NOMEM; /* it would pass for one that nobody was asked about */
        mcq_free(opening->decision);
        opening->decision = NULL;
    }
    return written != MCQ_OK && (err == MCQ_OK || err == MCQ_AGAIN) ? written : err;
}

enum mcq_err mcq_opening_keep(struct mcq_opening *opening, struct mcq_bytes user_id,
                              struct mcq_bytes metadata)
{
    struct mcq_decision *decision =
        mcq_alloc(mcq_size_add(sizeof *decision, mcq_size_add(user_id.len, metadata.len)));

    if (decision == NULL)
        return MCQ_NOMEM;
    decision->user_id_len = user_id.len;
    decision->metadata_len = metadata.len;
    mcq_put_bytes(mcq_put_bytes(decision->octets, user_id), metadata);
    mcq_free(opening->decision); /* there is one answer, and so none before it */
    opening->decision = decision;
    return MCQ_OK;
}

int mcq_opening_fini(struct mcq_opening *opening)
{
    int fd = opening->fd;

    if (opening->session != NULL)
        free_session(opening);
    mcq_origin_leave(&opening->origin, false);
    mcq_free(opening->decision);
    *opening = (struct mcq_opening) {.fd = -1};
    return fd;
}
