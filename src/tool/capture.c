#include "tool/capture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tool/tool.h"

#define ENDPOINT "inproc://mcq-capture"

/* {"t":"2026-01-01T12:00:00.000Z","parts":["temp.oslo","7.2"]} */
static bool write_line(FILE *file, const struct tool_message *message)
{
    char time[TOOL_TIME_BYTES];

    mcq_tool_write_time(time);
    (void) fprintf(file, "{\"t\":\"%s\",\"parts\":", time);
    mcq_tool_print_array(file, message);
    return fputs("}\n", file) >= 0 && ferror(file) == 0;
}

/* The next whole message. -1: there is none, and none will come. What was passed on before the end
 * was said is there by then, whichever of the two the poll has seen. */
static int take(const struct tool_capture *capture, struct tool_message *message)
{
    struct mcq_poll_entry entries[2] = {
        {.socket = capture->back, .events = MCQ_POLLIN},
        {.fd = capture->end_fd, .events = MCQ_POLLIN},
    };

    do {
        entries[0].revents = entries[1].revents = 0;
        if (mcq_poll(entries, 2, -1) < 0 && errno != EINTR)
            return -1;
    } while (entries[0].revents == 0 && entries[1].revents == 0);
    if (entries[0].revents == 0 && mcq_poll(entries, 1, 0) <= 0)
        return -1;
    return mcq_tool_recv(capture->wire, capture->back, message);
}

/* Signals are the main thread's. What cannot be written any more ends the proxy. */
static void *run(void *hint)
{
    struct tool_capture *capture = hint;
    struct tool_message message = {0};

    while (take(capture, &message) == 0) {
        if (capture->has_failed || write_line(capture->file, &message))
            continue;
        capture->has_failed = true; /* the proxy may wait for us until it hears of it */
        (void) mcq_tool_fail("proxy --capture %s: %s", capture->wire->options->capture,
                             mcq_strerror(errno));
        (void) kill(getpid(), SIGTERM);
    }
    mcq_tool_free(&message);
    return NULL;
}

static int start(struct tool_capture *capture)
{
    sigset_t before;
    sigset_t all;
    int number;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, &before);
    number = pthread_create(&capture->thread, NULL, run, capture);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number == 0 ? TOOL_DONE : mcq_tool_fail("proxy: %s", mcq_strerror(number));
}

int mcq_tool_capture_open(struct tool_capture *capture, struct tool_wire *wire, const char *path)
{
    *capture = (struct tool_capture) {.wire = wire, .end_fd = -1};
    capture->file = fopen(path, "we");
    if (capture->file == NULL)
        return mcq_tool_fail("proxy --capture %s: %s", path, mcq_strerror(errno));
    capture->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (capture->end_fd < 0)
        return mcq_tool_fail("proxy: %s", mcq_strerror(errno));
    capture->back = mcq_tool_socket(wire, MCQ_PULL);
    capture->front = capture->back != NULL ? mcq_tool_socket(wire, MCQ_PUSH) : NULL;
    if (capture->front != NULL &&
        (mcq_bind(capture->back, ENDPOINT) != 0 || mcq_connect(capture->front, ENDPOINT) != 0))
        (void) mcq_tool_fail_call(wire);
    else if (capture->front != NULL && start(capture) == TOOL_DONE)
        return TOOL_DONE;
    if (capture->front != NULL)
        (void) mcq_close(capture->front);
    capture->front = NULL;
    return TOOL_FAILED;
}

int mcq_tool_capture_close(struct tool_capture *capture)
{
    if (capture->front != NULL) {
        (void) eventfd_write(capture->end_fd, 1);
        (void) pthread_join(capture->thread, NULL);
        (void) mcq_close(capture->front);
    }
    if (capture->back != NULL)
        (void) mcq_close(capture->back);
    if (capture->end_fd >= 0)
        (void) close(capture->end_fd);
    if (capture->file != NULL && fclose(capture->file) != 0 && !capture->has_failed) {
        capture->has_failed = true;
        (void) mcq_tool_fail("proxy --capture %s: %s", capture->wire->options->capture,
                             mcq_strerror(errno));
    }
    return capture->has_failed ? TOOL_FAILED : TOOL_DONE;
}
