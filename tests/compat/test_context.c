/* How a context's threads run: what libzmq's options of it come to. */

#define _GNU_SOURCE /* cpu_set_t; NOLINT(bugprone-reserved-identifier) */

#include "compat/test_support.h"

/* The line of this thread's status that begins so. */
static bool status_of(const char *task, const char *field, char value[64])
{
    char path[300];
    char line[256];
    bool found = false;
    FILE *file;

    (void) snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    file = fopen(path, "r");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        found = strncmp(line, field, strlen(field)) == 0 &&
                sscanf(line + strlen(field), ":\t%63s", value) == 1;
    if (file != NULL)
        (void) fclose(file);
    return found;
}

/* The processors of the thread of this name. false: there is none. */
static bool find_thread(const char *name, char cpus[64])
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    bool found = false;
    char text[64];

    assert_non_null(folder);
    while (!found && (entry = readdir(folder)) != NULL)
        found = status_of(entry->d_name, "Name", text) && strcmp(text, name) == 0 &&
                status_of(entry->d_name, "Cpus_allowed_list", cpus);
    assert_int_equal(closedir(folder), 0);
    return found;
}

static void threads__have_names_and_processors(void)
{
    void *context = zmq_ctx_new();
    cpu_set_t set;
    char expected[16];
    char cpus[64];
    void *socket;
    int cpu = 0;

    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    (void) snprintf(expected, sizeof expected, "%d", cpu);
    assert_zmq(zmq_ctx_set(context, ZMQ_IO_THREADS, 2));
    assert_zmq(zmq_ctx_set(context, ZMQ_THREAD_NAME_PREFIX, 7));
    assert_zmq(zmq_ctx_set(context, ZMQ_THREAD_AFFINITY_CPU_ADD, cpu));
    assert_fails(zmq_ctx_set(context, ZMQ_THREAD_AFFINITY_CPU_ADD, 1 << 20), EINVAL);
    assert_fails(zmq_ctx_get(context, ZMQ_THREAD_AFFINITY_CPU_ADD), EINVAL);
    socket = zmq_open(context, ZMQ_PAIR);
    assert_true(find_thread("7/ZMQbg/IO/0", cpus));
    assert_string_equal(cpus, expected);
    assert_true(find_thread("7/ZMQbg/IO/1", cpus));
    assert_zmq(zmq_ctx_set(context, ZMQ_THREAD_NAME_PREFIX, 8)); /* too late, and no failure */
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

/* A priority that ordinary users may not have leaves the context at work. */
static void priority__that_is_denied__is_nothing(void)
{
    void *context = zmq_ctx_new();
    char cpus[64];
    void *socket;

    assert_zmq(zmq_ctx_set(context, ZMQ_THREAD_SCHED_POLICY, SCHED_OTHER));
    assert_zmq(zmq_ctx_set(context, ZMQ_THREAD_PRIORITY, 99));
    assert_int_equal(zmq_ctx_get(context, ZMQ_THREAD_SCHED_POLICY), SCHED_OTHER);
    socket = zmq_open(context, ZMQ_PAIR);
    assert_true(find_thread("ZMQbg/IO/0", cpus));
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

static void affinity__of_no_thread__is_emthread(void)
{
    void *context = zmq_ctx_new();
    uint64_t mask = UINT64_C(1) << 40;
    void *socket;

    assert_zmq(zmq_ctx_set(context, ZMQ_IO_THREADS, 2));
    socket = zmq_open(context, ZMQ_DEALER);
    assert_zmq(zmq_setsockopt(socket, ZMQ_AFFINITY, &mask, sizeof mask));
    assert_fails(zmq_bind(socket, "tcp://127.0.0.1:*"), EMTHREAD);
    assert_fails(zmq_connect(socket, "tcp://127.0.0.1:9"), EMTHREAD);
    assert_zmq(zmq_bind(socket, "inproc://affinity"));
    mask |= 2;
    assert_zmq(zmq_setsockopt(socket, ZMQ_AFFINITY, &mask, sizeof mask));
    assert_zmq(zmq_bind(socket, "tcp://127.0.0.1:*"));
    assert_zmq(zmq_close(socket));
    assert_zmq(zmq_ctx_term(context));
}

#define ON_BOTH(X)                                                                                 \
    X(threads__have_names_and_processors)                                                          \
    X(priority__that_is_denied__is_nothing)                                                        \
    X(affinity__of_no_thread__is_emthread)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "compat.context");
}
