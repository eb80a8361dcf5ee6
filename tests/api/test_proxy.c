/* Proxies: messages pass both ways, whole and in order, and whoever asks is told how many. */

#include "api/test_support.h"

struct proxied {
    struct world world;
    struct mcq_socket *front;
    struct mcq_socket *back;
    struct mcq_proxy *proxy;
    struct helper helper;
    char front_endpoint[ENDPOINT_BYTES];
    char back_endpoint[ENDPOINT_BYTES];
};

static int run(void *argument)
{
    return mcq_proxy_run(argument);
}

static void begin(struct proxied *p, enum mcq_type front, enum mcq_type back,
                  struct mcq_socket *(*open_capture)(struct world *world))
{
    begin_world_with_threads(&p->world);
    p->front = open_socket(&p->world, front);
    p->back = open_socket(&p->world, back);
    bind_somewhere(p->front, p->front_endpoint);
    bind_somewhere(p->back, p->back_endpoint);
    p->proxy =
        mcq_proxy_new(p->front, p->back, open_capture != NULL ? open_capture(&p->world) : NULL);
    assert_non_null(p->proxy);
    start_helper(&p->helper, run, p->proxy);
}

static void end(struct proxied *p)
{
    assert_works(mcq_proxy_tell(p->proxy, MCQ_PROXY_STOP));
    join_helper(&p->helper);
    assert_int_equal(p->helper.result, 0);
    assert_works(mcq_proxy_free(&p->proxy));
    assert_null(p->proxy);
    end_world(&p->world);
}

static struct mcq_socket *open_at(struct proxied *p, enum mcq_type type, const char *endpoint)
{
    struct mcq_socket *socket = open_socket(&p->world, type);

    assert_works(mcq_connect(socket, endpoint));
    return socket;
}

/* One that pushes through the proxy to one that pulls. */
static void begin_flow(struct proxied *p, struct mcq_socket *(*open_capture)(struct world *world),
                       struct mcq_socket **push, struct mcq_socket **pull)
{
    begin(p, MCQ_PULL, MCQ_PUSH, open_capture);
    *push = open_at(p, MCQ_PUSH, p->front_endpoint);
    *pull = open_at(p, MCQ_PULL, p->back_endpoint);
}

static struct mcq_proxy_stats stats_of(struct mcq_proxy *proxy)
{
    struct mcq_proxy_stats stats;

    assert_works(mcq_proxy_stats(proxy, &stats, sizeof stats));
    return stats;
}

static void requests_and_replies__pass__and_are_counted(void)
{
    struct proxied p;
    struct mcq_socket *req;
    struct mcq_socket *rep;
    struct mcq_proxy_stats stats;

    begin(&p, MCQ_ROUTER, MCQ_DEALER, NULL);
    req = open_at(&p, MCQ_REQ, p.front_endpoint);
    rep = open_at(&p, MCQ_REP, p.back_endpoint);
    for (int i = 0; i < 10; i++) {
        send_text(req, "ask", MCQ_SNDMORE);
        send_text(req, "more", 0);
        expect_part(rep, "ask", true);
        expect_part(rep, "more", false);
        send_text(rep, "answer", 0);
        expect_text(req, "answer");
    }
    do /* the last one is counted when it has been sent */
        stats = stats_of(p.proxy);
    while (stats.front.messages_out < 10);
    assert_int_equal(stats.front.messages_in, 10);
    assert_int_equal(stats.back.messages_out, 10);
    assert_int_equal(stats.back.messages_in, 10);
    assert_int_equal(stats.front.bytes_in, 10 * (5 + 0 + 3 + 4)); /* with the routing id */
    assert_int_equal(stats.back.bytes_out, stats.front.bytes_in);
    end(&p);
}

static void paused__messages_wait__and_pass_when_it_goes_on(void)
{
    struct proxied p;
    struct mcq_socket *push;
    struct mcq_socket *pull;

    begin_flow(&p, NULL, &push, &pull);
    send_text(push, "one", 0);
    expect_text(pull, "one");
    assert_works(mcq_proxy_tell(p.proxy, MCQ_PROXY_PAUSE));
    await_sleep(&p.helper);
    send_text(push, "two", 0);
    assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, 50));
    assert_fails(mcq_recv(pull, NULL, 0, 0), EAGAIN);
    assert_works(mcq_set(pull, MCQ_OPT_RCVTIMEO, PATIENCE_MS));
    assert_works(mcq_proxy_tell(p.proxy, MCQ_PROXY_RESUME));
    expect_text(pull, "two");
    end(&p);
}

static void stopped__it_may_run_again(void)
{
    struct proxied p;
    struct mcq_socket *push;
    struct mcq_socket *pull;

    begin_flow(&p, NULL, &push, &pull);
    assert_works(mcq_proxy_tell(p.proxy, MCQ_PROXY_STOP));
    join_helper(&p.helper);
    assert_int_equal(p.helper.result, 0);
    send_text(push, "later", 0);
    start_helper(&p.helper, run, p.proxy);
    expect_text(pull, "later");
    end(&p);
}

static struct mcq_socket *captured;

static struct mcq_socket *open_capture(struct world *world)
{
    struct couple couple = open_couple(world, MCQ_PAIR, MCQ_PAIR);

    captured = couple.connected;
    return couple.bound;
}

static void capture__gets_a_copy_of_each_part(void)
{
    struct proxied p;
    struct mcq_socket *push;
    struct mcq_socket *pull;

    begin_flow(&p, open_capture, &push, &pull);
    send_text(push, "two", MCQ_SNDMORE);
    send_text(push, "parts", 0);
    expect_part(pull, "two", true);
    expect_part(pull, "parts", false);
    expect_part(captured, "two", true);
    expect_part(captured, "parts", false);
    end(&p);
}

/* Nobody takes at the back: what is not passed waits at the front, and nothing is lost. */
static void full_at_the_back__messages_wait_at_the_front(void)
{
    struct proxied p;
    struct mcq_socket *push;
    struct mcq_socket *pull;

    begin(&p, MCQ_PULL, MCQ_PUSH, NULL);
    push = open_at(&p, MCQ_PUSH, p.front_endpoint);
    for (int i = 0; i < 500; i++)
        send_text(push, "waits", 0);
    await_sleep(&p.helper);
    assert_int_equal(stats_of(p.proxy).front.messages_in, 0);
    pull = open_at(&p, MCQ_PULL, p.back_endpoint);
    for (int i = 0; i < 500; i++)
        expect_text(pull, "waits");
    end(&p);
}

static void one_socket_as_both_sides__answers_what_it_receives(void)
{
    struct world world;
    struct couple couple;
    struct mcq_proxy *proxy;
    struct helper helper;

    begin_world_with_threads(&world);
    couple = open_couple(&world, MCQ_REP, MCQ_REQ);
    proxy = mcq_proxy_new(couple.bound, couple.bound, NULL);
    start_helper(&helper, run, proxy);
    for (int i = 0; i < 3; i++) {
        send_text(couple.connected, "echo", 0);
        expect_text(couple.connected, "echo");
    }
    assert_works(mcq_proxy_tell(proxy, MCQ_PROXY_STOP));
    join_helper(&helper);
    assert_works(mcq_proxy_free(&proxy));
    end_world(&world);
}

/* A request that is sent while its worker's end is not known yet is lost with it. */
static void await_no_workers(struct proxied *p)
{
    struct mcq_peer_info info;

    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; (void) sched_yield())
        if (mcq_peers(p->back, &info, 1, sizeof info) == 0)
            return;
    fail_msg("workers do not go");
}

/* Peers of either side go when it hurts most: with a request taken and not answered, and with an
 * answer under way. Those that come next find all as if nothing had been. */
static void fault_g12__either_side_goes_and_comes__the_proxy_goes_on(void)
{
    struct proxied p;

    begin(&p, MCQ_ROUTER, MCQ_DEALER, NULL);
    for (int round = 0; round < 5; round++) {
        struct mcq_socket *lonely = open_at(&p, MCQ_REQ, p.front_endpoint);
        struct mcq_socket *worker = open_at(&p, MCQ_REP, p.back_endpoint);
        struct mcq_socket *client;

        assert_works(mcq_set(lonely, MCQ_OPT_LINGER, 0));
        send_text(lonely, "nobody answers", 0);
        expect_text(worker, "nobody answers");
        close_socket(&p.world, worker); /* it has taken a request with it */
        await_no_workers(&p);
        worker = open_at(&p, MCQ_REP, p.back_endpoint);
        client = open_at(&p, MCQ_REQ, p.front_endpoint);
        send_text(client, "who waits", 0);
        expect_text(worker, "who waits");
        close_socket(&p.world, lonely);
        send_text(worker, "gets", 0);
        expect_text(client, "gets");
        send_text(client, "will not wait", 0);
        expect_text(worker, "will not wait");
        close_socket(&p.world, client); /* the answer finds nobody */
        send_text(worker, "to nobody", 0);
        client = open_at(&p, MCQ_REQ, p.front_endpoint);
        send_text(client, "the next one", 0);
        expect_text(worker, "the next one");
        send_text(worker, "is served", 0);
        expect_text(client, "is served");
        close_socket(&p.world, client);
        close_socket(&p.world, worker);
        await_no_workers(&p);
    }
    end(&p);
}

static int steer(struct mcq_proxy *proxy, struct mcq_socket *control, void *hint)
{
    char word[16] = "";

    if (mcq_recv(control, word, sizeof word - 1, MCQ_DONTWAIT) < 0)
        return errno == EAGAIN ? 0 : -1;
    ++*(int *) hint;
    return mcq_proxy_tell(proxy, strcmp(word, "stop") == 0 ? MCQ_PROXY_STOP : MCQ_PROXY_PAUSE);
}

static void control__a_socket_steers_it(void)
{
    struct world world;
    struct couple couple;
    struct mcq_proxy *proxy;
    struct helper helper;
    int count = 0;

    begin_world_with_threads(&world);
    couple = open_couple(&world, MCQ_PAIR, MCQ_PAIR);
    proxy = mcq_proxy_new(open_socket(&world, MCQ_PULL), open_socket(&world, MCQ_PUSH), NULL);
    assert_works(mcq_proxy_set_control(proxy, couple.bound, steer, &count));
    start_helper(&helper, run, proxy);
    send_text(couple.connected, "pause", 0);
    send_text(couple.connected, "stop", 0);
    join_helper(&helper);
    assert_int_equal(helper.result, 0);
    assert_int_equal(count, 2);
    assert_works(mcq_proxy_free(&proxy));
    end_world(&world);
}

static void context_shut_down__it_ends_with_that(void)
{
    struct proxied p;

    begin(&p, MCQ_PULL, MCQ_PUSH, NULL);
    await_sleep(&p.helper);
    assert_works(mcq_ctx_shutdown(p.world.context));
    join_helper(&p.helper);
    assert_int_equal(p.helper.result, -1);
    assert_int_equal(p.helper.number, MCQ_ETERM);
    assert_works(mcq_proxy_free(&p.proxy));
    end_world(&p.world);
}

static void wrong_calls__say_why(void)
{
    struct world world;
    struct mcq_socket *pull;
    struct mcq_proxy *proxy = NULL;

    begin_world_with_threads(&world);
    pull = open_socket(&world, MCQ_PULL);
    assert_null(mcq_proxy_new(NULL, pull, NULL));
    assert_int_equal(errno, EFAULT);
    assert_works(mcq_proxy_free(&proxy));
    assert_fails(mcq_proxy_run(NULL), EFAULT);
    assert_fails(mcq_proxy_stats(NULL, NULL, 0), EFAULT);
    proxy = mcq_proxy_new(pull, pull, NULL);
    assert_fails(mcq_proxy_tell(proxy, (enum mcq_proxy_order) 7), EINVAL);
    assert_fails(mcq_proxy_set_control(proxy, pull, NULL, NULL), EFAULT);
    assert_works(mcq_proxy_free(&proxy));
    mcq_alloc_fail_at(1);
    assert_null(mcq_proxy_new(pull, pull, NULL));
    assert_int_equal(errno, ENOMEM);
    mcq_alloc_fail_at(0);
    end_world(&world);
}

#define ON_BOTH(X)                                                                                 \
    X(requests_and_replies__pass__and_are_counted)                                                 \
    X(paused__messages_wait__and_pass_when_it_goes_on)                                             \
    X(stopped__it_may_run_again)                                                                   \
    X(capture__gets_a_copy_of_each_part)                                                           \
    X(full_at_the_back__messages_wait_at_the_front)                                                \
    X(one_socket_as_both_sides__answers_what_it_receives)                                          \
    X(fault_g12__either_side_goes_and_comes__the_proxy_goes_on)                                    \
    X(control__a_socket_steers_it)                                                                 \
    X(context_shut_down__it_ends_with_that)                                                        \
    X(wrong_calls__say_why)

ON_BOTH(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_BOTH(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "proxy");
}
