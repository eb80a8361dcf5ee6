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
    bool is_broken; /* the kernel has not taken all that was submitted */
};

struct mcq_row *mcq_uring_row_new(struct mcq_reactor *reactor)
{
    static const unsigned flags[] = {IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN, 0};
    struct mcq_row *row = mcq_alloc(sizeof *row);
    int result = -EINVAL;

    (void) reactor;
    if (row == NULL)
        return NULL;
    row->is_broken = false;
    for (size_t i = 0; i < MCQ_COUNTOF(flags) && result == -EINVAL; i++)
        result = io_uring_queue_init(MCQ_ROW_MAX, &row->ring, flags[i]);
    if (result == 0)
        return row;
    mcq_free(row);
    return NULL;
}

void mcq_uring_row_free(struct mcq_row *row)
{
    io_uring_queue_exit(&row->ring);
    mcq_free(row);
}

/* Returns how many have completed. What was refused is left to be made without the ring: that says
 * why. */
static unsigned take_completions(struct mcq_row *row, struct mcq_row_send *sends)
{
    struct io_uring_cqe *completion;
    unsigned count = 0;
    unsigned head;

    io_uring_for_each_cqe(&row->ring, head, completion)
    {
        struct mcq_io *io = &sends[io_uring_cqe_get_data64(completion)].io;

        if (completion->res > 0)
            *io = (struct mcq_io) {.result = MCQ_IO_DONE, .len = (size_t) completion->res};
        else if (completion->res == -EAGAIN)
            io->result = MCQ_IO_AGAIN;
        count++;
    }
    io_uring_cq_advance(&row->ring, count);
    return count;
}

static void submit(struct mcq_row *row, struct mcq_row_send *sends, size_t count)
{
    struct io_uring_cqe *completion;
    unsigned taken_count;
    int submitted;

    for (size_t i = 0; i < count; i++) {
        struct io_uring_sqe *entry = io_uring_get_sqe(&row->ring);

        mcq_assert(entry != NULL); /* each call leaves the ring empty */
        io_uring_prep_send(entry, sends[i].fd, sends[i].octets.iov_base, sends[i].octets.iov_len,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
        io_uring_sqe_set_data64(entry, i);
    }
    submitted = io_uring_submit(&row->ring);
    row->is_broken = submitted != (int) count; /* the others must never be */
    for (taken_count = take_completions(row, sends); (int) taken_count < submitted;
         taken_count += take_completions(row, sends))
        (void) io_uring_wait_cqe(&row->ring, &completion); /* a signal may end it early */
}

void mcq_uring_row_send(struct mcq_reactor *reactor, struct mcq_row *row,
                        struct mcq_row_send *sends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sends[i].io = (struct mcq_io) {.result = MCQ_IO_CANCELED};
    if (!row->is_broken)
        submit(row, sends, count);
    for (size_t i = 0; i < count; i++)
        if (MCQ_UNLIKELY(sends[i].io.result == MCQ_IO_CANCELED))
            sends[i].io = mcq_kernel_send(reactor, sends[i].fd, &sends[i].octets, 1);
}
