/*
 * mcq ping: who is at an endpoint, what it speaks, how long its handshake and its answers take.
 *
 * It drives a session of the library's own over a stream of its own. It comes as a type that nobody
 * hands messages to, so that it takes none away: as a SUB without subscriptions first, and then, if
 * the peer's handshake says that this does not fit, as one that does. Of a peer that hands messages
 * to whoever is there (PUSH, DEALER, ...) it tells what the handshake has said, and is gone.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <monocoque.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/state.h"
#include "tool/dial.h"
#include "tool/tool.h"
#include "tool/verbs.h"
#include "tool/wire.h"

#define MS UINT64_C(1000000)
#define EVERY_NS (100 * MS)
#define TIMEOUT_MS 2000
#define COUNT 5
#define COUNT_MOST 10000
#define PENDING 32                                /* PINGs on their way at a time */
#define OPENING_BYTES (MCQ_GREETING_V2_BYTES - 1) /* of a greeting: up to the version */
#define READ_BYTES 65536
#define FRAME_BYTES_MAX 65536 /* of a sealed frame: nobody sends messages to us */
#define FIRST_BYTES 16
#define REASON_BYTES 256
#define MECHANISM_BYTES (sizeof((union mcq_greeting *) NULL)->v3.mechanism + 1)

struct ping {
    const struct tool_options *options;
    const char *endpoint;
    uint64_t timeout_ns;
    struct mcq_curve_keys keys;
    bool has_keys;

    /* One connection. */
    int fd;
    struct mcq_session session;
    uint64_t connected_ns;
    uint64_t shy_until_ns;
    size_t sent_len;
    uint64_t ready_ns; /* 0: not yet */
    bool is_closed;    /* by the peer, or on the way */
    bool is_late;      /* an answer */
    enum mcq_socket_type type;
    uint8_t first[FIRST_BYTES]; /* octets of the peer */
    size_t first_len;
    char reason[REASON_BYTES];
    uint8_t *frame; /* a sealed one that comes in pieces; FRAME_BYTES_MAX */
    size_t frame_len;

    uint64_t sent_ns[PENDING];
    unsigned sent_count;
    unsigned count;  /* of answers; further ones are nobody's */
    unsigned wanted; /* of them, at the most */
    uint64_t *took_ns;
};

/* --- a connection ---------------------------------------------------------------------------- */

static bool fill(void *context, uint8_t *octets, size_t len)
{
    (void) context;
    return getrandom(octets, len, 0) == (ssize_t) len;
}

/* false: there is no memory for it. */
static bool begin(struct ping *ping, enum mcq_socket_type role)
{
    struct mcq_session_config config;

    mcq_session_config_init(&config, role, MCQ_PROFILE_COMPAT);
    config.meets_older = true;
    config.handshake_ns = ping->timeout_ns;
    config.heartbeat_ns = EVERY_NS;
    config.heartbeat_timeout_ns = ping->timeout_ns;
    if (ping->has_keys) {
        config.mechanism = MCQ_MECHANISM_CURVE;
        config.curve = &ping->keys;
        config.random = (struct mcq_random) {.fill = fill};
    }
    ping->connected_ns = mcq_tool_now_ns();
    ping->shy_until_ns = ping->connected_ns + ping->timeout_ns / 2;
    ping->sent_len = 0;
    ping->ready_ns = 0;
    ping->is_closed = false;
    ping->is_late = false;
    ping->type = MCQ_SOCKET_TYPE_NONE;
    ping->first_len = 0;
    ping->reason[0] = '\0';
    ping->frame_len = 0;
    ping->sent_count = 0;
    ping->count = 0;
    return mcq_session_init(&ping->session, &config, ping->connected_ns) == MCQ_OK;
}

static void hear(struct ping *ping, const struct mcq_event *event);

/* The piece of a box; true: *opened is what was in it. */
static bool unseal(struct ping *ping, const struct mcq_frame_piece *piece, struct mcq_event *opened)
{
    if (piece->first)
        ping->frame_len = 0;
    if (piece->body.len > FRAME_BYTES_MAX - ping->frame_len) {
        ping->is_closed = true; /* no peer has a reason for so much */
        return false;
    }
    mcq_put_bytes(ping->frame + ping->frame_len, piece->body);
    ping->frame_len += piece->body.len;
    return piece->last && mcq_session_open(&ping->session, ping->frame, ping->frame_len,
                                           mcq_tool_now_ns(), opened) == MCQ_OK;
}

static void hear(struct ping *ping, const struct mcq_event *event)
{
    struct mcq_event opened;

    switch (event->kind) {
    case MCQ_EVENT_READY:
        ping->ready_ns = mcq_tool_now_ns();
        ping->type = event->ready.socket_type;
        break;
    case MCQ_EVENT_REFUSED:
        (void) snprintf(ping->reason, sizeof ping->reason, "%.*s", (int) event->reason.len,
                        (const char *) event->reason.data);
        break;
    case MCQ_EVENT_SEALED:
        if (unseal(ping, &event->body.piece, &opened))
            hear(ping, &opened);
        break;
    case MCQ_EVENT_PONG:
        if (ping->count == ping->sent_count || ping->count == ping->wanted)
            break;
        ping->took_ns[ping->count] = mcq_tool_now_ns() - ping->sent_ns[ping->count % PENDING];
        ping->count++;
        break;
    default: break;
    }
}

static void take(struct ping *ping, struct mcq_bytes in)
{
    size_t kept = mcq_min_size(in.len, FIRST_BYTES - ping->first_len);
    struct mcq_event event;
    enum mcq_err err;

    mcq_put_bytes(ping->first + ping->first_len, mcq_bytes(in.data, kept));
    ping->first_len += kept;
    do {
        err = mcq_session_feed(&ping->session, &in, mcq_tool_now_ns(), &event);
        if (err == MCQ_OK)
            hear(ping, &event);
        else if (err == MCQ_BUSY)
            mcq_session_yield(&ping->session);
    } while (err == MCQ_OK || err == MCQ_BUSY);
}

static void receive(struct ping *ping)
{
    static uint8_t octets[READ_BYTES];
    ssize_t len = recv(ping->fd, octets, sizeof octets, 0);

    if (len > 0)
        take(ping, mcq_bytes(octets, (size_t) len));
    else
        ping->is_closed = len == 0 || (errno != EAGAIN && errno != EINTR);
}

/* What may leave. A peer that finds us unfit closes, maybe before it has said what it is: so it is
 * to speak first, of its mechanism and then of its type. One that waits for us is not kept waiting
 * for ever. */
static struct mcq_bytes output(const struct ping *ping)
{
    struct mcq_bytes out = mcq_session_want(&ping->session);
    bool is_shy = ping->ready_ns == 0 && mcq_tool_now_ns() < ping->shy_until_ns;
    size_t most = SIZE_MAX;

    if (is_shy && mcq_session_phase(&ping->session) == MCQ_PHASE_GREETING)
        most = OPENING_BYTES;
    else if (is_shy && ping->session.greeting.form == MCQ_FORM_V3 && !ping->has_keys)
        most = MCQ_GREETING_V3_BYTES;
    out.len = mcq_min_size(out.len, most > ping->sent_len ? most - ping->sent_len : 0);
    return out;
}

static void send_out(struct ping *ping)
{
    struct mcq_bytes out = output(ping);
    ssize_t len = out.len > 0 ? send(ping->fd, out.data, out.len, MSG_NOSIGNAL) : 0;

    if (len <= 0)
        return;
    mcq_session_sent(&ping->session, (size_t) len);
    ping->sent_len += (size_t) len;
}

/* When there is something to do without a word of the peer. */
static uint64_t due_ns(const struct ping *ping)
{
    uint64_t deadline_ns = mcq_session_deadline_ns(&ping->session);
    bool is_held = output(ping).len < mcq_session_want(&ping->session).len;

    return is_held && ping->shy_until_ns < deadline_ns ? ping->shy_until_ns : deadline_ns;
}

/* What is due by now; a PING goes into the list. */
static void tick(struct ping *ping)
{
    bool was_empty = mcq_session_want(&ping->session).len == 0;
    uint64_t now_ns = mcq_tool_now_ns();

    /* To the session any octet is a sign of life. */
    ping->is_late = ping->count < ping->sent_count &&
                    now_ns - ping->sent_ns[ping->count % PENDING] >= ping->timeout_ns;
    if (mcq_session_tick(&ping->session, now_ns) != MCQ_OK || !was_empty)
        return;
    if (mcq_session_want(&ping->session).len > 0 && ping->sent_count - ping->count < PENDING)
        ping->sent_ns[ping->sent_count++ % PENDING] = now_ns;
}

static bool is_over(const struct ping *ping)
{
    return ping->is_closed || ping->is_late ||
           mcq_session_phase(&ping->session) == MCQ_PHASE_FAILED;
}

/* Until the handshake has an end, or so many answers are there. */
static void run(struct ping *ping, unsigned count)
{
    while (!is_over(ping) && (ping->ready_ns == 0 || ping->count < count)) {
        struct pollfd wait = {.fd = ping->fd, .events = POLLIN};

        send_out(ping);
        if (output(ping).len > 0)
            wait.events |= POLLOUT;
        (void) poll(&wait, 1, mcq_tool_wait_ms(due_ns(ping)));
        if (wait.revents & ~POLLOUT)
            receive(ping);
        tick(ping);
    }
    send_out(ping); /* an ERROR, maybe */
}

/* --- words ----------------------------------------------------------------------------------- */

/* As a terminal may show it. */
static void show_octets(char *text, const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *text++ = octets[i] < 0x80 && isprint(octets[i]) ? (char) octets[i] : '.';
    *text = '\0';
}

static void mechanism_of(const struct ping *ping, char text[MECHANISM_BYTES])
{
    const struct mcq_greeting_decoder *greeting = &ping->session.greeting;
    const uint8_t *name = greeting->greeting.v3.mechanism;

    if (greeting->form != MCQ_FORM_V3)
        name = (const uint8_t *) "";
    show_octets(text, name, strnlen((const char *) name, sizeof greeting->greeting.v3.mechanism));
}

static int fail(const struct ping *ping, const char *why)
{
    return mcq_tool_fail("ping %s: %s", ping->endpoint, why);
}

/* A connection that has ended, or has not come to its handshake's end. */
static int explain(const struct ping *ping)
{
    const struct mcq_failure *failure = mcq_session_failure(&ping->session);
    char first[FIRST_BYTES + 1];
    char mechanism[MECHANISM_BYTES];

    show_octets(first, ping->first, ping->first_len);
    mechanism_of(ping, mechanism);
    if (failure->err == MCQ_REFUSED)
        return mcq_tool_fail("ping %s: the peer refuses: \"%s\"", ping->endpoint, ping->reason);
    if (failure->rule == MCQ_RULE_GREETING_V3_MECHANISM)
        return mcq_tool_fail("ping %s: the peer wants %s, and this is %s; --curve and --server-key "
                             "make it CURVE",
                             ping->endpoint, mechanism, ping->session.handshake.machine->mechanism);
    /* Any octet but one may begin a frame of ZMTP 1.0. */
    if (ping->session.greeting.form == MCQ_FORM_V1 && ping->ready_ns == 0)
        return mcq_tool_fail("ping %s: this is no ZMTP; its first octets are \"%s\"",
                             ping->endpoint, first);
    if (failure->err == MCQ_TIMEOUT || ping->is_late)
        return fail(ping, ping->first_len == 0 ? "somebody is there and says nothing; give it more "
                                                 "time with --timeout"
                                               : "no answer in time; give it more with --timeout");
    if (failure->err == MCQ_OK || failure->err == MCQ_CLOSED)
        return fail(ping, ping->ready_ns != 0 ? "the peer has closed the connection"
                                              : "the peer has closed it in the handshake; it may "
                                                "want other keys, or hand out messages");
    return mcq_tool_fail("ping %s: it breaks the rule %s (%s); its first octets are \"%s\"",
                         ping->endpoint, mcq_rule_name(failure->rule),
                         mcq_rule_source(failure->rule), first);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *) a;
    uint64_t right = *(const uint64_t *) b;

    return (left > right) - (left < right);
}

static double us(uint64_t ns)
{
    return (double) ns / 1000;
}

static void print_json(const struct ping *ping, const char *type, const char *mechanism)
{
    json_t *line = json_pack("{s:s,s:s,s:s,s:s,s:i}", "endpoint", ping->endpoint, "zmtp",
                             mcq_zmtp_name(ping->session.greeting.version), "type", type,
                             "mechanism", mechanism, "pings", (int) ping->count);

    if (ping->ready_ns != 0)
        (void) json_object_set_new(line, "handshake_us",
                                   json_real(us(ping->ready_ns - ping->connected_ns)));
    if (ping->count > 0) {
        (void) json_object_set_new(line, "min_us", json_real(us(ping->took_ns[0])));
        (void) json_object_set_new(line, "median_us",
                                   json_real(us(ping->took_ns[ping->count / 2])));
        (void) json_object_set_new(line, "max_us", json_real(us(ping->took_ns[ping->count - 1])));
    }
    (void) json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    (void) putchar('\n');
    json_decref(line);
}

static void print_text(const struct ping *ping, const char *type, const char *mechanism)
{
    (void) printf("ZMTP %s, %s%s%s", mcq_zmtp_name(ping->session.greeting.version),
                  type[0] != '\0' ? type : "type unknown", mechanism[0] != '\0' ? ", " : "",
                  mechanism);
    if (ping->ready_ns != 0)
        (void) printf(", handshake %.0f us", us(ping->ready_ns - ping->connected_ns));
    if (ping->ready_ns == 0)
        (void) puts("; it hands messages to whoever is there, so it is not pinged");
    else if (ping->count == 0)
        (void) puts("; it answers no PING, which ZMTP has since 3.1");
    else
        (void) printf("; %u ping%s: min %.0f us  median %.0f us  max %.0f us\n", ping->count,
                      ping->count == 1 ? "" : "s", us(ping->took_ns[0]),
                      us(ping->took_ns[ping->count / 2]), us(ping->took_ns[ping->count - 1]));
}

static int tell(struct ping *ping)
{
    const char *type = ping->type != MCQ_SOCKET_TYPE_NONE ? mcq_socket_type_name(ping->type) : "";
    char mechanism[MECHANISM_BYTES];

    mechanism_of(ping, mechanism);
    qsort(ping->took_ns, ping->count, sizeof *ping->took_ns, compare);
    (ping->options->format == TOOL_JSON ? print_json : print_text)(ping, type, mechanism);
    return TOOL_DONE;
}

/* --- types ----------------------------------------------------------------------------------- */

/* What one may be without being handed anything, the one with the fewest words first. */
static const enum mcq_socket_type roles[] = {
    MCQ_SOCKET_TYPE_SUB, MCQ_SOCKET_TYPE_DISH,   MCQ_SOCKET_TYPE_REQ,   MCQ_SOCKET_TYPE_PUSH,
    MCQ_SOCKET_TYPE_PUB, MCQ_SOCKET_TYPE_CLIENT, MCQ_SOCKET_TYPE_RADIO, MCQ_SOCKET_TYPE_SCATTER,
};

/* The index of the first one that fits; as many as there are: none does. */
static size_t role_for(enum mcq_socket_type peer)
{
    size_t i = 0;

    while (i < MCQ_COUNTOF(roles) && !mcq_socket_type_fits(roles[i], peer))
        i++;
    return i;
}

/* As the peer said before it was found not to fit. */
static enum mcq_socket_type type_said(const struct ping *ping)
{
    const struct mcq_greeting_decoder *greeting = &ping->session.greeting;
    enum mcq_socket_type type = ping->session.handshake.ready.socket_type;

    if (greeting->form == MCQ_FORM_V2)
        type = (enum mcq_socket_type) greeting->greeting.v2.socket_type;
    return mcq_socket_type_row(type) != NULL ? type : MCQ_SOCKET_TYPE_NONE;
}

static bool knows_ping(const struct ping *ping)
{
    return ping->session.greeting.version >= MCQ_COMMAND_PING_SINCE;
}

/* All that was asked for is there; a peer of 3.0 may know PING, or may not. */
static bool is_whole(const struct ping *ping)
{
    bool is_late = ping->is_late || mcq_session_failure(&ping->session)->err == MCQ_TIMEOUT;

    if (ping->ready_ns == 0)
        return false;
    return !knows_ping(ping) || ping->count == ping->wanted ||
           (is_late && ping->count == 0 && ping->session.greeting.version < MCQ_ZMTP_3_1);
}

/* What to come as after a handshake that has failed. A server of CURVE says nothing of itself to
 * who does not fit, so all are tried. */
static size_t next_role(const struct ping *ping, size_t role)
{
    bool is_over = mcq_session_failure(&ping->session)->err != MCQ_OK;

    if (ping->type != MCQ_SOCKET_TYPE_NONE)
        return role_for(ping->type) != role ? role_for(ping->type) : MCQ_COUNTOF(roles);
    return ping->has_keys && ping->is_closed && !is_over ? role + 1 : MCQ_COUNTOF(roles);
}

/* One connection, as roles[role]. What to come as the next time; as many as there are: *status is
 * the end of it. */
static size_t meet(struct ping *ping, size_t role, int *status)
{
    size_t next = MCQ_COUNTOF(roles);

    ping->fd = mcq_tool_dial("ping", ping->endpoint, mcq_tool_now_ns() + ping->timeout_ns);
    if (ping->fd < 0) {
        *status = TOOL_FAILED;
        return next;
    }
    if (!begin(ping, roles[role])) {
        (void) close(ping->fd);
        *status = mcq_tool_fail("ping: out of memory");
        return next;
    }
    run(ping, 0);
    if (ping->ready_ns != 0 && knows_ping(ping))
        run(ping, ping->wanted);
    if (ping->ready_ns == 0) {
        ping->type = type_said(ping);
        next = next_role(ping, role);
    }
    if (next == MCQ_COUNTOF(roles))
        *status = is_whole(ping) || (ping->ready_ns == 0 && ping->type != MCQ_SOCKET_TYPE_NONE)
                      ? tell(ping)
                      : explain(ping);
    mcq_session_fini(&ping->session);
    (void) close(ping->fd);
    return next;
}

/* --- what was asked for ---------------------------------------------------------------------- */

static bool key_from(const char *text, struct mcq_crypto_key *key)
{
    return text != NULL && strlen(text) == MCQ_KEY_TEXT_BYTES - 1 &&
           mcq_z85_to_octets(text, key->octets) == 0;
}

/* 0, or an exit code: it has said why. */
static int take_keys(struct ping *ping)
{
    const struct tool_options *options = ping->options;
    char secret[MCQ_KEY_TEXT_BYTES] = "";
    bool is_good;

    if (options->curve == NULL && options->key == NULL)
        return 0;
    if (options->curve == NULL || options->key == NULL) {
        (void) mcq_tool_fail("ping: CURVE takes both, --curve FILE and --server-key KEY");
        return TOOL_USAGE;
    }
    if (!mcq_tool_key_of(options->curve, "secret", secret))
        return mcq_tool_fail("ping --curve %s: no file with a secret key; make one with mcq keygen",
                             options->curve);
    is_good =
        key_from(secret, &ping->keys.own.secret) && key_from(options->key, &ping->keys.server);
    explicit_bzero(secret, sizeof secret);
    if (!is_good)
        return mcq_tool_fail("ping --server-key %s: no key of 40 characters", options->key);
    if (mcq_crypto_init() != MCQ_OK)
        return mcq_tool_fail("ping: the system gives no random octets");
    mcq_crypto_public(&ping->keys.own.public, &ping->keys.own.secret);
    ping->has_keys = true;
    return 0;
}

static int ping_endpoint(struct ping *ping)
{
    size_t role = 0;
    int status = take_keys(ping);

    if (status != 0)
        return status;
    ping->wanted = ping->options->count > 0 ? (unsigned) ping->options->count : COUNT;
    ping->took_ns = calloc(ping->wanted, sizeof *ping->took_ns);
    ping->frame = malloc(FRAME_BYTES_MAX);
    if (ping->took_ns == NULL || ping->frame == NULL)
        status = mcq_tool_fail("ping: out of memory");
    /* A peer may say something else each time. */
    for (size_t i = 0; status == 0 && i < MCQ_COUNTOF(roles) && role < MCQ_COUNTOF(roles); i++)
        role = meet(ping, role, &status);
    if (status == 0 && role < MCQ_COUNTOF(roles))
        status = fail(ping, "the peer is of another type each time");
    free(ping->took_ns);
    free(ping->frame);
    explicit_bzero(&ping->keys, sizeof ping->keys);
    return status;
}

int mcq_tool_ping(int argc, char **argv)
{
    struct tool_options options;
    struct ping ping = {.options = &options};
    int status = mcq_tool_parse(mcq_tool_verb(argv[0]), argc, argv, &options);

    if (status != 0)
        return status;
    if (options.endpoint_count != 1 || options.count > COUNT_MOST) {
        (void) mcq_tool_fail(
            "ping: it wants one endpoint, and up to %d for -n; see mcq ping --help", COUNT_MOST);
        return TOOL_USAGE;
    }
    ping.endpoint = options.endpoints[0].text;
    ping.timeout_ns = (uint64_t) (options.timeout_ms >= 0 ? options.timeout_ms : TIMEOUT_MS) * MS;
    return ping_endpoint(&ping);
}
