/*
 * honest: DEALERs that talk to the target as fast as it answers, each with a few questions open.
 *
 *   attack_honest ENDPOINT [--key KEY] [--peers 50] [--window 8] [--bytes 64]
 *
 * Says "ready" once each has had an answer. Then a line of input asks:
 *
 *   look   figures as NAME=VALUE: questions sent and answered, and what is wrong with the answers
 *   join   one more peer: the ms until it has an answer
 *   stop   nobody asks any more; when all is answered, or patience is over, as look
 */
#include "attack/attack.h"

#define PEERS_MAX 256
#define BYTES_MAX 4096
#define BATCH 64

struct peer {
    struct mcq_socket *socket;
    uint64_t asked;    /* the number of the last question */
    uint64_t answered; /* the last one that has come back */
};

struct honest {
    struct mcq_context *context;
    const char *endpoint;
    const char *key; /* the target's; NULL: not secured */
    size_t len;
    uint64_t window;
    size_t peer_count;
    struct peer peers[PEERS_MAX + 1];
    struct mcq_poll_entry entries[PEERS_MAX + 2];
    uint64_t asked;
    uint64_t answered;
    uint64_t wrong; /* answers that are not the next one */
    bool has_stopped;
};

static _Atomic uint64_t down_count; /* connections that were lost */

static void on_down(const struct mcq_report *report, void *hint)
{
    (void) report;
    (void) hint;
    down_count++;
}

static void open_peer(const struct honest *honest, struct peer *peer)
{
    char public_key[ATTACK_KEY_BYTES];
    char secret_key[ATTACK_KEY_BYTES];

    *peer = (struct peer) {.socket = need_socket(honest->context, MCQ_DEALER)};
    need(mcq_set(peer->socket, MCQ_OPT_LINGER, 0), "LINGER");
    need(mcq_set(peer->socket, MCQ_OPT_HANDSHAKE_IVL, LONG_PATIENCE_MS), "HANDSHAKE_IVL");
    if (honest->key != NULL) {
        need(mcq_curve_keypair(public_key, secret_key), "keypair");
        need(mcq_set_bytes(peer->socket, MCQ_OPT_CURVE_SERVERKEY, honest->key, 40), "SERVERKEY");
        need(mcq_set_bytes(peer->socket, MCQ_OPT_CURVE_SECRETKEY, secret_key, 40), "SECRETKEY");
    }
    need(mcq_connect(peer->socket, honest->endpoint), "connect");
}

static void ask(struct honest *honest, struct peer *peer)
{
    uint8_t body[BYTES_MAX] = {0};

    while (!honest->has_stopped && peer->asked - peer->answered < honest->window) {
        peer->asked++;
        honest->asked++;
        memcpy(body, &peer->asked, sizeof peer->asked);
        need(mcq_send(peer->socket, body, honest->len, 0), "send");
    }
}

static void take_answer(struct honest *honest, struct peer *peer, struct mcq_message *answer)
{
    uint64_t number = 0;

    if (mcq_message_size(answer) == honest->len)
        memcpy(&number, mcq_message_data(answer), sizeof number);
    if (number != peer->answered + 1)
        honest->wrong++;
    peer->answered = number > peer->answered ? number : peer->answered;
    honest->answered++;
}

static void serve(struct honest *honest, struct peer *peer)
{
    struct mcq_message answers[BATCH];
    ptrdiff_t count;

    for (size_t i = 0; i < BATCH; i++)
        (void) mcq_message_init(&answers[i]);
    count = mcq_recv_batch(peer->socket, answers, BATCH, MCQ_DONTWAIT);
    for (ptrdiff_t i = 0; i < count; i++)
        take_answer(honest, peer, &answers[i]);
    for (size_t i = 0; i < BATCH; i++)
        (void) mcq_message_close(&answers[i]);
    ask(honest, peer);
}

/* Waits for whatever comes; returns whether a line of input is there. */
static bool step(struct honest *honest, size_t peer_count, int timeout_ms)
{
    struct mcq_poll_entry *input = &honest->entries[peer_count];

    for (size_t i = 0; i < peer_count; i++)
        honest->entries[i] =
            (struct mcq_poll_entry) {.socket = honest->peers[i].socket, .events = MCQ_POLLIN};
    *input = (struct mcq_poll_entry) {.fd = STDIN_FILENO, .events = MCQ_POLLIN};
    need(mcq_poll(honest->entries, peer_count + 1, timeout_ms), "poll");
    for (size_t i = 0; i < peer_count; i++)
        if (honest->entries[i].revents != 0)
            serve(honest, &honest->peers[i]);
    return input->revents != 0;
}

static void look(const struct honest *honest)
{
    uint64_t behind_count = 0; /* peers without an answer yet to what they asked */

    for (size_t i = 0; i < honest->peer_count; i++)
        behind_count += honest->peers[i].answered == 0;
    tell("asked=%llu answered=%llu wrong=%llu down=%llu silent=%llu cpu_us=%llu",
         (unsigned long long) honest->asked, (unsigned long long) honest->answered,
         (unsigned long long) honest->wrong, (unsigned long long) down_count,
         (unsigned long long) behind_count, (unsigned long long) processor_us());
}

/* The others go on meanwhile. */
static void join(struct honest *honest)
{
    struct peer *peer = &honest->peers[honest->peer_count];
    uint64_t began_ns = clock_ns();
    uint64_t limit_ns = began_ns + LONG_PATIENCE_MS * UINT64_C(1000000);

    open_peer(honest, peer);
    ask(honest, peer);
    while (peer->answered == 0 && clock_ns() < limit_ns)
        (void) step(honest, honest->peer_count + 1, 10);
    tell("join_ms=%.1f", (double) (clock_ns() - began_ns) / 1e6);
    honest->asked -= peer->asked;
    honest->answered -= peer->answered;
    need(mcq_close(peer->socket), "close");
}

static void stop(struct honest *honest)
{
    uint64_t limit_ns = clock_ns() + LONG_PATIENCE_MS * UINT64_C(1000000);

    honest->has_stopped = true;
    while (honest->answered < honest->asked && clock_ns() < limit_ns)
        (void) step(honest, honest->peer_count, 10);
}

int main(int count, char **words)
{
    static struct honest honest;
    char line[ATTACK_LINE_BYTES];

    honest.context = mcq_ctx_new();
    honest.endpoint = count > 1 ? words[1] : "";
    honest.key = text_of(count, words, "--key");
    honest.len = word_of(count, words, "--bytes", 64);
    honest.window = word_of(count, words, "--window", 8);
    honest.peer_count = word_of(count, words, "--peers", 50);
    if (honest.peer_count > PEERS_MAX || honest.len > BYTES_MAX || honest.len < sizeof(uint64_t))
        return 2;
    for (size_t i = 0; i < honest.peer_count; i++) {
        open_peer(&honest, &honest.peers[i]);
        need(mcq_monitor(honest.peers[i].socket, MCQ_REPORT_DISCONNECTED, on_down, NULL),
             "monitor");
        ask(&honest, &honest.peers[i]);
    }
    for (size_t i = 0; i < honest.peer_count; i++)
        while (honest.peers[i].answered == 0)
            (void) step(&honest, honest.peer_count, LONG_PATIENCE_MS);
    tell("ready");
    for (;;) {
        if (!step(&honest, honest.peer_count, -1))
            continue;
        if (!hear(line))
            break;
        if (strcmp(line, "join") == 0) {
            join(&honest);
        } else {
            if (strcmp(line, "stop") == 0)
                stop(&honest);
            look(&honest);
        }
    }
    for (size_t i = 0; i < honest.peer_count; i++)
        need(mcq_close(honest.peers[i].socket), "close");
    need(mcq_ctx_term(honest.context, LONG_PATIENCE_MS), "term");
    return 0;
}
