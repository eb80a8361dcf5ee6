/* event_loop: a program's own epoll loop drives two sockets, and all that the library does; there
 * is no other thread.
 *     event_loop       prints how many requests were answered
 * Exit status: 0 done, 1 failed. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "check.h"

#define COUNT 100

static int loop;

/* What is to be done when this descriptor can be read. */
static void watch(int64_t fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

    if (epoll_ctl(loop, EPOLL_CTL_ADD, (int) fd, &event) == 0)
        return;
    perror("epoll_ctl");
    exit(1);
}

/* Everything that is there now: level-triggered, so one at a time would do as well. */
static int answer(struct mcq_socket *rep)
{
    char room[16];
    int count = 0;

    for (ptrdiff_t len; (len = mcq_recv(rep, room, sizeof room, MCQ_DONTWAIT)) >= 0; count++)
        check(mcq_send(rep, room, (size_t) len, MCQ_DONTWAIT) == 0);
    check(errno == EAGAIN);
    return count;
}

int main(void)
{
    struct mcq_context *context = mcq_ctx_new();
    char endpoint[ENDPOINT_BYTES];
    struct epoll_event event;
    int64_t fd;
    int asked = 0;
    int answered = 0;

    check(mcq_ctx_set(context, MCQ_CTX_IO_THREADS, 0) == 0);
    struct mcq_socket *rep = bound(context, MCQ_REP, endpoint);
    struct mcq_socket *req = connected(context, MCQ_REQ, endpoint);

    loop = epoll_create1(EPOLL_CLOEXEC);
    check(mcq_ctx_get(context, MCQ_CTX_FD, &fd) == 0);
    watch(fd, context);
    check(mcq_get(rep, MCQ_OPT_RECV_FD, &fd) == 0);
    watch(fd, rep);
    check(mcq_get(req, MCQ_OPT_RECV_FD, &fd) == 0);
    watch(fd, req);

    check(mcq_send(req, "request", 7, MCQ_DONTWAIT) == 0);
    while (asked < COUNT) {
        if (epoll_wait(loop, &event, 1, -1) < 0) {
            check(errno == EINTR);
        } else if (event.data.ptr == context) {
            check(mcq_ctx_run(context, 0) == 0);
        } else if (event.data.ptr == rep) {
            answered += answer(rep);
        } else if (mcq_recv(req, NULL, 0, MCQ_DONTWAIT) >= 0) {
            asked++;
            check(mcq_send(req, "request", 7, MCQ_DONTWAIT) == 0);
        } else {
            check(errno == EAGAIN); /* octets that are not yet a message */
        }
    }
    printf("%d requests, all answered\n", asked);
    check(mcq_close(req) == 0 && mcq_close(rep) == 0 && mcq_ctx_term(context, -1) == 0);
    return close(loop) == 0 && answered >= COUNT ? 0 : 1;
}
