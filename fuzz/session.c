/* Whole conversations: one peer's octets through a session, in both profiles. However they are
 * cut events, answers and the verdict are the same; the pieces of a frame make it up; a call
 * that gives nothing is not to be made again; what the session holds is bounded by what it
 * received and has to send; one allocation that is refused ends it cleanly; and nothing is left.
 * The first choice is our machine, and behind it what ZAP is asked and answers, and after how
 * many octets more; the second is our socket type. */

#include "fuzz.h"

#include "budget.h"
#include "fuzz/grammar.h"

#define NOW_NS 1
#define IDLE_TURNS_MAX 64 /* calls in a row that may take and give nothing */
#define LIMIT_BYTES 65536
#define ZAP_STEP_BYTES 5 /* octets that one more in the choice lets come before ZAP answers */
#define ALLOCATIONS_MAX 8

struct run {
    struct mcq_session session;
    struct text *text;
    struct budget budget;
    bool had_no_memory;
    unsigned zap_status;
    size_t zap_delay; /* octets of the peer between question and answer */
    size_t zap_left;  /* of them */
    bool zap_pending;
    bool in_frame;
    uint64_t frame_size;
    uint64_t frame_got;
    uint8_t frame_flags;
    uint32_t part_index;
};

/* The pieces of a frame go into the log as one, and are held against each other. */
static void write_body(struct run *run, const struct mcq_event *event)
{
    const struct mcq_frame_piece *piece = &event->body.piece;

    if (piece->first == run->in_frame)
        fuzz_fail("a piece says first=%d", piece->first);
    if (piece->first) {
        run->frame_size = piece->size;
        run->frame_got = 0;
        run->frame_flags = piece->flags;
        run->part_index = event->body.part_index;
        write_number(run->text, "event", event->kind);
        write_number(run->text, "part", run->part_index);
        write_number(run->text, "flags", piece->flags);
        write_number(run->text, "size", piece->size);
    } else if (piece->size != run->frame_size || piece->flags != run->frame_flags ||
               event->body.part_index != run->part_index) {
        fuzz_fail("the pieces of a frame do not agree on it");
    }
    run->frame_got += piece->body.len;
    if (piece->last != (run->frame_got == run->frame_size))
        fuzz_fail("last=%d after %" PRIu64 " of %" PRIu64 " octets", piece->last, run->frame_got,
                  run->frame_size);
    run->in_frame = !piece->last;
    write_raw(run->text, piece->body.data, piece->body.len);
}

static void write_properties(struct text *text, struct mcq_bytes rest)
{
    struct mcq_property property;

    while (mcq_property_next(&rest, &property))
        write_property(text, &property);
}

static void write_event(struct run *run, const struct mcq_event *event)
{
    struct text *text = run->text;

    if (event->kind == MCQ_EVENT_BODY) {
        write_body(run, event);
        return;
    }
    write_number(text, "event", event->kind);
    switch (event->kind) {
    case MCQ_EVENT_GREETING:
        write_number(text, "form", event->greeting.form);
        write_number(text, "version", event->greeting.version);
        write_octets(
            text, "octets",
            mcq_bytes(event->greeting.octets->octets, greeting_bytes(event->greeting.form)));
        break;
    case MCQ_EVENT_READY:
        write_number(text, "version", event->ready.version);
        write_number(text, "socket_type", (uint64_t) event->ready.socket_type);
        write_octets(text, "identity", event->ready.identity);
        write_octets(text, "metadata", event->ready.metadata);
        write_properties(text, event->ready.metadata);
        break;
    case MCQ_EVENT_ZAP:
        write_text(text, event->zap.mechanism);
        write_octets(text, "username", event->zap.credentials.username);
        write_octets(text, "password", event->zap.credentials.password);
        break;
    case MCQ_EVENT_SUBSCRIBE:
    case MCQ_EVENT_CANCEL: write_octets(text, "topic", event->topic); break;
    case MCQ_EVENT_JOIN:
    case MCQ_EVENT_LEAVE: write_octets(text, "group", event->group); break;
    case MCQ_EVENT_PING:
    case MCQ_EVENT_PONG:
        write_number(text, "ttl_ns", event->ping.ttl_ns);
        write_octets(text, "context", event->ping.context);
        break;
    case MCQ_EVENT_REFUSED: write_octets(text, "reason", event->reason); break;
    case MCQ_EVENT_IGNORED:
        write_number(text, "id", event->ignored.id);
        write_number(text, "size", event->ignored.size);
        break;
    case MCQ_EVENT_BODY:
    default: fuzz_fail("an event of kind %d", (int) event->kind);
    }
}

/* All that the session wants written; kept apart from the events, since it may leave later. */
static void drain(struct run *run, struct text *output)
{
    budget_check(budget_bytes(&run->budget, &run->session), 1);
    for (struct mcq_bytes want = mcq_session_want(&run->session); want.len > 0;
         want = mcq_session_want(&run->session)) {
        write_raw(output, want.data, want.len);
        mcq_session_sent(&run->session, want.len);
    }
    budget_look(&run->budget, &run->session);
}

static void write_err(struct run *run, const char *name, enum mcq_err err)
{
    run->had_no_memory |= err == MCQ_NOMEM;
    write_number(run->text, name, err);
}

/* What an application does as soon as it may: topics and groups, in the peer's form. */
static void act(struct run *run, struct text *output)
{
    struct mcq_bytes name = mcq_bytes_of("t");
    uint8_t head[MCQ_FRAME_HEAD_MAX];

    write_err(run, "subscribe", mcq_session_subscribe(&run->session, name, true));
    write_err(run, "join", mcq_session_join(&run->session, name, true));
    drain(run, output);
    write_raw(output, head, mcq_session_frame_head(&run->session, false, LIMIT_BYTES, head));
}

/* One call; while ZAP's answer is due no more octets than those that come before it. */
static enum mcq_err feed_once(struct run *run, struct mcq_bytes *in, struct text *output)
{
    size_t len = run->zap_pending ? mcq_min_size(in->len, run->zap_left) : in->len;
    struct mcq_bytes part = mcq_bytes(in->data, len);
    struct mcq_event event = {0};

    run->budget.received += len;
    enum mcq_err err = mcq_session_feed(&run->session, &part, NOW_NS, &event);

    run->budget.received -= part.len;
    mcq_bytes_skip(in, len - part.len);
    if (err == MCQ_AGAIN && part.len > 0)
        fuzz_fail("feed wants more and leaves %zu octets", part.len);
    if (run->zap_pending)
        run->zap_left -= len - part.len;
    if (err == MCQ_OK) {
        write_event(run, &event);
        if (event.kind == MCQ_EVENT_READY)
            act(run, output);
        if (event.kind == MCQ_EVENT_ZAP) {
            run->zap_pending = true;
            run->zap_left = run->zap_delay;
        }
    }
    return err;
}

static enum mcq_err feed_piece(struct run *run, struct mcq_bytes *in, struct text *output)
{
    enum mcq_err err = MCQ_OK;

    for (unsigned idle = 0; idle < IDLE_TURNS_MAX; idle++) {
        size_t before = in->len;

        err = feed_once(run, in, output);
        if (is_refusal(err) && err != MCQ_BUSY)
            break;
        if (err == MCQ_BUSY)
            drain(run, output);
        if (run->zap_pending && run->zap_left == 0) {
            run->zap_pending = false;
            write_err(run, "zap", mcq_session_zap(&run->session, run->zap_status, NOW_NS));
        } else if (err == MCQ_AGAIN && in->len == 0) {
            break;
        }
        if (in->len < before)
            idle = 0;
    }
    if (err == MCQ_OK || err == MCQ_BUSY)
        fuzz_fail("feed says %s and takes nothing", mcq_err_name(err));
    drain(run, output);
    return err;
}

static bool init(struct run *run, const struct fuzz_input *input, enum mcq_profile profile)
{
    struct mcq_session_config config;
    const struct grammar_machine *machine =
        &grammar_machines[input->choice[0] % MCQ_COUNTOF(grammar_machines)];
    unsigned zap = input->choice[0] / MCQ_COUNTOF(grammar_machines);

    mcq_session_config_init(&config, (enum mcq_socket_type) input->choice[1], profile);
    config.mechanism = machine->mechanism;
    config.as_server = machine->as_server;
    config.asks_zap = zap & 1;
    config.meets_older = true;
    config.username = mcq_bytes_of("user");
    config.password = mcq_bytes_of("password");
    config.routing_id = mcq_bytes_of("us");
    config.max_frame_bytes = LIMIT_BYTES;
    config.max_message_bytes = UINT64_C(2) * LIMIT_BYTES;
    run->zap_status = grammar_statuses[(zap >> 1) % MCQ_COUNTOF(grammar_statuses)];
    run->zap_delay = (zap >> 1) / MCQ_COUNTOF(grammar_statuses) * ZAP_STEP_BYTES;
    enum mcq_err err = mcq_session_init(&run->session, &config, NOW_NS);

    run->had_no_memory = err == MCQ_NOMEM;
    return err == MCQ_OK;
}

/* Whether memory was refused. */
static bool converse(const struct fuzz_input *input, struct feed *feed, enum mcq_profile profile,
                     struct text *text)
{
    struct run run = {.text = text};
    struct text output = {0};
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    if (!init(&run, input, profile))
        return run.had_no_memory;
    drain(&run, &output);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = feed_piece(&run, &piece, &output);

    const struct mcq_failure *failure = mcq_session_failure(&run.session);
    if (err != MCQ_AGAIN) {
        struct mcq_event event;

        if (err != failure->err || mcq_session_phase(&run.session) != MCQ_PHASE_FAILED)
            fuzz_fail("feed says %s, the failure %s", mcq_err_name(err),
                      mcq_err_name(failure->err));
        check_repeats(err, mcq_session_feed(&run.session, &piece, NOW_NS, &event));
    }
    write_number(text, "phase", mcq_session_phase(&run.session));
    write_number(text, "reason", failure->reason);
    write_verdict(text, failure->err, failure->rule, failure->offset);
    write_octets(text, "output", mcq_bytes(output.data, output.len));
    free(output.data);
    mcq_session_end(&run.session);
    mcq_session_fini(&run.session);
    budget_check_empty();
    return run.had_no_memory || err == MCQ_NOMEM;
}

static void run(const struct fuzz_input *input, struct feed *feed, unsigned profile,
                struct text *text)
{
    if (converse(input, feed, (enum mcq_profile) profile, text))
        fuzz_fail("memory is out, though nothing was refused");
}

/* Once more, with an allocation refused; the octets say which. Somebody must be told. */
static void run_refused(const struct fuzz_input *input)
{
    struct feed feed = feed_of(input, CUT_AT_RANDOM);

    fuzz_other.len = 0;
    mcq_alloc_fail_at(1 + feed.random % ALLOCATIONS_MAX);
    bool is_told = converse(input, &feed, MCQ_PROFILE_COMPAT, &fuzz_other);
    bool has_failed = mcq_alloc_fail_left() == 0;

    feed_end(&feed);
    mcq_alloc_fail_at(0);
    if (is_told != has_failed)
        fuzz_fail("an allocation is refused, and nobody hears of it");
}

static void fuzz_one(const struct fuzz_input *input)
{
    if (mcq_socket_type_row((enum mcq_socket_type) input->choice[1]) == NULL)
        return;
    fuzz_compare(input, run, MCQ_PROFILE_NATIVE, 1);
    fuzz_compare(input, run, MCQ_PROFILE_COMPAT, 1);
    run_refused(input);
}
