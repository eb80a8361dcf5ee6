/* Counting connections by their addresses. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "arena/alloc.h"
#include "runtime/source.h"

static struct mcq_address address_of(const char *text)
{
    struct mcq_address address = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4242)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(4242)};

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&address.storage, &in, sizeof in);
        address.len = sizeof in;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        memcpy(&address.storage, &in6, sizeof in6);
        address.len = sizeof in6;
    }
    return address;
}

static struct mcq_sources *limited_to(uint32_t strangers, uint32_t all)
{
    static const uint8_t key[MCQ_TABLE_KEY_BYTES] = {1, 2, 3};
    const struct mcq_source_limits limits = {strangers, all};
    struct mcq_sources *sources;

    assert_int_equal(mcq_sources_new(&limits, key, &sources), MCQ_OK);
    return sources;
}

static enum mcq_err take(struct mcq_sources *sources, const char *text, struct mcq_source **source)
{
    struct mcq_address address = address_of(text);

    return mcq_source_take(sources, &address, source);
}

static void source__strangers_and_peers__have_limits_of_their_own(void **state)
{
    uint64_t blocks = mcq_alloc_ledger().block_count;
    struct mcq_sources *sources = limited_to(1, 2);
    struct mcq_source *places[3];

    (void) state;
    assert_int_equal(take(sources, "10.0.0.1", &places[0]), MCQ_OK);
    assert_int_equal(take(sources, "10.0.0.1", &places[1]), MCQ_CROWDED);
    assert_null(places[1]);
    mcq_source_meet(places[0]);
    assert_int_equal(take(sources, "10.0.0.1", &places[1]), MCQ_OK);
    mcq_source_meet(places[1]);
    assert_int_equal(take(sources, "10.0.0.1", &places[2]), MCQ_CROWDED);
    assert_int_equal(take(sources, "10.0.0.2", &places[2]), MCQ_OK);
    mcq_source_put(&places[0], false);
    assert_null(places[0]);
    assert_int_equal(take(sources, "10.0.0.1", &places[0]), MCQ_OK);
    mcq_sources_unref(&sources); /* the endpoint goes first */
    mcq_source_put(&places[0], true);
    mcq_source_put(&places[1], false);
    mcq_source_put(&places[2], true);
    assert_int_equal(mcq_alloc_ledger().block_count, blocks);
}

static void source__networks_of_64_bits__are_one_source_of_ipv6(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        bool is_same;
    } rows[] = {
        {"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
        {"::1", "::2", true},
        {"::1", "10.0.0.1", false},
        {"::", "::ffff:10.0.0.1", false},
        {"10.0.0.1", "::ffff:10.0.0.1", true},
        {"::ffff:10.0.0.1", "::ffff:10.0.0.2", false},
        {"10.0.0.1", "10.0.0.2", false},
    };

    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mcq_sources *sources = limited_to(0, 1);
        struct mcq_source *first;
        struct mcq_source *second;

        assert_int_equal(take(sources, rows[i].first, &first), MCQ_OK);
        assert_int_equal(take(sources, rows[i].second, &second) == MCQ_CROWDED, rows[i].is_same);
        mcq_source_put(&first, true);
        mcq_source_put(&second, true);
        mcq_sources_unref(&sources);
    }
}

static void source__of_no_network__is_not_counted(void **state)
{
    struct mcq_sources *sources = limited_to(1, 1);
    struct mcq_address address = {.storage.ss_family = AF_UNIX};
    struct mcq_source *source;

    (void) state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mcq_source_take(sources, &address, &source), MCQ_OK);
        assert_null(source);
    }
    mcq_source_meet(NULL);
    mcq_source_put(&source, false);
    mcq_sources_unref(&sources);
    assert_int_equal(take(NULL, "10.0.0.1", &source), MCQ_OK);
    assert_null(source);
}

/* Accounts are there for as long as somebody is, and no longer. */
static void source__thousands_come_and_go__leave_nothing(void **state)
{
    enum { COUNT = 5000 };
    static struct mcq_source *places[COUNT];
    struct mcq_sources *sources = limited_to(1, 1);
    uint64_t blocks = mcq_alloc_ledger().block_count;
    char text[32];

    (void) state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            (void) snprintf(text, sizeof text, "10.%u.%u.%u", round, i / 256, i % 256);
            assert_int_equal(take(sources, text, &places[i]), MCQ_OK);
        }
        for (unsigned i = 0; i < COUNT; i++)
            mcq_source_put(&places[i], true);
    }
    assert_in_range(mcq_alloc_ledger().block_count - blocks, 0, 2); /* the smallest table's */
    mcq_sources_unref(&sources);
}

/* Without memory nobody is counted, and nobody is let in uncounted. */
static void source__no_memory__is_said(void **state)
{
    struct mcq_sources *sources = limited_to(1, 1);
    struct mcq_source *source;
    enum mcq_err err = MCQ_NOMEM;
    int refused = 0;

    (void) state;
    for (; err == MCQ_NOMEM; refused++) {
        mcq_alloc_fail_at((uint64_t) refused + 1);
        err = take(sources, "10.0.0.1", &source);
        mcq_alloc_fail_at(0);
        assert_true((err == MCQ_OK) == (source != NULL));
    }
    assert_int_equal(err, MCQ_OK);
    assert_int_equal(refused, 3); /* the account, and the table that it is in */
    mcq_source_put(&source, true);
    mcq_sources_unref(&sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source__strangers_and_peers__have_limits_of_their_own),
        cmocka_unit_test(source__networks_of_64_bits__are_one_source_of_ipv6),
        cmocka_unit_test(source__of_no_network__is_not_counted),
        cmocka_unit_test(source__thousands_come_and_go__leave_nothing),
        cmocka_unit_test(source__no_memory__is_said),
    };

    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
