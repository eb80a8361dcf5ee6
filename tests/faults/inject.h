/*
 * inject: the kernel's answers to this process, as a test wants them, by a seccomp filter whose
 * calls a thread of the test decides on.
 *
 * The filter holds for the thread that asks for it and all that it starts from then on, for good.
 * Calls that are not denied go on as if nobody had looked.
 */
#ifndef MCQ_TESTS_FAULTS_INJECT_H
#define MCQ_TESTS_FAULTS_INJECT_H

#include "faults/alone.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#define INJECT_CALLS_MAX 4

struct injector {
    /* How a call ends: an errno; 0: as the kernel has it; INJECT_VALUE: *value is the result. In
     * the thread of the injector, where the filter is not. */
    int (*answer)(const struct seccomp_data *call, int64_t *value);
    int listener; /* the thread's, until it has ended */
    int stop[2];
    pthread_t thread;
};
#define INJECT_VALUE (-1)

/* An answer that writes where the call's thread has memory for the kernel: to ThreadSanitizer that
 * is one thread writing to another's, for it sees no call in between. */
#define INJECT_AS_KERNEL __attribute__((no_sanitize_thread))

static inline void inject_answer(struct injector *injector)
{
    struct seccomp_notif call = {0};
    struct seccomp_notif_resp response = {0};
    int64_t value = 0;
    int number;

    if (ioctl(injector->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
        return; /* a signal has taken it back */
    number = injector->answer(&call.data, &value);
    response.id = call.id;
    if (number == 0)
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (number == INJECT_VALUE)
        response.val = value;
    else
        response.error = -number;
    (void) ioctl(injector->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void *inject_main(void *argument)
{
    struct injector *injector = argument;
    struct pollfd fds[2] = {{.fd = injector->stop[0], .events = POLLIN}};
    int listener;

    while (read(injector->stop[0], &listener, sizeof listener) != sizeof listener)
        continue;
    injector->listener = listener;
    fds[1] = (struct pollfd) {.fd = listener, .events = POLLIN};
    while (poll(fds, 2, -1) < 0 || fds[0].revents == 0)
        if (fds[1].revents & POLLIN)
            inject_answer(injector);
    return NULL;
}

/* From now on the calls of these numbers are the answer's to decide on. */
static inline void begin_injection(struct injector *injector, const int *calls, size_t count,
                                   int (*answer)(const struct seccomp_data *, int64_t *))
{
    struct sock_filter code[2 + 2 * INJECT_CALLS_MAX];
    struct sock_fprog program = {.filter = code};
    unsigned short len = 0;

    assert_true(count <= INJECT_CALLS_MAX);
    *injector = (struct injector) {.answer = answer};
    code[len++] =
        (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        code[len++] =
            (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) calls[i], 0, 1);
        code[len++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    code[len++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = len;
    assert_int_equal(pipe(injector->stop), 0);
    assert_int_equal(pthread_create(&injector->thread, NULL, inject_main, injector), 0);
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);

    int listener = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                 SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);

    if (listener < 0) {
        print_message("# no seccomp filter with a listener: %s\n", strerror(errno));
        exit(ALONE_SKIPPED);
    }
    assert_int_equal(write(injector->stop[1], &listener, sizeof listener), sizeof listener);
}

/* Nobody makes such calls any more: they would be ENOSYS. */
static inline void end_injection(struct injector *injector)
{
    assert_int_equal(write(injector->stop[1], "", 1), 1);
    assert_int_equal(pthread_join(injector->thread, NULL), 0);
    assert_int_equal(close(injector->stop[0]), 0);
    assert_int_equal(close(injector->stop[1]), 0);
    assert_int_equal(close(injector->listener), 0);
}

#endif
