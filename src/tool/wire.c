#include "tool/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tool/tool.h"

#define LINE_BYTES 256
#define SLICE_MS 200

/* File-level: the handler of signals knows nothing else. */
static _Atomic int is_over;
static int end_fd = -1;

bool mcq_tool_is_over(void)
{
    return atomic_load_explicit(&is_over, memory_order_relaxed) != 0;
}

int mcq_tool_end_fd(void)
{
    return end_fd;
}

/* --- what connections do --------------------------------------------------------------------- */

static const char *name_of(enum mcq_report_kind kind)
{
    switch (kind) {
    case MCQ_REPORT_CONNECTED: return "reached";
    case MCQ_REPORT_CONNECT_DELAYED: return "connecting to";
    case MCQ_REPORT_CONNECT_RETRIED: return "trying again";
    case MCQ_REPORT_LISTENING: return "listening at";
    case MCQ_REPORT_BIND_FAILED: return "cannot listen at";
    case MCQ_REPORT_ACCEPTED: return "accepted at";
    case MCQ_REPORT_ACCEPT_FAILED: return "cannot accept at";
    case MCQ_REPORT_CLOSED: return "closed";
    case MCQ_REPORT_DISCONNECTED: return "disconnected";
    case MCQ_REPORT_HANDSHAKE_FAILED: return "handshake ended early,";
    case MCQ_REPORT_HANDSHAKE_SUCCEEDED: return "connected";
    case MCQ_REPORT_HANDSHAKE_BROKEN: return "handshake broken by the peer,";
    case MCQ_REPORT_HANDSHAKE_REFUSED: return "handshake refused,";
    default: return "event";
    }
}

static void tell(const struct mcq_report *report, void *hint)
{
    bool is_other = report->address[0] != '\0' && strcmp(report->address, report->endpoint) != 0;

    (void) hint;
    (void) fprintf(stderr, "%s %s%s%s%s%s", name_of(report->kind), report->endpoint,
                   is_other ? " peer " : "", is_other ? report->address : "",
                   report->why[0] != '\0' ? ": " : "", report->why);
    if (report->version[0] != '\0')
        (void) fprintf(stderr, " (ZMTP %s%s%s, %s)", report->version,
                       report->type[0] != '\0' ? ", " : "", report->type, report->mechanism);
    (void) fputc('\n', stderr);
}

static unsigned kinds_of(const struct tool_options *options)
{
    return options->is_verbose ? MCQ_REPORT_ALL
                               : MCQ_REPORT_HANDSHAKE_SUCCEEDED | MCQ_REPORT_HANDSHAKE_BROKEN |
                                     MCQ_REPORT_HANDSHAKE_REFUSED;
}

/* --- options of sockets ---------------------------------------------------------------------- */

static int set_text(struct mcq_socket *socket, enum mcq_option option, const char *text)
{
    return text != NULL ? mcq_set_bytes(socket, option, text, strlen(text)) : 0;
}

bool mcq_tool_key_of(const char *path, const char *name, char key[MCQ_KEY_TEXT_BYTES])
{
    FILE *file = fopen(path, "re");
    char line[LINE_BYTES];
    char word[16];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, "%15s %40s", word, key) == 2 && strcmp(word, name) == 0;
    (void) fclose(file);
    explicit_bzero(line, sizeof line);
    return found;
}

static int set_curve(struct mcq_socket *socket, const struct tool_options *options)
{
    char secret[MCQ_KEY_TEXT_BYTES] = "";
    int result;

    if (options->curve == NULL && options->key == NULL)
        return 0;
    if (options->curve == NULL) {
        (void) mcq_tool_fail("%s --server-key: --curve FILE has our own keys; make them with "
                             "mcq keygen FILE",
                             options->verb);
        return -2;
    }
    if (!mcq_tool_key_of(options->curve, "secret", secret)) {
        (void) mcq_tool_fail("%s --curve %s: no file with a secret key; make one with mcq keygen",
                             options->verb, options->curve);
        return -2;
    }
    result = set_text(socket, MCQ_OPT_CURVE_SECRETKEY, secret);
    explicit_bzero(secret, sizeof secret);
    if (result != 0)
        return -1;
    return options->key != NULL ? set_text(socket, MCQ_OPT_CURVE_SERVERKEY, options->key)
                                : mcq_set(socket, MCQ_OPT_CURVE_SERVER, 1);
}

static int set_plain(struct mcq_socket *socket, const struct tool_options *options)
{
    const char *password = getenv("MCQ_PASSWORD");

    if (options->user == NULL)
        return 0;
    if (password == NULL) {
        (void) mcq_tool_fail("%s --plain %s: its password is to be in MCQ_PASSWORD", options->verb,
                             options->user);
        return -2;
    }
    if (set_text(socket, MCQ_OPT_PLAIN_USERNAME, options->user) != 0)
        return -1;
    return set_text(socket, MCQ_OPT_PLAIN_PASSWORD, password);
}

static int set_number(struct mcq_socket *socket, enum mcq_option option, int64_t value)
{
    return value >= 0 ? mcq_set(socket, option, value) : 0;
}

/* 0; -1: a call has failed; -2: it has said why. */
static int set_up(struct mcq_socket *socket, const struct tool_options *options)
{
    int result;

    if (set_number(socket, MCQ_OPT_LINGER, options->linger_ms) != 0 ||
        set_number(socket, MCQ_OPT_RCVTIMEO, options->timeout_ms) != 0 ||
        set_number(socket, MCQ_OPT_SNDTIMEO, options->timeout_ms) != 0 ||
        set_number(socket, MCQ_OPT_SNDHWM, options->hwm) != 0 ||
        set_number(socket, MCQ_OPT_RCVHWM, options->hwm) != 0 ||
        mcq_set(socket, MCQ_OPT_IPV6, 1) != 0 || mcq_set(socket, MCQ_OPT_OLDER_PEERS, 1) != 0 ||
        set_text(socket, MCQ_OPT_ROUTING_ID, options->id) != 0)
        return -1;
    result = set_curve(socket, options);
    return result == 0 ? set_plain(socket, options) : result;
}

/* --- life ------------------------------------------------------------------------------------ */

int mcq_tool_fail_call(const struct tool_wire *wire)
{
    return mcq_tool_fail("%s: %s", wire->options->verb, mcq_last_error());
}

struct mcq_socket *mcq_tool_socket(struct tool_wire *wire, enum mcq_type type)
{
    struct mcq_socket *socket = mcq_socket(wire->context, type);
    int result = -1;

    if (socket != NULL) {
        result = set_up(socket, wire->options);
        if (result == 0)
            return socket;
    }
    if (result == -1)
        (void) mcq_tool_fail_call(wire);
    if (socket != NULL)
        (void) mcq_close(socket);
    return NULL;
}

static void on_signal(int number)
{
    int before = errno;

    atomic_store_explicit(&is_over, number, memory_order_relaxed);
    (void) eventfd_write(end_fd, 1);
    errno = before;
}

static void hear_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    if (end_fd < 0)
        end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void) sigaction(SIGINT, &action, NULL);
    (void) sigaction(SIGTERM, &action, NULL);
    (void) signal(SIGPIPE, SIG_IGN);
}

/* In slices, for a signal may come between two of them. */
static int wait_peers(const struct tool_wire *wire)
{
    int64_t left_ms = wire->options->timeout_ms;

    do {
        int slice_ms = left_ms >= 0 && left_ms < SLICE_MS ? (int) left_ms : SLICE_MS;

        if (mcq_wait_peers(wire->socket, (uint32_t) wire->options->wait_peers, slice_ms) == 0)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return -1;
        if (left_ms >= 0)
            left_ms -= slice_ms;
    } while (left_ms != 0 && !mcq_tool_is_over());
    return -1;
}

/* -1: a call has failed. */
static int attach(struct tool_wire *wire, unsigned kinds, tool_tell *listener)
{
    const struct tool_options *options = wire->options;

    if (mcq_monitor(wire->socket, kinds, listener, (void *) (uintptr_t) options) != 0)
        return -1;
    for (size_t i = 0; i < options->endpoint_count; i++) {
        const struct tool_endpoint *endpoint = &options->endpoints[i];

        if ((endpoint->binds ? mcq_bind : mcq_connect)(wire->socket, endpoint->text) != 0)
            return -1;
    }
    return options->wait_peers > 0 ? wait_peers(wire) : 0;
}

static int open_wire(struct tool_wire *wire, enum mcq_type type, const struct tool_options *options,
                     unsigned kinds, tool_tell *listener)
{
    *wire = (struct tool_wire) {.options = options, .context = mcq_ctx_new()};
    if (options->endpoint_count == 0 && options->side_count == 0) {
        (void) mcq_tool_fail("%s: an endpoint is missing, as tcp://127.0.0.1:5555; see mcq %s "
                             "--help",
                             options->verb, options->verb);
        (void) mcq_tool_close(wire, 0);
        return TOOL_USAGE;
    }
    hear_signals();
    wire->socket = wire->context != NULL ? mcq_tool_socket(wire, type) : NULL;
    if (wire->socket != NULL && attach(wire, kinds, listener) == 0)
        return 0;
    if (wire->socket != NULL)
        (void) mcq_tool_fail_call(wire);
    (void) mcq_tool_close(wire, 0);
    return TOOL_FAILED;
}

int mcq_tool_open(struct tool_wire *wire, enum mcq_type type, const struct tool_options *options)
{
    return open_wire(wire, type, options, kinds_of(options), tell);
}

int mcq_tool_open_for(struct tool_wire *wire, enum mcq_type type,
                      const struct tool_options *options, tool_tell *listener)
{
    return open_wire(wire, type, options, MCQ_REPORT_ALL, listener);
}

int mcq_tool_close(struct tool_wire *wire, int status)
{
    int linger_ms = (int) wire->options->linger_ms;

    if (wire->socket != NULL) {
        if (status != TOOL_DONE) /* what waits is of no use any more */
            (void) mcq_set(wire->socket, MCQ_OPT_LINGER, 0);
        (void) mcq_close(wire->socket);
    }
    if (wire->context != NULL && mcq_ctx_term(wire->context, linger_ms + 1000) != 0 &&
        status == TOOL_DONE)
        status = mcq_tool_fail("%s: not all has left; give it more time with --linger",
                               wire->options->verb);
    *wire = (struct tool_wire) {.options = wire->options};
    return status;
}

/* --- messages -------------------------------------------------------------------------------- */

/* Room for one part more; NULL: no memory. */
static struct mcq_message *next_part(struct tool_message *message)
{
    if (message->count == message->room) {
        size_t room = message->room > 0 ? message->room * 2 : 8;
        struct mcq_message *parts = reallocarray(message->parts, room, sizeof *parts);

        if (parts == NULL)
            return NULL;
        message->parts = parts;
        message->room = room;
    }
    (void) mcq_message_init(&message->parts[message->count]);
    return &message->parts[message->count++];
}

bool mcq_tool_add(struct tool_message *message, const void *data, size_t len)
{
    struct mcq_message *part = next_part(message);

    if (part != NULL && mcq_message_init_copy(part, data, len) == 0)
        return true;
    (void) mcq_tool_fail("a part of %zu octets: no memory", len);
    return false;
}

void mcq_tool_clear(struct tool_message *message)
{
    for (size_t i = 0; i < message->count; i++)
        (void) mcq_message_close(&message->parts[i]);
    message->count = 0;
}

void mcq_tool_free(struct tool_message *message)
{
    mcq_tool_clear(message);
    free(message->parts);
    *message = (struct tool_message) {0};
}

size_t mcq_tool_bytes(const struct tool_message *message)
{
    size_t bytes = 0;

    for (size_t i = 0; i < message->count; i++)
        bytes += mcq_message_size(&message->parts[i]);
    return bytes;
}

/* Until the socket can do this. -1 and errno. */
static int wait_for(const struct tool_wire *wire, struct mcq_socket *socket, short event)
{
    struct mcq_poll_entry entries[2] = {{.socket = socket, .events = event},
                                        {.fd = end_fd, .events = MCQ_POLLIN}};
    int ready = mcq_poll(entries, 2, (int) wire->options->timeout_ms);

    if (ready > 0 && entries[1].revents == 0)
        return 0;
    if (ready >= 0)
        errno = ready == 0 ? EAGAIN : EINTR;
    return -1;
}

int mcq_tool_recv(const struct tool_wire *wire, struct mcq_socket *socket,
                  struct tool_message *message)
{
    struct mcq_message *part;

    mcq_tool_clear(message);
    do {
        part = next_part(message);
        if (part == NULL) {
            errno = ENOMEM;
            return -1;
        }
        while (mcq_recv_message(socket, part, MCQ_DONTWAIT) != 0)
            if (errno != EAGAIN || wait_for(wire, socket, MCQ_POLLIN) != 0)
                return -1;
    } while (mcq_message_more(part));
    return 0;
}

int mcq_tool_send(const struct tool_wire *wire, struct mcq_socket *socket,
                  struct tool_message *message)
{
    while (mcq_send_parts(socket, message->parts, message->count, MCQ_DONTWAIT) != 0)
        if (errno != EAGAIN || wait_for(wire, socket, MCQ_POLLOUT) != 0)
            return -1;
    mcq_tool_clear(message);
    return 0;
}
