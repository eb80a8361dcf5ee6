/*
 * What strangers may send to a bound socket, while it has a peer that behaves: they are closed, the
 * peer loses nothing, and nothing is left of them: no memory, no descriptor.
 *
 * Each row of the table of mischiefs runs against a PULL, a ROUTER and a PUB on both real engines.
 */

#include "bad_support.h"

/* --- mischiefs ------------------------------------------------------------------------------- */

static void random_octets(struct world *w)
{
    uint8_t octets[4096];

    for (int i = 0; i < 20; i++) {
        fill_with_random(w, octets, sizeof octets);
        (void) raw_send(be_bad(w, w->hasty_port), octets, sizeof octets);
    }
}

static void http_request(struct world *w)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";

    (void) raw_send(be_bad(w, w->hasty_port), text, sizeof text - 1);
}

static void half_a_greeting(struct world *w)
{
    uint8_t greeting[RAW_GREETING_BYTES];

    raw_greeting(greeting, "NULL");
    for (size_t len = 0; len < sizeof greeting; len += 9)
        (void) raw_send(be_bad(w, w->hasty_port), greeting, len);
}

static void greeting_and_silence(struct world *w)
{
    uint8_t greeting[RAW_GREETING_BYTES];

    raw_greeting(greeting, "NULL");
    (void) raw_send(be_bad(w, w->hasty_port), greeting, sizeof greeting);
}

static void other_mechanism(struct world *w)
{
    static const char *const mechanisms[] = {"PLAIN", "CURVE", "GSSAPI", "NULLNULLNULLNULLNULL",
                                             "null",  ""};
    uint8_t greeting[RAW_GREETING_BYTES];

    for (size_t i = 0; i < MCQ_COUNTOF(mechanisms); i++) {
        raw_greeting(greeting, mechanisms[i]);
        (void) raw_send(be_bad(w, w->patient_port), greeting, sizeof greeting);
    }
}

static void wrong_type(struct world *w)
{
    static const char *const types[] = {"PAIR", "REP", "XPUB", "NOTHING", ""};
    uint8_t octets[RAW_COMMAND_MAX];

    for (size_t i = 0; i < MCQ_COUNTOF(types); i++)
        after_greeting(w, octets, raw_ready(octets, types[i], NULL));
}

/* A property that ends early, none at all, and one of 4 GiB. */
static void broken_ready(struct world *w)
{
    after_greeting(w, "\4\15\5READY\13Socket", 15);
    after_greeting(w, "\4\6\5READY", 8);
    after_greeting(w, "\4\26\5READY\13Socket-Type\377\377\377\377", 24);
}

static void message_before_ready(struct world *w)
{
    after_greeting(w, "\0\5other", 7);
}

static void long_frame(struct world *w, uint64_t size)
{
    static const uint8_t flags[] = {RAW_LONG, RAW_LONG | RAW_MORE, RAW_LONG | RAW_COMMAND};
    uint8_t octets[9 + 100];

    fill_with_random(w, octets, sizeof octets);
    for (size_t i = 0; i < MCQ_COUNTOF(flags); i++) {
        octets[0] = flags[i];
        (void) mcq_put_u64be(octets + 1, size);
        in_every_phase(w, octets, sizeof octets);
        in_every_phase(w, octets, 9);
    }
}

static void length_of_2_to_63(struct world *w)
{
    long_frame(w, UINT64_C(1) << 63);
    long_frame(w, UINT64_MAX);
}

static void length_of_2_to_62(struct world *w)
{
    long_frame(w, UINT64_C(1) << 62);
    long_frame(w, (UINT64_C(1) << 63) - 1);
}

static void oversize_command(struct world *w)
{
    uint8_t octets[9 + 4096];

    memset(octets, 'x', sizeof octets);
    octets[0] = RAW_LONG | RAW_COMMAND;
    (void) mcq_put_u64be(octets + 1, 1 << 20);
    memcpy(octets + 9, "\11SUBSCRIBE", 10);
    in_every_phase(w, octets, sizeof octets);
}

static void oversize_message(struct world *w)
{
    uint8_t octets[9];

    octets[0] = RAW_LONG;
    (void) mcq_put_u64be(octets + 1, (UINT64_C(1) << 30) + 1);
    (void) raw_send(be_bad_later(w), octets, sizeof octets);
}

static void garbage_after_ready(struct world *w)
{
    uint8_t octets[4096];

    for (int i = 0; i < 20; i++) {
        fill_with_random(w, octets, sizeof octets);
        octets[0] |= 0x80; /* a reserved bit: by chance it would be a frame */
        (void) raw_send(be_bad_later(w), octets, sizeof octets);
    }
}

/* Each flags octet that means nothing: reserved bits, and commands that are part of a message. */
static void reserved_flags(struct world *w)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        uint8_t octets[2 + 5] = {(uint8_t) flags, 5, 'o', 't', 'h', 'e', 'r'};
        bool is_part_of_message = flags & RAW_MORE && flags & RAW_COMMAND;

        if (flags > (RAW_MORE | RAW_LONG | RAW_COMMAND) || is_part_of_message)
            (void) raw_send(be_bad_later(w), octets, sizeof octets);
    }
}

static void cut_by_the_end(struct world *w)
{
    int fd = be_bad_later(w);

    (void) raw_send_frame(fd, RAW_MORE, "other", 5);
    (void) raw_send(fd, "\0\12half", 6);
    (void) shutdown(fd, SHUT_WR);
    fd = be_bad_later(w);
    (void) raw_send_frame(fd, RAW_MORE, "other", 5);
    raw_reset(fd);
    w->bad_count--;
}

/* The deadline counts from the beginning, not from the last octet. */
static void one_octet_at_a_time_and_too_slow(struct world *w)
{
    uint8_t greeting[RAW_GREETING_BYTES];
    int64_t since_ms = raw_now_ms();
    int fd = be_bad(w, w->hasty_port);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    size_t sent = 0;

    raw_greeting(greeting, "NULL");
    while (sent < sizeof greeting && !raw_is_closed(fd) && raw_send(fd, greeting + sent, 1)) {
        sent++;
        good_goes_on(w);
        (void) poll(&end, 1, SHORT_MS / 10);
    }
    assert_in_range(sent, 1, sizeof greeting - 1);
    assert_true(raw_now_ms() - since_ms >= SHORT_MS - 1);
}

static void connects_and_closes(struct world *w)
{
    for (int i = 0; i < 200; i++) {
        int fd = raw_connect(i % 4 < 2 ? w->patient_port : w->hasty_port);

        if (i % 2 == 0)
            raw_reset(fd);
        else
            assert_int_equal(close(fd), 0);
        if (i % 20 == 0)
            good_goes_on(w);
    }
}

static void joins_and_closes(struct world *w)
{
    for (int i = 0; i < 50; i++) {
        int fd = raw_join(w->patient_port, peer_type(w), NULL);

        if (i % 2 == 0)
            raw_reset(fd);
        else
            assert_int_equal(close(fd), 0);
        if (i % 5 == 0)
            good_goes_on(w);
    }
}

/* Peers that go behind each octet of a good handshake, by an end or by a reset. All have been
 * greeted before the first goes, so that each time as much room is needed. */
static void cut_after_every_prefix(struct world *w)
{
    uint8_t octets[RAW_GREETING_BYTES + RAW_COMMAND_MAX];
    int fds[sizeof octets];
    size_t len = RAW_GREETING_BYTES;

    raw_greeting(octets, "NULL");
    len += raw_ready(octets + len, peer_type(w), NULL);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t first;

        fds[cut] = raw_connect(w->patient_port);
        assert_true(raw_send(fds[cut], octets, cut));
        assert_true(raw_recv(fds[cut], &first, 1));
    }
    for (size_t cut = 0; cut < len; cut++) {
        if (cut % 2 == 0)
            raw_reset(fds[cut]);
        else
            assert_int_equal(close(fds[cut]), 0);
        if (cut % 10 == 0)
            good_goes_on(w);
    }
}

static const struct {
    const char *name;
    void (*run)(struct world *w);
} mischief_table[] = {
    {"random_octets__are_closed", random_octets},
    {"fault_a13__http_request__is_closed", http_request},
    {"fault_a2__half_a_greeting_and_silence__is_closed_when_late", half_a_greeting},
    {"greeting_and_silence__is_closed_when_late", greeting_and_silence},
    {"other_mechanism__is_closed", other_mechanism},
    {"wrong_type__is_closed", wrong_type},
    {"fault_a5__broken_ready__is_closed", broken_ready},
    {"fault_a7__message_before_ready__is_closed", message_before_ready},
    {"fault_a4__length_of_2_to_63__is_closed", length_of_2_to_63},
    {"fault_a4__length_of_2_to_62__is_closed", length_of_2_to_62},
    {"fault_a5__oversize_command__is_closed", oversize_command},
    {"oversize_message__is_closed", oversize_message},
    {"garbage_after_ready__is_closed", garbage_after_ready},
    {"reserved_flags__are_closed", reserved_flags},
    {"fault_d1__cut_message__is_dropped", cut_by_the_end},
    {"one_octet_at_a_time_and_too_slow__is_closed", one_octet_at_a_time_and_too_slow},
    {"connects_and_closes_200_times__leaves_nothing", connects_and_closes},
    {"fault_a14__cut_after_every_prefix_of_a_handshake__leaves_nothing", cut_after_every_prefix},
    {"fault_a15__joins_and_closes_50_times__leaves_nothing", joins_and_closes},
};

static const enum mcq_socket_type types[] = {MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_ROUTER,
                                             MCQ_SOCKET_TYPE_PUB};

int main(int argc, char **argv)
{
    for (size_t engine = 0; engine < MCQ_COUNTOF(engines); engine++) {
        for (size_t i = 0; i < MCQ_COUNTOF(mischief_table); i++)
            for (size_t type = 0; type < MCQ_COUNTOF(types); type++)
                add_row((struct bad_test) {.name = mischief_table[i].name,
                                           .type = types[type],
                                           .run = mischief_table[i].run,
                                           .is_mischief = true},
                        engines[engine]);
    }
    return run_rows("bad_input", argc > 1 ? argv[1] : NULL);
}
