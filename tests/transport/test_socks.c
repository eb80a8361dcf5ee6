/* Conversations with a proxy, whole and at every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "arena/alloc.h"
#include "transport/socks.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

struct octets {
    const char *data;
    size_t len;
};

struct conversation {
    const char *host;
    const char *username; /* NULL: none */
    const char *password;
    struct octets server; /* all that it says, and "ZMTP", the peer's */
    struct octets client;
    size_t taken; /* of what the server says */
    enum mcq_err err;
};

#define PEER "ZMTP"
#define GRANT_V4 "\5\0\0\1\x7f\0\0\1\x12\x34"
#define ASK "\5\1\0"
#define ASK_V4 "\5\1\0\1\xc0\0\2\1\x15\xb3"

static const struct conversation table[] = {
    {"192.0.2.1", NULL, NULL, TEXT("\5\0" GRANT_V4 PEER), TEXT(ASK ASK_V4), 12, MCQ_OK},
    {"2001:db8::1", NULL, NULL, TEXT("\5\0" GRANT_V4 PEER),
     TEXT(ASK "\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x15\xb3"), 12, MCQ_OK},
    {"example.org", NULL, NULL, TEXT("\5\0" GRANT_V4 PEER),
     TEXT(ASK "\5\1\0\3\xb"
              "example.org\x15\xb3"),
     12, MCQ_OK},
    {"192.0.2.1", "me", "secret", TEXT("\5\2\1\0" GRANT_V4 PEER),
     TEXT("\5\1\2\1\2me\6secret" ASK_V4), 14, MCQ_OK},
    {"192.0.2.1", "me", NULL, TEXT("\5\2\1\0" GRANT_V4 PEER), TEXT("\5\1\2\1\2me\0" ASK_V4), 14,
     MCQ_OK},
    /* Where it is bound may be told in any form. */
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\5\0\0\3\3abc\0\1" PEER), TEXT(ASK ASK_V4), 12, MCQ_OK},
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\5\0\0\3\0\0\1" PEER), TEXT(ASK ASK_V4), 9, MCQ_OK},
    {"192.0.2.1", NULL, NULL,
     TEXT("\5\0\5\0\0\4"
          "0123456789abcdef\0\1" PEER),
     TEXT(ASK ASK_V4), 24, MCQ_OK},
    /* No. */
    {"192.0.2.1", NULL, NULL, TEXT("\5\xff"), TEXT(ASK), 2, MCQ_PROTO},
    {"192.0.2.1", NULL, NULL, TEXT("\5\2"), TEXT(ASK), 2, MCQ_PROTO}, /* not what was offered */
    {"192.0.2.1", "me", "x", TEXT("\5\0"), TEXT("\5\1\2"), 2, MCQ_PROTO},
    {"192.0.2.1", NULL, NULL, TEXT("\4\0"), TEXT(ASK), 2, MCQ_PROTO},
    {"192.0.2.1", NULL, NULL, TEXT("HTTP/1.1 400"), TEXT(ASK), 2, MCQ_PROTO},
    {"192.0.2.1", "me", "x", TEXT("\5\2\1\1"), TEXT("\5\1\2\1\2me\1x"), 4, MCQ_PROTO},
    {"192.0.2.1", "me", "x", TEXT("\5\2\5\0"), TEXT("\5\1\2\1\2me\1x"), 4, MCQ_PROTO},
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\5\2\0\1\0"), TEXT(ASK ASK_V4), 7, MCQ_PROTO},
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\5\5\0\1\0"), TEXT(ASK ASK_V4), 7, MCQ_REFUSED},
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\5\4\0\1\0"), TEXT(ASK ASK_V4), 7, MCQ_CLOSED},
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\5\x77\0\1\0"), TEXT(ASK ASK_V4), 7, MCQ_CLOSED},
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\4\0\0\1\0"), TEXT(ASK ASK_V4), 7, MCQ_PROTO},
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\5\0\1\1\0"), TEXT(ASK ASK_V4), 7, MCQ_PROTO},
    {"192.0.2.1", NULL, NULL, TEXT("\5\0\5\0\0\2\0"), TEXT(ASK ASK_V4), 7, MCQ_PROTO},
};

/* Plays it, giving and taking `step` octets at a time. */
static void play(const struct conversation *row, size_t step)
{
    struct mcq_socks_proxy *proxy = NULL;
    struct mcq_socks socks;
    uint8_t said[1024];
    size_t said_len = 0;
    size_t taken = 0;
    enum mcq_err err = MCQ_AGAIN;

    if (row->username != NULL)
        assert_int_equal(mcq_proxy_set(&proxy, MCQ_PROXY_USERNAME, mcq_bytes_of(row->username)),
                         MCQ_OK);
    if (row->password != NULL)
        assert_int_equal(mcq_proxy_set(&proxy, MCQ_PROXY_PASSWORD, mcq_bytes_of(row->password)),
                         MCQ_OK);
    mcq_socks_init(&socks, proxy, mcq_bytes_of(row->host), 0x15b3);
    while (err == MCQ_AGAIN) {
        struct mcq_bytes want = mcq_socks_want(&socks);

        if (want.len > 0) {
            want.len = mcq_min_size(want.len, step);
            memcpy(said + said_len, want.data, want.len);
            said_len += want.len;
            mcq_socks_sent(&socks, want.len);
            continue;
        }
        size_t len =
            mcq_min_size(mcq_min_size(mcq_socks_room(&socks), step), row->server.len - taken);

        assert_true(len > 0);
        err = mcq_socks_feed(&socks, mcq_bytes(row->server.data + taken, len));
        taken += len;
    }
    assert_int_equal(err, row->err);
    assert_int_equal(taken, row->taken);
    assert_int_equal(said_len, row->client.len);
    assert_memory_equal(said, row->client.data, said_len);
    if (err == MCQ_OK)
        assert_int_equal(mcq_socks_room(&socks), 0);
    mcq_socks_fini(&socks);
    mcq_proxy_unref(&proxy);
}

static void conversations__at_every_split(void **state)
{
    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(table); i++)
        for (size_t step = 1; step < 32; step++)
            play(&table[i], step);
}

/* 255 octets of all that has a length. */
static void longest__fits(void **state)
{
    char text[256];
    char server[4 + 4 + 1 + 255 + 2] = "\5\2\1\0\5\0\0\3\xff";
    char client[1024] = "\5\1\2\1\xff";
    size_t len = 5;

    (void) state;
    memset(text, 'x', 255);
    text[255] = '\0';
    for (int i = 0; i < 2; i++) {
        memset(client + len, 'x', 255);
        len += 255;
        client[len++] = '\xff';
    }
    len--;
    memcpy(client + len, "\5\1\0\3\xff", 5);
    memset(client + len + 5, 'x', 255);
    memcpy(client + len + 260, "\x15\xb3", 2);

    const struct conversation row = {
        text, text, text, {server, sizeof server}, {client, len + 262}, sizeof server, MCQ_OK};

    play(&row, 1);
    play(&row, 1000);
}

static void proxy__shared__does_not_change(void **state)
{
    struct mcq_ledger before = mcq_alloc_ledger();
    struct mcq_socks_proxy *proxy = NULL;
    struct mcq_socks_proxy *copy;

    (void) state;
    assert_int_equal(mcq_proxy_get(NULL, MCQ_PROXY_ADDRESS).len, 0);
    assert_int_equal(mcq_proxy_set(&proxy, MCQ_PROXY_ADDRESS, mcq_bytes_of("a:1")), MCQ_OK);
    copy = mcq_proxy_ref(proxy);
    mcq_alloc_fail_at(1);
    assert_int_equal(mcq_proxy_set(&proxy, MCQ_PROXY_ADDRESS, mcq_bytes_of("b:2")), MCQ_NOMEM);
    assert_ptr_equal(proxy, copy);
    assert_int_equal(mcq_proxy_set(&proxy, MCQ_PROXY_ADDRESS, mcq_bytes_of("b:22")), MCQ_OK);
    assert_true(mcq_bytes_equal(mcq_proxy_get(copy, MCQ_PROXY_ADDRESS), mcq_bytes_of("a:1")));
    assert_true(mcq_bytes_equal(mcq_proxy_get(proxy, MCQ_PROXY_ADDRESS), mcq_bytes_of("b:22")));
    assert_int_equal(mcq_proxy_set(&proxy, MCQ_PROXY_ADDRESS, mcq_bytes_of("")), MCQ_OK);
    assert_int_equal(mcq_proxy_get(proxy, MCQ_PROXY_ADDRESS).len, 0);
    mcq_proxy_unref(&copy);
    mcq_proxy_unref(&proxy);
    assert_int_equal(mcq_alloc_ledger().block_count, before.block_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations__at_every_split),
        cmocka_unit_test(longest__fits),
        cmocka_unit_test(proxy__shared__does_not_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
