/*
 * prototype: what the programs of this folder share. They stand alone, are not built with the
 * library, and answer what docs/adr/0006-hot-cold-and-tail.md asks. Build each with
 *
 *     cc -O2 -o build/NAME bench/prototype/NAME.c -luring -lpthread
 */
#ifndef MCQ_BENCH_PROTOTYPE_H
#define MCQ_BENCH_PROTOTYPE_H

#define _GNU_SOURCE /* NOLINT(bugprone-reserved-identifier) */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5

static inline double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec * 1e6 + (double) now.tv_nsec * 1e-3;
}

static inline double cpu_us(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double) (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 +
           (double) (use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static inline void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

/* A connected pair over loopback TCP, without delay and without pacing. */
static inline void tcp_pair(int fd[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void) setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    must(bind(listener, (struct sockaddr *) &address, len) == 0 && listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *) &address, &len) == 0,
         "listen");
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    (void) setsockopt(fd[0], IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    must(connect(fd[0], (struct sockaddr *) &address, len) == 0, "connect");
    fd[1] = accept(listener, NULL, NULL);
    must(fd[1] >= 0, "accept");
    close(listener);
    for (int i = 0; i < 2; i++)
        (void) setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline void *shared_memory(size_t len)
{
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    must(memory != MAP_FAILED, "mmap");
    return memory;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *) left;
    double b = *(const double *) right;

    return (a > b) - (a < b);
}

/* Sorts in place. */
static inline double quantile(double *values, size_t count, double q)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t) ((double) (count - 1) * q)];
}

static inline void echo_for_ever(int fd)
{
    char octets[4096];

    for (;;) {
        ssize_t len = recv(fd, octets, sizeof octets, 0);

        if (len <= 0 || send(fd, octets, (size_t) len, MSG_NOSIGNAL) != len)
            _exit(0);
    }
}

#endif
