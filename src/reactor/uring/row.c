/* A ring of its own for each row: the engine's belongs to the engine's thread, while sockets are
 * written to by whoever holds their lock. A send that may not wait completes while it is submitted,
 * in the thread that submits it, so nothing is left for a thread that may be elsewhere by then. */

#include "reactor/row.h"

#include <errno.h>
#include <liburing.h>
#include <sys/socket.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "reactor/engine.h"

struct mcq_row {
    struct io_uring ring;
};

struct mcq_row *mcq_uring_row_new(struct mcq_reactor *reactor)
{
    static const unsigned flags[] = {IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN, 0};
    struct mcq_row *row = mcq_alloc(sizeof *row);
    int result = -EINVAL;

    (void) reactor;
    if (row == NULL)
        return NULL;
    *row = (struct mcq_row) {0};
    for (size_t i = 0; i < MCQ_COUNTOF(flags) && result == -EINVAL; i++)
        result = io_uring_queue_init(MCQ_ROW_MAX, &row->ring, flags[i]);
    if (result != 0) {
        mcq_free(row);
        return NULL;
    }
    (void) io_uring_ring_dontfork(&row->ring); /* a forked child must not touch it */
    return row;
}

void mcq_uring_row_free(struct mcq_row *row)
{
    io_uring_queue_exit(&row->ring);
    mcq_free(row);
}

/* CANCELED: the ring has refused it, not the stream. */
static struct mcq_io io_of(int result)
{
    switch (-result) {
    case EINTR:
    case EINVAL:
    case ENOMEM:
    case EOPNOTSUPP:
    case ECANCELED: return (struct mcq_io) {.result = MCQ_IO_CANCELED};
    default: break;
    }
    if (result >= 0)
        return (struct mcq_io) {.result = MCQ_IO_DONE, .len = (size_t) result};
    return (struct mcq_io) {.result = mcq_io_result_of(MCQ_IO_OP_SEND, -result)};
}

/* Returns how many have completed. */
static int take_completions(struct mcq_row *row, struct mcq_row_send *sends)
{
    struct io_uring_cqe *completion;
    unsigned count = 0;
    unsigned head;

    io_uring_for_each_cqe(&row->ring, head, completion)
    {
        sends[io_uring_cqe_get_data64(completion)].io = io_of(completion->res);
        count++;
    }
    io_uring_cq_advance(&row->ring, count);
    return (int) count;
}

/* The first ones, which were submitted: they have completed by now, or else are waited for. Whoever
 * cannot even be waited for is lost, for what has become of its octets is not known. */
static void await_completions(struct mcq_row *row, struct mcq_row_send *sends, int count)
{
    struct io_uring_cqe *completion;
    int taken_count;
    int err = 0;

    for (int i = 0; i < count; i++)
        sends[i].io.result = MCQ_IO_RESET;
    taken_count = take_completions(row, sends);
    while (taken_count < count && (err == 0 || err == -EINTR || err == -EAGAIN)) {
        err = io_uring_wait_cqe(&row->ring, &completion);
        taken_count += take_completions(row, sends);
    }
}

/* Returns how many the kernel has taken, those in front. */
static int submit(struct mcq_row *row, struct mcq_row_send *sends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct io_uring_sqe *entry = io_uring_get_sqe(&row->ring);

        mcq_assert(entry != NULL); /* each call leaves the ring empty */
        io_uring_prep_send(entry, sends[i].fd, sends[i].octets.iov_base, sends[i].octets.iov_len,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
        io_uring_sqe_set_data64(entry, i);
    }
    return io_uring_submit(&row->ring);
}

bool mcq_uring_row_send(struct mcq_reactor *reactor, struct mcq_row *row,
                        struct mcq_row_send *sends, size_t count)
{
    int submitted;

    for (size_t i = 0; i < count; i++)
        sends[i].io = (struct mcq_io) {.result = MCQ_IO_CANCELED};
    submitted = submit(row, sends, count);
    await_completions(row, sends, submitted);
    for (size_t i = 0; i < count; i++)
        if (MCQ_UNLIKELY(sends[i].io.result == MCQ_IO_CANCELED))
            sends[i].io = mcq_kernel_send(reactor, sends[i].fd, &sends[i].octets, 1);
    return submitted == (int) count; /* else the ring holds what must never be sent */
}
