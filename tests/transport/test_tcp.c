/* Addresses as texts say them, where nobody is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "arena/alloc.h"
#include "transport/transport.h"

static struct mcq_endpoint endpoint_of(const char *text, enum mcq_endpoint_use use)
{
    struct mcq_endpoint endpoint;

    assert_int_equal(mcq_endpoint_parse(mcq_bytes_of(text), use, &endpoint), MCQ_ENDPOINT_GOOD);
    return endpoint;
}

static void numeric__each_form__its_address_or_who_must_be_asked(void **state)
{
    static const struct {
        const char *text;
        bool is_ipv6;
        enum mcq_err err;
        const char *printed; /* NULL: as the text */
    } rows[] = {
        {"tcp://127.0.0.1:5555", false, MCQ_OK, NULL},
        {"tcp://[127.0.0.1]:5555", false, MCQ_OK, "tcp://127.0.0.1:5555"},
        {"tcp://[::1]:5555", true, MCQ_OK, NULL},
        {"tcp://::1:5555", true, MCQ_OK, "tcp://[::1]:5555"},
        {"tcp://[::1]:5555", false, MCQ_NOT_FOUND, NULL},
        {"tcp://[fe80::1%lo]:5555", true, MCQ_OK, NULL},
        {"tcp://[fe80::1%nosuch0]:5555", true, MCQ_NOT_FOUND, NULL},
        {"tcp://[::ffff:127.0.0.1]:5555", true, MCQ_OK, NULL},
        {"tcp://localhost:5555", false, MCQ_AGAIN, NULL},
        {"tcp://lo:5555", false, MCQ_AGAIN, NULL},
        {"tcp://127.0.0.1.5:5555", false, MCQ_NOT_FOUND, NULL},
        {"tcp://*:5555", false, MCQ_OK, "tcp://0.0.0.0:5555"},
        {"tcp://*:5555", true, MCQ_OK, "tcp://[::]:5555"},
        {"ipc://@x", false, MCQ_OK, NULL},
        {"ipc:///tmp/x", false, MCQ_OK, NULL},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_endpoint endpoint = endpoint_of(rows[i].text, MCQ_ENDPOINT_BIND);
        struct mcq_address address;
        char text[MCQ_TRANSPORT_TEXT_BYTES];

        assert_int_equal(mcq_transport_numeric(&endpoint, rows[i].is_ipv6, &address), rows[i].err);
        if (rows[i].err != MCQ_OK)
            continue;
        mcq_transport_text(&address, text);
        assert_string_equal(text, rows[i].printed != NULL ? rows[i].printed : rows[i].text);
    }
}

static void zone__is_the_index_of_its_interface(void **state)
{
    struct mcq_endpoint endpoint = endpoint_of("tcp://[fe80::1%lo]:5555", MCQ_ENDPOINT_CONNECT);
    struct mcq_address address;
    struct sockaddr_in6 in6;

    (void) state;
    assert_int_equal(mcq_transport_numeric(&endpoint, true, &address), MCQ_OK);
    memcpy(&in6, &address.storage, sizeof in6);
    assert_int_equal(in6.sin6_scope_id, if_nametoindex("lo"));
}

static void source__names_are_interfaces(void **state)
{
    static const struct {
        const char *text;
        enum mcq_err err;
    } rows[] = {
        {"tcp://lo:7", MCQ_OK},        {"tcp://127.0.0.9:7", MCQ_OK},      {"tcp://*:7", MCQ_OK},
        {"tcp://localhost:7", MCQ_OK}, {"tcp://nosuch0:7", MCQ_NOT_FOUND},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_endpoint endpoint = endpoint_of(rows[i].text, MCQ_ENDPOINT_BIND);
        struct mcq_address address;
        struct sockaddr_in in;

        assert_int_equal(mcq_tcp_source(&endpoint, false, &address), rows[i].err);
        if (rows[i].err != MCQ_OK)
            continue;
        memcpy(&in, &address.storage, sizeof in);
        assert_int_equal(in.sin_family, AF_INET);
        assert_int_equal(ntohs(in.sin_port), 7);
    }
}

static void is_same__host_and_port_count(void **state)
{
    static const char *const texts[] = {
        "tcp://127.0.0.1:1", "tcp://127.0.0.1:2",    "tcp://127.0.0.2:1", "tcp://[::1]:1",
        "tcp://[::1]:2",     "tcp://[fe80::1%lo]:1", "tcp://[fe80::1]:1"};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(texts); i++)
        for (size_t j = 0; j < MCQ_COUNTOF(texts); j++) {
            struct mcq_endpoint one = endpoint_of(texts[i], MCQ_ENDPOINT_BIND);
            struct mcq_endpoint other = endpoint_of(texts[j], MCQ_ENDPOINT_BIND);
            struct mcq_address a;
            struct mcq_address b;

            assert_int_equal(mcq_transport_numeric(&one, true, &a), MCQ_OK);
            assert_int_equal(mcq_transport_numeric(&other, true, &b), MCQ_OK);
            assert_int_equal(mcq_tcp_is_same(&a, &b), i == j);
        }
}

/* Streams over ipc have no addresses at both ends, and yet do not end at themselves. */
static void is_same__of_paths__never(void **state)
{
    struct mcq_endpoint endpoint = endpoint_of("ipc://@x", MCQ_ENDPOINT_BIND);
    struct mcq_address address;

    (void) state;
    assert_int_equal(mcq_transport_numeric(&endpoint, true, &address), MCQ_OK);
    assert_false(mcq_tcp_is_same(&address, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric__each_form__its_address_or_who_must_be_asked),
        cmocka_unit_test(zone__is_the_index_of_its_interface),
        cmocka_unit_test(source__names_are_interfaces),
        cmocka_unit_test(is_same__host_and_port_count),
        cmocka_unit_test(is_same__of_paths__never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
