#include "sim/world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "arena/alloc.h"
#include "wire/encode.h"

#define MESSAGES_MAX 120
#define STEPS_MAX 400000
#define PORT "5555"
#define TCP_ENDPOINT "tcp://127.0.0.1:" PORT
#define IPC_ENDPOINT "ipc://@simulated" /* abstract, for the world has no files */
#define CROWD_COUNT 40                  /* more than a publisher writes to in one go */
#define SCRIPT_MESSAGES 4
#define LINGER_MS 1000 /* of a request that was given up when a part of it had left */
#define RETURNS_MAX 10 /* messages that may be lost before one arrives */

static const struct pair pair_table[] = {
    {"push-pull", MCQ_SOCKET_TYPE_PUSH, MCQ_SOCKET_TYPE_PULL, false},
    {"pub-sub", MCQ_SOCKET_TYPE_PUB, MCQ_SOCKET_TYPE_SUB, false},
    {"xpub-xsub", MCQ_SOCKET_TYPE_XPUB, MCQ_SOCKET_TYPE_XSUB, false},
    {"pair-pair", MCQ_SOCKET_TYPE_PAIR, MCQ_SOCKET_TYPE_PAIR, false},
    {"dealer-dealer", MCQ_SOCKET_TYPE_DEALER, MCQ_SOCKET_TYPE_DEALER, false},
    {"dealer-router", MCQ_SOCKET_TYPE_DEALER, MCQ_SOCKET_TYPE_ROUTER, true},
    {"req-rep", MCQ_SOCKET_TYPE_REQ, MCQ_SOCKET_TYPE_REP, true},
    {"req-router", MCQ_SOCKET_TYPE_REQ, MCQ_SOCKET_TYPE_ROUTER, true},
    {"dealer-rep", MCQ_SOCKET_TYPE_DEALER, MCQ_SOCKET_TYPE_REP, true},
};
#define PAIR_COUNT MCQ_COUNTOF(pair_table)

unsigned world_pair_count(void)
{
    return PAIR_COUNT;
}

const char *world_pair_name(unsigned pair)
{
    return pair_table[pair].name;
}

/* --- setting up ------------------------------------------------------------------------------- */

/* In a quarter of the worlds all is sealed, and who binds is the server. Its random octets are the
 * system's: nothing that happens depends on them. */
static enum mcq_err seal(const struct world *world, struct mcq_socket *socket, bool is_server)
{
    static const struct mcq_crypto_key secrets[] = {{{1}}, {{2}}};
    struct mcq_security **security = &socket->options.security;
    struct mcq_crypto_key server;

    if (world_mix(world->seed + 30) % 4 != 0)
        return MCQ_OK;
    mcq_crypto_public(&server, &secrets[1]);
    MCQ_TRY(mcq_security_set_octets(
        security, MCQ_OPTION_CURVE_SECRETKEY,
        mcq_bytes(secrets[is_server].octets, sizeof secrets[is_server].octets)));
    return is_server ? mcq_security_set_number(security, MCQ_OPTION_CURVE_SERVER, 1)
                     : mcq_security_set_octets(security, MCQ_OPTION_CURVE_SERVERKEY,
                                               mcq_bytes(server.octets, sizeof server.octets));
}

/* Where who binds is to be met. */
static struct mcq_bytes endpoint_of(const struct world *world)
{
    return mcq_bytes_of(world->is_ipc ? IPC_ENDPOINT : TCP_ENDPOINT);
}

static bool open_crowd(struct world *world)
{
    struct side *crowd = &world->crowd;
    const char *fault;
    enum mcq_err err;

    crowd->world = world;
    crowd->context = world->b.context;
    crowd->is_inline = world->b.is_inline;
    if (mcq_socket_open(world->b.context, MCQ_SOCKET_TYPE_SUB, &crowd->socket) != MCQ_OK)
        return false;
    crowd->socket->options.recv_hwm = (int) (world_mix(world->seed + 16) % 20);
    crowd->socket->options.reconnect_ms = 10;
    err = mcq_socket_enter(crowd->socket);
    if (err != MCQ_OK || seal(world, crowd->socket, false) != MCQ_OK)
        return false;
    err = crowd->socket->pattern->ops->subscribe(crowd->socket->pattern, mcq_bytes(NULL, 0), true);
    for (int i = 0; i < CROWD_COUNT && err == MCQ_OK; i++)
        err = mcq_socket_connect(crowd->socket, endpoint_of(world), &fault);
    mcq_socket_leave(crowd->socket);
    crowd->app = (struct mcq_sim_actor) {.turn = world_crowd_turn, .context = crowd};
    mcq_sim_add_actor(world->sim, &crowd->app);
    return err == MCQ_OK;
}

/* Before who binds has bound. */
static enum mcq_err open_keeper(struct world *world, struct side *binder)
{
    struct side *keeper = &world->keeper;
    const char *fault;
    enum mcq_err err;

    if (world->script.is_on || world_mix(world->seed + 50) % 4 != 0)
        return MCQ_OK;
    keeper->world = world;
    keeper->context = binder->context;
    keeper->is_inline = binder->is_inline;
    MCQ_TRY(mcq_socket_open(keeper->context, MCQ_SOCKET_TYPE_REP, &keeper->socket));
    MCQ_TRY(mcq_socket_enter(keeper->socket));
    err = mcq_socket_bind(keeper->socket, mcq_bytes_of("inproc://zeromq.zap.01"), &fault);
    mcq_socket_leave(keeper->socket);
    MCQ_TRY(err);
    keeper->app = (struct mcq_sim_actor) {.turn = world_keeper_turn, .context = keeper};
    mcq_sim_add_actor(world->sim, &keeper->app);
    return mcq_security_set_octets(&binder->socket->options.security, MCQ_OPTION_ZAP_DOMAIN,
                                   mcq_bytes_of("sim"));
}

/* As mcq_engine_begin has it, but in this world. */
static void make_inline(struct side *side)
{
    struct mcq_engine *engine = &side->context->engines[0];

    side->is_inline = true;
    engine->is_inline = true;
    engine->thread = pthread_self();
    atomic_store(&side->context->inline_engine, engine);
}

/* One context of three worlds has no thread, and now and then neither has the other. */
static bool wants_inline(const struct world *world, const struct side *side)
{
    uint64_t chance = world_mix(world->seed + 20) % 12;

    if (world->script.is_on)
        return world->script.is_inline;
    return (side == &world->a && chance < 3) || (side == &world->b && (chance == 2 || chance == 3));
}

static bool open_side(struct world *world, struct side *side, enum mcq_socket_type type,
                      struct mcq_sim_actor app)
{
    struct mcq_reactor *reactor;

    side->world = world;
    if (mcq_sim_reactor_new(world->sim, &reactor) != MCQ_OK)
        return false;
    if (mcq_context_new_on(reactor, world_mix(world->seed ^ (uint64_t) type) | 1, &side->context) !=
        MCQ_OK)
        return false;
    if (wants_inline(world, side))
        make_inline(side);
    if (mcq_socket_open(side->context, type, &side->socket) != MCQ_OK)
        return false;
    if (world_is_narrow(world->seed))
        mcq_context_set_budget(side->context, (int64_t) (1 + world_mix(world->seed + 10) % 60000));
    mcq_permits_charge(&side->context->budget, world_others_bytes(world->seed));
    side->engine = (struct mcq_sim_actor) {.turn = world_engine_turn, .context = side};
    side->app = app;
    side->app.context = side;
    if (!side->is_inline)
        mcq_sim_add_actor(world->sim, &side->engine);
    mcq_sim_add_actor(world->sim, &side->app);
    return true;
}

/* A name server that does not always know, and sometimes names a host where nobody is first. */
static enum mcq_err look_up(void *data, const char *host, bool is_ipv6,
                            struct mcq_address **addresses, uint32_t *count)
{
    struct world *world = data;
    uint64_t chance = mcq_sim_random(world->sim);
    uint32_t most = 1 + (uint32_t) (chance % 3);

    (void) host;
    (void) is_ipv6;
    if (chance / 3 % 4 == 0)
        return MCQ_NOT_FOUND;
    *addresses = mcq_alloc(most * sizeof **addresses);
    if (*addresses == NULL)
        return MCQ_NOMEM;
    for (*count = 0; *count < most; ++*count) {
        struct sockaddr_in in = {.sin_family = AF_INET};

        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + most - 1 - *count);
        (*addresses)[*count] = (struct mcq_address) {.len = sizeof in};
        memcpy(&(*addresses)[*count].storage, &in, sizeof in);
    }
    return MCQ_OK;
}

/* Where the other side connects to: an address, or in one world of three a name. */
static struct mcq_bytes target_of(struct world *world, struct side *side)
{
    struct mcq_resolver *resolver;

    if (world->is_ipc || world_mix(world->seed + 9) % 3 != 0 ||
        mcq_context_resolver(side->context, &resolver) != MCQ_OK)
        return endpoint_of(world);
    mcq_resolver_set(resolver, (struct mcq_name_server) {look_up, world});
    return mcq_bytes_of("tcp://peer.example:" PORT);
}

/* How it comes back, and whether it asks for signs of life: then nothing may be lost, for where
 * something is, the world is over when nothing happens any more. */
static void set_rhythm(const struct world *world, struct mcq_socket *socket)
{
    socket->options.reconnect_ms = 10;
    socket->options.reconnect_max_ms = world_mix(world->seed + 17) % 2 == 0 ? 0 : 50;
    socket->options.has_full_jitter = world_mix(world->seed + 14) % 2 == 0;
    if (world_mix(world->seed + 13) % 3 > 0 || world->script.is_on || world->cuts_left > 0 ||
        world->is_starving)
        return;
    socket->options.heartbeat_ms = 10;
    socket->options.heartbeat_timeout_ms = 200;
    socket->options.heartbeat_ttl_ms = 500;
}

static bool has_crowd(const struct world *world, const struct side *binder)
{
    return world->pair->b == MCQ_SOCKET_TYPE_SUB && binder == &world->a && !world->script.is_on &&
           world_mix(world->seed + 12) % 4 == 0;
}

static enum mcq_err wish_for_all(struct mcq_socket *xsub)
{
    uint8_t octets[1];
    uint8_t *end = mcq_encode_subscribe_message(octets, mcq_bytes(NULL, 0));
    struct mcq_part part = {.body = mcq_bytes(octets, (size_t) (end - octets))};

    return mcq_socket_send(xsub, &part, 0);
}

/* How long a REQ waits, how often it asks again, and of whom. */
static enum mcq_err set_deadlines(struct world *world)
{
    struct mcq_pattern *pattern = world->a.socket->pattern;
    uint64_t chance = world_mix(world->seed + 40);

    if (world->pair->a != MCQ_SOCKET_TYPE_REQ || world->script.is_on || chance % 2 == 0)
        return MCQ_OK;
    world->timeout_ms = (uint32_t) (1 + chance / 2 % 40);
    world->resends = (uint32_t) (chance / 80 % 4);
    world->a.socket->options.linger_ms = LINGER_MS;
    MCQ_TRY(pattern->ops->set(pattern, MCQ_PATTERN_REQ_TIMEOUT, (int) world->timeout_ms));
    MCQ_TRY(pattern->ops->set(pattern, MCQ_PATTERN_REQ_RESENDS, (int) world->resends));
    return pattern->ops->set(pattern, MCQ_PATTERN_REQ_RESEND_SAME, chance / 320 % 2);
}

static bool set_up(struct world *world)
{
    struct side *binder = world_mix(world->seed) % 2 == 0 ? &world->a : &world->b;
    struct side *other = binder == &world->a ? &world->b : &world->a;
    const char *fault;
    bool is_late = world_mix(world->seed + 1) % 3 == 0; /* connect before bind */
    enum mcq_err err = MCQ_OK;

    world->is_ipc =
        world->script.is_on ? world->script.is_ipc : world_mix(world->seed + 21) % 4 == 0;
    if (!open_side(world, &world->a, world->pair->a,
                   (struct mcq_sim_actor) {.turn = world_a_turn}) ||
        !open_side(world, &world->b, world->pair->b, (struct mcq_sim_actor) {.turn = world_b_turn}))
        return false;
    world->a.socket->options.send_hwm = (int) (world_mix(world->seed + 2) % 20);
    world->b.socket->options.recv_hwm = (int) (world_mix(world->seed + 3) % 20);
    world->b.socket->options.send_hwm = 0; /* a reply is dropped where its peer is full */
    if (world_publishes(world))
        world->a.socket->options.send_hwm = 0;
    set_rhythm(world, world->a.socket);
    set_rhythm(world, world->b.socket);
    world->a.sends_batches = world_mix(world->seed + 19) % 3 == 0;
    world->leaves = !world->pair->is_dialogue && !world_publishes(world) && other == &world->a &&
                    !world->script.is_on && world_mix(world->seed + 18) % 3 == 0;
    world->b.takes_batches = !world->pair->is_dialogue && world_mix(world->seed + 15) % 2 == 0;
    if (world->pair->b == MCQ_SOCKET_TYPE_SUB) {
        if (mcq_socket_enter(world->b.socket) != MCQ_OK)
            return false;
        err = world->b.socket->pattern->ops->subscribe(world->b.socket->pattern, mcq_bytes(NULL, 0),
                                                       true);
        mcq_socket_leave(world->b.socket);
    }
    if (world->pair->b == MCQ_SOCKET_TYPE_XSUB)
        err = wish_for_all(world->b.socket);
    if (err == MCQ_OK)
        err = set_deadlines(world);
    if (err == MCQ_OK)
        err = open_keeper(world, binder);
    world->target = target_of(world, other);
    for (int i = 0; i < 2 && err == MCQ_OK; i++) {
        struct side *side = (i == 0) == is_late ? other : binder;

        err = mcq_socket_enter(side->socket);
        if (err != MCQ_OK)
            break;
        err = seal(world, side->socket, side == binder);
        if (err != MCQ_OK)
            fault = "no keys";
        else
            err = side == binder ? mcq_socket_bind(side->socket, endpoint_of(world), &fault)
                                 : mcq_socket_connect(side->socket, world->target, &fault);
        mcq_socket_leave(side->socket);
    }
    world->is_refused = err != MCQ_OK && world->script.is_on;
    if (err != MCQ_OK && !world->is_refused)
        world_fail(world, mcq_err_text(err), 0);
    return err == MCQ_OK && (!has_crowd(world, binder) || open_crowd(world));
}

/* --- its end --------------------------------------------------------------------------------- */

static bool is_delivered(void *context)
{
    struct world *world = context;
    bool has_sent = world->a.out.number == world->message_count && !world->a.owes;

    if (world->wrong[0] != '\0')
        return true;
    if (world->is_starving && mcq_alloc_fail_left() == 0)
        mcq_alloc_fail_at(1 + mcq_sim_random(world->sim) % 500);
    /* A connection is cut in the middle of things, a few times. */
    if (world->cuts_left > 0 && mcq_sim_random(world->sim) % 600 == 0) {
        struct side *side = mcq_sim_random(world->sim) % 2 == 0 ? &world->a : &world->b;

        for (uint32_t i = 0; i < side->socket->slot_count; i++) {
            struct mcq_conn *conn = side->socket->slots[i].conn;

            if (conn == NULL || !conn->peer.link.is_up)
                continue;
            mcq_sim_reset(world->sim, conn->peer.link.fd);
            world->cuts_left--;
            world->cut_count++;
        }
    }
    if (world->pair->is_dialogue)
        return has_sent;
    return has_sent && world->next_expected == world->message_count;
}

static bool is_closed(void *context)
{
    struct world *world = context;

    return world->a.context->open_count == 0 && world->b.context->open_count == 0 &&
           !mcq_wait_is_armed(&world->b.pause);
}

static void end_side(struct world *world, struct side *side)
{
    if (side->context == NULL)
        return;
    mcq_permits_put(&side->context->budget, world_others_bytes(world->seed));
    if (mcq_context_term(&side->context, 0) != MCQ_OK)
        world_fail(world, "a context that does not end", 0);
    mcq_sim_remove_actor(world->sim, &side->engine);
}

static void take_down(struct world *world)
{
    struct side *sides[] = {&world->a, &world->b, &world->crowd, &world->keeper};

    for (size_t i = 0; i < MCQ_COUNTOF(sides); i++) {
        if (sides[i]->socket == NULL)
            continue;
        mcq_sim_remove_actor(world->sim, &sides[i]->app);
        if (i < 2 && sides[i]->is_inline) /* who closes it goes on driving it */
            mcq_sim_add_actor(world->sim, &sides[i]->engine);
        mcq_reactor_cancel(sides[i]->socket->engine->reactor, &sides[i]->pause.op);
        if (sides[i]->in.has_envelope)
            mcq_msg_fini(&sides[i]->in.envelope);
        if (sides[i]->out.has_envelope)
            mcq_msg_fini(&sides[i]->out.envelope);
        if (world->wrong[0] != '\0')
            sides[i]->socket->options.linger_ms = 0;
        while (sides[i]->batch_at < sides[i]->batch_count)
            mcq_msg_fini(&sides[i]->batch[sides[i]->batch_at++]);
        (void) mcq_socket_close(sides[i]->socket);
    }
    if (!mcq_sim_run_until(world->sim, is_closed, world, STEPS_MAX))
        world_fail(world, "a socket that does not close", 0);
    else
        for (size_t i = 0; i < 2; i++)
            end_side(world, sides[i]);
}

/* --- running --------------------------------------------------------------------------------- */

static void choose_faults(uint64_t seed, struct mcq_sim_faults *faults)
{
    uint64_t chance = world_mix(seed + 77);

    *faults = (struct mcq_sim_faults) {
        .partial = (unsigned) (chance % 3 * 300),
        .again = (unsigned) (chance / 3 % 3 * 100),
        .spurious = (unsigned) (chance / 9 % 3 * 50),
        .late = (unsigned) (chance / 27 % 3 * 200),
        .delay_max_ns = chance / 81 % 3 * 700000,
        .pipe_bytes = chance / 243 % 4 == 0 ? 4096 : 65536,
    };
}

/* An answer that is lost is waited for no longer, and there is one message more to say. */
static void say_more(struct world *world)
{
    if (world->pair->is_dialogue && world->a.owes) {
        world->a.owes = false;
        world->a.in = (struct progress) {0};
    }
    world->message_count++;
}

/* Until all is delivered, or nothing happens any more. By script what is lost is lost, but what
 * follows has to arrive. */
static void play(struct world *world)
{
    bool is_over = mcq_sim_run_until(world->sim, is_delivered, world, STEPS_MAX);

    if (world->script.is_on) {
        for (int i = 0; i < RETURNS_MAX && !is_over; i++) {
            say_more(world);
            is_over = mcq_sim_run_until(world->sim, is_delivered, world, STEPS_MAX);
        }
        if (!is_over)
            world_fail(world, "it does not come back", world->next_expected);
        return;
    }
    if (is_over)
        world_check_requests(world);
    /* What was under way when a connection was cut may be lost; a REQ learns of that. */
    if (!is_over && ((world->cut_count == 0 && !world->is_starving) ||
                     (world->pair->a == MCQ_SOCKET_TYPE_REQ && !world->is_starving)))
        world_fail(world, "nothing happens any more", world->next_expected);
}

static void follow_script(struct world *world, struct mcq_sim_faults *faults)
{
    *faults = (struct mcq_sim_faults) {.pipe_bytes = 4096};
    world->message_count = SCRIPT_MESSAGES;
    world->cuts_left = 0;
    world->is_starving = false;
}

static void note_operations(struct world *world)
{
    world->operation_count = mcq_sim_operation_count(world->sim);
    for (uint64_t i = 0; i < KINDS_MAX && i < world->operation_count; i++)
        world->kinds[i] = (uint8_t) mcq_sim_operation_at(world->sim, i);
}

uint64_t world_run(struct world *world, uint64_t seed, const struct script *script)
{
    struct mcq_sim_faults faults;
    uint64_t hash = 0;

    *world = (struct world) {.seed = seed, .pair = &pair_table[seed % PAIR_COUNT]};
    if (script != NULL)
        world->script = *script;
    world->message_count = (uint32_t) (20 + world_mix(seed + 5) % (MESSAGES_MAX - 20));
    world->cuts_left = world_mix(seed + 6) % 2 == 0 ? 0 : (uint32_t) (world_mix(seed + 7) % 3);
    world->is_starving = world_mix(seed + 8) % 5 == 0;
    choose_faults(seed, &faults);
    if (world->script.is_on)
        follow_script(world, &faults);
    if (mcq_sim_new(seed, &faults, &world->sim) != MCQ_OK) {
        world_fail(world, "no world", 0);
        return 0;
    }
    if (world->script.is_on && world->script.is_short)
        mcq_sim_inject_short(world->sim, world->script.index, 1);
    else if (world->script.is_on)
        mcq_sim_inject(world->sim, world->script.index, world->script.result);
    if (set_up(world))
        play(world);
    mcq_alloc_fail_at(0);
    take_down(world);
    hash = mcq_sim_hash(world->sim);
    note_operations(world);
    if (world->a.context == NULL && world->b.context == NULL) {
        if (mcq_sim_open_count(world->sim) != 0)
            world_fail(world, "descriptors are left open", 0);
        mcq_sim_free(&world->sim);
        if (mcq_alloc_ledger().block_count != 0)
            world_fail(world, "memory is left", 0);
    }
    return hash;
}
