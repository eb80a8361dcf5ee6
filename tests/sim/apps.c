/* The two sides of a world: who sends, who takes, and what it holds that against. */
#include <stdio.h>
#include <string.h>

#include "sim/world.h"

#include "wire/zap.h"

void world_fail(struct world *world, const char *what, uint32_t number)
{
    if (world->wrong[0] == '\0')
        (void) snprintf(world->wrong, sizeof world->wrong, "%s (message %u)", what, number);
}

/* No memory now, or a sleep that ended as the script says: like no room, to be tried again. */
static bool is_hungry(const struct world *world, enum mcq_err err)
{
    bool sleeps_by_script = world->script.is_on && world->script.is_inline;

    return err == MCQ_AGAIN || (err == MCQ_NOMEM && (world->is_starving || sleeps_by_script)) ||
           (err == MCQ_INTERRUPTED && sleeps_by_script);
}

/* --- deadlines ------------------------------------------------------------------------------- */

#define MS UINT64_C(1000000)
#define SLACK_MS 50 /* calls that wait, and the world's delays */

static bool has_deadlines(const struct world *world)
{
    return world->timeout_ms > 0;
}

static void pause_is_over(struct mcq_wait *wait)
{
    (void) wait;
}

/* Whom a REQ has asked is in no hurry, now and then. false: it will never answer. */
static bool think(struct side *b)
{
    struct world *world = b->world;
    struct mcq_engine *engine = b->socket->engine;
    uint64_t chance = mcq_sim_random(world->sim);
    uint64_t pause_ms = chance / 8 % ((uint64_t) 2 * world->timeout_ms);

    if (chance % 8 < 5)
        return true;
    if (chance % 8 == 5 && b->in.has_envelope)
        return false;
    b->pause.done = pause_is_over;
    mcq_engine_timer(engine, &b->pause, mcq_engine_now_ns(engine) + pause_ms * MS);
    return true;
}

/* The request has ended: in time, and given up not before it. Where memory runs out, a timer may
 * be over at once. */
static void check_time(struct world *world, bool is_late)
{
    uint64_t past_ns = mcq_context_now_ns(world->a.context) - world->asked_at_ns;
    uint64_t limit_ns = (uint64_t) world->timeout_ms * (1 + world->resends) * MS;

    if (world->is_starving)
        return;
    if (past_ns > limit_ns + SLACK_MS * MS)
        world_fail(world, "a request without an end", world->a.out.number - 1);
    if (is_late && past_ns < limit_ns && world->cut_count == 0)
        world_fail(world, "given up too early", world->a.out.number - 1);
}

void world_check_requests(struct world *world)
{
    const struct mcq_pattern *req = world->a.socket->pattern;
    int64_t resent_count = 0;

    if (!has_deadlines(world) || world->wrong[0] != '\0')
        return;
    if (req->ops->get(req, MCQ_PATTERN_REQ_RESENT, &resent_count) != MCQ_OK)
        world_fail(world, "nobody counts", 0);
    if (world->repeated_count > (uint64_t) resent_count + world->asked_anew)
        world_fail(world, "requests that were not sent again came again", world->repeated_count);
    if (world->answered_count + world->late_count != world->message_count)
        world_fail(world, "requests without an end", world->answered_count);
}

/* A connection may have been lost, and with it what was under way. */
static bool is_disturbed(const struct world *world)
{
    return world->cut_count > 0 || world->script.is_on;
}

/* How long a call may wait: not at all, where there is a thread to go on with things. */
static int timeout_of(const struct side *side)
{
    uint64_t chance = side->is_inline ? mcq_sim_random(side->world->sim) % 16 : 0;

    return chance >= 12 ? (int) (chance - 11) : 0;
}

/* What happened so far; where the side drives its engine in its calls, one that only sleeps is a
 * look. */
static uint64_t count_moves(const struct side *side)
{
    const struct mcq_sim *sim = side->world->sim;
    uint64_t count = mcq_sim_operation_count(sim);

    for (unsigned result = 0; side->is_inline && result < MCQ_IO_RESULT_COUNT; result++)
        count -= mcq_sim_reached(sim, MCQ_IO_OP_SLEEP, (enum mcq_io_result) result);
    return count;
}

/* The end of a turn. Without a thread the engine has its turn in it, and says until when the
 * application may sleep if there is nothing to do. */
static bool end_turn(struct side *side, bool did_any, uint64_t moves_before)
{
    did_any |= count_moves(side) != moves_before;
    if (!did_any && side->is_inline)
        did_any = mcq_context_turn(side->context);
    return did_any;
}

bool world_engine_turn(void *context)
{
    return mcq_context_turn(((struct side *) context)->context);
}

/* What is left of the message, in one call. */
static bool send_batch(struct side *side, struct progress *out)
{
    struct world *world = side->world;
    size_t count = world_part_count(world->seed, out->number) - out->part;
    struct mcq_msg msgs[PARTS_MAX];
    size_t filled_count = 0;
    size_t sent_count = 0;
    enum mcq_err err = MCQ_NOMEM;

    while (filled_count < count && world_fill(&msgs[filled_count], world->seed, out->number,
                                              out->part + (unsigned) filled_count)) {
        msgs[filled_count].more = filled_count + 1 < count;
        filled_count++;
    }
    if (filled_count == count)
        err =
            mcq_socket_send_batch(side->socket, msgs, count, false, timeout_of(side), &sent_count);
    for (size_t i = sent_count; i < filled_count; i++)
        mcq_msg_fini(&msgs[i]);
    out->part += (unsigned) sent_count;
    if (err != MCQ_OK && !is_hungry(world, err))
        world_fail(world, mcq_err_text(err), out->number);
    return err == MCQ_OK && sent_count == count;
}

/* Sends what it can of the message under way. true: all of it. */
static bool send_parts(struct side *side, struct progress *out)
{
    struct world *world = side->world;
    unsigned count = world_part_count(world->seed, out->number);
    enum mcq_err err;

    if (out->has_envelope) { /* a REQ wants its delimiter back behind it */
        struct mcq_part part = {mcq_msg_bytes(&out->envelope), &out->envelope, true};
        struct mcq_part delimiter = {.body = mcq_bytes(NULL, 0), .more = true};

        if (!out->in_body) {
            err = mcq_socket_send(side->socket, &part, timeout_of(side));
            if (is_hungry(world, err))
                return false;
            if (err != MCQ_OK)
                world_fail(world, mcq_err_text(err), out->number);
            out->in_body = true;
        }
        if (out->has_id) {
            struct mcq_part id = {.body = mcq_bytes(&out->id, sizeof out->id), .more = true};

            err = mcq_socket_send(side->socket, &id, timeout_of(side));
            if (is_hungry(world, err))
                return false;
            if (err != MCQ_OK)
                world_fail(world, mcq_err_text(err), out->number);
            out->has_id = false;
        }
        err = world->pair->a == MCQ_SOCKET_TYPE_REQ
                  ? mcq_socket_send(side->socket, &delimiter, timeout_of(side))
                  : MCQ_OK;
        if (is_hungry(world, err))
            return false;
        if (err != MCQ_OK)
            world_fail(world, mcq_err_text(err), out->number);
        out->has_envelope = false;
    }
    if (side->sends_batches)
        return send_batch(side, out);
    while (out->part < count) {
        struct mcq_msg msg;
        struct mcq_part part = {.msg = &msg, .more = out->part + 1 < count};

        if (!world_fill(&msg, world->seed, out->number, out->part)) {
            if (!world->is_starving)
                world_fail(world, "no memory", out->number);
            return false;
        }
        part.body = mcq_msg_bytes(&msg);
        err = mcq_socket_send(side->socket, &part, timeout_of(side));
        mcq_msg_fini(&msg);
        if (is_hungry(world, err))
            return false;
        if (err != MCQ_OK) {
            world_fail(world, mcq_err_text(err), out->number);
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
    TAKEN_LATE,
};

/* A ROUTER gives back what stands in front of the delimiter. */
static void take_id(struct side *side, struct mcq_msg *msg)
{
    struct progress *in = &side->in;

    if (mcq_msg_len(msg) != sizeof in->id || !msg->more)
        world_fail(side->world, "a request without an id", in->number);
    else
        memcpy(&in->id, mcq_msg_data(msg), sizeof in->id);
    mcq_msg_fini(msg);
    in->has_id = true;
}

static enum mcq_err next_part(struct side *side, struct mcq_msg *msg)
{
    if (!side->takes_batches)
        return mcq_socket_recv(side->socket, msg, timeout_of(side));
    if (side->batch_at == side->batch_count) {
        for (size_t i = 0; i < BATCH_MAX; i++)
            mcq_msg_init(&side->batch[i]);
        side->batch_at = side->batch_count = 0;
        MCQ_TRY(mcq_socket_recv_batch(side->socket, side->batch, BATCH_MAX, timeout_of(side),
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
    if (err == MCQ_TIMEOUT && has_deadlines(world))
        return TAKEN_LATE;
    if (is_hungry(world, err))
        return TAKEN_NOTHING;
    if (err != MCQ_OK) {
        world_fail(world, mcq_err_text(err), in->number);
        return TAKEN_NOTHING;
    }
    if (side->socket->type == MCQ_SOCKET_TYPE_ROUTER && !in->has_envelope && !in->in_body) {
        mcq_msg_move(&in->envelope, &msg);
        in->has_envelope = true;
        return TAKEN_SOME;
    }
    if (side->socket->type == MCQ_SOCKET_TYPE_ROUTER && has_deadlines(world) && !in->has_id &&
        !in->in_body) {
        take_id(side, &msg);
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
            world_fail(world, "too short to have a number", 0);
        else
            memcpy(&in->number, mcq_msg_data(&msg), sizeof in->number);
        if (in->number >= world->message_count)
            world_fail(world, "a number that was never sent", in->number);
    }
    if (!world_is_filled(&msg, world->seed, in->number, in->part))
        world_fail(world, "other octets than were sent", in->number);
    if (msg.more != (in->part + 1 < world_part_count(world->seed, in->number)))
        world_fail(world, "another number of parts", in->number);
    err = msg.more ? MCQ_AGAIN : MCQ_OK;
    mcq_msg_fini(&msg);
    in->part++;
    if (err == MCQ_AGAIN)
        return TAKEN_SOME;
    in->part = 0;
    in->in_body = false;
    return TAKEN_WHOLE;
}

bool world_publishes(const struct world *world)
{
    return world->pair->a == MCQ_SOCKET_TYPE_PUB || world->pair->a == MCQ_SOCKET_TYPE_XPUB;
}

/* b has a whole message. */
static void check_order(struct world *world, uint32_t number)
{
    bool may_repeat = (world->pair->is_dialogue && is_disturbed(world)) || /* asked again */
                      (world_publishes(world) && number == 0);
    bool may_miss = is_disturbed(world) || world->is_starving || has_deadlines(world);

    may_repeat |= world->is_starving && world->pair->is_dialogue;
    if (has_deadlines(world)) /* of the last one; how often is counted */
        may_repeat = number + 1 == world->next_expected;

    world->repeated_count += number < world->next_expected;
    if (number < world->next_expected && !may_repeat)
        world_fail(world, "came twice, or was overtaken", number);
    if (number > world->next_expected && !may_miss)
        world_fail(world, "the one before it is missing", number);
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

    return mcq_socket_send(side->socket, &part, timeout_of(side)) == MCQ_OK;
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

/* All it has sent is to arrive nevertheless. */
static bool a_leaves(struct side *a)
{
    struct world *world = a->world;
    enum mcq_err err;

    if (!world->leaves)
        return false;
    world->leaves = false;
    err = mcq_socket_enter(a->socket);
    if (err == MCQ_OK) {
        err = mcq_socket_disconnect(a->socket, world->target);
        mcq_socket_leave(a->socket);
    }
    if (err != MCQ_OK)
        world_fail(world, mcq_err_text(err), 0);
    return true;
}

static bool a_sends(struct side *a)
{
    struct world *world = a->world;

    if (a->owes)
        return false;
    if (a->out.number == world->message_count)
        return a_leaves(a);
    if (world_publishes(world) && world->received_count == 0) {
        uint32_t audience = a->socket->pattern->ops->audience(a->socket->pattern);

        /* Once for who is there: while it spoke on and on to a crowd, time would stand still, and
         * whoever waits to come back would never do so. Who was there gets it, or was cut. */
        if (audience == world->tried_audience)
            return false;
        world->tried_audience = audience;
    }
    if (!begin_message(a))
        return false;

    unsigned before = a->out.part;

    if (!send_parts(a, &a->out))
        return a->out.part != before;
    a->out.part = 0;
    a->out.in_body = false;
    a->owes = world->pair->is_dialogue;
    world->asked_at_ns = mcq_context_now_ns(a->context);
    if (!world_publishes(world) || world->received_count > 0)
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
    if (has_deadlines(world) && taken != TAKEN_SOME)
        check_time(world, taken == TAKEN_LATE);
    if (taken == TAKEN_LATE) {
        a->owes = false; /* and goes on to the next one */
        world->late_count++;
    } else if (taken == TAKEN_LOST) {
        a->out.number--; /* asks again */
        a->owes = false;
        a->in = (struct progress) {0};
        world->asked_anew++;
    } else if (taken == TAKEN_WHOLE) {
        bool may_be_another = !has_deadlines(world) && (is_disturbed(world) || world->is_starving);

        if (a->in.number != a->out.number - 1 && !may_be_another)
            world_fail(world, "an answer to another question", a->in.number);
        if (a->in.number == a->out.number - 1) {
            a->owes = false;
            world->answered_count++;
        }
    }
    return true;
}

/* The sides of a context are one thread's: if that drives the engine, one of them calls at a
 * time. */
static bool is_busy(const struct side *side)
{
    const struct world *world = side->world;
    const struct side *others[] = {&world->a, &world->b, &world->crowd, &world->keeper};

    for (size_t i = 0; i < MCQ_COUNTOF(others); i++)
        if (others[i] != side && others[i]->context == side->context && side->is_inline &&
            others[i]->app.is_running)
            return true;
    return false;
}

/* A call that answers AGAIN may have moved octets all the same. */
bool world_a_turn(void *context)
{
    struct side *a = context;
    uint64_t before = count_moves(a);
    bool did_any;

    if (is_busy(a))
        return false;
    did_any = a_sends(a);
    if (a->world->pair->is_dialogue)
        did_any |= a_hears(a);
    return end_turn(a, did_any, before);
}

static bool b_moves(struct side *b)
{
    struct world *world = b->world;
    enum taken taken;

    if (mcq_wait_is_armed(&b->pause))
        return false;
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
    if (world->pair->is_dialogue && (!has_deadlines(world) || think(b))) {
        b->out = (struct progress) {.number = b->in.number, .has_id = b->in.has_id, .id = b->in.id};
        if (b->in.has_envelope) {
            mcq_msg_move(&b->out.envelope, &b->in.envelope);
            b->out.has_envelope = true;
        }
        b->owes = true;
    } else if (b->in.has_envelope) {
        mcq_msg_fini(&b->in.envelope);
    }
    b->in.has_envelope = false;
    b->in.has_id = false;
    return true;
}

bool world_b_turn(void *context)
{
    struct side *b = context;
    uint64_t before = count_moves(b);

    return !is_busy(b) && end_turn(b, b_moves(b), before);
}

/* The others get whole messages, too; what they miss while they connect is nobody's fault. */
bool world_crowd_turn(void *context)
{
    struct side *crowd = context;
    uint64_t before = count_moves(crowd);

    return !is_busy(crowd) && end_turn(crowd, take_part(crowd) != TAKEN_NOTHING, before);
}

/* --- who lets in ------------------------------------------------------------------------------ */

#define REQUEST_ID_PART 1 /* as a REP receives it */
#define OVERLOADED 300

/* One part of a question. Its id is all that counts; of four one is told to come again. */
static bool keeper_hears(struct side *keeper)
{
    struct keeping *keeping = &keeper->world->keeping;
    struct mcq_msg msg;
    enum mcq_err err = mcq_socket_recv(keeper->socket, &msg, timeout_of(keeper));

    if (is_hungry(keeper->world, err))
        return false;
    if (err != MCQ_OK) {
        world_fail(keeper->world, mcq_err_text(err), 0);
        return false;
    }
    if (keeping->in_part++ == REQUEST_ID_PART) {
        size_t len = mcq_min_size(mcq_msg_len(&msg), sizeof keeping->id);

        memcpy(keeping->id, mcq_msg_data(&msg), len);
        keeping->request_id = mcq_bytes(keeping->id, len);
    }
    if (!msg.more) {
        keeping->status =
            mcq_sim_random(keeper->world->sim) % 4 > 0 ? MCQ_ZAP_STATUS_OK : OVERLOADED;
        keeping->in_part = 0;
        keeping->out_part = 1; /* the delimiter is the REP's */
        keeper->owes = true;
    }
    mcq_msg_fini(&msg);
    return true;
}

static bool keeper_says(struct side *keeper)
{
    struct keeping *keeping = &keeper->world->keeping;
    struct mcq_zap_reply reply = {
        .request_id = keeping->request_id,
        .status = mcq_zap_status_text(keeping->status),
        .user_id = mcq_bytes_of("somebody"),
    };
    struct mcq_bytes frames[MCQ_ZAP_REPLY_FRAMES_MAX];
    size_t count = mcq_zap_reply_encode(&reply, frames);
    bool did_any = false;

    if (count == 0)
        world_fail(keeper->world, "a reply that is none", keeping->status);
    while (keeping->out_part < count) {
        struct mcq_part part = {.body = frames[keeping->out_part],
                                .more = keeping->out_part + 1 < count};
        enum mcq_err err = mcq_socket_send(keeper->socket, &part, timeout_of(keeper));

        if (is_hungry(keeper->world, err))
            return did_any;
        if (err != MCQ_OK)
            world_fail(keeper->world, mcq_err_text(err), keeping->status);
        keeping->out_part++;
        did_any = true;
    }
    keeping->let_in_count += keeping->status == MCQ_ZAP_STATUS_OK;
    keeper->owes = false;
    return did_any;
}

bool world_keeper_turn(void *context)
{
    struct side *keeper = context;
    uint64_t before = count_moves(keeper);

    if (is_busy(keeper))
        return false;
    return end_turn(keeper, keeper->owes ? keeper_says(keeper) : keeper_hears(keeper), before);
}
