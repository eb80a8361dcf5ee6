#include "api/test_datagrams.h"

/* DGRAM against itself and against plain sockets. */

static void dgram__dialogue__address_then_datagram(void)
{
    static uint8_t longest[MCQ_MAX_DATAGRAM_BYTES];
    struct plain plain = open_plain();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *dgram;

    begin_world(&world);
    dgram = open_bound(&world, MCQ_DGRAM, endpoint);
    say(&plain, endpoint, "hello", 5);
    say(&plain, endpoint, "", 0);
    expect_part(dgram, plain.address, true);
    expect_text(dgram, "hello");
    expect_part(dgram, plain.address, true);
    expect_text(dgram, "");
    send_text(dgram, plain.address, MCQ_SNDMORE);
    send_text(dgram, "back", 0);
    hear(&plain, "back", 4);
    assert_works(mcq_send(dgram, plain.address, strlen(plain.address) + 1, MCQ_SNDMORE));
    send_text(dgram, "", 0);
    hear(&plain, "", 0);
    send_text(dgram, plain.address, MCQ_SNDMORE);
    assert_works(mcq_send(dgram, longest, sizeof longest, 0));
    hear(&plain, longest, sizeof longest);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void dgram__compat__zero_octet_behind_the_address(void)
{
    struct plain plain = open_plain();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    char address[ENDPOINT_BYTES];
    struct mcq_socket *dgram;

    begin_world(&world);
    assert_works(mcq_ctx_set(world.context, MCQ_CTX_PROFILE, 1));
    dgram = open_bound(&world, MCQ_DGRAM, endpoint);
    say(&plain, endpoint, "hello", 5);
    memset(address, 'x', sizeof address);
    assert_int_equal(mcq_recv(dgram, address, sizeof address, 0), strlen(plain.address) + 1);
    assert_string_equal(address, plain.address);
    expect_text(dgram, "hello");
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void dgram__parts_and_addresses_of_no_use__refused_or_dropped(void)
{
    static const char *const addresses[] = {
        "nonsense", "*:9",     "localhost:9",       "127.0.0.1:",
        "",         "[::1]:9", "udp://127.0.0.1:9", "127.0.0.1:65536"};
    static const uint8_t too_long[MCQ_MAX_DATAGRAM_BYTES + 1];
    struct plain plain = open_plain();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *dgram;

    begin_world(&world);
    dgram = open_bound(&world, MCQ_DGRAM, endpoint);
    assert_fails(mcq_send(dgram, plain.address, strlen(plain.address), 0), EINVAL);
    send_text(dgram, plain.address, MCQ_SNDMORE);
    assert_fails(mcq_send(dgram, "part", 4, MCQ_SNDMORE), EINVAL);
    send_text(dgram, "whole", 0);
    hear(&plain, "whole", 5);
    for (size_t i = 0; i < MCQ_COUNTOF(addresses); i++) {
        send_text(dgram, addresses[i], MCQ_SNDMORE);
        send_text(dgram, "lost", 0);
    }
    send_text(dgram, plain.address, MCQ_SNDMORE);
    assert_works(mcq_send(dgram, too_long, sizeof too_long, 0));
    send_text(dgram, plain.address, MCQ_SNDMORE);
    send_text(dgram, "after", 0);
    hear(&plain, "after", 5);
    assert_int_equal(drops_of(dgram, MCQ_DROP_NOBODY), MCQ_COUNTOF(addresses));
    assert_int_equal(drops_of(dgram, MCQ_DROP_OVERSIZED), 1);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

static void dgram__no_endpoint_or_two__waits_and_is_refused(void)
{
    struct world world;
    struct mcq_socket *dgram;

    begin_world(&world);
    dgram = open_socket(&world, MCQ_DGRAM);
    expect_nothing(dgram);
    assert_fails(mcq_send(dgram, "127.0.0.1:9", 11, MCQ_SNDMORE | MCQ_DONTWAIT), EAGAIN);
    assert_works(mcq_bind(dgram, PLACE));
    assert_says(mcq_bind(dgram, PLACE), EISCONN, "bind " PLACE ": a DGRAM has one endpoint");
    end_world(&world);
}

static void udp__ipv6__both_families(void)
{
    struct plain plain = open_plain();
    struct world world;
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *dgrams[2];
    char address[ENDPOINT_BYTES];

    begin_world(&world);
    for (size_t i = 0; i < MCQ_COUNTOF(dgrams); i++) {
        dgrams[i] = open_socket(&world, MCQ_DGRAM);
        assert_works(mcq_set(dgrams[i], MCQ_OPT_IPV6, 1));
    }
    if (mcq_bind(dgrams[0], "udp://[::1]:*") != 0) {
        print_message("# %s\n", mcq_last_error());
        end_world(&world);
        assert_int_equal(close(plain.fd), 0);
        skip();
    }
    last_endpoint(dgrams[0], endpoint);
    assert_works(mcq_bind(dgrams[1], "udp://*:*"));
    send_text(dgrams[1], endpoint + strlen("udp://"), MCQ_SNDMORE);
    send_text(dgrams[1], "by IPv6", 0);
    memset(address, 0, sizeof address);
    assert_true(mcq_recv(dgrams[0], address, sizeof address - 1, 0) > 0);
    assert_memory_equal(address, "[::1]:", 6);
    expect_text(dgrams[0], "by IPv6");
    send_text(dgrams[0], address, MCQ_SNDMORE);
    send_text(dgrams[0], "and back", 0);
    expect_part(dgrams[1], endpoint + strlen("udp://"), true);
    expect_text(dgrams[1], "and back");
    last_endpoint(dgrams[1], endpoint);
    say(&plain, endpoint, "by IPv4", 7);
    expect_part(dgrams[1], plain.address, true);
    expect_text(dgrams[1], "by IPv4");
    send_text(dgrams[1], plain.address, MCQ_SNDMORE);
    send_text(dgrams[1], "and back", 0);
    hear(&plain, "and back", 8);
    assert_int_equal(close(plain.fd), 0);
    end_world(&world);
}

#define DGRAM_TESTS(X)                                                                             \
    X(dgram__dialogue__address_then_datagram)                                                      \
    X(dgram__compat__zero_octet_behind_the_address)                                                \
    X(dgram__parts_and_addresses_of_no_use__refused_or_dropped)                                    \
    X(dgram__no_endpoint_or_two__waits_and_is_refused)                                             \
    X(udp__ipv6__both_families)

DGRAM_TESTS(BOTH_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {DGRAM_TESTS(BOTH_ROWS)};

    return run_group(tests, MCQ_COUNTOF(tests), "api.dgram");
}
