/* What libzmq offers beside messaging: counters, clocks, threads. */

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "compat/compat.h"

/* --- counters -------------------------------------------------------------------------------- */

void *zmq_atomic_counter_new(void)
{
    return calloc(1, sizeof(_Atomic int));
}

void zmq_atomic_counter_set(void *counter, int value)
{
    atomic_store((_Atomic int *) counter, value);
}

int zmq_atomic_counter_inc(void *counter)
{
    return atomic_fetch_add((_Atomic int *) counter, 1);
}

/* 0: that was the last one. */
int zmq_atomic_counter_dec(void *counter)
{
    return atomic_fetch_sub((_Atomic int *) counter, 1) != 1;
}

int zmq_atomic_counter_value(void *counter)
{
    return atomic_load((_Atomic int *) counter);
}

void zmq_atomic_counter_destroy(void **counter)
{
    free(*counter);
    *counter = NULL;
}

/* --- clocks ---------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

void *zmq_stopwatch_start(void)
{
    uint64_t *watch = malloc(sizeof *watch);

    if (watch != NULL)
        *watch = now_us();
    return watch;
}

unsigned long zmq_stopwatch_intermediate(void *watch)
{
    return (unsigned long) (now_us() - *(const uint64_t *) watch);
}

unsigned long zmq_stopwatch_stop(void *watch)
{
    unsigned long passed_us = zmq_stopwatch_intermediate(watch);

    free(watch);
    return passed_us;
}

void zmq_sleep(int seconds)
{
    struct timespec left = {.tv_sec = seconds > 0 ? seconds : 0};

    (void) nanosleep(&left, NULL);
}

/* --- threads --------------------------------------------------------------------------------- */

struct thread {
    pthread_t id;
    zmq_thread_fn *func;
    void *arg;
};

static void *run(void *argument)
{
    struct thread *thread = argument;

    thread->func(thread->arg);
    return NULL;
}

/* Signals are for the program's own threads. */
void *zmq_threadstart(zmq_thread_fn *func, void *arg)
{
    struct thread *thread = malloc(sizeof *thread);
    sigset_t all;
    sigset_t before;
    int number;

    if (thread == NULL)
        return NULL;
    thread->func = func;
    thread->arg = arg;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, &before);
    number = pthread_create(&thread->id, NULL, run, thread);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number == 0)
        return thread;
    free(thread);
    errno = number;
    return NULL;
}

void zmq_threadclose(void *handle)
{
    struct thread *thread = handle;

    (void) pthread_join(thread->id, NULL);
    free(thread);
}
