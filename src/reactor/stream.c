/* Armed accept, connect, recv and send: a poll, and the immediate call once that is over. So every
 * engine has them, and the faults of the simulated world meet them where they meet everybody. */

#include "base/assert.h"
#include "base/bytes.h"
#include "reactor/engine.h"

#define IOV_BATCH 64 /* entries of a vector that one call takes */

/* Its poll is over with that, or never began: next looks at it. */
static void wait_is_over(struct mcq_reactor *reactor, struct mcq_op *op, enum mcq_io_result polled)
{
    mcq_reactor_complete(reactor, op, MCQ_IO_DONE);
    op->polled = polled;
}

static void wait_more(struct mcq_reactor *reactor, struct mcq_op *op)
{
    op->is_complete = false;
    if (reactor->ops->arm_poll(reactor, op) != MCQ_OK)
        wait_is_over(reactor, op, MCQ_IO_NO_MEMORY);
}

static void begin(struct mcq_reactor *reactor, struct mcq_op *op, enum mcq_op_kind kind, int fd)
{
    mcq_assert(!mcq_op_is_armed(op));
    mcq_reactor_begin(reactor, op, kind);
    op->fd = fd;
    op->opened = -1;
    op->len = 0;
}

void mcq_reactor_arm_accept(struct mcq_reactor *reactor, struct mcq_op *op, int listener)
{
    begin(reactor, op, MCQ_OP_ACCEPT, listener);
    wait_is_over(reactor, op, MCQ_IO_DONE);
}

void mcq_reactor_hold_accepts(struct mcq_reactor *reactor)
{
    reactor->accept_left = 0;
}

void mcq_reactor_arm_connect(struct mcq_reactor *reactor, struct mcq_op *op,
                             const struct mcq_address *source, const struct mcq_address *address,
                             const struct mcq_tuning *tuning)
{
    enum mcq_io_result result;

    begin(reactor, op, MCQ_OP_CONNECT, -1);
    result = mcq_reactor_connect(reactor, source, address, tuning, &op->fd);
    if (result == MCQ_IO_AGAIN)
        wait_more(reactor, op);
    else
        wait_is_over(reactor, op, result);
}

void mcq_reactor_arm_recv(struct mcq_reactor *reactor, struct mcq_op *op, int fd, void *room,
                          size_t room_len)
{
    mcq_assert(room_len > 0);
    begin(reactor, op, MCQ_OP_RECV, fd);
    op->room = (struct iovec) {room, room_len};
    wait_is_over(reactor, op, MCQ_IO_DONE);
}

void mcq_reactor_arm_send(struct mcq_reactor *reactor, struct mcq_op *op, int fd,
                          const struct iovec *iov, size_t iov_count)
{
    begin(reactor, op, MCQ_OP_SEND, fd);
    op->iov = iov;
    op->iov_count = iov_count;
    wait_is_over(reactor, op, MCQ_IO_DONE);
}

/* --- once the poll is over ------------------------------------------------------------------- */

static bool resume_accept(struct mcq_reactor *reactor, struct mcq_op *op)
{
    if (reactor->accept_left == 0) { /* others have their turn; the poll is over at once */
        wait_more(reactor, op);
        return false;
    }
    op->result = mcq_reactor_accept(reactor, op->fd, &op->opened);
    if (op->result == MCQ_IO_AGAIN && !op->is_burst) {
        wait_more(reactor, op);
        return false;
    }
    op->number = reactor->accept_number;
    reactor->accept_left--;
    op->is_final = op->result != MCQ_IO_DONE && op->result != MCQ_IO_ABORTED;
    if (!op->is_final) { /* once more, behind what has happened meanwhile */
        enum mcq_io_result result = op->result;

        op->is_complete = false;
        wait_is_over(reactor, op, MCQ_IO_DONE);
        op->result = result;
    }
    return true;
}

/* The stream is the caller's, or nobody's. */
static void end_connect(struct mcq_reactor *reactor, struct mcq_op *op)
{
    if (op->result == MCQ_IO_DONE)
        op->opened = op->fd;
    else if (op->fd >= 0)
        mcq_reactor_close(reactor, op->fd);
    op->fd = -1;
}

static bool resume_recv(struct mcq_reactor *reactor, struct mcq_op *op)
{
    struct mcq_io io = mcq_reactor_recv(reactor, op->fd, &op->room, 1);

    if (io.result == MCQ_IO_AGAIN) {
        wait_more(reactor, op);
        return false;
    }
    op->len = io.len;
    op->result = io.result;
    return true;
}

/* What is left of the vector after `skip` octets, as far as one call takes it. */
static size_t rest_of(const struct mcq_op *op, size_t skip, struct iovec *rest)
{
    size_t count = 0;

    for (size_t i = 0; i < op->iov_count && count < IOV_BATCH; i++) {
        size_t step = mcq_min_size(skip, op->iov[i].iov_len);

        skip -= step;
        if (step == op->iov[i].iov_len)
            continue;
        rest[count++] =
            (struct iovec) {(uint8_t *) op->iov[i].iov_base + step, op->iov[i].iov_len - step};
    }
    return count;
}

static bool resume_send(struct mcq_reactor *reactor, struct mcq_op *op)
{
    struct iovec rest[IOV_BATCH];
    struct mcq_io io;
    size_t count;

    op->result = MCQ_IO_DONE;
    while ((count = rest_of(op, op->len, rest)) > 0) {
        io = mcq_reactor_send(reactor, op->fd, rest, count);
        op->len += io.len;
        if (io.result == MCQ_IO_AGAIN) {
            wait_more(reactor, op);
            return false;
        }
        op->result = io.result;
        if (io.result != MCQ_IO_DONE)
            break;
    }
    return true;
}

bool mcq_stream_resume(struct mcq_reactor *reactor, struct mcq_op *op)
{
    bool is_over = true;

    /* The poll of one that was canceled may have been faster than that; it is not tried again. */
    op->result = op->polled == MCQ_IO_DONE && op->is_canceled ? MCQ_IO_CANCELED : op->polled;
    op->opened = -1;
    op->is_final = true;
    op->number = 0;
    switch (op->kind) {
    case MCQ_OP_ACCEPT:
        if (op->result == MCQ_IO_DONE)
            is_over = resume_accept(reactor, op);
        break;
    case MCQ_OP_CONNECT:
        if (op->result == MCQ_IO_DONE)
            op->result = mcq_reactor_connected(reactor, op->fd);
        end_connect(reactor, op);
        break;
    case MCQ_OP_RECV:
        if (op->result == MCQ_IO_DONE)
            is_over = resume_recv(reactor, op);
        break;
    case MCQ_OP_SEND:
        if (op->result == MCQ_IO_DONE)
            is_over = resume_send(reactor, op);
        break;
    case MCQ_OP_IDLE:
    case MCQ_OP_POLL_IN:
    case MCQ_OP_POLL_OUT:
    case MCQ_OP_TIMER: break;
    }
    return is_over;
}
