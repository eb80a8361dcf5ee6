/*
 * session_driver: one script against one session, in every cut of the input; prints what happened.
 *
 *     session_driver < SCRIPT
 *
 * The script comes from plan.py, one operation a line. Lines before `start` configure; then:
 *
 *     feed HEX               octets from the peer
 *     at US                  time passes; no timer may be due more than slack_ms before
 *     due ping|close US      a timer fires here, not due more than slack_ms later
 *     frame 0|1 HEX          the application sends a frame: MORE, body
 *     subscribe|cancel HEX   the application wants a topic, or no longer
 *     join|leave HEX         the application joins a group, or leaves it
 *     end                    the peer closed
 *
 * "-" is no octets. The script runs once as it stands, once cut in two at each place that `splits`
 * names, once octet by octet. All runs must write the same log, which holds every field of every
 * event, all output and the final state. Printed are the first log, each run that differs from it,
 * and from the run by octets the `stage IN OUT` lines: how much output there was by which input.
 *
 * Exit status: 0 all logs are equal, 1 some are not, 2 the script cannot be read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"
#include "session/state.h"
#include "session_script.h"
#include "session_text.h"

#define US_NS UINT64_C(1000)
#define IDLE_TURNS_MAX 64 /* calls in a row that may take and give nothing */
#define REPORTED_MAX 3    /* differing runs that are printed */

/* --- one run ---------------------------------------------------------------------------------- */

enum cutting { CUT_NOWHERE, CUT_ONCE, CUT_EVERYWHERE };

/* A frame whose pieces are still coming. */
struct open_frame {
    bool is_open;
    uint32_t part_index;
    uint8_t flags;
    uint64_t size;
    struct text octets;
};

struct run {
    const struct script *script;
    struct mcq_session session;
    enum cutting cutting;
    size_t cut; /* CUT_ONCE: input octets before the cut */
    uint64_t now_ns;
    size_t fed;
    size_t drawn; /* random octets */
    struct text sealed;
    struct open_frame frame;
    struct text log;
    struct text output;
    struct text stages;
    size_t staged;        /* output octets in the last stage line */
    size_t staged_at;     /* the line's input octets */
    size_t staged_begins; /* where the line begins */
};

/* A new line, or the last one again if no input came since. */
static void run_stage(struct run *run)
{
    if (run->output.len == run->staged)
        return;
    if (run->staged > 0 && run->staged_at == run->fed)
        run->stages.len = run->staged_begins;
    run->staged_begins = run->stages.len;
    run->staged = run->output.len;
    run->staged_at = run->fed;
    text_format(&run->stages, "stage %zu %zu\n", run->fed, run->output.len);
}

/* Writes all that the session wants written; octet by octet in the run of that kind. */
static void run_drain(struct run *run)
{
    for (;;) {
        struct mcq_bytes want = mcq_session_want(&run->session);

        if (want.len == 0)
            break;
        if (run->cutting == CUT_EVERYWHERE)
            want.len = 1;
        text_add(&run->output, want.data, want.len);
        mcq_session_sent(&run->session, want.len);
    }
    run_stage(run);
}

static void log_frame(struct run *run, const char *kind)
{
    struct open_frame *frame = &run->frame;

    text_format(&run->log, "event %s part=%" PRIu32 " flags=%u size=%" PRIu64, kind,
                frame->part_index, (unsigned) frame->flags, frame->size);
    text_hex(&run->log, "octets", text_bytes(&frame->octets));
    text_add(&run->log, "\n", 1);
}

/* Joins the pieces of a frame, so that cuts do not show, and holds them against each other. */
static void log_body(struct run *run, const struct mcq_event *event)
{
    const struct mcq_frame_piece *piece = &event->body.piece;
    struct open_frame *frame = &run->frame;

    if (piece->first == frame->is_open)
        text_format(&run->log, "broken: a piece says first=%d\n", piece->first);
    if (piece->first) {
        frame->octets.len = 0;
        frame->part_index = event->body.part_index;
        frame->flags = piece->flags;
        frame->size = piece->size;
    }
    if (frame->part_index != event->body.part_index || frame->flags != piece->flags ||
        frame->size != piece->size)
        text_format(&run->log, "broken: the pieces of a frame do not agree on it\n");
    text_add(&frame->octets, piece->body.data, piece->body.len);
    if (piece->last != (frame->octets.len == frame->size))
        text_format(&run->log, "broken: last=%d after %zu of %" PRIu64 " octets\n", piece->last,
                    frame->octets.len, frame->size);
    frame->is_open = !piece->last;
    if (piece->last)
        log_frame(run, "body");
}

static void log_greeting(struct text *log, const struct mcq_event *event)
{
    static const char *const forms[] = {"none", "v1", "v2", "v3"};
    static const size_t lengths[] = {0, 0, MCQ_GREETING_V2_BYTES, MCQ_GREETING_V3_BYTES};

    text_format(log, "event greeting form=%s version=%s", forms[event->greeting.form],
                mcq_zmtp_name(event->greeting.version));
    text_hex(log, "octets",
             mcq_bytes(event->greeting.octets->octets, lengths[event->greeting.form]));
}

static void log_event(struct run *run, const struct mcq_event *event)
{
    struct text *log = &run->log;

    switch (event->kind) {
    case MCQ_EVENT_GREETING: log_greeting(log, event); break;
    case MCQ_EVENT_READY:
        text_format(log, "event ready version=%s socket_type=%s",
                    mcq_zmtp_name(event->ready.version),
                    mcq_socket_type_name(event->ready.socket_type));
        text_hex(log, "identity", event->ready.identity);
        text_hex(log, "metadata", event->ready.metadata);
        break;
    case MCQ_EVENT_ZAP:
        text_format(log, "event zap mechanism=%s", event->zap.mechanism);
        if (event->zap.credentials.public_key.len > 0) {
            text_hex(log, "public_key", event->zap.credentials.public_key);
            break;
        }
        text_hex(log, "username", event->zap.credentials.username);
        text_hex(log, "password", event->zap.credentials.password);
        break;
    case MCQ_EVENT_BODY: log_body(run, event); return;
    case MCQ_EVENT_SUBSCRIBE:
    case MCQ_EVENT_CANCEL:
        text_format(log, "event %s", event->kind == MCQ_EVENT_SUBSCRIBE ? "subscribe" : "cancel");
        text_hex(log, "topic", event->topic);
        break;
    case MCQ_EVENT_JOIN:
    case MCQ_EVENT_LEAVE:
        text_format(log, "event %s", event->kind == MCQ_EVENT_JOIN ? "join" : "leave");
        text_hex(log, "group", event->group);
        break;
    case MCQ_EVENT_PING:
    case MCQ_EVENT_PONG:
        text_format(log, "event %s ttl_ns=%" PRIu64,
                    event->kind == MCQ_EVENT_PING ? "ping" : "pong", event->ping.ttl_ns);
        text_hex(log, "context", event->ping.context);
        break;
    case MCQ_EVENT_REFUSED:
        text_format(log, "event refused");
        text_hex(log, "reason", event->reason);
        break;
    case MCQ_EVENT_IGNORED:
        text_format(log, "event ignored id=%s size=%" PRIu32, mcq_command_name(event->ignored.id),
                    event->ignored.size);
        break;
    default: text_format(log, "broken: an event of kind %d", (int) event->kind);
    }
    text_add(log, "\n", 1);
}

/* The first error is in the session's failure, printed at the end; later calls must repeat it. */
static void run_refused(struct run *run, enum mcq_err err)
{
    enum mcq_err first = mcq_session_failure(&run->session)->err;

    if (err != first || mcq_session_phase(&run->session) != MCQ_PHASE_FAILED)
        text_format(&run->log, "broken: feed says %s, the failure %s\n", mcq_err_name(err),
                    mcq_err_name(first));
}

static void run_zap(struct run *run)
{
    enum mcq_err err = mcq_session_zap(&run->session, run->script->zap_status, run->now_ns);

    if (err != MCQ_OK && err != mcq_session_failure(&run->session)->err)
        text_format(&run->log, "broken: zap says %s\n", mcq_err_name(err));
}

/* Collects the pieces of a sealed frame, and opens it with the last one. */
static void run_sealed(struct run *run, struct mcq_event *event)
{
    const struct mcq_frame_piece piece = event->body.piece;
    enum mcq_err err;

    if (piece.first)
        run->sealed.len = 0;
    text_add(&run->sealed, piece.body.data, piece.body.len);
    if (!piece.last)
        return;
    err = mcq_session_open(&run->session, (uint8_t *) run->sealed.data, run->sealed.len,
                           run->now_ns, event);
    if (err == MCQ_OK)
        log_event(run, event);
    else
        run_refused(run, err);
}

/* Feeds octets at an address of their own, so that a sanitizer sees a read beyond them. */
static void run_feed_piece(struct run *run, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len);
    struct mcq_bytes in = {copy, len};
    enum mcq_err err = MCQ_OK;

    if (copy == NULL)
        give_up("out of memory");
    memcpy(copy, data, len);
    run->fed += len;
    for (unsigned idle = 0; idle < IDLE_TURNS_MAX; idle++) {
        struct mcq_event event = {0};
        size_t before = in.len;

        err = mcq_session_feed(&run->session, &in, run->now_ns, &event);
        if (err == MCQ_OK && event.kind == MCQ_EVENT_SEALED) {
            run_sealed(run, &event);
        } else if (err == MCQ_OK) {
            log_event(run, &event);
            if (event.kind == MCQ_EVENT_ZAP)
                run_zap(run);
        } else if (err == MCQ_BUSY) {
            run_drain(run);
        } else {
            break;
        }
        if (in.len < before)
            idle = 0;
    }
    if (err == MCQ_OK || err == MCQ_BUSY)
        text_format(&run->log, "broken: feed says %s and takes nothing\n", mcq_err_name(err));
    else if (err == MCQ_AGAIN && in.len > 0)
        text_format(&run->log, "broken: feed wants more and leaves %zu octets\n", in.len);
    else if (err != MCQ_AGAIN)
        run_refused(run, err);
    free(copy);
    run_drain(run);
}

static void run_feed(struct run *run, const struct text *octets)
{
    const uint8_t *data = (const uint8_t *) octets->data;
    size_t at = 0;

    while (at < octets->len) {
        size_t len = octets->len - at;

        if (run->cutting == CUT_EVERYWHERE)
            len = 1;
        else if (run->cutting == CUT_ONCE && run->cut > run->fed)
            len = mcq_min_size(len, run->cut - run->fed);
        run_feed_piece(run, data + at, len);
        at += len;
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void run_tick(struct run *run, enum mcq_err expected)
{
    enum mcq_err err = mcq_session_tick(&run->session, run->now_ns);

    if (err != expected)
        text_format(&run->log, "broken: tick says %s\n", mcq_err_name(err));
    run_drain(run);
}

static void log_late(struct run *run, uint64_t deadline_ns, uint64_t then_ns)
{
    text_format(&run->log, "timer: due %" PRIu64 " us before libzmq's at %" PRIu64 " us\n",
                (then_ns - deadline_ns) / US_NS, then_ns / US_NS);
}

/* Time passes up to then, or to just before a timer: recorded clocks are a little off. */
static void run_at(struct run *run, uint64_t then_ns)
{
    if (mcq_session_phase(&run->session) == MCQ_PHASE_FAILED)
        return;
    uint64_t deadline_ns = mcq_session_deadline_ns(&run->session);
    if (deadline_ns <= then_ns && then_ns - deadline_ns > run->script->slack_ns)
        log_late(run, deadline_ns, then_ns);
    if (then_ns >= deadline_ns)
        then_ns = deadline_ns - 1;
    if (then_ns > run->now_ns)
        run->now_ns = then_ns;
    run_tick(run, MCQ_OK);
}

/* A timer fires. To close, at its very deadline: a later PING must not come into it. */
static void run_due(struct run *run, uint64_t then_ns, bool closes)
{
    uint64_t deadline_ns = mcq_session_deadline_ns(&run->session);

    if (deadline_ns == MCQ_NEVER_NS || deadline_ns > then_ns + run->script->slack_ns) {
        text_format(&run->log, "timer: libzmq's fires at %" PRIu64 " us, none is due here\n",
                    then_ns / US_NS);
        return;
    }
    if (deadline_ns < then_ns && then_ns - deadline_ns > run->script->slack_ns)
        log_late(run, deadline_ns, then_ns);
    if (!closes && deadline_ns < then_ns)
        deadline_ns = then_ns;
    if (deadline_ns > run->now_ns)
        run->now_ns = deadline_ns;
    run_tick(run, closes ? MCQ_TIMEOUT : MCQ_OK);
}

/* --- what the application does ---------------------------------------------------------------- */

static void run_frame(struct run *run, const struct op *op)
{
    uint8_t head[MCQ_FRAME_HEAD_MAX];

    if (mcq_session_phase(&run->session) != MCQ_PHASE_TRAFFIC) {
        text_format(&run->log, "broken: no traffic yet where libzmq sent a message\n");
        return;
    }
    run_drain(run);
    if (mcq_session_is_sealed(&run->session)) {
        size_t before = mcq_session_seal_head(op->octets.len);
        struct text *output = &run->output;

        text_reserve(output, before + op->octets.len + 1);
        memcpy(output->data + output->len + before, op->octets.data, op->octets.len);
        mcq_session_seal(&run->session, op->more, (uint8_t *) output->data + output->len,
                         op->octets.len);
        output->len += before + op->octets.len;
        run_stage(run);
        return;
    }
    size_t len = mcq_session_frame_head(&run->session, op->more, op->octets.len, head);
    text_add(&run->output, head, len);
    text_add(&run->output, op->octets.data, op->octets.len);
    run_stage(run);
}

static void run_subscribe(struct run *run, const struct op *op)
{
    enum mcq_err err =
        mcq_session_subscribe(&run->session, text_bytes(&op->octets), op->kind == OP_SUBSCRIBE);

    if (err != MCQ_OK)
        text_format(&run->log, "broken: subscribe says %s\n", mcq_err_name(err));
    run_drain(run);
}

static void run_join(struct run *run, const struct op *op)
{
    enum mcq_err err =
        mcq_session_join(&run->session, text_bytes(&op->octets), op->kind == OP_JOIN);

    if (err != MCQ_OK)
        text_format(&run->log, "broken: join says %s\n", mcq_err_name(err));
    run_drain(run);
}

static void run_op(struct run *run, const struct op *op)
{
    switch (op->kind) {
    case OP_FEED: run_feed(run, &op->octets); break;
    case OP_AT: run_at(run, op->now_ns); break;
    case OP_DUE_PING: run_due(run, op->now_ns, false); break;
    case OP_DUE_CLOSE: run_due(run, op->now_ns, true); break;
    case OP_FRAME: run_frame(run, op); break;
    case OP_SUBSCRIBE:
    case OP_CANCEL: run_subscribe(run, op); break;
    case OP_JOIN:
    case OP_LEAVE: run_join(run, op); break;
    case OP_END: mcq_session_end(&run->session); break;
    }
}

static void log_final(struct run *run)
{
    static const char *const phases[] = {"GREETING", "HANDSHAKE", "TRAFFIC", "RAW", "FAILED"};
    const struct mcq_failure *failure = mcq_session_failure(&run->session);
    enum mcq_session_phase phase = mcq_session_phase(&run->session);

    if (run->frame.is_open)
        log_frame(run, "unfinished");
    text_format(&run->log, "failure err=%s rule=%s reason=%s offset=%" PRIu64 "\n",
                mcq_err_name(failure->err), mcq_rule_name(failure->rule),
                mcq_reason_name(failure->reason), failure->offset);
    text_format(&run->log, "state phase=%s deadline_ns=%" PRIu64 "\n",
                (size_t) phase < MCQ_COUNTOF(phases) ? phases[phase] : "?",
                mcq_session_deadline_ns(&run->session));
    text_format(&run->log, "output");
    text_hex(&run->log, "octets", text_bytes(&run->output));
    text_add(&run->log, "\n", 1);
}

/* What the script says, then zeros. */
static bool fill_from_script(void *context, uint8_t *octets, size_t len)
{
    struct run *run = context;
    const struct text *random = &run->script->random;

    for (size_t i = 0; i < len; i++, run->drawn++)
        octets[i] = run->drawn < random->len ? (uint8_t) random->data[run->drawn] : 0;
    return true;
}

static void run_script(struct run *run)
{
    struct mcq_session_config config = run->script->config;

    run->now_ns = run->script->start_ns;
    config.random = (struct mcq_random) {fill_from_script, run};
    enum mcq_err err = mcq_session_init(&run->session, &config, run->now_ns);
    if (err != MCQ_OK) {
        text_format(&run->log, "broken: init says %s\n", mcq_err_name(err));
        return;
    }
    run_drain(run);
    for (size_t i = 0; i < run->script->op_count; i++)
        run_op(run, &run->script->ops[i]);
    log_final(run);
    mcq_session_fini(&run->session);
}

static void run_free(struct run *run)
{
    free(run->frame.octets.data);
    free(run->sealed.data);
    free(run->log.data);
    free(run->output.data);
    free(run->stages.data);
}

/* --- all runs --------------------------------------------------------------------------------- */

/* Prints the first line that is not the same. */
static void print_difference(const char *cut, const struct text *whole, const struct text *log)
{
    const char *a = whole->data;
    const char *b = log->data;

    for (;;) {
        size_t a_len = strcspn(a, "\n");
        size_t b_len = strcspn(b, "\n");

        if (a_len != b_len || memcmp(a, b, a_len) != 0) {
            printf("differs %s: %.*s | whole: %.*s\n", cut, (int) b_len, b, (int) a_len, a);
            return;
        }
        if (a[a_len] == '\0' || b[b_len] == '\0')
            return;
        a += a_len + 1;
        b += b_len + 1;
    }
}

/* true: the log of this run is that of the whole one. */
static bool run_compare(struct run *run, const struct text *whole, bool print)
{
    run_script(run);
    bool is_equal = mcq_bytes_equal(text_bytes(whole), text_bytes(&run->log));
    if (!is_equal && print) {
        char cut[32];

        if (run->cutting == CUT_ONCE)
            snprintf(cut, sizeof cut, "cut at %zu", run->cut);
        else
            snprintf(cut, sizeof cut, "by octets");
        print_difference(cut, whole, &run->log);
    }
    return is_equal;
}

int main(void)
{
    struct script script = {0};
    size_t differing = 0;
    size_t runs = 2;

    script_read(&script);
    struct run whole = {.script = &script, .cutting = CUT_NOWHERE};
    run_script(&whole);
    fputs(whole.log.data, stdout);

    size_t cut_count = script.cut_count;
    if (script.cut_everywhere)
        cut_count = script.input_bytes > 1 ? script.input_bytes - 1 : 0;
    for (size_t i = 0; i < cut_count; i++, runs++) {
        size_t cut = script.cut_everywhere ? i + 1 : script.cuts[i];
        struct run run = {.script = &script, .cutting = CUT_ONCE, .cut = cut};

        differing += !run_compare(&run, &whole.log, differing < REPORTED_MAX);
        run_free(&run);
    }

    struct run octets = {.script = &script, .cutting = CUT_EVERYWHERE};
    differing += !run_compare(&octets, &whole.log, differing < REPORTED_MAX);
    if (octets.stages.len > 0)
        fwrite(octets.stages.data, 1, octets.stages.len, stdout);
    printf("runs %zu, %zu differ\n", runs, differing);
    run_free(&octets);
    run_free(&whole);
    script_free(&script);
    return differing > 0;
}
