/* The verbs that send and receive: one table, and what each of their ways does. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool/payload.h"
#include "tool/tool.h"
#include "tool/verbs.h"

#define SECOND_NS UINT64_C(1000000000)

/* What a verb has under way. */
struct talk {
    struct tool_wire wire;
    struct tool_payload payload;
    struct tool_message message;
    struct tool_message reply;
    uint64_t count; /* messages so far, in the direction that counts */
    uint64_t parts;
    uint64_t bytes;
    uint64_t began_ns;
    uint64_t told_ns; /* --stat: when it was told last, and what it was then */
    uint64_t told_count;
    uint64_t told_bytes;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * SECOND_NS + (uint64_t) now.tv_nsec;
}

static bool is_enough(const struct talk *talk)
{
    int64_t most = talk->wire.options->count;

    return mcq_tool_is_over() || (most > 0 && talk->count >= (uint64_t) most);
}

static void note(struct talk *talk, const struct tool_message *message)
{
    talk->count++;
    talk->parts += message->count;
    talk->bytes += mcq_tool_bytes(message);
}

/* --- how fast -------------------------------------------------------------------------------- */

/* Once a second, in place where somebody looks. */
static void tell_rate(struct talk *talk)
{
    uint64_t now = now_ns();
    double seconds = (double) (now - talk->told_ns) / (double) SECOND_NS;

    if (seconds < 1)
        return;
    (void) fprintf(stderr, "%s%s msg/s  %.1f MB/s%s", isatty(STDERR_FILENO) ? "\r\033[K" : "",
                   mcq_tool_number((double) (talk->count - talk->told_count) / seconds),
                   (double) (talk->bytes - talk->told_bytes) / seconds / 1e6,
                   isatty(STDERR_FILENO) ? "" : "\n");
    talk->told_ns = now;
    talk->told_count = talk->count;
    talk->told_bytes = talk->bytes;
}

static void sum_up(const struct talk *talk)
{
    double seconds = (double) (now_ns() - talk->began_ns) / (double) SECOND_NS;

    (void) printf("received %s messages, %s B in %.3f s: %s msg/s\n",
                  mcq_tool_number((double) talk->count), mcq_tool_number((double) talk->bytes),
                  seconds, mcq_tool_number(seconds > 0 ? (double) talk->count / seconds : 0));
}

/* Sleeps until the next message is due. */
static void keep_rate(const struct talk *talk)
{
    int64_t rate = talk->wire.options->rate;
    uint64_t due_ns;

    if (rate <= 0)
        return;
    due_ns = talk->began_ns + (uint64_t) ((double) talk->count / (double) rate * SECOND_NS);
    if (due_ns <= now_ns())
        return;
    struct timespec at = {(time_t) (due_ns / SECOND_NS), (long) (due_ns % SECOND_NS)};

    (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* --- failures -------------------------------------------------------------------------------- */

/* A signal ends a verb well; time that is over does not. */
static int end_of(const struct talk *talk)
{
    if (errno == EINTR && mcq_tool_is_over())
        return TOOL_DONE;
    if (errno == EAGAIN)
        return mcq_tool_fail("%s: nothing within %lld ms; give it more time with --timeout, or "
                             "see what connections do with -v",
                             talk->wire.options->verb, (long long) talk->wire.options->timeout_ms);
    return mcq_tool_fail_call(&talk->wire);
}

static int recv_next(struct talk *talk)
{
    while (mcq_tool_recv(&talk->wire, talk->wire.socket, &talk->message) != 0)
        if (errno != EINTR || mcq_tool_is_over())
            return -1;
    return 0;
}

/* --- one way --------------------------------------------------------------------------------- */

static uint32_t peers_of(struct mcq_socket *socket)
{
    uint32_t count = 0;

    while (count < 10000 && mcq_wait_peers(socket, count + 1, 0) == 0)
        count++;
    return count;
}

static void look_for_peers(const struct talk *talk, uint32_t *peers)
{
    uint32_t count = peers_of(talk->wire.socket);

    if (count > *peers)
        *peers = count;
}

/* Peers may be gone by the end, or come with the first message, which waits for them. */
static int send_all(struct talk *talk)
{
    uint32_t peers = 0;
    int found;

    look_for_peers(talk, &peers);
    talk->began_ns = now_ns();
    while ((found = mcq_tool_next(&talk->payload, &talk->message)) > 0) {
        note(talk, &talk->message);
        if (mcq_tool_send(&talk->wire, talk->wire.socket, &talk->message) != 0)
            return end_of(talk);
        if (talk->count == 1)
            look_for_peers(talk, &peers);
        keep_rate(talk);
    }
    if (found < 0)
        return TOOL_FAILED;
    look_for_peers(talk, &peers);
    (void) printf("sent %s message%s, %s part%s, %s B to %u peer%s\n",
                  mcq_tool_number((double) talk->count), talk->count == 1 ? "" : "s",
                  mcq_tool_number((double) talk->parts), talk->parts == 1 ? "" : "s",
                  mcq_tool_number((double) talk->bytes), peers, peers == 1 ? "" : "s");
    return TOOL_DONE;
}

static int recv_all(struct talk *talk)
{
    const struct tool_options *options = talk->wire.options;

    while (!is_enough(talk)) {
        if (recv_next(talk) != 0) {
            int status = end_of(talk);

            if (options->has_stat)
                sum_up(talk);
            return status;
        }
        if (talk->count == 0)
            talk->began_ns = talk->told_ns = now_ns();
        note(talk, &talk->message);
        if (options->has_stat)
            tell_rate(talk);
        else
            mcq_tool_print(stdout, &talk->message, options->format);
    }
    if (options->has_stat)
        sum_up(talk);
    return TOOL_DONE;
}

static int subscribe_and_recv(struct talk *talk)
{
    const struct tool_options *options = talk->wire.options;
    size_t count = options->topic_count > 0 ? options->topic_count : 1;

    for (size_t i = 0; i < count; i++) {
        const char *topic = options->topic_count > 0 ? options->topics[i] : "";

        if (mcq_set_bytes(talk->wire.socket, MCQ_OPT_SUBSCRIBE, topic, strlen(topic)) != 0)
            return mcq_tool_fail_call(&talk->wire);
    }
    return recv_all(talk);
}

/* --- questions and answers ------------------------------------------------------------------- */

static int ask(struct talk *talk)
{
    int found;

    while ((found = mcq_tool_next(&talk->payload, &talk->message)) > 0) {
        uint64_t began_ns = now_ns();

        if (mcq_tool_send(&talk->wire, talk->wire.socket, &talk->message) != 0 ||
            recv_next(talk) != 0)
            return end_of(talk);
        (void) fprintf(stderr, "rtt %.0f us\n", (double) (now_ns() - began_ns) / 1000);
        mcq_tool_print(stdout, &talk->message, talk->wire.options->format);
        talk->count++;
    }
    return found < 0 ? TOOL_FAILED : TOOL_DONE;
}

/* What a command says, or what was given. */
static bool make_body(const struct talk *talk, const struct tool_message *said,
                      struct tool_message *body)
{
    const struct tool_options *options = talk->wire.options;

    if (options->command != NULL)
        return mcq_tool_exec(options->command, said, body) || mcq_tool_add(body, "", 0);
    for (size_t i = 0; i < options->payload_count; i++)
        if (!mcq_tool_add(body, options->payload[i], strlen(options->payload[i])))
            return false;
    return true;
}

static bool has_answer(const struct talk *talk)
{
    return talk->wire.options->command != NULL || talk->wire.options->payload_count > 0;
}

static int answer(struct talk *talk)
{
    while (!is_enough(talk)) {
        if (recv_next(talk) != 0)
            return end_of(talk);
        mcq_tool_print(stdout, &talk->message, talk->wire.options->format);
        mcq_tool_clear(&talk->reply);
        if (has_answer(talk) && !make_body(talk, &talk->message, &talk->reply))
            return TOOL_FAILED;
        if (mcq_tool_send(&talk->wire, talk->wire.socket,
                          has_answer(talk) ? &talk->reply : &talk->message) != 0)
            return end_of(talk);
        talk->count++;
    }
    return TOOL_DONE;
}

/* --- both ways ------------------------------------------------------------------------------- */

/* The parts of one message behind those of the other, as copies. */
static bool append(struct tool_message *target, const struct mcq_message *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct mcq_message *part = (struct mcq_message *) (uintptr_t) &parts[i];

        if (!mcq_tool_add(target, mcq_message_data(part), mcq_message_size(part)))
            return false;
    }
    return true;
}

/* A reply goes to whom the first part names, with the empty part that a REQ wants. */
static bool make_routed_reply(struct talk *talk)
{
    const struct mcq_message *parts = talk->message.parts;
    size_t lead = talk->message.count > 1 && mcq_message_size(&parts[1]) == 0 ? 2 : 1;
    struct tool_message body = {0};
    struct tool_message said = talk->message;
    bool is_done;

    said.parts += lead;
    said.count -= lead;
    mcq_tool_clear(&talk->reply);
    is_done = append(&talk->reply, parts, lead) && make_body(talk, &said, &body) &&
              append(&talk->reply, body.parts, body.count);
    mcq_tool_free(&body);
    return is_done;
}

/* A ROUTER answers everybody with what it was given; without that it only listens. */
static int serve(struct talk *talk)
{
    while (!is_enough(talk)) {
        if (recv_next(talk) != 0)
            return end_of(talk);
        mcq_tool_print(stdout, &talk->message, talk->wire.options->format);
        talk->count++;
        if (!has_answer(talk))
            continue;
        if (!make_routed_reply(talk))
            return TOOL_FAILED;
        if (mcq_tool_send(&talk->wire, talk->wire.socket, &talk->reply) != 0)
            return end_of(talk);
    }
    return TOOL_DONE;
}

/* Sends what there is to send, and shows what comes meanwhile and afterwards. */
static int converse(struct talk *talk)
{
    const struct tool_options *options = talk->wire.options;
    bool is_interactive = options->payload_count == 0 && options->file == NULL && options->size < 0;
    struct mcq_poll_entry entries[3] = {
        {.socket = talk->wire.socket, .events = MCQ_POLLIN},
        {.fd = is_interactive ? STDIN_FILENO : -1, .events = MCQ_POLLIN},
        {.fd = mcq_tool_end_fd(), .events = MCQ_POLLIN},
    };

    if (is_interactive)
        (void) setvbuf(stdin, NULL, _IONBF, 0); /* what it has read ahead no poll would tell */
    else if (send_all(talk) != TOOL_DONE)
        return TOOL_FAILED;
    talk->count = 0;
    while (!is_enough(talk)) {
        int ready = mcq_poll(entries, 3, (int) options->timeout_ms);

        if (ready == 0 && options->count == 0)
            return TOOL_DONE; /* nobody has said how many */
        if (ready == 0)
            errno = EAGAIN;
        if (ready <= 0)
            return end_of(talk);
        if (entries[0].revents != 0) {
            if (recv_next(talk) != 0)
                return end_of(talk);
            mcq_tool_print(stdout, &talk->message, options->format);
            talk->count++;
        }
        if (entries[1].revents == 0)
            continue;
        if (getline(&talk->payload.line, &talk->payload.room, stdin) < 0) {
            if (options->count == 0 && options->timeout_ms < 0)
                return TOOL_DONE;
            entries[1].fd = -1;
            continue;
        }
        talk->payload.line[strcspn(talk->payload.line, "\n")] = '\0';
        mcq_tool_clear(&talk->message);
        if (!mcq_tool_add(&talk->message, talk->payload.line, strlen(talk->payload.line)) ||
            mcq_tool_send(&talk->wire, talk->wire.socket, &talk->message) != 0)
            return end_of(talk);
    }
    return TOOL_DONE;
}

/* --- verbs ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum mcq_type type;
    int (*run)(struct talk *talk);
} ways[] = {
    {"pub", MCQ_PUB, send_all},    {"sub", MCQ_SUB, subscribe_and_recv},
    {"push", MCQ_PUSH, send_all},  {"pull", MCQ_PULL, recv_all},
    {"req", MCQ_REQ, ask},         {"rep", MCQ_REP, answer},
    {"pair", MCQ_PAIR, converse},  {"dealer", MCQ_DEALER, converse},
    {"router", MCQ_ROUTER, serve},
};

int mcq_tool_talk(int argc, char **argv)
{
    const struct tool_verb *verb = mcq_tool_verb(argv[0]);
    struct tool_options options;
    struct talk talk = {.payload.options = &options};
    int status = mcq_tool_parse(verb, argc, argv, &options);
    size_t way = 0;

    if (status != 0)
        return status;
    while (strcmp(ways[way].name, verb->name) != 0)
        way++;
    status = mcq_tool_open(&talk.wire, ways[way].type, &options);
    if (status != 0)
        return status;
    status = mcq_tool_close(&talk.wire, ways[way].run(&talk));
    mcq_tool_free(&talk.message);
    mcq_tool_free(&talk.reply);
    mcq_tool_payload_free(&talk.payload);
    return status;
}
