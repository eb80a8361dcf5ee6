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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"
#include "session/state.h"

#define US_NS UINT64_C(1000)
#define MS_NS UINT64_C(1000000)
#define LINE_BYTES (1u << 20)
#define IDLE_TURNS_MAX 64 /* calls in a row that may take and give nothing */
#define REPORTED_MAX 3    /* differing runs that are printed */

/* --- text that grows -------------------------------------------------------------------------- */

struct text {
    char *data;
    size_t len;
    size_t room;
};

_Noreturn static void give_up(const char *what)
{
    fprintf(stderr, "session_driver: %s\n", what);
    exit(2);
}

static void text_reserve(struct text *text, size_t more)
{
    if (text->len + more <= text->room)
        return;
    text->room = 2 * (text->len + more);
    text->data = realloc(text->data, text->room);
    if (text->data == NULL)
        give_up("out of memory");
}

static void text_add(struct text *text, const void *data, size_t len)
{
    text_reserve(text, len + 1);
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

MCQ_PRINTF(2, 3) static void text_format(struct text *text, const char *format, ...)
{
    char line[512];
    va_list list;

    va_start(list, format);
    /* The analyser does not follow va_start: NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int len = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (len < 0 || (size_t) len >= sizeof line)
        give_up("a log line is too long");
    text_add(text, line, (size_t) len);
}

static void text_hex(struct text *text, const char *name, struct mcq_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";

    text_format(text, " %s=", name);
    text_reserve(text, 2 * bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        text->data[text->len++] = digits[bytes.data[i] >> 4];
        text->data[text->len++] = digits[bytes.data[i] & 15];
    }
    text->data[text->len] = '\0';
}

static struct mcq_bytes text_bytes(const struct text *text)
{
    return mcq_bytes(text->data, text->len);
}

/* --- the script ------------------------------------------------------------------------------- */

enum op_kind {
    OP_FEED,
    OP_AT,
    OP_DUE_PING,
    OP_DUE_CLOSE,
    OP_FRAME,
    OP_SUBSCRIBE,
    OP_CANCEL,
    OP_JOIN,
    OP_LEAVE,
    OP_END
};

struct op {
    enum op_kind kind;
    struct text octets;
    uint64_t now_ns;
    bool more;
};

struct script {
    struct mcq_session_config config;
    struct text routing_id;
    struct text metadata;
    struct text username;
    struct text password;
    struct text random; /* that the session draws */
    struct mcq_curve_keys keys;
    unsigned zap_status; /* what ZAP answers when it is asked */
    uint64_t start_ns;
    uint64_t slack_ns;
    struct op *ops;
    size_t op_count;
    size_t *cuts;
    size_t cut_count;
    bool cut_everywhere;
    size_t input_bytes;
};

static uint64_t read_number(const char *word)
{
    char *end = NULL;
    uint64_t value = word != NULL ? strtoull(word, &end, 10) : 0;

    if (word == NULL || *word == '\0' || *end != '\0')
        give_up("a number is missing or malformed");
    return value;
}

static struct text read_hex(const char *word)
{
    struct text text = {0};

    if (word == NULL)
        give_up("octets are missing");
    text_add(&text, "", 0);
    for (; strcmp(word, "-") != 0 && *word != '\0'; word += 2) {
        unsigned octet;

        if (sscanf(word, "%2x", &octet) != 1)
            give_up("octets are malformed");
        text_add(&text, &(uint8_t) {(uint8_t) octet}, 1);
    }
    return text;
}

static struct op *script_add(struct script *script, enum op_kind kind)
{
    script->ops = realloc(script->ops, (script->op_count + 1) * sizeof *script->ops);
    if (script->ops == NULL)
        give_up("out of memory");
    struct op *op = &script->ops[script->op_count++];
    *op = (struct op) {.kind = kind};
    return op;
}

static void read_splits(struct script *script, char **rest)
{
    for (char *word = strtok_r(NULL, " ", rest); word != NULL; word = strtok_r(NULL, " ", rest)) {
        if (strcmp(word, "all") == 0) {
            script->cut_everywhere = true;
            continue;
        }
        script->cuts = realloc(script->cuts, (script->cut_count + 1) * sizeof *script->cuts);
        if (script->cuts == NULL)
            give_up("out of memory");
        script->cuts[script->cut_count++] = read_number(word);
    }
}

static void read_key(struct mcq_crypto_key *key, const char *word)
{
    struct text text = read_hex(word);

    if (text.len != sizeof *key)
        give_up("a key of another length");
    memcpy(key, text.data, sizeof *key);
    free(text.data);
}

/* false: this is no line of the configuration. */
static bool read_config(struct script *script, const char *name, const char *word, const char *next)
{
    struct mcq_session_config *config = &script->config;

    if (strcmp(name, "type") == 0) {
        enum mcq_socket_type type = mcq_socket_type_find(mcq_bytes_of(word != NULL ? word : ""));

        if (type == MCQ_SOCKET_TYPE_NONE)
            give_up("no socket type of this name");
        mcq_session_config_init(config, type, MCQ_PROFILE_COMPAT);
    } else if (strcmp(name, "routing_id") == 0) {
        script->routing_id = read_hex(word);
        config->routing_id = text_bytes(&script->routing_id);
    } else if (strcmp(name, "metadata") == 0) {
        script->metadata = read_hex(word);
        config->extra_metadata = text_bytes(&script->metadata);
    } else if (strcmp(name, "mechanism") == 0) {
        config->mechanism = strcmp(word, "PLAIN") == 0   ? MCQ_MECHANISM_PLAIN
                            : strcmp(word, "CURVE") == 0 ? MCQ_MECHANISM_CURVE
                                                         : MCQ_MECHANISM_NULL;
        config->as_server = strcmp(next, "server") == 0;
    } else if (strcmp(name, "username") == 0) {
        script->username = read_hex(word);
        config->username = text_bytes(&script->username);
    } else if (strcmp(name, "password") == 0) {
        script->password = read_hex(word);
        config->password = text_bytes(&script->password);
    } else if (strcmp(name, "curve") == 0) {
        read_key(&script->keys.own.secret, word);
        read_key(&script->keys.server, next);
        mcq_crypto_public(&script->keys.own.public, &script->keys.own.secret);
        config->curve = &script->keys;
    } else if (strcmp(name, "random") == 0) {
        script->random = read_hex(word);
    } else if (strcmp(name, "zap") == 0) {
        config->asks_zap = true;
        script->zap_status = (unsigned) read_number(word);
    } else if (strcmp(name, "max_frame_bytes") == 0) {
        config->max_frame_bytes = read_number(word);
    } else if (strcmp(name, "handshake_ms") == 0) {
        config->handshake_ns = read_number(word) * MS_NS;
    } else if (strcmp(name, "heartbeat_ms") == 0) {
        config->heartbeat_ns = read_number(word) * MS_NS;
    } else if (strcmp(name, "heartbeat_timeout_ms") == 0) {
        config->heartbeat_timeout_ns = read_number(word) * MS_NS;
    } else if (strcmp(name, "heartbeat_ttl_ds") == 0) {
        config->heartbeat_ttl_ds = (uint16_t) read_number(word);
    } else if (strcmp(name, "slack_ms") == 0) {
        script->slack_ns = read_number(word) * MS_NS;
    } else if (strcmp(name, "start") == 0) {
        script->start_ns = read_number(word) * US_NS;
    } else {
        return false;
    }
    return true;
}

static void read_op(struct script *script, const char *name, const char *word, const char *next)
{
    if (strcmp(name, "feed") == 0) {
        struct op *op = script_add(script, OP_FEED);

        op->octets = read_hex(word);
        script->input_bytes += op->octets.len;
    } else if (strcmp(name, "at") == 0) {
        script_add(script, OP_AT)->now_ns = read_number(word) * US_NS;
    } else if (strcmp(name, "due") == 0) {
        bool is_ping = word != NULL && strcmp(word, "ping") == 0;

        script_add(script, is_ping ? OP_DUE_PING : OP_DUE_CLOSE)->now_ns =
            read_number(next) * US_NS;
    } else if (strcmp(name, "frame") == 0) {
        struct op *op = script_add(script, OP_FRAME);

        op->more = read_number(word) != 0;
        op->octets = read_hex(next);
    } else if (strcmp(name, "subscribe") == 0) {
        script_add(script, OP_SUBSCRIBE)->octets = read_hex(word);
    } else if (strcmp(name, "cancel") == 0) {
        script_add(script, OP_CANCEL)->octets = read_hex(word);
    } else if (strcmp(name, "join") == 0 || strcmp(name, "leave") == 0) {
        script_add(script, *name == 'j' ? OP_JOIN : OP_LEAVE)->octets = read_hex(word);
    } else if (strcmp(name, "end") == 0) {
        script_add(script, OP_END);
    } else {
        give_up("no operation of this name");
    }
}

static void read_script(struct script *script)
{
    char *line = malloc(LINE_BYTES);

    if (line == NULL)
        give_up("out of memory");
    while (fgets(line, LINE_BYTES, stdin) != NULL) {
        size_t len = strcspn(line, "\n");
        char *rest = NULL;

        if (line[len] == '\0' && !feof(stdin))
            give_up("a line is too long");
        line[len] = '\0';
        char *name = strtok_r(line, " ", &rest);
        if (name == NULL)
            continue;
        if (strcmp(name, "splits") == 0) {
            read_splits(script, &rest);
            continue;
        }
        char *word = strtok_r(NULL, " ", &rest);
        char *next = strtok_r(NULL, " ", &rest);
        if (!read_config(script, name, word, next))
            read_op(script, name, word, next);
    }
    free(line);
}

static void script_free(struct script *script)
{
    for (size_t i = 0; i < script->op_count; i++)
        free(script->ops[i].octets.data);
    free(script->ops);
    free(script->cuts);
    free(script->routing_id.data);
    free(script->metadata.data);
    free(script->username.data);
    free(script->password.data);
    free(script->random.data);
}

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

    read_script(&script);
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
