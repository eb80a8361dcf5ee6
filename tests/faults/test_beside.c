/* g16: another libzmq in the process. */
#include "faults/alone.h"

#include <dlfcn.h>

#define ZMQ_PULL_TYPE 7
#define ZMQ_PUSH_TYPE 8
#define ZMQ_LAST_ENDPOINT_OPTION 32
#define ZMQ_RCVTIMEO_OPTION 27
#define MESSAGES 2000

/* What is asked of it; the names are those of its library. */
struct libzmq {
    void *library;
    void *(*ctx_new)(void);
    int (*ctx_term)(void *);
    void *(*socket)(void *, int);
    int (*close)(void *);
    int (*bind)(void *, const char *);
    int (*connect)(void *, const char *);
    int (*send)(void *, const void *, size_t, int);
    int (*recv)(void *, void *, size_t, int);
    int (*setsockopt)(void *, int, const void *, size_t);
    int (*getsockopt)(void *, int, void *, size_t *);
};

#define FIND(zmq, name)                                                                            \
    (zmq)->name = (__typeof__((zmq)->name)) (uintptr_t) dlsym((zmq)->library, "zmq_" #name);       \
    assert_non_null(*(void **) (void *) &(zmq)->name)

/* Global: whatever names of ours were its names, too, would be taken for each other. */
static void load(struct libzmq *zmq)
{
    zmq->library = dlopen("libzmq.so.5", RTLD_NOW | RTLD_GLOBAL);
    if (zmq->library == NULL)
        skip_because("no libzmq: %s", dlerror());
    FIND(zmq, ctx_new);
    FIND(zmq, ctx_term);
    FIND(zmq, socket);
    FIND(zmq, close);
    FIND(zmq, bind);
    FIND(zmq, connect);
    FIND(zmq, send);
    FIND(zmq, recv);
    FIND(zmq, setsockopt);
    FIND(zmq, getsockopt);
}

/* ThreadSanitizer sees half of what a library does that was not built with it. */
static void need_plain_build(void)
{
#ifdef UNDER_TSAN
    skip_because("libzmq was not built with ThreadSanitizer");
#endif
}

/* Messages both ways between the two, in one process; each ends while the other one lives on. */
static void talk(struct libzmq *zmq, bool ends_first)
{
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    size_t len = sizeof endpoint;
    int patience_ms = PATIENCE_MS;
    void *context = zmq->ctx_new();
    void *their_pull = zmq->socket(context, ZMQ_PULL_TYPE);
    void *their_push = zmq->socket(context, ZMQ_PUSH_TYPE);
    struct mcq_socket *pull;
    struct mcq_socket *push;

    begin_world(&world);
    pull = open_socket(&world, MCQ_PULL);
    push = open_socket(&world, MCQ_PUSH);
    assert_int_equal(
        zmq->setsockopt(their_pull, ZMQ_RCVTIMEO_OPTION, &patience_ms, sizeof patience_ms), 0);
    assert_int_equal(zmq->bind(their_pull, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq->getsockopt(their_pull, ZMQ_LAST_ENDPOINT_OPTION, endpoint, &len), 0);
    assert_works(mcq_connect(push, endpoint));
    bind_somewhere(pull, endpoint);
    assert_int_equal(zmq->connect(their_push, endpoint), 0);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint32_t number = i;

        assert_works(mcq_send(push, &number, sizeof number, 0));
        assert_int_equal(zmq->send(their_push, &number, sizeof number, 0), sizeof number);
    }
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint32_t number = MESSAGES;

        assert_int_equal(mcq_recv(pull, &number, sizeof number, 0), sizeof number);
        assert_int_equal(number, i);
        assert_int_equal(zmq->recv(their_pull, &number, sizeof number, 0), sizeof number);
        assert_int_equal(number, i);
    }
    if (ends_first)
        end_world(&world);
    assert_int_equal(zmq->close(their_pull), 0);
    assert_int_equal(zmq->close(their_push), 0);
    assert_int_equal(zmq->ctx_term(context), 0);
    if (!ends_first)
        end_world(&world);
}

static void fault_g16__beside_libzmq__both_work_and_end(void)
{
    struct libzmq zmq;

    need_plain_build();
    load(&zmq);
    talk(&zmq, true);
    talk(&zmq, false);
    assert_int_equal(dlclose(zmq.library), 0);
}

#define FAULTS(X) X(fault_g16__beside_libzmq__both_work_and_end)
#define FAULTS_AUTO(X)

FAULTS_MAIN("beside")
