#include "sim/world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "arena/alloc.h"
#include "wire/encode.h"

#define MESSAGES_MAX 120
#define PARTS_MAX 4
#define STEPS_MAX 400000
#define PORT "5555"
#define CROWD_COUNT 40 /* more than a publisher writes to in one go */
#define SCRIPT_MESSAGES 4
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

/* --- messages: their octets follow from the seed and their number ---------------------------- */

static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Less than what any peer may have in spite of the budget, in all parts together. */
#define NARROW_BYTES 3000

static bool is_narrow(uint64_t seed)
{
    return mix(seed + 9) % 4 == 0;
}

/* What others have used of the budget: in half of these worlds, all of it. */
static uint64_t others_bytes(uint64_t seed)
{
    return is_narrow(seed) && mix(seed + 11) % 2 == 0 ? 60001 : 0;
}

static unsigned part_count(uint64_t seed, uint32_t number)
{
    uint64_t chance = mix(seed ^ mix(number)) % 10;

    return chance < 6 ? 1 : (unsigned) (1 + chance % PARTS_MAX);
}

/* The first part begins with the number, so that any message says which one it is. */
static size_t part_len(uint64_t seed, uint32_t number, unsigned part)
{
    static const uint32_t edges[] = {0, 1, 55, 56, 57, 255, 256, 4096, 4097, 8191, 65535, 65536};
    uint64_t chance = mix(seed + (uint64_t) number * PARTS_MAX + part);
    size_t len = chance % 4 == 0 ? edges[chance / 7 % MCQ_COUNTOF(edges)] : chance / 7 % 300;

    if (chance % 97 == 0)
        len = chance % 200000;
    if (is_narrow(seed))
        len %= NARROW_BYTES;
    return part == 0 ? len + sizeof number : len;
}

static uint8_t octet_at(uint32_t number, unsigned part, size_t index)
{
    return (uint8_t) (number * 7 + part * 31 + index * 13 + (index >> 8));
}

static bool fill(struct mcq_msg *msg, uint64_t seed, uint32_t number, unsigned part)
{
    size_t len = part_len(seed, number, part);
    uint8_t *at;

    if (mcq_msg_init_size(msg, len) != MCQ_OK)
        return false;
    at = mcq_msg_fill(msg);
    for (size_t i = 0; i < len; i++)
        at[i] = octet_at(number, part, i);
    if (part == 0)
        memcpy(at, &number, sizeof number);
    return true;
}

static bool is_filled(const struct mcq_msg *msg, uint64_t seed, uint32_t number, unsigned part)
{
    const uint8_t *at = mcq_msg_data(msg);
    size_t len = mcq_msg_len(msg);

    if (len != part_len(seed, number, part))
        return false;
    for (size_t i = part == 0 ? sizeof number : 0; i < len; i++)
        if (at[i] != octet_at(number, part, i))
            return false;
    return true;
}

/* --- a world --------------------------------------------------------------------------------- */

static void fail(struct world *world, const char *what, uint32_t number)
{
    if (world->wrong[0] == '\0')
        (void) snprintf(world->wrong, sizeof world->wrong, "%s (message %u)", what, number);
}

/* No memory now: like no room, to be tried again. */
static bool is_hungry(const struct world *world, enum mcq_err err)
{
    return err == MCQ_AGAIN || (err == MCQ_NOMEM && world->is_starving);
}

/* A connection may have been lost, and with it what was under way. */
static bool is_disturbed(const struct world *world)
{
    return world->cut_count > 0 || world->script.is_on;
}

static bool engine_turn(void *context)
{
    return mcq_context_turn(((struct side *) context)->context);
}

/* Sends what it can of the message under way. true: all of it. */
static bool send_parts(struct side *side, struct progress *out)
{
    struct world *world = side->world;
    unsigned count = part_count(world->seed, out->number);
    enum mcq_err err;

    if (out->has_envelope) { /* a REQ wants its delimiter back behind it */
        struct mcq_part part = {mcq_msg_bytes(&out->envelope), &out->envelope, true};
        struct mcq_part delimiter = {.body = mcq_bytes(NULL, 0), .more = true};

        if (!out->in_body) {
            err = mcq_socket_send(side->socket, &part, 0);
            if (is_hungry(world, err))
                return false;
            if (err != MCQ_OK)
                fail(world, mcq_err_text(err), out->number);
            out->in_body = true;
        }
        err = world->pair->a == MCQ_SOCKET_TYPE_REQ ? mcq_socket_send(side->socket, &delimiter, 0)
                                                    : MCQ_OK;
        if (is_hungry(world, err))
            return false;
        if (err != MCQ_OK)
            fail(world, mcq_err_text(err), out->number);
        out->has_envelope = false;
    }
    while (out->part < count) {
        struct mcq_msg msg;
        struct mcq_part part = {.msg = &msg, .more = out->part + 1 < count};

        if (!fill(&msg, world->seed, out->number, out->part)) {
            if (!world->is_starving)
                fail(world, "no memory", out->number);
            return false;
        }
        part.body = mcq_msg_bytes(&msg);
        err = mcq_socket_send(side->socket, &part, 0);
        mcq_msg_fini(&msg);
        if (is_hungry(world, err))
            return false;
        if (err != MCQ_OK) {
            fail(world, mcq_err_text(err), out->number);
            return false;
        }
        out->part++;
    }
    return true;
}

enum taken {
    TAKEN_NOTHING,
    TAKEN_SOME,
    TAKEN_WHOLE,
    TAKEN_LOST,
};

static enum mcq_err next_part(struct side *side, struct mcq_msg *msg)
{
    if (!side->takes_batches)
        return mcq_socket_recv(side->socket, msg, 0);
    if (side->batch_at == side->batch_count) {
        for (size_t i = 0; i < BATCH_MAX; i++)
            mcq_msg_init(&side->batch[i]);
        side->batch_at = side->batch_count = 0;
        MCQ_TRY(mcq_socket_recv_batch(side->socket, side->batch, BATCH_MAX, false, 0,
                                      &side->batch_count));
    }
    mcq_msg_move(msg, &side->batch[side->batch_at++]);
    return MCQ_OK;
}

static enum taken take_part(struct side *side)
{
    struct world *world = side->world;
    struct progress *in = &side->in;
    struct mcq_msg msg;
    enum mcq_err err = next_part(side, &msg);

    if (err == MCQ_CLOSED) /* REQ: the reply is lost */
        return TAKEN_LOST;
    if (is_hungry(world, err))
        return TAKEN_NOTHING;
    if (err != MCQ_OK) {
        fail(world, mcq_err_text(err), in->number);
        return TAKEN_NOTHING;
    }
    if (side->socket->type == MCQ_SOCKET_TYPE_ROUTER && !in->has_envelope && !in->in_body) {
        mcq_msg_move(&in->envelope, &msg);
        in->has_envelope = true;
        return TAKEN_SOME;
    }
    in->in_body = true;
    /* A dialogue that goes without an envelope on one side has a delimiter on the other. */
    if (in->part == 0 && mcq_msg_len(&msg) == 0 && msg.more &&
        (side->socket->type == MCQ_SOCKET_TYPE_ROUTER ||
         side->socket->type == MCQ_SOCKET_TYPE_DEALER)) {
        mcq_msg_fini(&msg);
        return TAKEN_SOME;
    }
    if (in->part == 0) {
        if (mcq_msg_len(&msg) < sizeof in->number)
            fail(world, "too short to have a number", 0);
        else
            memcpy(&in->number, mcq_msg_data(&msg), sizeof in->number);
        if (in->number >= world->message_count)
            fail(world, "a number that was never sent", in->number);
    }
    if (!is_filled(&msg, world->seed, in->number, in->part))
        fail(world, "other octets than were sent", in->number);
    if (msg.more != (in->part + 1 < part_count(world->seed, in->number)))
        fail(world, "another number of parts", in->number);
    err = msg.more ? MCQ_AGAIN : MCQ_OK;
    mcq_msg_fini(&msg);
    in->part++;
    if (err == MCQ_AGAIN)
        return TAKEN_SOME;
    in->part = 0;
    in->in_body = false;
    return TAKEN_WHOLE;
}

static bool publishes(const struct world *world)
{
    return world->pair->a == MCQ_SOCKET_TYPE_PUB || world->pair->a == MCQ_SOCKET_TYPE_XPUB;
}

/* b has a whole message. */
static void check_order(struct world *world, uint32_t number)
{
    bool may_repeat = (world->pair->is_dialogue && is_disturbed(world)) || /* asked again */
                      (publishes(world) && number == 0);
    bool may_miss = is_disturbed(world) || world->is_starving;

    may_repeat |= world->is_starving && world->pair->is_dialogue;

    if (number < world->next_expected && !may_repeat)
        fail(world, "came twice, or was overtaken", number);
    if (number > world->next_expected && !may_miss)
        fail(world, "the one before it is missing", number);
    if (number >= world->next_expected)
        world->next_expected = number + 1;
    world->received_count++;
}

static bool needs_delimiter(const struct side *side)
{
    const struct pair *pair = side->world->pair;

    return side->socket->type == MCQ_SOCKET_TYPE_DEALER && pair->b == MCQ_SOCKET_TYPE_REP;
}

static bool send_delimiter(struct side *side)
{
    struct mcq_part part = {.body = mcq_bytes(NULL, 0), .more = true};

    return mcq_socket_send(side->socket, &part, 0) == MCQ_OK;
}

/* The next message is begun, with what goes in front of it. */
static bool begin_message(struct side *side)
{
    if (needs_delimiter(side) && !side->out.in_body) {
        if (!send_delimiter(side))
            return false;
        side->out.in_body = true;
    }
    return true;
}

static bool a_sends(struct side *a)
{
    struct world *world = a->world;

    if (a->owes || a->out.number == world->message_count)
        return false;
    if (publishes(world) && world->received_count == 0) {
        uint64_t operations = mcq_sim_operation_count(world->sim); /* not if nothing has happened */

        if (operations == world->tried_at)
            return false;
        world->tried_at = operations;
    }
    if (!begin_message(a))
        return false;

    unsigned before = a->out.part;

    if (!send_parts(a, &a->out))
        return a->out.part != before;
    a->out.part = 0;
    a->out.in_body = false;
    a->owes = world->pair->is_dialogue;
    if (!publishes(world) || world->received_count > 0)
        a->out.number++; /* a publisher repeats the first one until it is heard */
    return a->out.number > 0;
}

static bool a_hears(struct side *a)
{
    struct world *world = a->world;
    enum taken taken;

    if (!a->owes)
        return false;
    taken = take_part(a);
    if (taken == TAKEN_NOTHING)
        return false;
    if (taken == TAKEN_LOST) {
        a->out.number--; /* asks again */
        a->owes = false;
        a->in = (struct progress) {0};
    } else if (taken == TAKEN_WHOLE) {
        if (a->in.number != a->out.number - 1 && !is_disturbed(world) && !world->is_starving)
            fail(world, "an answer to another question", a->in.number);
        if (a->in.number == a->out.number - 1) {
            a->owes = false;
            world->answered_count++;
        }
    }
    return true;
}

/* A call that answers AGAIN may have moved octets all the same. */
static bool a_turn(void *context)
{
    struct side *a = context;
    uint64_t before = mcq_sim_operation_count(a->world->sim);
    bool did_any = a_sends(a);

    if (a->world->pair->is_dialogue)
        did_any |= a_hears(a);
    return did_any || mcq_sim_operation_count(a->world->sim) != before;
}

static bool b_moves(struct side *b)
{
    struct world *world = b->world;
    enum taken taken;

    if (b->owes) {
        if (!send_parts(b, &b->out))
            return false;
        b->owes = false;
        b->out = (struct progress) {0};
        return true;
    }
    taken = take_part(b);
    if (taken != TAKEN_WHOLE)
        return taken == TAKEN_SOME;
    check_order(world, b->in.number);
    if (world->pair->is_dialogue) {
        b->out = (struct progress) {.number = b->in.number};
        if (b->in.has_envelope) {
            mcq_msg_move(&b->out.envelope, &b->in.envelope);
            b->out.has_envelope = true;
        }
        b->owes = true;
    } else if (b->in.has_envelope) {
        mcq_msg_fini(&b->in.envelope);
    }
    b->in.has_envelope = false;
    return true;
}

static bool b_turn(void *context)
{
    struct side *b = context;
    uint64_t before = mcq_sim_operation_count(b->world->sim);

    return b_moves(b) || mcq_sim_operation_count(b->world->sim) != before;
}

/* The others get whole messages, too; what they miss while they connect is nobody's fault. */
static bool crowd_turn(void *context)
{
    struct side *crowd = context;
    uint64_t before = mcq_sim_operation_count(crowd->world->sim);

    return take_part(crowd) != TAKEN_NOTHING ||
           mcq_sim_operation_count(crowd->world->sim) != before;
}

/* In a quarter of the worlds all is sealed, and who binds is the server. Its random octets are the
 * system's: nothing that happens depends on them. */
static enum mcq_err seal(const struct world *world, struct mcq_socket *socket, bool is_server)
{
    static const struct mcq_crypto_key secrets[] = {{{1}}, {{2}}};
    struct mcq_security **security = &socket->options.security;
    struct mcq_crypto_key server;

    if (mix(world->seed + 30) % 4 != 0)
        return MCQ_OK;
    mcq_crypto_public(&server, &secrets[1]);
    MCQ_TRY(mcq_security_set_octets(
        security, MCQ_OPTION_CURVE_SECRETKEY,
        mcq_bytes(secrets[is_server].octets, sizeof secrets[is_server].octets)));
    return is_server ? mcq_security_set_number(security, MCQ_OPTION_CURVE_SERVER, 1)
                     : mcq_security_set_octets(security, MCQ_OPTION_CURVE_SERVERKEY,
                                               mcq_bytes(server.octets, sizeof server.octets));
}

static bool open_crowd(struct world *world)
{
    struct side *crowd = &world->crowd;
    const char *fault;
    enum mcq_err err;

    crowd->world = world;
    if (mcq_socket_open(world->b.context, MCQ_SOCKET_TYPE_SUB, &crowd->socket) != MCQ_OK)
        return false;
    crowd->socket->options.recv_hwm = (int) (mix(world->seed + 16) % 20);
    crowd->socket->options.reconnect_ms = 10;
    err = mcq_socket_enter(crowd->socket);
    if (err != MCQ_OK || seal(world, crowd->socket, false) != MCQ_OK)
        return false;
    err = crowd->socket->pattern->ops->subscribe(crowd->socket->pattern, mcq_bytes(NULL, 0), true);
    for (int i = 0; i < CROWD_COUNT && err == MCQ_OK; i++)
        err = mcq_socket_connect(crowd->socket, mcq_bytes_of("tcp://127.0.0.1:" PORT), &fault);
    mcq_socket_leave(crowd->socket);
    crowd->app = (struct mcq_sim_actor) {.turn = crowd_turn, .context = crowd};
    mcq_sim_add_actor(world->sim, &crowd->app);
    return err == MCQ_OK;
}

static bool open_side(struct world *world, struct side *side, enum mcq_socket_type type,
                      struct mcq_sim_actor app)
{
    struct mcq_reactor *reactor;

    side->world = world;
    if (mcq_sim_reactor_new(world->sim, &reactor) != MCQ_OK)
        return false;
    if (mcq_context_new_on(reactor, mix(world->seed ^ (uint64_t) type) | 1, &side->context) !=
            MCQ_OK ||
        mcq_socket_open(side->context, type, &side->socket) != MCQ_OK)
        return false;
    if (is_narrow(world->seed))
        mcq_context_set_budget(side->context, (int64_t) (1 + mix(world->seed + 10) % 60000));
    mcq_permits_charge(&side->context->budget, others_bytes(world->seed));
    side->engine = (struct mcq_sim_actor) {.turn = engine_turn, .context = side};
    side->app = app;
    side->app.context = side;
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

    if (mix(world->seed + 9) % 3 != 0 || mcq_context_resolver(side->context, &resolver) != MCQ_OK)
        return mcq_bytes_of("tcp://127.0.0.1:" PORT);
    mcq_resolver_set(resolver, (struct mcq_name_server) {look_up, world});
    return mcq_bytes_of("tcp://peer.example:" PORT);
}

/* How it comes back, and whether it asks for signs of life: then nothing may be lost, for where
 * something is, the world is over when nothing happens any more. */
static void set_rhythm(const struct world *world, struct mcq_socket *socket)
{
    socket->options.reconnect_ms = 10;
    socket->options.reconnect_max_ms = mix(world->seed + 17) % 2 == 0 ? 0 : 50;
    socket->options.has_full_jitter = mix(world->seed + 14) % 2 == 0;
    if (mix(world->seed + 13) % 3 > 0 || world->script.is_on || world->cuts_left > 0 ||
        world->is_starving)
        return;
    socket->options.heartbeat_ms = 10;
    socket->options.heartbeat_timeout_ms = 200;
    socket->options.heartbeat_ttl_ms = 500;
}

static bool has_crowd(const struct world *world, const struct side *binder)
{
    return world->pair->b == MCQ_SOCKET_TYPE_SUB && binder == &world->a && !world->script.is_on &&
           mix(world->seed + 12) % 4 == 0;
}

static enum mcq_err wish_for_all(struct mcq_socket *xsub)
{
    uint8_t octets[1];
    uint8_t *end = mcq_encode_subscribe_message(octets, mcq_bytes(NULL, 0));
    struct mcq_part part = {.body = mcq_bytes(octets, (size_t) (end - octets))};

    return mcq_socket_send(xsub, &part, 0);
}

static bool set_up(struct world *world)
{
    struct side *binder = mix(world->seed) % 2 == 0 ? &world->a : &world->b;
    struct side *other = binder == &world->a ? &world->b : &world->a;
    struct mcq_bytes endpoint = mcq_bytes_of("tcp://127.0.0.1:" PORT);
    const char *fault;
    bool is_late = mix(world->seed + 1) % 3 == 0; /* connect before bind */
    enum mcq_err err = MCQ_OK;

    if (!open_side(world, &world->a, world->pair->a, (struct mcq_sim_actor) {.turn = a_turn}) ||
        !open_side(world, &world->b, world->pair->b, (struct mcq_sim_actor) {.turn = b_turn}))
        return false;
    world->a.socket->options.send_hwm = (int) (mix(world->seed + 2) % 20);
    world->b.socket->options.recv_hwm = (int) (mix(world->seed + 3) % 20);
    world->b.socket->options.send_hwm = 0; /* a reply is dropped where its peer is full */
    if (publishes(world))
        world->a.socket->options.send_hwm = 0;
    set_rhythm(world, world->a.socket);
    set_rhythm(world, world->b.socket);
    world->b.takes_batches = !world->pair->is_dialogue && mix(world->seed + 15) % 2 == 0;
    if (world->pair->b == MCQ_SOCKET_TYPE_SUB) {
        if (mcq_socket_enter(world->b.socket) != MCQ_OK)
            return false;
        err = world->b.socket->pattern->ops->subscribe(world->b.socket->pattern, mcq_bytes(NULL, 0),
                                                       true);
        mcq_socket_leave(world->b.socket);
    }
    if (world->pair->b == MCQ_SOCKET_TYPE_XSUB)
        err = wish_for_all(world->b.socket);
    for (int i = 0; i < 2 && err == MCQ_OK; i++) {
        struct side *side = (i == 0) == is_late ? other : binder;

        err = mcq_socket_enter(side->socket);
        if (err != MCQ_OK)
            break;
        err = seal(world, side->socket, side == binder);
        if (err != MCQ_OK)
            fault = "no keys";
        else
            err = side == binder ? mcq_socket_bind(side->socket, endpoint, &fault)
                                 : mcq_socket_connect(side->socket, target_of(world, side), &fault);
        mcq_socket_leave(side->socket);
    }
    world->is_refused = err != MCQ_OK && world->script.is_on;
    if (err != MCQ_OK && !world->is_refused)
        fail(world, mcq_err_text(err), 0);
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

    return world->a.context->open_count == 0 && world->b.context->open_count == 0;
}

static void end_side(struct world *world, struct side *side)
{
    if (side->context == NULL)
        return;
    mcq_permits_put(&side->context->budget, others_bytes(world->seed));
    if (mcq_context_term(&side->context, 0) != MCQ_OK)
        fail(world, "a context that does not end", 0);
    mcq_sim_remove_actor(world->sim, &side->engine);
}

static void take_down(struct world *world)
{
    struct side *sides[] = {&world->a, &world->b, &world->crowd};

    for (size_t i = 0; i < MCQ_COUNTOF(sides); i++) {
        if (sides[i]->socket == NULL)
            continue;
        mcq_sim_remove_actor(world->sim, &sides[i]->app);
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
        fail(world, "a socket that does not close", 0);
    else
        for (size_t i = 0; i < 2; i++)
            end_side(world, sides[i]);
}

/* --- running --------------------------------------------------------------------------------- */

static void choose_faults(uint64_t seed, struct mcq_sim_faults *faults)
{
    uint64_t chance = mix(seed + 77);

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
            fail(world, "it does not come back", world->next_expected);
        return;
    }
    /* What was under way when a connection was cut may be lost; a REQ learns of that. */
    if (!is_over && ((world->cut_count == 0 && !world->is_starving) ||
                     (world->pair->a == MCQ_SOCKET_TYPE_REQ && !world->is_starving)))
        fail(world, "nothing happens any more", world->next_expected);
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
    world->message_count = (uint32_t) (20 + mix(seed + 5) % (MESSAGES_MAX - 20));
    world->cuts_left = mix(seed + 6) % 2 == 0 ? 0 : (uint32_t) (mix(seed + 7) % 3);
    world->is_starving = mix(seed + 8) % 5 == 0;
    choose_faults(seed, &faults);
    if (world->script.is_on)
        follow_script(world, &faults);
    if (mcq_sim_new(seed, &faults, &world->sim) != MCQ_OK) {
        fail(world, "no world", 0);
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
            fail(world, "descriptors are left open", 0);
        mcq_sim_free(&world->sim);
        if (mcq_alloc_ledger().block_count != 0)
            fail(world, "memory is left", 0);
    }
    return hash;
}
