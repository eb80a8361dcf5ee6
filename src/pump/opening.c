#include "pump/opening.h"

#include "arena/alloc.h"
#include "session/state.h"

enum mcq_err mcq_opening_init(struct mcq_opening *opening, struct mcq_reactor *reactor,
                              struct mcq_receiver *receiver, int fd,
                              const struct mcq_session_config *config)
{
    struct mcq_session *session = mcq_alloc(sizeof *session);
    enum mcq_err err = MCQ_NOMEM;

    *opening = (struct mcq_opening) {.reactor = reactor, .fd = -1};
    if (session == NULL)
        return MCQ_NOMEM;
    err = mcq_session_init(session, config, mcq_reactor_now_ns(reactor));
    if (err != MCQ_OK) {
        mcq_free(session);
        return err;
    }
    opening->session = session;
    opening->fd = fd;
    mcq_rpump_init(&opening->rpump, receiver, session);
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

    MCQ_TRY(mcq_rpump_room(&opening->rpump, iov, &count));
    io = mcq_reactor_recv(opening->reactor, opening->fd, iov, count);
    mcq_rpump_on_read(&opening->rpump, io.len);
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
        err = mcq_rpump_next(&opening->rpump, mcq_reactor_now_ns(opening->reactor), &none, ready);
        if (err == MCQ_AGAIN) {
            MCQ_TRY(opening_write(opening));
            err = opening_read(opening);
            if (err == MCQ_OK)
                ready->kind = MCQ_EVENT_IGNORED;
        }
    } while (err == MCQ_OK && ready->kind != MCQ_EVENT_READY && ready->kind != MCQ_EVENT_ZAP);
    return err;
}

enum mcq_err mcq_opening_step(struct mcq_opening *opening, struct mcq_event *ready)
{
    enum mcq_err err = opening_advance(opening, ready);
    enum mcq_err written = opening_write(opening); /* an ERROR is said before the end, too */

    return err == MCQ_OK || err == MCQ_AGAIN ? (written != MCQ_OK ? written : err) : err;
}

int mcq_opening_fini(struct mcq_opening *opening)
{
    int fd = opening->fd;

    if (opening->session != NULL) {
        mcq_rpump_fini(&opening->rpump);
        mcq_session_fini(opening->session);
        mcq_free(opening->session);
    }
    *opening = (struct mcq_opening) {.fd = -1};
    return fd;
}
