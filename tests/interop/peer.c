/*
 * peer: one of our sockets, which says and expects just what the command line tells.
 *
 *     peer [OPTION...] TYPE bind|connect ENDPOINT send|recv|ask|echo MESSAGE...
 *
 *     MESSAGE         the sizes of its parts, like 1,0,255; their octets follow from its number
 *     --id ID         our routing id
 *     --to ID         the routing id of a ROUTER's peer: where it asks, and whom it must hear
 *     --delimited     an empty part stands before each message
 *     --repeat COUNT  all messages so many times; the numbers go on
 *     --secret KEY    CURVE, with this key of our own: as the server, unless there is
 *     --server KEY    the server's public one, of which we are a client then
 *     --topic TOPIC   a part before each message of a publisher; it publishes others, too, which a
 *                     subscriber must not get
 *
 *     send, recv      says each message, or must get it
 *     ask             says all of them, a REQ one at a time, and must get all of them back
 *     echo            must get each message, and sends back the very parts it got
 *
 * Prints "bound ENDPOINT" or "connecting ENDPOINT". A publisher sends "sync" until standard input
 * has a line; a subscriber prints "synced" at the first of them, having canceled its subscription
 * to them if it has topics. At the end all must have been given back: memory, descriptors.
 *
 * Exit status: 0 all was as it must be; 1 not, and standard error says what; 2 usage; 3 there is no
 * such type, or no such engine.
 */
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "runtime/socket.h"
#include "wire/encode.h"

#define PATIENCE_MS 5000
#define SYNC_EVERY_MS 2
#define PARTS_MAX 16
#define MS UINT64_C(1000000)

static const char sync_text[] = "sync";
static const char decoy_text[] = "nobody asked for this";

enum role { ROLE_SEND, ROLE_RECV, ROLE_ASK, ROLE_ECHO, ROLE_COUNT };

static const char *const role_names[ROLE_COUNT] = {"send", "recv", "ask", "echo"};

struct plan {
    enum mcq_socket_type type;
    enum role role;
    bool binds;
    bool is_delimited;
    const char *endpoint;
    const char *id;
    const char *to;
    const char *topic;
    const char *secret;
    const char *server;
    char **messages;
    unsigned message_count; /* on the command line */
    unsigned count;         /* in all */
};

static struct mcq_context *context;
static struct mcq_socket *socket_of_all;
static const struct plan *plan;

/* --- what goes wrong ------------------------------------------------------------------------- */

static MCQ_COLD _Noreturn void die(int status, const char *what, const char *why)
{
    (void) fprintf(stderr, "%s: %s\n", what, why);
    (void) fflush(stdout);
    _exit(status);
}

static void must(enum mcq_err err, const char *what)
{
    if (err != MCQ_OK)
        die(1, what, mcq_err_text(err));
}

/* What was being done to which part. */
static const char *about(const char *verb, unsigned message, unsigned part)
{
    static char text[80];

    (void) snprintf(text, sizeof text, "%s message %u part %u", verb, message, part);
    return text;
}

/* --- octets ---------------------------------------------------------------------------------- */

/* No run of them is like another one: what is lost, doubled or moved shows. */
static uint8_t octet_at(unsigned message, unsigned part, size_t index)
{
    return (uint8_t) (message * 7 + part * 31 + index * 13 + (index >> 8) + (index >> 16) * 31);
}

static void send_octets(struct mcq_bytes octets, bool more, const char *what)
{
    struct mcq_part part = {.body = octets, .more = more};

    must(mcq_socket_send(socket_of_all, &part, PATIENCE_MS), what);
}

static void send_msg(struct mcq_msg *msg, bool more, const char *what)
{
    struct mcq_part part = {.body = mcq_msg_bytes(msg), .msg = msg, .more = more};

    must(mcq_socket_send(socket_of_all, &part, PATIENCE_MS), what);
    mcq_msg_fini(msg);
}

static bool is_subscriber(void)
{
    return plan->type == MCQ_SOCKET_TYPE_SUB || plan->type == MCQ_SOCKET_TYPE_XSUB;
}

static bool is_sync(const struct mcq_msg *msg)
{
    return !msg->more && mcq_bytes_equal(mcq_msg_bytes(msg), mcq_bytes_of(sync_text));
}

static struct mcq_msg recv_msg(const char *what)
{
    struct mcq_msg msg;

    must(mcq_socket_recv(socket_of_all, &msg, PATIENCE_MS), what);
    while (is_subscriber() && is_sync(&msg)) {
        mcq_msg_fini(&msg);
        must(mcq_socket_recv(socket_of_all, &msg, PATIENCE_MS), what);
    }
    return msg;
}

static void check_more(const struct mcq_msg *msg, bool more, const char *what)
{
    if (msg->more != more)
        die(1, what, more ? "it is the last one" : "more parts follow");
}

static void check_octets(const struct mcq_msg *msg, unsigned message, unsigned part, size_t size)
{
    const uint8_t *octets = mcq_msg_data(msg);
    char why[80];

    if (mcq_msg_len(msg) != size) {
        (void) snprintf(why, sizeof why, "%zu octets, expected %zu", mcq_msg_len(msg), size);
        die(1, about("received", message, part), why);
    }
    for (size_t i = 0; i < size; i++) {
        if (octets[i] == octet_at(message, part, i))
            continue;
        (void) snprintf(why, sizeof why, "octet %zu is %02x, expected %02x", i, octets[i],
                        octet_at(message, part, i));
        die(1, about("received", message, part), why);
    }
}

/* --- messages -------------------------------------------------------------------------------- */

/* The sizes of a message's parts; returns how many there are. */
static unsigned sizes_of(unsigned message, size_t sizes[PARTS_MAX])
{
    const char *text = plan->messages[message % plan->message_count];
    const char *at = text;
    unsigned count = 0;
    char *end;

    for (;; at = end + 1) {
        sizes[count++] = strtoul(at, &end, 10);
        if (end == at || (*end != ',' && *end != '\0') || count == PARTS_MAX)
            die(2, text, "not a list of sizes");
        if (*end == '\0')
            return count;
    }
}

/* What stands before the parts of each message we begin. */
static void send_envelope(unsigned message)
{
    const char *what = about("send the envelope of", message, 0);

    if (plan->to != NULL)
        send_octets(mcq_bytes_of(plan->to), true, what);
    if (plan->is_delimited)
        send_octets(mcq_bytes(NULL, 0), true, what);
    if (plan->topic != NULL) {
        send_octets(mcq_bytes_of(decoy_text), false, what);
        send_octets(mcq_bytes_of(plan->topic), true, what);
    }
}

static void send_message(unsigned message)
{
    size_t sizes[PARTS_MAX];
    unsigned count = sizes_of(message, sizes);

    send_envelope(message);
    for (unsigned part = 0; part < count; part++) {
        struct mcq_msg msg;
        uint8_t *room;

        must(mcq_msg_init_size(&msg, sizes[part]), about("make", message, part));
        room = mcq_msg_fill(&msg);
        for (size_t i = 0; i < sizes[part]; i++)
            room[i] = octet_at(message, part, i);
        send_msg(&msg, part + 1 < count, about("send", message, part));
    }
}

static void check_text(const struct mcq_msg *msg, const char *text, const char *what)
{
    if (!mcq_bytes_equal(mcq_msg_bytes(msg), mcq_bytes_of(text)))
        die(1, what, "it is another one");
    check_more(msg, true, what);
}

/* What must stand before the parts, kept for the way back; returns how many parts it is. */
static unsigned recv_envelope(struct mcq_msg *envelope)
{
    unsigned count = 0;

    if (plan->type == MCQ_SOCKET_TYPE_ROUTER) {
        envelope[count] = recv_msg("receive a routing id");
        check_more(&envelope[count], true, "received routing id");
        if (plan->to != NULL)
            check_text(&envelope[count], plan->to, "received routing id");
        count++;
    }
    if (plan->is_delimited) {
        envelope[count] = recv_msg("receive a delimiter");
        check_text(&envelope[count++], "", "received delimiter");
    }
    if (plan->topic != NULL) {
        envelope[count] = recv_msg("receive a topic");
        check_text(&envelope[count++], plan->topic, "received topic");
    }
    return count;
}

/* A message that must be the one of this number. Its parts are the caller's, the envelope first. */
static unsigned recv_parts(unsigned message, struct mcq_msg parts[PARTS_MAX + 2])
{
    size_t sizes[PARTS_MAX];
    unsigned count = sizes_of(message, sizes);
    unsigned before = recv_envelope(parts);

    for (unsigned part = 0; part < count; part++) {
        struct mcq_msg *msg = &parts[before + part];

        *msg = recv_msg(about("receive", message, part));
        check_octets(msg, message, part, sizes[part]);
        check_more(msg, part + 1 < count, about("received", message, part));
    }
    return before + count;
}

static void recv_message(unsigned message)
{
    struct mcq_msg parts[PARTS_MAX + 2];
    unsigned count = recv_parts(message, parts);

    while (count > 0)
        mcq_msg_fini(&parts[--count]);
}

static void echo_message(unsigned message)
{
    struct mcq_msg parts[PARTS_MAX + 2];
    unsigned count = recv_parts(message, parts);

    for (unsigned part = 0; part < count; part++)
        send_msg(&parts[part], part + 1 < count, about("send back", message, part));
}

/* --- publishers and subscribers -------------------------------------------------------------- */

static void subscribe(const char *topic, bool is_on)
{
    const struct mcq_pattern_ops *ops = socket_of_all->pattern->ops;
    uint8_t wish[64];

    if (plan->type == MCQ_SOCKET_TYPE_XSUB) {
        struct mcq_bytes bytes = mcq_bytes_of(topic);
        uint8_t *end = is_on ? mcq_encode_subscribe_message(wish, bytes)
                             : mcq_encode_cancel_message(wish, bytes);

        send_octets(mcq_bytes(wish, (size_t) (end - wish)), false, topic);
        return;
    }
    must(mcq_socket_enter(socket_of_all), "subscribe");
    must(ops->subscribe(socket_of_all->pattern, mcq_bytes_of(topic), is_on), topic);
    mcq_socket_leave(socket_of_all);
}

/* Says "sync" until somebody has heard it. */
static void sync_publisher(void)
{
    uint64_t until_ns = mcq_context_now_ns(context) + PATIENCE_MS * MS;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    do {
        if (mcq_context_now_ns(context) > until_ns)
            die(1, "publish", "nobody has heard \"sync\"");
        send_octets(mcq_bytes_of(sync_text), false, sync_text);
    } while (poll(&input, 1, SYNC_EVERY_MS) <= 0);
}

/* Waits for a "sync"; recv_msg drops all that follow. */
static void sync_subscriber(void)
{
    struct mcq_msg msg;

    must(mcq_socket_recv(socket_of_all, &msg, PATIENCE_MS), "receive \"sync\"");
    if (!is_sync(&msg))
        die(1, "received", "something before \"sync\"");
    mcq_msg_fini(&msg);
    if (plan->topic != NULL)
        subscribe(sync_text, false);
    (void) puts("synced");
    (void) fflush(stdout);
}

/* --- the conversation ------------------------------------------------------------------------ */

static void set_options(void)
{
    struct mcq_socket *socket = socket_of_all;

    must(mcq_socket_enter(socket), "options");
    socket->options.reconnect_ms = 20;
    if (plan->id != NULL)
        must(mcq_socket_options_name(&socket->options, mcq_bytes(plan->id, strlen(plan->id))),
             "options");
    if (plan->type == MCQ_SOCKET_TYPE_ROUTER)
        must(socket->pattern->ops->set(socket->pattern, MCQ_PATTERN_ROUTER_MANDATORY, 1),
             "options");
    mcq_socket_leave(socket);
    if (is_subscriber() && plan->topic != NULL) {
        subscribe(plan->topic, true); /* who hears of "sync" knows both */
        subscribe(sync_text, true);
    } else if (is_subscriber()) {
        subscribe("", true);
    }
}

static void set_key(enum mcq_option_id id, const char *text)
{
    must(mcq_security_set_octets(&socket_of_all->options.security, id, mcq_bytes_of(text)), text);
}

static void set_security(void)
{
    if (plan->secret == NULL)
        return;
    must(mcq_socket_enter(socket_of_all), "security");
    set_key(MCQ_OPTION_CURVE_SECRETKEY, plan->secret);
    if (plan->server != NULL)
        set_key(MCQ_OPTION_CURVE_SERVERKEY, plan->server);
    else
        must(mcq_security_set_number(&socket_of_all->options.security, MCQ_OPTION_CURVE_SERVER, 1),
             "server");
    mcq_socket_leave(socket_of_all);
}

static void join(void)
{
    struct mcq_bytes endpoint = mcq_bytes_of(plan->endpoint);
    const char *fault = NULL;
    enum mcq_err err;

    must(mcq_socket_enter(socket_of_all), "join");
    err = plan->binds ? mcq_socket_bind(socket_of_all, endpoint, &fault)
                      : mcq_socket_connect(socket_of_all, endpoint, &fault);
    if (err != MCQ_OK)
        die(1, plan->endpoint, fault != NULL ? fault : mcq_err_text(err));
    (void) printf("%s %s\n", plan->binds ? "bound" : "connecting", socket_of_all->last_endpoint);
    (void) fflush(stdout);
    mcq_socket_leave(socket_of_all);
}

static void converse(void)
{
    bool is_in_turns = plan->type == MCQ_SOCKET_TYPE_REQ;

    if (plan->type == MCQ_SOCKET_TYPE_PUB || plan->type == MCQ_SOCKET_TYPE_XPUB)
        sync_publisher();
    if (is_subscriber())
        sync_subscriber();
    if (plan->role == ROLE_ASK && plan->to != NULL)
        must(mcq_socket_wait_peers(socket_of_all, 1, PATIENCE_MS), "wait for a peer");
    for (unsigned message = 0; message < plan->count; message++) {
        if (plan->role == ROLE_SEND || plan->role == ROLE_ASK)
            send_message(message);
        if (plan->role == ROLE_RECV || (plan->role == ROLE_ASK && is_in_turns))
            recv_message(message);
        if (plan->role == ROLE_ECHO)
            echo_message(message);
    }
    if (plan->role == ROLE_ASK && !is_in_turns)
        for (unsigned message = 0; message < plan->count; message++)
            recv_message(message);
}

static unsigned open_fd_count(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        (void) closedir(folder);
    return count;
}

static int hold(void)
{
    unsigned fd_count = open_fd_count();
    struct mcq_ledger ledger;
    enum mcq_err err;
    char why[80];

    if (mcq_pattern_find(plan->type) == NULL)
        die(3, mcq_socket_type_name(plan->type), "this type is not there yet");
    must(mcq_context_new(&context), "context");
    err = mcq_socket_open(context, plan->type, &socket_of_all);
    if (err == MCQ_INVAL)
        die(3, "MONOCOQUE_ENGINE", "this engine is not allowed here");
    must(err, "socket");
    set_options();
    set_security();
    join();
    converse();
    must(mcq_socket_close(socket_of_all), "close");
    must(mcq_context_term(&context, mcq_context_now_ns(context) + PATIENCE_MS * MS), "the end");
    ledger = mcq_alloc_ledger();
    (void) snprintf(why, sizeof why, "%" PRIu64 " blocks, %" PRIu64 " octets", ledger.block_count,
                    ledger.bytes);
    if (ledger.block_count != 0)
        die(1, "memory that was not given back", why);
    if (open_fd_count() != fd_count)
        die(1, "the end", "descriptors are open");
    return 0;
}

/* --- the command line ------------------------------------------------------------------------ */

static int usage(void)
{
    (void) fputs("usage: peer [--id ID] [--to ID] [--delimited] [--repeat COUNT] [--topic TOPIC]\n"
                 "            [--secret KEY] [--server KEY]\n"
                 "            TYPE bind|connect ENDPOINT send|recv|ask|echo MESSAGE...\n",
                 stderr);
    return 2;
}

static bool read_options(int argc, char **argv, struct plan *asked)
{
    static const struct option options[] = {
        {"id", required_argument, NULL, 'i'},     {"to", required_argument, NULL, 't'},
        {"delimited", no_argument, NULL, 'd'},    {"repeat", required_argument, NULL, 'r'},
        {"topic", required_argument, NULL, 'p'},  {"secret", required_argument, NULL, 's'},
        {"server", required_argument, NULL, 'k'}, {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        switch (option) {
        case 'i': asked->id = optarg; break;
        case 't': asked->to = optarg; break;
        case 'd': asked->is_delimited = true; break;
        case 'r': asked->count = (unsigned) strtoul(optarg, NULL, 10); break;
        case 'p': asked->topic = optarg; break;
        case 's': asked->secret = optarg; break;
        case 'k': asked->server = optarg; break;
        default: return false;
        }
    }
    return asked->id == NULL || strlen(asked->id) <= MCQ_ROUTING_ID_MAX;
}

static bool read_words(int count, char **words, struct plan *asked)
{
    if (count < 4)
        return false;
    asked->type = mcq_socket_type_find(mcq_bytes_of(words[0]));
    asked->binds = strcmp(words[1], "bind") == 0;
    asked->endpoint = words[2];
    while (asked->role < ROLE_COUNT && strcmp(words[3], role_names[asked->role]) != 0)
        asked->role++;
    asked->messages = words + 4;
    asked->message_count = (unsigned) count - 4;
    asked->count *= asked->message_count;
    return asked->type != MCQ_SOCKET_TYPE_NONE && asked->role < ROLE_COUNT &&
           (asked->binds || strcmp(words[1], "connect") == 0);
}

int main(int argc, char **argv)
{
    struct plan asked = {.count = 1};

    if (!read_options(argc, argv, &asked) || !read_words(argc - optind, argv + optind, &asked))
        return usage();
    plan = &asked;
    return hold();
}
