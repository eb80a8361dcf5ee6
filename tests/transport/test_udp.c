/* Places and senders of datagrams, where nobody is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "arena/alloc.h"
#include "transport/udp.h"

static void numeric__each_form__its_place(void **state)
{
    static const struct {
        const char *text;
        enum mcq_endpoint_use use;
        bool is_ipv6;
        enum mcq_err err;
        bool is_group;
        bool has_interface;
        const char *printed; /* NULL: as the text */
    } rows[] = {
        {"udp://127.0.0.1:5555", MCQ_ENDPOINT_BIND, false, MCQ_OK, false, false, NULL},
        {"udp://*:5555", MCQ_ENDPOINT_BIND, false, MCQ_OK, false, false, "udp://0.0.0.0:5555"},
        {"udp://*:5555", MCQ_ENDPOINT_BIND, true, MCQ_OK, false, false, "udp://[::]:5555"},
        {"udp://lo:5555", MCQ_ENDPOINT_BIND, false, MCQ_AGAIN, false, false, NULL},
        {"udp://localhost:5555", MCQ_ENDPOINT_CONNECT, false, MCQ_AGAIN, false, false, NULL},
        {"udp://255.255.255.255:9", MCQ_ENDPOINT_CONNECT, false, MCQ_OK, false, false, NULL},
        {"udp://224.0.0.1:9", MCQ_ENDPOINT_CONNECT, false, MCQ_OK, true, false, NULL},
        {"udp://239.255.255.255:9", MCQ_ENDPOINT_BIND, false, MCQ_OK, true, false, NULL},
        {"udp://240.0.0.1:9", MCQ_ENDPOINT_CONNECT, false, MCQ_OK, false, false, NULL},
        {"udp://223.255.255.255:9", MCQ_ENDPOINT_CONNECT, false, MCQ_OK, false, false, NULL},
        {"udp://lo;239.0.0.1:9", MCQ_ENDPOINT_BIND, false, MCQ_OK, true, true, "udp://239.0.0.1:9"},
        {"udp://127.0.0.1;239.0.0.1:9", MCQ_ENDPOINT_CONNECT, false, MCQ_OK, true, true,
         "udp://239.0.0.1:9"},
        {"udp://*;239.0.0.1:9", MCQ_ENDPOINT_BIND, false, MCQ_OK, true, false, "udp://239.0.0.1:9"},
        {"udp://nosuch0;239.0.0.1:9", MCQ_ENDPOINT_BIND, false, MCQ_NOT_FOUND, false, false, NULL},
        {"udp://192.0.2.1;239.0.0.1:9", MCQ_ENDPOINT_BIND, false, MCQ_NOT_FOUND, false, false,
         NULL},
        {"udp://an-interface-of-no-length;239.0.0.1:9", MCQ_ENDPOINT_BIND, false, MCQ_NOT_FOUND,
         false, false, NULL},
        {"udp://lo;127.0.0.1:9", MCQ_ENDPOINT_BIND, false, MCQ_INVAL, false, false, NULL},
        {"udp://[ff02::1]:9", MCQ_ENDPOINT_BIND, true, MCQ_OK, true, false, NULL},
        {"udp://[ff02::1%lo]:9", MCQ_ENDPOINT_BIND, true, MCQ_OK, true, true, NULL},
        {"udp://lo;[ff02::1]:9", MCQ_ENDPOINT_BIND, true, MCQ_OK, true, true, "udp://[ff02::1]:9"},
        {"udp://[ff02::1]:9", MCQ_ENDPOINT_BIND, false, MCQ_NOT_FOUND, false, false, NULL},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_datagram_place place = {.interface = 0};
        char text[MCQ_UDP_TEXT_BYTES];
        struct mcq_endpoint endpoint;
        const char *fault = NULL;
        enum mcq_err err;

        assert_int_equal(mcq_endpoint_parse(mcq_bytes_of(rows[i].text), rows[i].use, &endpoint),
                         MCQ_ENDPOINT_GOOD);
        err = mcq_udp_numeric(&endpoint, rows[i].use, rows[i].is_ipv6, &place, &fault);
        if (err != rows[i].err)
            fail_msg("%s: %s", rows[i].text, mcq_err_name(err));
        assert_int_equal(fault != NULL, err == MCQ_INVAL);
        if (err != MCQ_OK)
            continue;
        assert_int_equal(place.is_group, rows[i].is_group);
        assert_int_equal(place.interface, rows[i].has_interface ? if_nametoindex("lo") : 0);
        assert_int_equal(place.is_sent_to, rows[i].use == MCQ_ENDPOINT_CONNECT);
        mcq_udp_text(&place.address, text);
        assert_string_equal(text, rows[i].printed != NULL ? rows[i].printed : rows[i].text);
    }
}

static void peer__each_text__is_read_as_it_is_written(void **state)
{
    static const struct {
        const char *text;
        sa_family_t family;
        bool is_good;
    } rows[] = {
        {"127.0.0.1:1", AF_INET, true},
        {"255.255.255.255:65535", AF_INET, true},
        {"[::1]:5555", AF_INET6, true},
        {"[fe80::1%lo]:5555", AF_INET6, true},
        {"10.0.0.1:5555", AF_INET6, true}, /* in IPv6's clothes on its way */
        {"[::1]:5555", AF_INET, false},
        {"localhost:5555", AF_INET, false},
        {"127.0.0.1", AF_INET, false},
        {"127.0.0.1:*", AF_INET, false},
        {"*:5555", AF_INET, false},
        {"", AF_INET, false},
        {":", AF_INET6, false},
        {"127.0.0.1:65536", AF_INET, false},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_bytes text = mcq_bytes_of(rows[i].text);
        char printed[MCQ_UDP_TEXT_BYTES];
        struct mcq_address address;
        struct mcq_address again;

        assert_int_equal(mcq_udp_parse_peer(text, rows[i].family, &address), rows[i].is_good);
        if (!rows[i].is_good)
            continue;
        assert_int_equal(address.storage.ss_family, rows[i].family);
        assert_int_equal(mcq_udp_peer_text(&address, printed), text.len);
        assert_string_equal(printed, rows[i].text);
        text.len++; /* libzmq's peers have the zero octet, too */
        assert_true(mcq_udp_parse_peer(text, rows[i].family, &again));
        assert_memory_equal(&again.storage, &address.storage, address.len);
    }
}

static void resolve__an_interface_or_a_name__has_an_address(void **state)
{
    static const struct {
        const char *text;
        enum mcq_endpoint_use use;
        enum mcq_err err;
    } rows[] = {
        {"udp://lo:5555", MCQ_ENDPOINT_BIND, MCQ_OK},
        {"udp://nosuch0.invalid:5555", MCQ_ENDPOINT_BIND, MCQ_NOT_FOUND},
        {"udp://localhost:5555", MCQ_ENDPOINT_CONNECT, MCQ_OK},
        {"udp://nosuch0.invalid:5555", MCQ_ENDPOINT_CONNECT, MCQ_NOT_FOUND},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_datagram_place place = {.interface = 0};
        char text[MCQ_UDP_TEXT_BYTES];
        struct mcq_endpoint endpoint;
        const char *fault = NULL;

        assert_int_equal(mcq_endpoint_parse(mcq_bytes_of(rows[i].text), rows[i].use, &endpoint),
                         MCQ_ENDPOINT_GOOD);
        assert_int_equal(mcq_udp_resolve(&endpoint, rows[i].use, false, &place, &fault),
                         rows[i].err);
        if (rows[i].err != MCQ_OK)
            continue;
        mcq_udp_text(&place.address, text);
        assert_string_equal(text, "udp://127.0.0.1:5555");
    }
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric__each_form__its_place),
        cmocka_unit_test(peer__each_text__is_read_as_it_is_written),
        cmocka_unit_test(resolve__an_interface_or_a_name__has_an_address),
    };

    return cmocka_run_group_tests_name("transport.udp", tests, NULL, NULL);
}
