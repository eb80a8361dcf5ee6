#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transport/endpoint.h"

struct good_row {
    const char *text;
    enum mcq_endpoint_use use;
    const char *host;
    const char *zone;
    const char *source;
    uint16_t port;
};

static const struct good_row good[] = {
    {"tcp://127.0.0.1:5555", MCQ_ENDPOINT_BIND, "127.0.0.1", "", "", 5555},
    {"tcp://127.0.0.1:0", MCQ_ENDPOINT_BIND, "127.0.0.1", "", "", 0},
    {"tcp://*:65535", MCQ_ENDPOINT_BIND, "", "", "", 65535},
    {"tcp://*:*", MCQ_ENDPOINT_BIND, "", "", "", 0},
    {"tcp://lo:*", MCQ_ENDPOINT_BIND, "lo", "", "", 0},
    {"tcp://[::1]:1", MCQ_ENDPOINT_BIND, "::1", "", "", 1},
    {"tcp://::1:1", MCQ_ENDPOINT_CONNECT, "::1", "", "", 1},
    {"tcp://[fe80::1%eth0]:80", MCQ_ENDPOINT_CONNECT, "fe80::1", "eth0", "", 80},
    {"tcp://[127.0.0.1]:80", MCQ_ENDPOINT_CONNECT, "127.0.0.1", "", "", 80},
    {"tcp://a-b.example_c:007", MCQ_ENDPOINT_CONNECT, "a-b.example_c", "", "", 7},
    {"tcp://lo:0;127.0.0.1:5555", MCQ_ENDPOINT_CONNECT, "127.0.0.1", "", "lo:0", 5555},
};

static void endpoint__good_text__taken_apart(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(good); i++) {
        struct mcq_endpoint endpoint;
        struct mcq_bytes text = mcq_bytes_of(good[i].text);

        assert_int_equal(mcq_endpoint_parse(text, good[i].use, &endpoint), MCQ_ENDPOINT_GOOD);
        assert_int_equal(endpoint.scheme, MCQ_SCHEME_TCP);
        assert_true(mcq_bytes_equal(endpoint.host, mcq_bytes_of(good[i].host)));
        assert_true(mcq_bytes_equal(endpoint.zone, mcq_bytes_of(good[i].zone)));
        assert_true(mcq_bytes_equal(endpoint.source, mcq_bytes_of(good[i].source)));
        assert_int_equal(endpoint.port, good[i].port);
    }
}

/* A path of so many octets. */
static struct mcq_bytes ipc_text(size_t path_len, char lead, char *text)
{
    memcpy(text, "ipc://", 6);
    memset(text + 6, 'x', path_len);
    text[6] = lead;
    return mcq_bytes(text, 6 + path_len);
}

static void endpoint__ipc__path_is_as_written(void **state)
{
    static const char *const paths[] = {"/tmp/x", "x",   "a b", "@name",    "@@",
                                        "/",      "./*", "**",  "//host:5", "%\xff"};
    char text[256];

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(paths); i++)
        for (int use = MCQ_ENDPOINT_BIND; use <= MCQ_ENDPOINT_CONNECT; use++) {
            struct mcq_endpoint endpoint;

            (void) snprintf(text, sizeof text, "ipc://%s", paths[i]);
            assert_int_equal(
                mcq_endpoint_parse(mcq_bytes_of(text), (enum mcq_endpoint_use) use, &endpoint),
                MCQ_ENDPOINT_GOOD);
            assert_int_equal(endpoint.scheme, MCQ_SCHEME_IPC);
            assert_true(mcq_bytes_equal(endpoint.path, mcq_bytes_of(paths[i])));
        }
}

static void endpoint__ipc__path_of_up_to_107_octets(void **state)
{
    static const char leads[] = {'x', '@'};
    struct mcq_endpoint endpoint;
    char text[256];

    (void) state;
    for (size_t i = 0; i < sizeof leads; i++) {
        assert_int_equal(
            mcq_endpoint_parse(ipc_text(106, leads[i], text), MCQ_ENDPOINT_BIND, &endpoint),
            MCQ_ENDPOINT_GOOD);
        assert_int_equal(
            mcq_endpoint_parse(ipc_text(107, leads[i], text), MCQ_ENDPOINT_BIND, &endpoint),
            MCQ_ENDPOINT_GOOD);
        assert_int_equal(endpoint.path.len, 107);
        assert_int_equal(
            mcq_endpoint_parse(ipc_text(108, leads[i], text), MCQ_ENDPOINT_BIND, &endpoint),
            MCQ_ENDPOINT_LONG_PATH);
    }
    assert_int_equal(mcq_endpoint_parse(mcq_bytes("ipc://a\0b", 9), MCQ_ENDPOINT_BIND, &endpoint),
                     MCQ_ENDPOINT_BAD_PATH);
}

static void endpoint__ipc__any_path_is_for_binding(void **state)
{
    struct mcq_endpoint endpoint;

    (void) state;
    assert_int_equal(mcq_endpoint_parse(mcq_bytes_of("ipc://*"), MCQ_ENDPOINT_BIND, &endpoint),
                     MCQ_ENDPOINT_GOOD);
    assert_int_equal(endpoint.path.len, 0);
}

struct bad_row {
    const char *text;
    enum mcq_endpoint_use use;
    enum mcq_endpoint_fault fault;
};

static const struct bad_row bad[] = {
    {"", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_SCHEME},
    {"://x:1", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_SCHEME},
    {"127.0.0.1:5555", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_SCHEME},
    {"tcp:/x:1", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_SCHEME},
    {"TCP://x:1", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_UNKNOWN_SCHEME},
    {"tcp://", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_ADDRESS},
    {"ipc://", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_ADDRESS},
    {"ipc:/x", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_SCHEME},
    {"ipc://@", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_NAME},
    {"ipc://@", MCQ_ENDPOINT_CONNECT, MCQ_ENDPOINT_NO_NAME},
    {"ipc://*", MCQ_ENDPOINT_CONNECT, MCQ_ENDPOINT_ANY_PATH_TO_CONNECT},
    {"tcp://localhost", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_NO_PORT},
    {"tcp://x:", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_PORT},
    {"tcp://x:65536", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_PORT},
    {"tcp://x:-1", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_PORT},
    {"tcp://x:5_", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_PORT},
    {"tcp://x: 5", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_PORT},
    {"tcp://x:000080", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_PORT},
    {"tcp://:5", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_HOST},
    {"tcp://[]:5", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_HOST},
    {"tcp://[::1:5", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_BAD_HOST},
    {"tcp://a b:5", MCQ_ENDPOINT_CONNECT, MCQ_ENDPOINT_BAD_HOST},
    {"tcp://a/b:5", MCQ_ENDPOINT_CONNECT, MCQ_ENDPOINT_BAD_HOST},
    {"tcp://fe80::1%:5", MCQ_ENDPOINT_CONNECT, MCQ_ENDPOINT_BAD_HOST},
    {"tcp://*:5", MCQ_ENDPOINT_CONNECT, MCQ_ENDPOINT_ANY_HOST_TO_CONNECT},
    {"tcp://x:*", MCQ_ENDPOINT_CONNECT, MCQ_ENDPOINT_ANY_PORT_TO_CONNECT},
    {"tcp://;x:5", MCQ_ENDPOINT_CONNECT, MCQ_ENDPOINT_EMPTY_SOURCE},
    {"tcp://y:0;x:5", MCQ_ENDPOINT_BIND, MCQ_ENDPOINT_SOURCE_TO_BIND},
};

static void endpoint__bad_text__its_fault_and_nothing_filled(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(bad); i++) {
        struct mcq_endpoint endpoint = {.port = 4711};
        enum mcq_endpoint_fault fault =
            mcq_endpoint_parse(mcq_bytes_of(bad[i].text), bad[i].use, &endpoint);

        if (fault != bad[i].fault)
            fail_msg("%s: %s", bad[i].text, mcq_endpoint_fault_text(fault));
        assert_int_equal(endpoint.port, 4711);
    }
}

static void endpoint__every_prefix_and_every_flip__no_crash(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(good); i++) {
        size_t len = strlen(good[i].text);

        for (size_t cut = 0; cut <= len; cut++) {
            /* A copy of its very size, so that a sanitizer sees a read beyond it. */
            uint8_t *copy = malloc(cut + 1);
            struct mcq_endpoint endpoint;

            assert_non_null(copy);
            memcpy(copy, good[i].text, cut);
            for (unsigned octet = 0; cut > 0 && octet < 256; octet++) {
                copy[cut / 2] = (uint8_t) octet;
                enum mcq_endpoint_fault fault =
                    mcq_endpoint_parse(mcq_bytes(copy, cut), good[i].use, &endpoint);

                assert_non_null(mcq_endpoint_fault_text(fault));
            }
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoint__good_text__taken_apart),
        cmocka_unit_test(endpoint__ipc__path_is_as_written),
        cmocka_unit_test(endpoint__ipc__path_of_up_to_107_octets),
        cmocka_unit_test(endpoint__ipc__any_path_is_for_binding),
        cmocka_unit_test(endpoint__bad_text__its_fault_and_nothing_filled),
        cmocka_unit_test(endpoint__every_prefix_and_every_flip__no_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
