/* PUSH to PULL: one sender, or a crowd of them. */
#include <stdlib.h>

#include "rows.h"

void flow_sender(void)
{
    void *socket;
    char *message = calloc(1, run->bytes);

    run_await_phase(LISTENING);
    socket = open_socket(BENCH_PUSH, 0);
    must(message != NULL, "memory");
    while (run->gives)
        must(bench_library.give(socket, run->bytes), "give");
    for (;;)
        must(bench_library.send(socket, message, run->bytes), "send");
}

/* Messages until the time is over; the clock is read every 64 KiB or 64 messages. */
static double receive_for(void *socket, double seconds)
{
    int stride = run->bytes >= 1024 ? 1 : 64;
    uint64_t until = now_ns() + (uint64_t) (seconds * 1e9);
    double count = 0;

    do {
        for (int i = 0; i < stride; i++)
            receive(socket);
        count += stride;
    } while (now_ns() < until);
    return count;
}

static void measure(void *socket)
{
    double count;

    must(bench_library.wait(socket, PATIENCE_S * 1000), "the first message");
    (void) receive_for(socket, warm_up_s());
    run_begin();
    count = receive_for(socket, run->seconds);
    run_end(count);
    tell_library();
}

void flow_receiver(void)
{
    void *socket = open_socket(BENCH_PULL, 0);

    run_tell(LISTENING);
    measure(socket);
}

void many_receiver(void)
{
    void *socket = open_socket(BENCH_PULL, 0);

    run_tell(LISTENING);
    run_await(&run->is_open, "connections");
    measure(socket);
}
