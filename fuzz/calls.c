/*
 * Public calls on four sockets of any two types, in a simulated world: send, receive, poll,
 * connect, close and the rest in the order that the input says, with faults of its choice: partial
 * reads and writes, delays, connections that are cut, memory that runs out.
 *
 * Oracle: what is received was sent, is whole, comes once and in order; a message that has begun to
 * come is there to its end; EVENTS and poll keep their promises; a call fails only as its manual
 * says, and for ever on a closed socket; and in the end nothing is left: no memory, no descriptor.
 * The first choice names the types, the second what goes wrong.
 */

#include <errno.h>
#include <monocoque.h>

#include "calls.h"
#include "reactor/sim/sim.h"
#include "runtime/socket.h"

#define TYPES (MCQ_PUSH + 1)
#define NEWER 162 /* from this first choice on it is of the types in newer_pairs */
#define SOCKETS 4
#define CONTEXTS 2
#define PARTS_MAX 4
#define MESSAGES_MAX 256
#define BATCH_MAX 6
#define STEPS_MAX 20000
#define LEN_MAX 70000
#define PEERS_MAX (CALLS_MAX * SOCKETS) /* no call makes more than one a socket */
#define MARK 'm'

/* What every part of ours begins with; the rest of it is fill_octet. */
struct head {
    uint8_t mark;
    uint8_t sender;
    uint8_t number;
    uint8_t part;
    uint8_t part_count;
    uint8_t len[3];
};

static const enum mcq_type newer_pairs[][2] = {
    {MCQ_XPUB, MCQ_XSUB},      {MCQ_XSUB, MCQ_XPUB},     {MCQ_XPUB, MCQ_SUB},
    {MCQ_SUB, MCQ_XPUB},       {MCQ_PUB, MCQ_XSUB},      {MCQ_XSUB, MCQ_PUB},
    {MCQ_CLIENT, MCQ_SERVER},  {MCQ_SERVER, MCQ_CLIENT}, {MCQ_SCATTER, MCQ_GATHER},
    {MCQ_GATHER, MCQ_SCATTER}, {MCQ_PEER, MCQ_PEER},     {MCQ_CHANNEL, MCQ_CHANNEL},
    {MCQ_RADIO, MCQ_DISH},     {MCQ_DISH, MCQ_RADIO},
};

struct side {
    struct mcq_context *context;
    struct mcq_socket *socket;
    int type;
    bool is_closed, is_bound;
    bool connects[SOCKETS];
    unsigned linked[SOCKETS]; /* how often there was a connect between the two, either way */

    unsigned sent_count;
    unsigned part, part_count; /* of the message that goes out; 0: between messages */
    unsigned envelope;         /* parts in front of it that have to go */
    bool is_open;    /* the last part that went has more behind it, even if that was given up */
    uint8_t id[256]; /* ROUTER: whom it heard last */
    size_t id_len;
    bool is_named;   /* it has gone */
    uint32_t number; /* SERVER, PEER: whom it heard last */

    bool is_narrow;       /* it had a RCVHWM that can be reached */
    bool is_relaxed;      /* a REQ that may ask before its reply was received whole */
    bool has_deadline;    /* it had one once: a request keeps that which it was sent with */
    unsigned resends_max; /* the most that it was to make of a request so far */
    bool is_receiving;    /* a message has begun, and more is to come */
    bool in_body;
    struct head next;              /* the part that must come now */
    unsigned next_number[SOCKETS]; /* from each sender: the first that may come */
    uint8_t got_count[SOCKETS][MESSAGES_MAX];
};

static struct mcq_sim *sim;
static struct mcq_context *contexts[CONTEXTS];
static struct mcq_sim_actor engines[CONTEXTS];
static struct side sides[SOCKETS];
static bool is_starving; /* memory was refused: calls may say so, and messages may be lost */
static bool has_cut;     /* connections ended otherwise than by themselves */
static bool is_fooled;   /* streams say now and then that nothing is there, and are wrong */
static bool has_budget;  /* what goes beyond it is not read */
static uint8_t buffer[LEN_MAX + 1];

/* --- what a call may say ---------------------------------------------------------------------- */

static bool sends(const struct side *side)
{
    return side->type != MCQ_SUB && side->type != MCQ_PULL && side->type != MCQ_GATHER &&
           side->type != MCQ_DISH;
}

static bool receives(const struct side *side)
{
    return side->type != MCQ_PUB && side->type != MCQ_PUSH && side->type != MCQ_SCATTER &&
           side->type != MCQ_RADIO;
}

/* What it says goes to all that are connected. */
static bool spreads(const struct side *side)
{
    return side->type == MCQ_PUB || side->type == MCQ_XPUB || side->type == MCQ_XSUB ||
           side->type == MCQ_RADIO;
}

/* Its messages carry the number of whom they go to. */
static bool is_numbered(const struct side *side)
{
    return side->type == MCQ_SERVER || side->type == MCQ_PEER;
}

/* Its messages have one part. */
static bool is_single(const struct side *side)
{
    return side->type > MCQ_XSUB;
}

static bool is_dialogue(const struct side *side)
{
    return side->type == MCQ_REQ || side->type == MCQ_REP;
}

/* errno of a call that failed: these, and what any call may say. */
static void check_errno(const struct side *side, const char *what, bool is_fine)
{
    if (errno == ENOMEM && is_starving)
        return;
    if (side->is_closed != (errno == ENOTSOCK))
        fuzz_fail("%s on a socket that is %s: %s", what, side->is_closed ? "closed" : "open",
                  mcq_last_error());
    if (!is_fine && !side->is_closed)
        fuzz_fail("%s fails with %s", what, mcq_last_error());
}

static void check_send_errno(const struct side *side)
{
    check_errno(side, "send",
                errno == EAGAIN || (errno == ENOTSUP && !sends(side)) ||
                    (errno == MCQ_EFSM && is_dialogue(side)) ||
                    (errno == EHOSTUNREACH && (side->type == MCQ_ROUTER || is_numbered(side))));
}

/* What has begun to come is there to its end. */
static void check_recv_errno(struct side *side)
{
    check_errno(side, "recv",
                (errno == EAGAIN && !side->is_receiving) || (errno == ENOTSUP && !receives(side)) ||
                    (errno == MCQ_EFSM && is_dialogue(side)) ||
                    (errno == ECONNRESET && side->type == MCQ_REQ) ||
                    (errno == ETIMEDOUT && side->has_deadline));
    side->is_receiving = side->in_body = false;
}

/* --- octets ----------------------------------------------------------------------------------- */

static uint8_t fill_octet(const struct head *head, size_t index)
{
    return (uint8_t) (head->number * 7U + head->part * 31U + index * 13 + (index >> 8));
}

static size_t head_len(const struct head *head)
{
    return (size_t) head->len[0] << 16 | (size_t) head->len[1] << 8 | head->len[2];
}

static size_t fill(const struct head *head)
{
    size_t len = head_len(head);

    memcpy(buffer, head, sizeof *head);
    for (size_t i = sizeof *head; i < len; i++)
        buffer[i] = fill_octet(head, i);
    return len;
}

/* When a peer's next connection comes, its last one is read to the end (docs/adr/0028); not if the
 * stream says in vain that it has nothing, or where there is no room. */
static bool may_miss_end(const struct side *side)
{
    return is_fooled || has_budget || side->is_narrow;
}

/* A message has come whole. */
static void check_order(struct side *side, const struct head *head)
{
    const struct side *sender = &sides[head->sender];
    unsigned links = side->linked[head->sender];
    unsigned next = side->next_number[head->sender];
    unsigned sendings = 1 + (sender->has_deadline ? sender->resends_max : 0);

    if (++side->got_count[head->sender][head->number] > sendings &&
        !(spreads(sender) && links > 1)) /* to each connection */
        fuzz_fail("message %u came more often than it was sent", head->number);
    if (links == 1 && !(has_cut && may_miss_end(side)) && head->number < next &&
        !(sendings > 1 && head->number + 1U == next))
        fuzz_fail("message %u was overtaken by %u", head->number, next);
    side->next_number[head->sender] = head->number + 1U;
}

/* A part of ours came. */
static void check_part(struct side *side, const uint8_t *octets, size_t len, bool more)
{
    struct head head;

    memcpy(&head, octets, sizeof head);
    if (len != head_len(&head) || head.sender >= SOCKETS ||
        head.number >= sides[head.sender].sent_count || head.part >= head.part_count)
        fuzz_fail("a part that was never sent");
    for (size_t i = sizeof head; i < len; i++)
        if (octets[i] != fill_octet(&head, i))
            fuzz_fail("other octets than were sent");
    if (side->in_body && (head.sender != side->next.sender || head.number != side->next.number ||
                          head.part != side->next.part))
        fuzz_fail("part %u of message %u in the middle of another", head.part, head.number);
    if (!side->in_body && head.part != 0)
        fuzz_fail("a message begins with its part %u", head.part);
    calls_same(more, head.part + 1U < head.part_count, "whether more parts follow");
    side->in_body = more;
    side->next = head;
    side->next.part++;
    if (more)
        return;

    check_order(side, &head);
}

/* --- sending and receiving -------------------------------------------------------------------- */

/* The parts that go in front of a message of this type. */
static unsigned envelope_len(const struct side *side, bool is_delimited)
{
    return (side->type == MCQ_ROUTER) +
           (is_delimited && (side->type == MCQ_ROUTER || side->type == MCQ_DEALER));
}

/* The part that is due of a message, in the buffer. */
static struct mcq_bytes our_part(const struct side *side, unsigned number, size_t len)
{
    static const uint16_t edges[] = {8, 9, 55, 56, 57, 255, 256, 4096, 8192, 65535};
    struct head head = {.mark = MARK,
                        .sender = (uint8_t) (side - sides),
                        .number = (uint8_t) number,
                        .part = (uint8_t) side->part,
                        .part_count = (uint8_t) side->part_count};

    static_assert(MCQ_COUNTOF(edges) >= sizeof head, "none is too short");
    len = len < MCQ_COUNTOF(edges) ? edges[len] : len;
    mcq_put_u8(mcq_put_u8(mcq_put_u8(head.len, (uint8_t) (len >> 16)), (uint8_t) (len >> 8)),
               (uint8_t) len);
    return mcq_bytes(buffer, fill(&head));
}

/* In more room than it needs. */
static int send_in_place(struct side *side, struct mcq_bytes octets, int flags)
{
    struct mcq_message message;
    int result;

    mcq_message_init(&message);
    if (mcq_reserve(side->socket, &message, octets.len + octets.len % 5) != 0)
        return mcq_send(side->socket, octets.data, octets.len, flags);
    mcq_put_bytes(mcq_message_data(&message), octets);
    result = mcq_commit(side->socket, &message, octets.len, flags);
    mcq_message_close(&message);
    return result;
}

static int send_octets(struct side *side, struct mcq_bytes octets, int flags, unsigned how)
{
    bool as_message = how & 2;
    struct mcq_message message;
    int result;

    if (how & 128)
        return send_in_place(side, octets, flags);

    /* Without memory for the message nothing was tried, so no message is given up. */
    if ((!as_message && !is_numbered(side)) ||
        mcq_message_init_copy(&message, octets.data, octets.len) != 0)
        return mcq_send(side->socket, octets.data, octets.len, flags);
    if (side->number != 0 && mcq_message_set_routing_id(&message, side->number) != 0)
        fuzz_fail("a routing id: %s", mcq_last_error());
    result = mcq_send_message(side->socket, &message, flags);
    mcq_message_close(&message);
    return result;
}

/* Something went. A relaxed REQ gives up what it has not received of the reply before. */
static void on_sent(struct side *side)
{
    calls_same(sends(side) && !side->is_closed, true, "a type that sends");
    if (side->type != MCQ_REQ || !side->is_receiving)
        return;
    calls_same(side->is_relaxed, true, "whether a reply is given up");
    side->is_receiving = side->in_body = false;
}

/* The next part of the message that goes out, or the first one of a new one. Returns whether it
 * went. */
static bool send_part(struct side *side, unsigned how, size_t len)
{
    bool is_new = side->part_count == 0;
    int flags = how & 1 ? MCQ_DONTWAIT : 0;
    struct mcq_bytes octets = mcq_bytes(buffer, 0);

    if (is_new &&
        (side->sent_count == MESSAGES_MAX - 1 || (side->type == MCQ_ROUTER && side->id_len == 0)))
        return false;
    if (is_new) {
        side->part_count = is_single(side) ? 1 : 1 + how / 8 % PARTS_MAX;
        side->part = 0;
        side->envelope = envelope_len(side, how & 4);
        side->is_named = side->type != MCQ_ROUTER;
        side->sent_count++;
    }
    if (side->envelope > 0) {
        if (!side->is_named)
            octets = mcq_bytes(side->id, side->id_len);
        flags |= MCQ_SNDMORE;
    } else {
        octets = our_part(side, side->sent_count - 1, len);
        flags |= side->part + 1 < side->part_count ? MCQ_SNDMORE : 0;
    }
    if (send_octets(side, octets, flags, how) == 0) {
        on_sent(side);
        side->is_open = flags & MCQ_SNDMORE;
        side->is_named = true;
        if (side->envelope > 0)
            side->envelope--;
        else if (++side->part == side->part_count)
            side->part_count = 0;
        return true;
    }
    check_send_errno(side);
    if (errno != EAGAIN)
        side->part_count = 0; /* given up, what had gone of it too; what comes next ends it */
    return false;
}

/* A part that came: of the envelope, or ours. */
static void take_part(struct side *side, const uint8_t *octets, size_t len, bool more)
{
    bool is_ours = len >= sizeof(struct head) && octets[0] == MARK;

    if (is_ours) {
        check_part(side, octets, len, more);
    } else if (side->type == MCQ_XPUB) {
        if (side->in_body || more || len == 0 || octets[0] > 1)
            fuzz_fail("a part of %zu octets that is no subscription", len);
    } else {
        if (side->in_body || !more || len > MCQ_ROUTING_ID_MAX)
            fuzz_fail("a part of %zu octets that is not ours", len);
        if (side->type == MCQ_ROUTER && !side->is_receiving) {
            memcpy(side->id, octets, len);
            side->id_len = len;
        } else if (len > 0 && !(side->type == MCQ_ROUTER && len == 4)) { /* REQ_CORRELATE */
            fuzz_fail("an envelope of %zu octets, where none is", len);
        }
    }
    side->is_receiving = more;
}

/* Whoever it is from: what is known of it can be read, and is let go of. */
static void check_origin(const struct mcq_message *message)
{
    struct mcq_origin *origin = mcq_message_origin(message);
    const char *address;

    if (origin == NULL)
        return;
    address = mcq_origin_property(origin, "Peer-Address");
    if (address != NULL && strlen(address) == 0)
        fuzz_fail("an origin with an empty address");
    mcq_origin_release(origin);
}

/* Returns whether a part came. */
static bool receive_part(struct side *side, bool as_message, int flags)
{
    struct mcq_message message;
    int64_t more = 0;
    bool is_got;

    if (as_message) {
        mcq_message_init(&message);
        is_got = mcq_recv_message(side->socket, &message, flags) == 0;
        if (is_got)
            take_part(side, mcq_message_data(&message), mcq_message_size(&message),
                      mcq_message_more(&message));
        if (is_got)
            side->number = mcq_message_routing_id(&message);
        if (is_got)
            check_origin(&message);
        mcq_message_close(&message);
    } else {
        ptrdiff_t len = mcq_recv(side->socket, buffer, sizeof buffer, flags);

        is_got = len >= 0;
        if (is_got && mcq_get(side->socket, MCQ_OPT_RCVMORE, &more) != 0)
            fuzz_fail("RCVMORE: %s", mcq_last_error());
        if (is_got)
            take_part(side, buffer, (size_t) len, more != 0);
    }
    if (is_got)
        return true;
    check_recv_errno(side);
    return false;
}

/* Whole messages of one part, with nothing in front. */
static void send_batch(struct side *side, unsigned how, size_t len)
{
    struct mcq_message messages[BATCH_MAX];
    unsigned count = 0, first = side->sent_count, wanted = 1 + how / 2 % BATCH_MAX;
    int sent;

    if (side->part_count != 0 || side->type == MCQ_ROUTER || is_numbered(side) ||
        first + wanted >= MESSAGES_MAX)
        return;
    side->part = 0;
    side->part_count = 1;
    for (; count < wanted; count++) {
        struct mcq_bytes octets = our_part(side, first + count, len + count);

        if (mcq_message_init_copy(&messages[count], octets.data, octets.len) != 0)
            break;
    }
    side->part_count = 0;
    if (count == 0)
        return;
    side->sent_count += count;
    sent = mcq_send_batch(side->socket, messages, count, how & 1 ? MCQ_DONTWAIT : 0);
    if (sent < 0)
        check_send_errno(side);
    else
        calls_same((unsigned) sent <= count && sends(side) && !side->is_closed, true, "a batch");
    if (sent > 0)
        on_sent(side);
    side->is_open &= sent <= 0;
    for (unsigned i = 0; i < count; i++) {
        if (sent >= 0)
            calls_same(mcq_message_size(&messages[i]) == 0, i < (unsigned) sent, "what was sent");
        mcq_message_close(&messages[i]);
    }
}

/* One message of many parts; a ROUTER's goes to whom it has heard last. */
static void send_whole(struct side *side, unsigned how, size_t len)
{
    struct mcq_message parts[1 + PARTS_MAX];
    unsigned count = 0, wanted;

    if (side->part_count != 0 || (side->type == MCQ_ROUTER && side->id_len == 0) ||
        is_numbered(side) || side->sent_count >= MESSAGES_MAX - 1)
        return;
    if (side->type == MCQ_ROUTER &&
        mcq_message_init_copy(&parts[count], side->id, side->id_len) == 0)
        count++;
    side->part_count = is_single(side) ? 1 : 1 + how / 2 % PARTS_MAX;
    wanted = side->part_count + (side->type == MCQ_ROUTER);
    for (side->part = 0; side->part < side->part_count; side->part++, count++) {
        struct mcq_bytes octets = our_part(side, side->sent_count, len + side->part);

        if (mcq_message_init_copy(&parts[count], octets.data, octets.len) != 0)
            break;
    }
    if (count == wanted) {
        bool is_sent = mcq_send_parts(side->socket, parts, count, how & 1 ? MCQ_DONTWAIT : 0) == 0;

        side->sent_count++;
        if (is_sent)
            on_sent(side);
        else if (!(errno == EBUSY && side->is_open && !side->is_closed))
            check_send_errno(side);
        if (!side->is_closed)
            calls_same(!is_sent && errno == EBUSY, side->is_open, "whether a message is open");
    }
    side->part_count = 0;
    for (unsigned i = 0; i < count; i++)
        mcq_message_close(&parts[i]);
}

static void receive_batch(struct side *side, unsigned how)
{
    struct mcq_message messages[BATCH_MAX];
    size_t wanted = 1 + how / 4 % BATCH_MAX;
    bool one = how & 64;
    int count;

    for (unsigned i = 0; i < BATCH_MAX; i++)
        mcq_message_init(&messages[i]);
    count = one ? mcq_recv_parts(side->socket, messages, wanted, how & 2 ? MCQ_DONTWAIT : 0)
                : mcq_recv_batch(side->socket, messages, wanted, how & 2 ? MCQ_DONTWAIT : 0);
    for (int i = 0; one && i < count - 1; i++)
        calls_same(mcq_message_more(&messages[i]), true, "a part of one message");
    if (one && count > 0 && (size_t) count < wanted)
        calls_same(mcq_message_more(&messages[count - 1]), false, "the last part of a message");
    for (int i = 0; i < count; i++)
        take_part(side, mcq_message_data(&messages[i]), mcq_message_size(&messages[i]),
                  mcq_message_more(&messages[i]));
    if (count < 0)
        check_recv_errno(side);
    else
        calls_same(count > 0 && (size_t) count <= wanted, true, "a batch");
    for (unsigned i = 0; i < BATCH_MAX; i++)
        mcq_message_close(&messages[i]);
}

/* --- promises --------------------------------------------------------------------------------- */

/* What EVENTS or poll says can be done now is done. */
static void keep_promises(struct side *side, int64_t events)
{
    if (is_starving)
        return;
    if ((events & MCQ_POLLIN) && !receive_part(side, false, MCQ_DONTWAIT) && errno == EAGAIN)
        fuzz_fail("POLLIN, and nothing to receive");
    if ((events & MCQ_POLLIN) || has_cut)
        return; /* the one that there was room for may be found gone */
    if ((events & MCQ_POLLOUT) && sends(side) && side->type != MCQ_ROUTER &&
        side->type != MCQ_XPUB && !is_numbered(side) &&
        side->type != MCQ_RADIO) { /* they look at who is meant */
        bool was_new = side->part_count == 0;

        if (!send_part(side, 1, 100) && errno == EAGAIN && was_new)
            fuzz_fail("POLLOUT, and no room to send");
    }
}

static void ask_events(struct side *side)
{
    int64_t events = 0;

    if (mcq_get(side->socket, MCQ_OPT_EVENTS, &events) == 0)
        keep_promises(side, events);
    else
        check_errno(side, "EVENTS", false);
}

static void poll_two(struct side *side, struct side *other, unsigned how)
{
    struct mcq_poll_entry entries[] = {
        {.socket = side->socket, .events = MCQ_POLLIN | MCQ_POLLOUT},
        {.socket = other->socket, .events = MCQ_POLLIN},
    };
    size_t count = side == other ? 1 : 1 + (how & 1);
    int ready = mcq_poll(entries, count, (int) (how / 2 % 8));

    if (ready < 0) {
        if (!side->is_closed && !(count == 2 && other->is_closed))
            check_errno(side, "poll", errno == EINTR);
        return;
    }
    calls_same((uint64_t) ready,
               (uint64_t) (entries[0].revents != 0) +
                   (uint64_t) (count == 2 && entries[1].revents != 0),
               "entries that have something");
    keep_promises(side, entries[0].revents);
}

/* --- endpoints -------------------------------------------------------------------------------- */

static const char *endpoint_of(const struct side *side)
{
    static char text[32];

    (void) snprintf(text, sizeof text, "tcp://127.0.0.1:%u", 5550U + (unsigned) (side - sides));
    return text;
}

static void connect_to(struct side *side, struct side *other)
{
    bool is_again = side->connects[other - sides];

    if (side == other || is_again)
        return;
    if (mcq_connect(side->socket, endpoint_of(other)) != 0) {
        check_errno(side, "connect",
                    errno == EISCONN && (side->type == MCQ_PAIR || side->type == MCQ_CHANNEL));
        return;
    }
    side->connects[other - sides] = true;
    side->linked[other - sides]++;
    other->linked[side - sides]++;
}

static void disconnect_from(struct side *side, struct side *other)
{
    bool is_there = side->connects[other - sides];

    has_cut = true;
    if (mcq_disconnect(side->socket, endpoint_of(other)) == 0)
        calls_same(is_there, true, "disconnect");
    else
        check_errno(side, "disconnect", errno == ENOENT && !is_there);
    side->connects[other - sides] = false;
}

static void bind_or_not(struct side *side, bool is_on)
{
    const char *endpoint = endpoint_of(side);
    int result = is_on ? mcq_bind(side->socket, endpoint) : mcq_unbind(side->socket, endpoint);

    if (result == 0) /* the port is free once the engine has had a turn */
        side->is_bound |= is_on;
    else
        check_errno(side, "bind", is_on ? errno == EADDRINUSE && side->is_bound : errno == ENOENT);
}

/* --- the world -------------------------------------------------------------------------------- */

static void cut(const struct side *side)
{
    has_cut = true;
    for (uint32_t i = 0; !side->is_closed && i < side->socket->slot_count; i++) {
        const struct mcq_conn *conn = side->socket->slots[i].conn;

        if (conn != NULL && conn->peer.link.is_up)
            mcq_sim_reset(sim, conn->peer.link.fd);
    }
}

/* What an XSUB wants it says. */
static void wish(struct side *side, bool is_on)
{
    uint8_t octets[] = {is_on, MARK};

    if (side->part_count != 0)
        return;
    if (mcq_send(side->socket, octets, sizeof octets, 0) == 0)
        side->is_open = false;
    else
        check_send_errno(side);
}

static enum mcq_option option_of(const struct side *side, unsigned how)
{
    static const enum mcq_option options[] = {
        MCQ_OPT_SNDHWM,      MCQ_OPT_RCVHWM,           MCQ_OPT_RCVTIMEO,      MCQ_OPT_SNDTIMEO,
        MCQ_OPT_REQ_RELAXED, MCQ_OPT_REQ_CORRELATE,    MCQ_OPT_HEARTBEAT_IVL, MCQ_OPT_RECONNECT_IVL,
        MCQ_OPT_LINGER,      MCQ_OPT_ROUTER_MANDATORY, MCQ_OPT_REQ_TIMEOUT,   MCQ_OPT_REQ_RESENDS};
    static const enum mcq_option newer[] = {
        MCQ_OPT_SNDHWM,       MCQ_OPT_RCVHWM,      MCQ_OPT_XPUB_VERBOSE,
        MCQ_OPT_XPUB_NODROP,  MCQ_OPT_XPUB_MANUAL, MCQ_OPT_XPUB_VERBOSER,
        MCQ_OPT_TOPICS_COUNT, MCQ_OPT_LINGER,      MCQ_OPT_XPUB_MANUAL_LAST_VALUE};

    return side->type < TYPES ? options[how % MCQ_COUNTOF(options)]
                              : newer[how % MCQ_COUNTOF(newer)];
}

static void note_option(struct side *side, enum mcq_option option, unsigned value)
{
    if (option == MCQ_OPT_RCVHWM)
        side->is_narrow |= value > 0;
    else if (option == MCQ_OPT_REQ_RELAXED)
        side->is_relaxed = value != 0;
    else if (option == MCQ_OPT_REQ_TIMEOUT)
        side->has_deadline |= value > 0;
    else if (option == MCQ_OPT_REQ_RESENDS && value > side->resends_max)
        side->resends_max = value;
}

static void set_option(struct side *side, unsigned how, int64_t value)
{
    enum mcq_option option = option_of(side, how);

    if (how & 128 && side->type == MCQ_XSUB)
        wish(side, how & 64);
    else if (how & 128 &&
             mcq_set_bytes(side->socket, how & 64 ? MCQ_OPT_SUBSCRIBE : MCQ_OPT_UNSUBSCRIBE, "m",
                           value & 1) != 0 &&
             errno != EINVAL)
        check_errno(side, "subscribe", false);
    if (mcq_set(side->socket, option, value % 20) == 0)
        note_option(side, option, (unsigned) (value % 20));
    else if (errno != EINVAL) /* which is found without the socket */
        check_errno(side, "set", false);
}

static void close_one(struct side *side)
{
    if (side->socket != NULL && mcq_close(side->socket) != 0)
        check_errno(side, "close", false);
    side->is_closed = has_cut = true;
}

/* Between the two calls it may have gone by itself. */
static void check_gone(struct side *side, uint64_t id)
{
    static struct mcq_peer_info infos[PEERS_MAX];
    int count;

    check_errno(side, "close_peer", errno == ENOENT);
    count = mcq_peers(side->socket, infos, MCQ_COUNTOF(infos), sizeof *infos);
    calls_same(count <= PEERS_MAX, true, "a bounded number of peers");
    for (int i = 0; i < count; i++)
        calls_same(infos[i].id != id, true, "a peer that is gone");
}

/* A peer is ended: as if disconnected, unless it is an older one that was disconnected from before
 * and is still being seen off. */
static void end_peer(struct side *side, const struct mcq_peer_info *infos, int count)
{
    bool is_newest = !infos[0].is_accepted;

    for (int i = 1; i < count; i++)
        if (!infos[i].is_accepted && strcmp(infos[i].endpoint, infos[0].endpoint) == 0)
            is_newest = is_newest && infos[i].id < infos[0].id;
    has_cut = true;
    if (mcq_close_peer(side->socket, infos[0].id) != 0)
        check_gone(side, infos[0].id);
    for (int i = 0; i < SOCKETS && is_newest; i++)
        if (strcmp(infos[0].endpoint, endpoint_of(&sides[i])) == 0)
            side->connects[i] = false;
}

/* What is told of peers and drops fits together; one of them may be ended. */
static void look_at_peers(struct side *side, unsigned how)
{
    static struct mcq_peer_info infos[PEERS_MAX];
    struct mcq_socket_stats before, after;
    int count = mcq_peers(side->socket, infos, MCQ_COUNTOF(infos), sizeof *infos);

    if (count < 0 || mcq_stats(side->socket, &before, sizeof before) != 0) {
        check_errno(side, "peers", false);
        return;
    }
    calls_same(count <= PEERS_MAX, true, "a bounded number of peers");
    for (int i = 0; i < count; i++)
        if (infos[i].id == 0 || infos[i].messages_in > before.messages_in ||
            infos[i].messages_out > before.messages_out ||
            (infos[i].epoch == 0 && infos[i].connected_ms != 0))
            fuzz_fail("peer %d of %d contradicts itself or its socket", i, count);
    if (count == 0 || (how & 128) == 0)
        return;
    end_peer(side, infos, count);
    if (mcq_stats(side->socket, &after, sizeof after) != 0)
        check_errno(side, "stats", false);
    else if (after.messages_in < before.messages_in || after.messages_out < before.messages_out ||
             after.drops[MCQ_DROP_DISCONNECTED] < before.drops[MCQ_DROP_DISCONNECTED])
        fuzz_fail("counters go back");
}

static void call(struct calls *calls)
{
    unsigned what = calls_octet(calls), how = calls_octet(calls);
    struct side *side = &sides[what / 16 % SOCKETS], *other = &sides[what / 64 % SOCKETS];

    if (side->socket == NULL || other->socket == NULL)
        return;
    switch (what % 16) {
    case 0: connect_to(side, other); break;
    case 1: bind_or_not(side, how & 1); break;
    case 2: disconnect_from(side, other); break;
    case 3: cut(side); break;
    case 4: set_option(side, how, calls_octet(calls)); break;
    case 5: ask_events(side); break;
    case 6: poll_two(side, other, how); break;
    case 7:
        if (how > 200)
            close_one(side);
        else if (how < 50 && mcq_ctx_set(side->context, MCQ_CTX_BUDGET, (int64_t) how * 1000) == 0)
            is_starving = has_cut = has_budget = true; /* what does not fit waits, or goes */
        break;
    case 8:
        if (how & 64)
            look_at_peers(side, how);
        else if (mcq_wait_peers(side->socket, how % 4, (int) (how / 4 % 16)) != 0)
            check_errno(side, "wait_peers", errno == EAGAIN);
        break;
    case 9:
        if (how < 64) {
            is_starving = true;
            mcq_alloc_fail_at(1 + how);
        }
        break;
    case 10:
        if (how & 128)
            receive_batch(side, how);
        else
            (void) receive_part(side, how & 1, how & 2 ? MCQ_DONTWAIT : 0);
        break;
    case 11: (void) receive_part(side, how & 1, how & 2 ? MCQ_DONTWAIT : 0); break;
    case 12:
        if (how & 128)
            (how & 32 ? send_whole : send_batch)(side, how, calls_octet(calls));
        else
            (void) send_part(side, how, calls_octet(calls));
        break;
    case 13: (void) send_part(side, how, calls_octet(calls)); break;
    default:
        for (unsigned i = 0; i < how % 32 && mcq_sim_step(sim); i++)
            ;
        break;
    }
}

static bool engine_turn(void *context)
{
    return mcq_context_turn(context);
}

static bool is_closed(void *none)
{
    (void) none;
    return contexts[0]->open_count == 0 && contexts[1]->open_count == 0;
}

static void open_one(struct side *side, int type, struct mcq_context *context)
{
    *side = (struct side) {.context = context, .type = type};
    side->socket = mcq_socket(context, (enum mcq_type) type);
    if (side->socket == NULL)
        fuzz_fail("socket: %s", mcq_last_error());
    if (mcq_set(side->socket, MCQ_OPT_LINGER, 20) != 0 ||
        mcq_set(side->socket, MCQ_OPT_RECONNECT_IVL, 5) != 0 ||
        mcq_set(side->socket, MCQ_OPT_RCVTIMEO, 3) != 0 ||
        mcq_set(side->socket, MCQ_OPT_SNDTIMEO, 3) != 0 ||
        (type == MCQ_SUB && mcq_set_bytes(side->socket, MCQ_OPT_SUBSCRIBE, "", 0) != 0) ||
        (type == MCQ_DISH && mcq_join(side->socket, "") != 0) ||
        (type == MCQ_XSUB && mcq_send(side->socket, "\1", 1, 0) != 0))
        fuzz_fail("set: %s", mcq_last_error());
}

static int type_of(unsigned choice, unsigned side)
{
    if (choice >= NEWER)
        return newer_pairs[(choice - NEWER) % MCQ_COUNTOF(newer_pairs)][side % 2];
    return (int) ((side % 2 ? choice / TYPES : choice) % TYPES);
}

static void begin(const struct fuzz_input *input)
{
    unsigned wrong = input->choice[1];
    struct mcq_sim_faults faults = {
        .partial = wrong & 2 ? 300 : 0,
        .again = wrong & 4 ? 100 : 0,
        .spurious = wrong & 8 ? 50 : 0,
        .late = wrong & 16 ? 200 : 0,
        .delay_max_ns = wrong & 32 ? 700000 : 0,
        .pipe_bytes = wrong & 64 ? 4096 : 65536,
    };

    if (mcq_sim_new(1, &faults, &sim) != MCQ_OK)
        fuzz_fail("no world");
    for (unsigned i = 0; i < CONTEXTS; i++) {
        struct mcq_reactor *reactor;

        if (mcq_sim_reactor_new(sim, &reactor) != MCQ_OK ||
            mcq_context_new_on(reactor, 1 + i, &contexts[i]) != MCQ_OK)
            fuzz_fail("no context");
        engines[i] = (struct mcq_sim_actor) {.turn = engine_turn, .context = contexts[i]};
        mcq_sim_add_actor(sim, &engines[i]);
    }
    for (unsigned i = 0; i < SOCKETS; i++)
        open_one(&sides[i], type_of(input->choice[0], i), contexts[i % CONTEXTS]);
    is_starving = has_cut = false;
    is_fooled = faults.again > 0;
    has_budget = false;
    if (wrong & 1)
        return; /* all is the input's */
    bind_or_not(&sides[1], true);
    connect_to(&sides[0], &sides[1]);
    connect_to(&sides[2], &sides[1]);
}

static void end(void)
{
    mcq_alloc_fail_at(0);
    for (unsigned i = 0; i < SOCKETS; i++)
        close_one(&sides[i]);
    if (!mcq_sim_run_until(sim, is_closed, NULL, STEPS_MAX))
        fuzz_fail("a socket that does not close");
    for (unsigned i = 0; i < CONTEXTS; i++) {
        int64_t used = -1;

        if (mcq_ctx_get(contexts[i], MCQ_CTX_BUDGET_USED, &used) != 0 || used != 0)
            fuzz_fail("%" PRId64 " octets of the budget are not given back", used);
        if (mcq_ctx_term(contexts[i], 0) != 0)
            fuzz_fail("term: %s", mcq_last_error());
        mcq_sim_remove_actor(sim, &engines[i]);
    }
    calls_same(mcq_sim_open_count(sim), 0, "descriptors left");
    mcq_sim_free(&sim);
    calls_end();
}

static void fuzz_one(const struct fuzz_input *input)
{
    struct calls calls = calls_of(input);

    begin(input);
    while (calls_next(&calls))
        call(&calls);
    end();
}
