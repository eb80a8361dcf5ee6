/* long: what the programs here share: they take minutes, so no suite runs them; each prints figures
 * and ends with 0 if they are as promised. */
#ifndef MCQ_TESTS_LONG_LONG_H
#define MCQ_TESTS_LONG_LONG_H

#include <monocoque.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONG_PATIENCE_MS 20000

static inline void need(ptrdiff_t result, const char *what)
{
    if (result >= 0)
        return;
    (void) fprintf(stderr, "%s: %s\n", what, mcq_last_error());
    exit(1);
}

static inline uint64_t clock_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static inline struct mcq_socket *need_socket(struct mcq_context *context, enum mcq_type type)
{
    struct mcq_socket *socket = mcq_socket(context, type);

    if (socket == NULL)
        need(-1, "socket");
    need(mcq_set(socket, MCQ_OPT_RCVTIMEO, LONG_PATIENCE_MS), "RCVTIMEO");
    need(mcq_set(socket, MCQ_OPT_SNDTIMEO, LONG_PATIENCE_MS), "SNDTIMEO");
    return socket;
}

static inline void need_bound(struct mcq_socket *socket, char endpoint[64])
{
    size_t len = 64;

    need(mcq_bind(socket, "tcp://127.0.0.1:*"), "bind");
    need(mcq_get_bytes(socket, MCQ_OPT_LAST_ENDPOINT, endpoint, &len), "LAST_ENDPOINT");
}

/* KiB of the process in memory. */
static inline uint64_t resident_kib(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%*s %lu", &pages) != 1)
        exit(1);
    (void) fclose(file);
    return (uint64_t) pages * (uint64_t) sysconf(_SC_PAGESIZE) / 1024;
}

/* The value of --NAME VALUE among the words, or what it is by itself. */
static inline uint64_t word_of(int count, char **words, const char *name, uint64_t preset)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(words[i], name) == 0)
            return strtoull(words[i + 1], NULL, 0);
    return preset;
}

#endif
