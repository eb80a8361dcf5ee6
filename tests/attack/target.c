/*
 * target: a ROUTER that sends everything back, and says what it costs.
 *
 *   attack_target [--budget OCTETS] [--curve 1]
 *
 * Says "ENDPOINT KEY" first, its public key or "-". Then for each line of input that says "look"
 * one of figures as NAME=VALUE; ends with its input.
 */
#define _GNU_SOURCE /* what attack.h wants; NOLINT(bugprone-reserved-identifier) */
#include "attack/attack.h"

#define BATCH 512

struct target {
    struct mcq_context *context;
    struct mcq_socket *socket;
    struct mcq_message parts[BATCH];
    uint64_t part_count;
};

static int64_t value_of(const struct target *target, enum mcq_option id)
{
    int64_t value = 0;

    need(mcq_get(target->socket, id, &value), "get");
    return value;
}

static int64_t context_value(const struct target *target, enum mcq_ctx_option id)
{
    int64_t value = 0;

    need(mcq_ctx_get(target->context, id, &value), "ctx_get");
    return value;
}

/* Of the thread that serves, which is this one; the rest is the engine's. */
static uint64_t own_processor_us(void)
{
    struct rusage used;

    if (getrusage(RUSAGE_THREAD, &used) != 0)
        exit(1);
    return (uint64_t) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u +
           (uint64_t) (used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void look(struct target *target)
{
    uint64_t own_us = own_processor_us();

    tell("parts=%llu budget=%lld used=%lld resident_kib=%llu limited=%lld parked=%lld cpu_us=%llu "
         "own_us=%llu",
         (unsigned long long) target->part_count, (long long) context_value(target, MCQ_CTX_BUDGET),
         (long long) context_value(target, MCQ_CTX_BUDGET_USED),
         (unsigned long long) resident_kib(), (long long) value_of(target, MCQ_OPT_LIMITED),
         (long long) value_of(target, MCQ_OPT_PARKED), (unsigned long long) processor_us(),
         (unsigned long long) own_us);
}

/* What has come, back to who sent it. */
static void echo(struct target *target)
{
    ptrdiff_t count = mcq_recv_batch(target->socket, target->parts, BATCH, MCQ_DONTWAIT);
    ptrdiff_t sent = 0;

    if (count <= 0)
        return;
    target->part_count += (uint64_t) count;
    while (sent < count) {
        ptrdiff_t done =
            mcq_send_batch(target->socket, target->parts + sent, (size_t) (count - sent), 0);

        need(done, "send");
        sent += done;
    }
}

int main(int count, char **words)
{
    static struct target target;
    struct mcq_poll_entry entries[] = {{.events = MCQ_POLLIN},
                                       {.fd = STDIN_FILENO, .events = MCQ_POLLIN}};
    char endpoint[64];
    char line[ATTACK_LINE_BYTES];
    char public_key[ATTACK_KEY_BYTES] = "-";
    char secret_key[ATTACK_KEY_BYTES];

    target.context = mcq_ctx_new();
    need(mcq_ctx_set(target.context, MCQ_CTX_BUDGET,
                     (int64_t) word_of(count, words, "--budget", 64 << 20)),
         "budget");
    target.socket = need_socket(target.context, MCQ_ROUTER);
    if (word_of(count, words, "--curve", 0) != 0) {
        need(mcq_curve_keypair(public_key, secret_key), "keypair");
        need(mcq_set(target.socket, MCQ_OPT_CURVE_SERVER, 1), "CURVE_SERVER");
        need(mcq_set_bytes(target.socket, MCQ_OPT_CURVE_SECRETKEY, secret_key, 40), "SECRETKEY");
    }
    need_bound(target.socket, endpoint);
    for (size_t i = 0; i < BATCH; i++)
        (void) mcq_message_init(&target.parts[i]);
    tell("%s %s", endpoint, public_key);
    entries[0].socket = target.socket;
    for (;;) {
        need(mcq_poll(entries, 2, -1), "poll");
        if (entries[0].revents != 0)
            echo(&target);
        if (entries[1].revents != 0) {
            if (!hear(line))
                break;
            look(&target);
        }
    }
    for (size_t i = 0; i < BATCH; i++)
        (void) mcq_message_close(&target.parts[i]);
    need(mcq_set(target.socket, MCQ_OPT_LINGER, 0), "LINGER");
    need(mcq_close(target.socket), "close");
    need(mcq_ctx_term(target.context, LONG_PATIENCE_MS), "term");
    return 0;
}
