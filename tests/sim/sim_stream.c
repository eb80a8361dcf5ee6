/*
 * sim_stream: two STREAM sockets in simulated worlds, one for each seed (seeds.h).
 *
 * Each side says a run of octets on each connection that it is told of, in pieces of any length,
 * each behind which connection it was said on, from where on, and its length. What a side holds the
 * other one to:
 *
 *   - a connection is told of before its first octet, and is over after its last one
 *   - its octets are whole pieces, in order and once, but for the end of one that is cut
 *   - of a connection that was lost, what had not left may come on the next one, if that has the
 *     same name: it does on the side that connects (ADR 0027)
 *   - while nothing is cut and memory lasts, one connection carries all of it, both ways
 *   - one that is cut is followed by another one; in the end one has carried it all
 *   - the side that has all ends its connection with an empty part, and the other one hears of it
 *
 * In one world of five memory runs out now and then, in one of four the budget is all but nothing.
 * At the end nothing is left: no memory, no descriptor.
 */
#include "sim/seeds.h"
#include "sim/world.h"

#include "arena/alloc.h"

#define STEPS_MAX 400000
#define ENDPOINT "tcp://127.0.0.1:5555"
#define NAME_BYTES 5
#define CONNECTIONS_MAX 64
#define TOTAL_MAX 200000
#define PIECE_MAX 9000
#define TURNS_AT_ONCE 8

/* In front of each piece. */
struct head {
    uint32_t number; /* of the connection that it was said on, among the sender's */
    uint32_t offset;
    uint32_t len;
};

struct connection {
    uint8_t name[NAME_BYTES];
    bool is_over;
    size_t sent;
    struct head head; /* of the piece that comes in */
    size_t head_len;  /* octets of it that are there */
    size_t body_len;
};

struct party {
    struct streams *streams;
    struct mcq_context *context;
    struct mcq_socket *socket;
    struct mcq_sim_actor engine;
    struct mcq_sim_actor app;
    struct connection connections[CONNECTIONS_MAX];
    unsigned count;
    size_t received[CONNECTIONS_MAX]; /* what the other one said on each, in whole pieces */
    bool has_all;                     /* of one connection, and has said all on it */
    bool has_ended;                   /* that connection, or has heard of its end */
};

struct streams {
    uint64_t seed;
    struct mcq_sim *sim;
    struct party parties[2];
    size_t total;
    unsigned cuts_left;
    unsigned cut_count;
    bool is_starving;
    bool is_ending; /* both have all: the first one ends its connection */
    char wrong[160];
};

static void fail(struct streams *streams, const char *what, size_t number)
{
    if (streams->wrong[0] == '\0')
        (void) snprintf(streams->wrong, sizeof streams->wrong, "%s (%zu)", what, number);
}

static uint8_t octet_at(const struct head *head, size_t index)
{
    size_t at = head->offset + index;

    return (uint8_t) (at * 7 + (at >> 8) * 3 + (size_t) head->number * 101);
}

static struct party *other_of(const struct party *party)
{
    return &party->streams->parties[party == &party->streams->parties[0]];
}

/* --- an application -------------------------------------------------------------------------- */

static struct connection *find(struct party *party, const struct mcq_msg *name)
{
    if (mcq_msg_len(name) != NAME_BYTES) {
        fail(party->streams, "a name of another length", mcq_msg_len(name));
        return NULL;
    }
    for (unsigned i = party->count; i > 0; i--)
        if (memcmp(party->connections[i - 1].name, mcq_msg_data(name), NAME_BYTES) == 0)
            return &party->connections[i - 1];
    return NULL;
}

static struct connection *meet(struct party *party, const struct mcq_msg *name)
{
    struct connection *connection = &party->connections[party->count];

    if (party->count == CONNECTIONS_MAX) {
        fail(party->streams, "connections without end", party->count);
        return NULL;
    }
    *connection = (struct connection) {0};
    memcpy(connection->name, mcq_msg_data(name), NAME_BYTES);
    party->count++;
    return connection;
}

/* A head is there. */
static void begin_piece(struct party *party, const struct head *head)
{
    struct streams *streams = party->streams;
    bool may_miss = streams->cut_count > 0 || streams->is_starving;

    if (head->number >= other_of(party)->count || head->len > PIECE_MAX || head->len == 0 ||
        head->offset + head->len > streams->total)
        fail(streams, "not a piece", head->offset);
    else if (head->offset < party->received[head->number])
        fail(streams, "a piece came twice", head->offset);
    else if (head->offset > party->received[head->number] && !may_miss)
        fail(streams, "a piece is missing", party->received[head->number]);
}

static void hear_octet(struct party *party, struct connection *connection, uint8_t octet)
{
    struct head *head = &connection->head;

    if (connection->head_len < sizeof *head) {
        ((uint8_t *) head)[connection->head_len++] = octet;
        if (connection->head_len == sizeof *head)
            begin_piece(party, head);
        return;
    }
    if (octet != octet_at(head, connection->body_len))
        fail(party->streams, "another octet", head->offset + connection->body_len);
    if (++connection->body_len < head->len)
        return;
    party->received[head->number] = head->offset + head->len;
    connection->head_len = connection->body_len = 0;
}

static void hear(struct party *party, const struct mcq_msg *name, const struct mcq_msg *body)
{
    struct streams *streams = party->streams;
    struct connection *connection = find(party, name);
    size_t len = mcq_msg_len(body);
    const uint8_t *data = mcq_msg_data(body);

    if (streams->wrong[0] != '\0')
        return;
    if (connection != NULL && connection->is_over)
        connection = NULL; /* who connects again does so by its name */
    if (connection == NULL && len > 0 && !streams->is_starving)
        fail(streams, "octets of a connection that nobody was told of", len);
    if (connection == NULL)
        connection = meet(party, name);
    else if (len == 0)
        connection->is_over = true;
    if (connection == NULL)
        return;
    for (size_t i = 0; i < len && streams->wrong[0] == '\0'; i++)
        hear_octet(party, connection, data[i]);
}

/* true: something was taken. */
static bool take(struct party *party)
{
    struct mcq_msg parts[2];
    size_t count = 0;
    enum mcq_err err;

    for (int i = 0; i < 2; i++)
        mcq_msg_init(&parts[i]);
    err = mcq_socket_recv_parts(party->socket, parts, 2, 0, &count);
    if (err == MCQ_OK && count == 2 && parts[0].more && !parts[1].more)
        hear(party, &parts[0], &parts[1]);
    else if (err == MCQ_OK)
        fail(party->streams, "not a name and octets", count);
    else if (err != MCQ_AGAIN && !(err == MCQ_NOMEM && party->streams->is_starving))
        fail(party->streams, mcq_err_text(err), 0);
    for (int i = 0; i < 2; i++)
        mcq_msg_fini(&parts[i]);
    return err == MCQ_OK;
}

/* A name, and a piece; len 0: the end. MCQ_OK: on its way. */
static enum mcq_err put(struct party *party, const struct connection *connection, size_t len)
{
    const struct head head = {.number = (uint32_t) (connection - party->connections),
                              .offset = (uint32_t) connection->sent,
                              .len = (uint32_t) len};
    size_t head_len = len > 0 ? sizeof head : 0;
    struct mcq_msg parts[2];
    enum mcq_err err;

    MCQ_TRY(mcq_msg_init_copy(&parts[0], mcq_bytes(connection->name, NAME_BYTES)));
    err = mcq_msg_init_size(&parts[1], head_len + len);
    if (err == MCQ_OK) {
        uint8_t *at = mcq_msg_fill(&parts[1]);

        memcpy(at, &head, head_len);
        for (size_t i = 0; i < len; i++)
            at[head_len + i] = octet_at(&head, i);
        err = mcq_socket_send_parts(party->socket, parts, 2, 0);
    } else {
        mcq_msg_init(&parts[1]);
    }
    for (int i = 0; i < 2; i++)
        mcq_msg_fini(&parts[i]);
    return err;
}

/* Of the newest connection, the only one there is. true: something was sent. */
static bool say(struct party *party)
{
    struct streams *streams = party->streams;
    struct connection *connection = party->count > 0 ? &party->connections[party->count - 1] : NULL;
    size_t len;
    enum mcq_err err;

    if (connection == NULL || connection->is_over || connection->sent == streams->total)
        return false;
    len = 1 + mcq_sim_random(streams->sim) % PIECE_MAX;
    len = mcq_min_size(len, streams->total - connection->sent);
    err = put(party, connection, len);
    if (err == MCQ_OK)
        connection->sent += len;
    else if (err == MCQ_NO_ROUTE && streams->cut_count == 0 && !streams->is_starving)
        fail(streams, "a connection that is there is not known", connection->sent);
    else if (err != MCQ_AGAIN && err != MCQ_NO_ROUTE && err != MCQ_NOMEM)
        fail(streams, mcq_err_text(err), connection->sent);
    return err == MCQ_OK;
}

/* The first party ends the connection that has carried all. */
static bool end(struct party *party)
{
    struct connection *connection = &party->connections[party->count - 1];

    if (!party->streams->is_ending)
        return false;
    if (connection->is_over)
        party->has_ended = true;
    if (party != &party->streams->parties[0] || party->has_ended)
        return false;
    if (put(party, connection, 0) != MCQ_OK)
        return false;
    party->has_ended = true;
    return true;
}

static bool party_turn(void *context)
{
    struct party *party = context;
    uint64_t before = mcq_sim_operation_count(party->streams->sim);
    bool did_any = false;

    for (int i = 0; i < TURNS_AT_ONCE && take(party); i++)
        did_any = true;
    did_any |= party->streams->is_ending ? end(party) : say(party);
    if (party->count > 0) {
        const struct connection *newest = &party->connections[party->count - 1];

        unsigned theirs = other_of(party)->count;

        party->has_all = theirs > 0 && newest->sent == party->streams->total &&
                         party->received[theirs - 1] == party->streams->total;
    }
    return did_any || mcq_sim_operation_count(party->streams->sim) != before;
}

/* --- a world --------------------------------------------------------------------------------- */

static bool engine_turn(void *context)
{
    return mcq_context_turn(((struct party *) context)->context);
}

static void cut(struct streams *streams)
{
    struct mcq_socket *socket = streams->parties[mcq_sim_random(streams->sim) % 2].socket;

    for (uint32_t i = 0; i < socket->slot_count; i++) {
        struct mcq_conn *conn = socket->slots[i].conn;

        if (conn == NULL || !conn->peer.link.is_up || streams->cuts_left == 0)
            continue;
        mcq_sim_reset(streams->sim, conn->peer.link.fd);
        streams->cuts_left--;
        streams->cut_count++;
    }
}

static bool is_delivered(void *context)
{
    struct streams *streams = context;

    if (streams->wrong[0] != '\0')
        return true;
    if (streams->is_starving && mcq_alloc_fail_left() == 0)
        mcq_alloc_fail_at(1 + mcq_sim_random(streams->sim) % 500);
    if (streams->cuts_left > 0 && mcq_sim_random(streams->sim) % 300 == 0)
        cut(streams);
    return streams->parties[0].has_all && streams->parties[1].has_all;
}

static bool is_ended(void *context)
{
    struct streams *streams = context;

    return streams->wrong[0] != '\0' ||
           (streams->parties[0].has_ended && streams->parties[1].has_ended);
}

static bool is_closed(void *context)
{
    struct streams *streams = context;

    return streams->parties[0].context->open_count == 0 &&
           streams->parties[1].context->open_count == 0;
}

static bool open_party(struct streams *streams, struct party *party, uint64_t chance)
{
    struct mcq_reactor *reactor;

    party->streams = streams;
    if (mcq_sim_reactor_new(streams->sim, &reactor) != MCQ_OK ||
        mcq_context_new_on(reactor, chance | 1, &party->context) != MCQ_OK ||
        mcq_socket_open(party->context, MCQ_SOCKET_TYPE_STREAM, &party->socket) != MCQ_OK)
        return false;
    if (world_mix(streams->seed + 9) % 4 == 0)
        mcq_context_set_budget(party->context, (int64_t) (1 + chance % 60000));
    party->socket->options.send_hwm = (int) (chance / 7 % 20);
    party->socket->options.recv_hwm = (int) (chance / 11 % 20);
    party->socket->options.piece_bytes = (int) (1 + chance / 13 % 9000);
    party->socket->options.reconnect_ms = 10;
    party->engine = (struct mcq_sim_actor) {.turn = engine_turn, .context = party};
    party->app = (struct mcq_sim_actor) {.turn = party_turn, .context = party};
    mcq_sim_add_actor(streams->sim, &party->engine);
    mcq_sim_add_actor(streams->sim, &party->app);
    return true;
}

static bool set_up(struct streams *streams)
{
    unsigned binder = world_mix(streams->seed) % 2;
    enum mcq_err err = MCQ_OK;
    const char *fault;

    for (unsigned i = 0; i < 2; i++)
        if (!open_party(streams, &streams->parties[i], world_mix(streams->seed + 20 + i)))
            return false;
    for (unsigned i = 0; i < 2 && err == MCQ_OK; i++) {
        bool binds = (i == 0) == (world_mix(streams->seed + 1) % 3 != 0);
        struct mcq_socket *socket = streams->parties[binds ? binder : !binder].socket;

        err = mcq_socket_enter(socket);
        if (err != MCQ_OK)
            break;
        err = binds ? mcq_socket_bind(socket, mcq_bytes_of(ENDPOINT), &fault)
                    : mcq_socket_connect(socket, mcq_bytes_of(ENDPOINT), &fault);
        mcq_socket_leave(socket);
    }
    if (err != MCQ_OK)
        fail(streams, mcq_err_text(err), 0);
    return err == MCQ_OK;
}

static void play(struct streams *streams)
{
    if (!mcq_sim_run_until(streams->sim, is_delivered, streams, STEPS_MAX)) {
        fail(streams, "nothing happens any more", streams->parties[0].count);
        return;
    }
    mcq_alloc_fail_at(0);
    streams->is_starving = false;
    streams->is_ending = true;
    if (!mcq_sim_run_until(streams->sim, is_ended, streams, STEPS_MAX))
        fail(streams, "an end that nobody hears of", streams->parties[1].count);
}

static void take_down(struct streams *streams)
{
    mcq_alloc_fail_at(0);
    for (unsigned i = 0; i < 2; i++) {
        mcq_sim_remove_actor(streams->sim, &streams->parties[i].app);
        streams->parties[i].socket->options.linger_ms = 0;
        (void) mcq_socket_close(streams->parties[i].socket);
    }
    if (!mcq_sim_run_until(streams->sim, is_closed, streams, STEPS_MAX)) {
        fail(streams, "a socket that does not close", 0);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (mcq_context_term(&streams->parties[i].context, 0) != MCQ_OK)
            fail(streams, "a context that does not end", i);
        mcq_sim_remove_actor(streams->sim, &streams->parties[i].engine);
    }
    if (mcq_sim_open_count(streams->sim) != 0)
        fail(streams, "descriptors are left open", mcq_sim_open_count(streams->sim));
}

static uint64_t run(struct streams *streams, uint64_t seed)
{
    uint64_t chance = world_mix(seed + 77);
    const struct mcq_sim_faults faults = {
        .partial = (unsigned) (chance % 3 * 300),
        .again = (unsigned) (chance / 3 % 3 * 100),
        .spurious = (unsigned) (chance / 9 % 3 * 50),
        .late = (unsigned) (chance / 27 % 3 * 200),
        .delay_max_ns = chance / 81 % 3 * 700000,
        .pipe_bytes = chance / 243 % 4 == 0 ? 4096 : 65536,
    };
    uint64_t hash;

    *streams = (struct streams) {.seed = seed};
    streams->total = 1 + world_mix(seed + 5) % TOTAL_MAX;
    streams->cuts_left = world_mix(seed + 6) % 2 == 0 ? 0 : (unsigned) (world_mix(seed + 7) % 3);
    if (mcq_sim_new(seed, &faults, &streams->sim) != MCQ_OK || !set_up(streams)) {
        fail(streams, "no world", 0);
        return 0;
    }
    streams->is_starving = world_mix(seed + 8) % 5 == 0;
    play(streams);
    take_down(streams);
    hash = mcq_sim_hash(streams->sim);
    if (streams->parties[0].context != NULL || streams->parties[1].context != NULL)
        return hash;
    mcq_sim_free(&streams->sim);
    if (mcq_alloc_ledger().block_count != 0)
        fail(streams, "memory is left", mcq_alloc_ledger().block_count);
    return hash;
}

static bool run_seed(uint64_t seed, bool twice, bool is_verbose)
{
    static struct streams streams;
    uint64_t hash = run(&streams, seed);
    bool is_starving = world_mix(seed + 8) % 5 == 0;

    if (streams.wrong[0] == '\0' && twice && run(&streams, seed) != hash)
        (void) snprintf(streams.wrong, sizeof streams.wrong, "another world the second time");
    if (is_verbose || streams.wrong[0] != '\0')
        printf("# seed %" PRIu64 " stream-stream: %zu octets, %u connections, %u cuts%s, hash "
               "%016" PRIx64 "%s%s\n",
               seed, streams.total, streams.parties[0].count, streams.cut_count,
               is_starving ? ", starving" : "", hash, streams.wrong[0] != '\0' ? ": " : "",
               streams.wrong);
    return streams.wrong[0] == '\0';
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "plain octets", run_seed);
}
