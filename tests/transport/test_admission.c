#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "arena/alloc.h"
#include "transport/admission.h"

static void parse__networks_and_what_is_none(void **state)
{
    static const struct {
        const char *text;
        int bits; /* of IPv6, or of IPv4 mapped into it; -1: refused */
    } rows[] = {
        {"127.0.0.1", 128},
        {"127.0.0.1/32", 128},
        {"10.0.0.0/8", 104},
        {"10.0.0.0/08", 104},
        {"0.0.0.0/0", 96},
        {"::/0", 0},
        {"::1", 128},
        {"2001:db8::/33", 33},
        {"::1/128", 128},
        {"127.0.0.1/33", -1},
        {"::1/129", -1},
        {"127.0.0.1/", -1},
        {"127.0.0.1/-1", -1},
        {"127.0.0.1/x", -1},
        {"127.0.0.1/1111", -1},
        {"/8", -1},
        {"localhost", -1},
        {"*", -1},
        {"127.0.0", -1},
        {"[::1]", -1},
        {"127.0.0.1 ", -1},
        {"", -1},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", -1},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct mcq_admission_rule rule = {.bits = 77};

        assert_int_equal(mcq_admission_parse(mcq_bytes_of(rows[i].text), &rule), rows[i].bits >= 0);
        assert_int_equal(rule.bits, rows[i].bits >= 0 ? rows[i].bits : 77);
    }
    struct mcq_admission_rule rule;

    assert_false(mcq_admission_parse(mcq_bytes("127.0.0.1\0x", 11), &rule));
}

/* --- peers of all kinds ----------------------------------------------------------------------- */

struct pair {
    struct mcq_reactor *reactor;
    int near, far;
};

/* A TCP connection whose peer is at 127.0.0.`last`; 0: a unix one. */
static struct pair open_pair(unsigned last)
{
    struct pair pair;
    const char *why;

    assert_int_equal(mcq_reactor_new(MCQ_ENGINE_EPOLL, &pair.reactor, &why), MCQ_OK);
    if (last == 0) {
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        pair.near = ends[0];
        pair.far = ends[1];
        return pair;
    }
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *) &in, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *) &in, &len), 0);
    pair.far = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in from = {.sin_family = AF_INET};

    from.sin_addr.s_addr = htonl(0x7f000000u | last);
    assert_int_equal(bind(pair.far, (struct sockaddr *) &from, sizeof from), 0);
    assert_int_equal(connect(pair.far, (struct sockaddr *) &in, sizeof in), 0);
    pair.near = accept(listener, NULL, NULL);
    assert_true(pair.near >= 0);
    assert_int_equal(close(listener), 0);
    return pair;
}

static void close_pair(struct pair *pair)
{
    assert_int_equal(close(pair->near), 0);
    assert_int_equal(close(pair->far), 0);
    mcq_reactor_free(&pair->reactor);
}

static void add_network(struct mcq_admission **admission, const char *text)
{
    struct mcq_admission_rule rule;

    assert_true(mcq_admission_parse(mcq_bytes_of(text), &rule));
    assert_int_equal(mcq_admission_add(admission, &rule), MCQ_OK);
}

static void add_id(struct mcq_admission **admission, enum mcq_admission_kind kind, uint32_t id)
{
    const struct mcq_admission_rule rule = {.kind = kind, .id = id};

    assert_int_equal(mcq_admission_add(admission, &rule), MCQ_OK);
}

static void networks__one_that_fits_is_enough(void **state)
{
    static const struct {
        const char *networks[3];
        unsigned last;
        bool is_admitted;
    } rows[] = {
        {{"127.0.0.1"}, 1, true},
        {{"127.0.0.2"}, 1, false},
        {{"127.0.0.2/31"}, 3, true},
        {{"127.0.0.2/31"}, 4, false},
        {{"127.0.0.2/30"}, 1, true},
        {{"128.0.0.0/1"}, 1, false},
        {{"0.0.0.0/1"}, 1, true},
        {{"0.0.0.0/0"}, 200, true},
        {{"10.0.0.0/8", "127.0.0.0/8"}, 9, true},
        {{"10.0.0.0/8", "192.168.0.0/16", "::1"}, 9, false},
        {{"::ffff:127.0.0.9"}, 9, true},
        {{"::/96"}, 9, false},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct pair pair = open_pair(rows[i].last);
        struct pair local = open_pair(0);
        struct mcq_admission *admission = NULL;

        assert_true(mcq_admission_admits(admission, pair.reactor, pair.near));
        for (size_t j = 0; j < 3 && rows[i].networks[j] != NULL; j++)
            add_network(&admission, rows[i].networks[j]);
        if (mcq_admission_admits(admission, pair.reactor, pair.near) != rows[i].is_admitted)
            fail_msg("row %zu", i);
        assert_true(mcq_admission_admits(admission, local.reactor, local.near));
        mcq_admission_unref(&admission);
        close_pair(&pair);
        close_pair(&local);
    }
}

static void processes_users_and_groups__one_that_fits_is_enough(void **state)
{
    const uint32_t pid = (uint32_t) getpid();
    const struct {
        enum mcq_admission_kind kind;
        uint32_t id;
        bool is_admitted;
    } rows[] = {
        {MCQ_ADMIT_PID, pid, true},       {MCQ_ADMIT_PID, pid + 1, false},
        {MCQ_ADMIT_UID, geteuid(), true}, {MCQ_ADMIT_UID, geteuid() + 1, false},
        {MCQ_ADMIT_GID, getegid(), true}, {MCQ_ADMIT_GID, 4242424, false},
    };

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        struct pair local = open_pair(0);
        struct pair pair = open_pair(1);
        struct mcq_admission *admission = NULL;

        add_id(&admission, rows[i].kind, rows[i].id);
        if (mcq_admission_admits(admission, local.reactor, local.near) != rows[i].is_admitted)
            fail_msg("row %zu", i);
        assert_true(mcq_admission_admits(admission, pair.reactor, pair.near));
        add_id(&admission, MCQ_ADMIT_UID, geteuid());
        assert_true(mcq_admission_admits(admission, local.reactor, local.near));
        mcq_admission_unref(&admission);
        close_pair(&local);
        close_pair(&pair);
    }
}

/* What a peer is nobody can say once it has gone: then it does not come in. */
static void peer__that_is_not_known__fits_nothing(void **state)
{
    struct pair pair = open_pair(1);
    struct mcq_admission *admission = NULL;
    int lonely = socket(AF_INET, SOCK_STREAM, 0);

    (void) state;
    add_network(&admission, "0.0.0.0/0");
    assert_false(mcq_admission_admits(admission, pair.reactor, lonely));
    mcq_admission_unref(&admission);
    assert_int_equal(close(lonely), 0);
    close_pair(&pair);
}

/* --- sets ------------------------------------------------------------------------------------- */

static void shared__does_not_change(void **state)
{
    struct pair pair = open_pair(1);
    struct mcq_admission *admission = NULL;
    struct mcq_admission *copy;

    (void) state;
    assert_null(mcq_admission_ref(NULL));
    mcq_admission_unref(&admission);
    add_network(&admission, "10.0.0.0/8");
    copy = mcq_admission_ref(admission);
    add_network(&admission, "127.0.0.0/8");
    assert_false(mcq_admission_admits(copy, pair.reactor, pair.near));
    assert_true(mcq_admission_admits(admission, pair.reactor, pair.near));
    assert_int_equal(mcq_admission_clear(&admission, MCQ_ADMIT_UID), MCQ_OK);
    assert_true(mcq_admission_admits(admission, pair.reactor, pair.near));
    assert_int_equal(mcq_admission_clear(&copy, MCQ_ADMIT_NETWORK), MCQ_OK);
    assert_true(mcq_admission_admits(copy, pair.reactor, pair.near));
    mcq_admission_unref(&copy);
    mcq_admission_unref(&admission);
    close_pair(&pair);
}

static void add__up_to_the_bound_and_without_memory(void **state)
{
    const struct mcq_admission_rule rule = {.kind = MCQ_ADMIT_UID, .id = 1};
    struct mcq_ledger before = mcq_alloc_ledger();
    struct mcq_admission *admission = NULL;

    (void) state;
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_admission_add(&admission, &rule), MCQ_NOMEM);
    assert_null(admission);
    for (int i = 0; i < MCQ_ADMIT_RULES_MAX; i++)
        assert_int_equal(mcq_admission_add(&admission, &rule), MCQ_OK);
    assert_int_equal(mcq_admission_add(&admission, &rule), MCQ_LIMIT);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_admission_clear(&admission, MCQ_ADMIT_UID), MCQ_NOMEM);
    assert_int_equal(mcq_admission_add(&admission, &rule), MCQ_LIMIT);
    assert_int_equal(mcq_admission_clear(&admission, MCQ_ADMIT_UID), MCQ_OK);
    assert_int_equal(mcq_admission_add(&admission, &rule), MCQ_OK);
    mcq_admission_unref(&admission);
    assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__networks_and_what_is_none),
        cmocka_unit_test(networks__one_that_fits_is_enough),
        cmocka_unit_test(processes_users_and_groups__one_that_fits_is_enough),
        cmocka_unit_test(peer__that_is_not_known__fits_nothing),
        cmocka_unit_test(shared__does_not_change),
        cmocka_unit_test(add__up_to_the_bound_and_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
