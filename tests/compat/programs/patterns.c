/* Types of sockets: whose turn it is, and who gets what. */

#include "say.h"

/* What each type says to a send and a receive without a peer. */
void lonely(void)
{
    void *context = zmq_ctx_new();

    title = "lonely";
    for (int type = 0; type <= 10; type++) {
        void *socket = open_socket(context, type);
        int events = -1;
        size_t len = sizeof events;
        char room[8];

        printf("%d ", type);
        SAY(zmq_send(socket, "x", 1, ZMQ_DONTWAIT));
        printf("%d ", type);
        SAY(zmq_send(socket, "x", 1, ZMQ_DONTWAIT | ZMQ_SNDMORE));
        printf("%d ", type);
        SAY(zmq_recv(socket, room, sizeof room, ZMQ_DONTWAIT));
        TRY(zmq_getsockopt(socket, ZMQ_EVENTS, &events, &len));
        printf("%d events %d\n", type, events);
        zmq_close(socket);
    }
    zmq_ctx_term(context);
}

void turns(void)
{
    void *context = zmq_ctx_new();
    void *rep = open_socket(context, ZMQ_REP);
    void *req = open_socket(context, ZMQ_REQ);
    char room[4];
    int value = 0;
    size_t len = sizeof value;

    title = "turns";
    join(rep, req);
    SAY(zmq_recv(req, room, 4, ZMQ_DONTWAIT));
    SAY(zmq_send(rep, "early", 5, 0));
    SAY(zmq_send(req, "question", 8, 0));
    SAY(zmq_send(req, "again", 5, 0));
    SAY(zmq_recv(rep, room, 4, 0));
    printf("%.4s\n", room);
    SAY(zmq_recv(rep, room, 4, 0));
    SAY(zmq_send(rep, "a", 1, ZMQ_SNDMORE));
    SAY(zmq_recv(rep, room, 4, 0));
    SAY(zmq_send(rep, "b", 1, 0));
    SAY(zmq_recv(req, room, 4, 0));
    TRY(zmq_getsockopt(req, ZMQ_RCVMORE, &value, &len));
    printf("more %d\n", value);
    SAY(zmq_recv(req, NULL, 0, 0));
    TRY(zmq_getsockopt(req, ZMQ_RCVMORE, &value, &len));
    printf("more %d\n", value);
    SAY(zmq_recv(req, room, 4, ZMQ_DONTWAIT));
    zmq_close(rep);
    zmq_close(req);
    zmq_ctx_term(context);
}

/* --- turns of those who send ----------------------------------------------------------------- */

#define SENDERS 3

static void say_in_turn(int type, int peer_type)
{
    void *context = zmq_ctx_new();
    void *socket = open_socket(context, type);
    void *peers[SENDERS];

    SAY(zmq_bind(socket, "inproc://fair"));
    for (int i = 0; i < SENDERS; i++) {
        char id[] = {(char) ('a' + i), '\0'};

        peers[i] = open_socket(context, peer_type);
        SAY(zmq_setsockopt(peers[i], ZMQ_ROUTING_ID, id, 1));
        SAY(zmq_connect(peers[i], "inproc://fair"));
        for (int k = 0; k < 3; k++) {
            char text[] = {id[0], (char) ('0' + k), '\0'};

            tell(peers[i], type == ZMQ_REP ? "" : text, text, NULL);
        }
    }
    for (int i = 0; i < 3 * SENDERS; i++) {
        HEAR(socket);
        if (type == ZMQ_REP)
            tell(socket, "answer", NULL);
    }
    for (int i = 0; i < SENDERS; i++)
        zmq_close(peers[i]);
    zmq_close(socket);
    zmq_ctx_term(context);
}

/* A message of each, again and again. */
void fair(void)
{
    title = "fair";
    say_in_turn(ZMQ_PULL, ZMQ_PUSH);
    say_in_turn(ZMQ_ROUTER, ZMQ_DEALER);
    say_in_turn(ZMQ_DEALER, ZMQ_DEALER);
    say_in_turn(ZMQ_REP, ZMQ_DEALER);
}

/* --- how much waits -------------------------------------------------------------------------- */

static int fill(void *socket)
{
    int count = 0;

    while (count < 100 && zmq_send(socket, "x", 1, ZMQ_DONTWAIT) == 1)
        count++;
    return count;
}

static int empty(void *socket)
{
    char room[1];
    int count = 0;

    while (zmq_recv(socket, room, sizeof room, ZMQ_DONTWAIT) >= 0)
        count++;
    return count;
}

static void limit(int send_most, int recv_most, int binds_first)
{
    void *context = zmq_ctx_new();
    void *push = open_socket(context, ZMQ_PUSH);
    void *pull = open_socket(context, ZMQ_PULL);

    set_number(push, ZMQ_SNDHWM, send_most);
    set_number(pull, ZMQ_RCVHWM, recv_most);
    printf("%d %d %d\n", send_most, recv_most, binds_first);
    if (binds_first)
        zmq_bind(pull, "inproc://limit");
    zmq_connect(push, "inproc://limit");
    if (!binds_first)
        zmq_bind(pull, "inproc://limit");
    SAY(fill(push));
    SAY(empty(pull));
    zmq_close(push);
    zmq_close(pull);
    zmq_ctx_term(context);
}

/* Over inproc both sides' high-water marks add up. */
void limits(void)
{
    title = "limits";
    for (int binds_first = 0; binds_first < 2; binds_first++) {
        limit(2, 3, binds_first);
        limit(1, 1, binds_first);
        limit(0, 3, 0);
        limit(2, 0, 0);
        limit(0, 0, binds_first);
    }

    void *context = zmq_ctx_new();
    void *push = open_socket(context, ZMQ_PUSH);
    void *pull = open_socket(context, ZMQ_PULL);

    set_number(push, ZMQ_SNDHWM, 1);
    set_number(pull, ZMQ_RCVHWM, 1);
    zmq_bind(pull, "inproc://limit");
    zmq_connect(push, "inproc://limit");
    set_number(push, ZMQ_SNDHWM, 5); /* also of those that are connected */
    SAY(fill(push));
    SAY(empty(pull));
    zmq_close(push);
    zmq_close(pull);
    zmq_ctx_term(context);
}

/* --- routes ---------------------------------------------------------------------------------- */

static void *named(void *context, int type, const char *id)
{
    void *socket = open_socket(context, type);

    SAY(zmq_setsockopt(socket, ZMQ_ROUTING_ID, id, strlen(id)));
    return socket;
}

void routes(void)
{
    void *context = zmq_ctx_new();
    void *router = open_socket(context, ZMQ_ROUTER);
    void *one = named(context, ZMQ_DEALER, "X");
    void *two = named(context, ZMQ_DEALER, "X");
    void *req = named(context, ZMQ_REQ, "Q");
    void *other = named(context, ZMQ_ROUTER, "R");

    title = "routes";
    tell(router, "nobody", "x", NULL);
    set_number(router, ZMQ_ROUTER_MANDATORY, 1);
    SAY(zmq_send(router, "nobody", 6, ZMQ_SNDMORE));
    set_number(router, ZMQ_ROUTER_HANDOVER, 1);
    join(router, one);
    tell(one, "first", NULL);
    HEAR(router);
    SAY(zmq_connect(two, last_endpoint(router)));
    tell(two, "second", NULL);
    HEAR(router);
    tell(router, "X", "who", NULL);
    HEAR(two);
    set_number(req, ZMQ_PROBE_ROUTER, 1);
    SAY(zmq_connect(req, last_endpoint(router)));
    HEAR(router);
    tell(req, "question", NULL);
    HEAR(router);
    tell(router, "Q", "", "answer", NULL);
    HEAR(req);
    SAY(zmq_setsockopt(other, ZMQ_CONNECT_ROUTING_ID, "alias", 5));
    SAY(zmq_connect(other, last_endpoint(router)));
    tell(other, "alias", "hello", NULL);
    HEAR(router);
    tell(router, "R", "back", NULL);
    HEAR(other);
    zmq_close(other);
    zmq_close(req);
    zmq_close(one);
    zmq_close(two);
    zmq_close(router);
    zmq_ctx_term(context);
}

/* --- subscriptions --------------------------------------------------------------------------- */

/* Shows what an XPUB hears till its subscriber, which says so last, has been heard. */
static void hear_all(void *xpub, void *sub)
{
    static char mark = 'a';
    char text[] = {'!', mark++, '\0'};
    char room[8];
    int len;

    SAY(zmq_setsockopt(sub, ZMQ_SUBSCRIBE, text, 2));
    do {
        len = zmq_recv(xpub, room, sizeof room, 0);
        printf("%s: %d octets: %d %.*s\n", title, len, room[0], len - 1, room + 1);
    } while (len > 0 && (len != 3 || memcmp(room + 1, text, 2) != 0));
}

static void repeat(int option)
{
    void *context = zmq_ctx_new();
    void *xpub = open_socket(context, ZMQ_XPUB);
    void *one = open_socket(context, ZMQ_SUB);
    void *two = open_socket(context, ZMQ_SUB);

    if (option != 0)
        set_number(xpub, option, 1);
    zmq_bind(xpub, "inproc://repeat");
    zmq_connect(one, "inproc://repeat");
    zmq_connect(two, "inproc://repeat");
    SAY(zmq_setsockopt(one, ZMQ_SUBSCRIBE, "A", 1));
    hear_all(xpub, one);
    for (int i = 0; i < 2; i++)
        SAY(zmq_setsockopt(two, ZMQ_SUBSCRIBE, "A", 1));
    hear_all(xpub, two);
    for (int i = 0; i < 2; i++)
        SAY(zmq_setsockopt(two, ZMQ_UNSUBSCRIBE, "A", 1));
    hear_all(xpub, two);
    SAY(zmq_setsockopt(one, ZMQ_UNSUBSCRIBE, "A", 1));
    hear_all(xpub, one);
    zmq_close(one);
    zmq_close(two);
    zmq_close(xpub);
    zmq_ctx_term(context);
}

static void decide(int option)
{
    void *context = zmq_ctx_new();
    void *xpub = open_socket(context, ZMQ_XPUB);
    void *xsub = open_socket(context, ZMQ_XSUB);

    set_number(xpub, option, 1);
    zmq_bind(xpub, "inproc://decide");
    zmq_connect(xsub, "inproc://decide");
    zmq_send(xsub, "\1A", 2, 0);
    HEAR(xpub);
    SAY(zmq_setsockopt(xpub, ZMQ_SUBSCRIBE, "XA", 2));
    tell(xpub, "A", NULL);
    tell(xpub, "XA", NULL);
    HEAR(xsub);
    zmq_send(xsub, "\0A", 2, 0);
    HEAR(xpub);
    SAY(zmq_setsockopt(xpub, ZMQ_UNSUBSCRIBE, "XA", 2));
    SAY(zmq_setsockopt(xpub, ZMQ_UNSUBSCRIBE, "none", 4));
    zmq_send(xsub, "said", 4, 0);
    HEAR(xpub);
    zmq_close(xsub);
    zmq_close(xpub);
    zmq_ctx_term(context);
}

void subscriptions(void)
{
    static const int repeats[] = {0, ZMQ_XPUB_VERBOSE, ZMQ_XPUB_VERBOSER};

    title = "subscriptions";
    for (size_t i = 0; i < COUNT(repeats); i++)
        repeat(repeats[i]);
    decide(ZMQ_XPUB_MANUAL);
    decide(98); /* XPUB_MANUAL_LAST_VALUE, which a stable build's header does not name */
}
