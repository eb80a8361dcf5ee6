#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/random.h"
#include "security/box.h"

/* Octets one higher than the ones before, so that a test does the same each time. */
static bool fill_counting(void *context, uint8_t *octets, size_t len)
{
    uint8_t *next = context;

    for (size_t i = 0; i < len; i++)
        octets[i] = (*next)++;
    return true;
}

static int init(void **state)
{
    (void) state;
    return mcq_crypto_init() == MCQ_OK ? 0 : 1;
}

/* RFC 7748, 6.1: the pairs of Alice and Bob. The key of a box is that secret, hashed once more. */
static void agree__either_side__the_same_key(void **state)
{
    static const uint8_t alice_public[] = {0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54,
                                           0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a,
                                           0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4,
                                           0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a};
    struct mcq_crypto_key alice = {{0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d,
                                    0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
                                    0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a,
                                    0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a}};
    struct mcq_crypto_key public;
    struct mcq_crypto_key key;
    struct mcq_crypto_key other;
    struct mcq_crypto_pair bob;
    uint8_t next = 1;

    (void) state;
    mcq_crypto_public(&public, &alice);
    assert_memory_equal(public.octets, alice_public, sizeof alice_public);
    assert_true(mcq_crypto_pair(&bob, &(struct mcq_random) {fill_counting, &next}));
    assert_int_equal(bob.secret.octets[0], 1);
    assert_int_equal(bob.secret.octets[31], 32);
    assert_true(mcq_crypto_agree(&key, &bob.public, &alice));
    assert_true(mcq_crypto_agree(&other, &public, &bob.secret));
    assert_true(mcq_crypto_equal(&key, &other, sizeof key));
}

/* With these points the key is the same for every secret. */
static void fault_b9__a_point_of_low_order__is_refused(void **state)
{
    static const struct mcq_crypto_key low[] = {
        {{0}}, {{1}}, {{0xec, [1 ... 30] = 0xff, 0x7f}}, {{0xed, [1 ... 30] = 0xff, 0x7f}}};
    struct mcq_crypto_pair pair;
    uint8_t next = 9;

    (void) state;
    assert_true(mcq_crypto_pair(&pair, &(struct mcq_random) {fill_counting, &next}));
    for (size_t i = 0; i < MCQ_COUNTOF(low); i++) {
        struct mcq_crypto_key key = {{1}};

        assert_false(mcq_crypto_agree(&key, &low[i], &pair.secret));
        assert_true(mcq_crypto_equal(&key, &(struct mcq_crypto_key) {{0}}, sizeof key));
    }
}

static void box__each_of_the_table__opens_with_its_key_and_nonce_only(void **state)
{
    struct mcq_crypto_key key = {{7}};
    struct mcq_crypto_key other = {{8}};

    (void) state;
    for (unsigned id = 0; id < MCQ_BOX_COUNT; id++) {
        const struct mcq_box *box = &mcq_box_table[id];
        uint8_t unit[512];
        uint8_t before[512];
        size_t len = box->bytes_min;

        memset(unit, 0x5a, sizeof unit);
        memcpy(before, unit, sizeof unit);
        mcq_box_seal((enum mcq_box_id) id, false, unit, len - MCQ_CRYPTO_TAG_BYTES, &key);
        assert_memory_equal(unit, before, box->at);
        assert_memory_equal(unit + box->at + len, before, sizeof unit - box->at - len);
        assert_false(mcq_box_open((enum mcq_box_id) id, false, unit, len, &other));
        assert_false(mcq_box_open((enum mcq_box_id) id, false, unit, len - 1, &key));
        assert_false(mcq_box_open((enum mcq_box_id) id, false, unit, 0, &key));
        if (box->back != NULL)
            assert_false(mcq_box_open((enum mcq_box_id) id, true, unit, len, &key));
        unit[box->nonce_at] ^= 1;
        assert_false(mcq_box_open((enum mcq_box_id) id, false, unit, len, &key));
        unit[box->nonce_at] ^= 1;
        assert_true(mcq_box_open((enum mcq_box_id) id, false, unit, len, &key));
        assert_memory_equal(mcq_box_content((enum mcq_box_id) id, unit), before,
                            len - MCQ_CRYPTO_TAG_BYTES);
    }
}

static void fault_b10__inner_flags__reserved_bits_only_with_the_quirk(void **state)
{
    uint8_t content[] = {MCQ_CURVE_MESSAGE_SEALED_FLAGS_COMMAND | 0x80, 'a'};
    struct mcq_bytes bytes = mcq_bytes(content, sizeof content);
    enum mcq_rule rule;
    size_t at;

    (void) state;
    assert_int_equal(mcq_box_check(MCQ_BOX_CURVE_MESSAGE_SEALED, bytes, 0, &rule, &at), MCQ_PROTO);
    assert_int_equal(rule, MCQ_RULE_CURVE_MESSAGE_SEALED_FLAGS);
    assert_int_equal(at, 0);
    assert_int_equal(mcq_box_check(MCQ_BOX_CURVE_MESSAGE_SEALED, bytes,
                                   MCQ_QUIRK_INNER_BITS_IGNORED, &rule, &at),
                     MCQ_OK);
    content[0] = MCQ_CURVE_MESSAGE_SEALED_FLAGS_COMMAND | MCQ_CURVE_MESSAGE_SEALED_FLAGS_MORE;
    assert_int_equal(mcq_box_check(MCQ_BOX_CURVE_MESSAGE_SEALED, bytes, 0, &rule, &at), MCQ_OK);
}

static void derived__every_length__the_octets_of_the_whole_key(void **state)
{
    static const uint8_t prefix[MCQ_CRYPTO_PREFIX_BYTES + 1] = "CurveZMQMESSAGEC";
    const size_t before = MCQ_CRYPTO_BEFORE_BYTES;
    struct mcq_crypto_key key = {{9}};
    struct mcq_crypto_key derived;
    uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES] = {[23] = 5};
    uint8_t plain[1300];
    uint8_t whole[1400];
    uint8_t other[1400];

    (void) state;
    memcpy(nonce, prefix, MCQ_CRYPTO_PREFIX_BYTES);
    mcq_crypto_derive(&derived, prefix, &key);
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t) (i * 11 + 1);
    for (size_t len = 0; len <= sizeof plain; len += len < 700 ? 1 : 97) {
        memcpy(whole + before + MCQ_CRYPTO_TAG_BYTES, plain, len);
        memcpy(other + before + MCQ_CRYPTO_TAG_BYTES, plain, len);
        mcq_crypto_seal(whole + before, len, nonce, &key);
        mcq_crypto_seal_derived(other + before, len, nonce + MCQ_CRYPTO_PREFIX_BYTES, &derived);
        assert_memory_equal(whole + before, other + before, len + MCQ_CRYPTO_TAG_BYTES);
        other[before + len] ^= 0x20;
        assert_false(mcq_crypto_open_derived(other + before, len + MCQ_CRYPTO_TAG_BYTES,
                                             nonce + MCQ_CRYPTO_PREFIX_BYTES, &derived));
        other[before + len] ^= 0x20;
        assert_true(mcq_crypto_open_derived(other + before, len + MCQ_CRYPTO_TAG_BYTES,
                                            nonce + MCQ_CRYPTO_PREFIX_BYTES, &derived));
        assert_memory_equal(other + before + MCQ_CRYPTO_TAG_BYTES, plain, len);
    }
    assert_false(
        mcq_crypto_open_derived(other + before, MCQ_CRYPTO_TAG_BYTES - 1, nonce, &derived));
}

static void random__of_the_system__differs(void **state)
{
    struct mcq_random random = mcq_random_system();
    uint8_t octets[2][32] = {0};

    (void) state;
    for (unsigned i = 0; i < 2; i++)
        assert_true(mcq_random_fill(&random, octets[i], sizeof octets[i]));
    assert_memory_not_equal(octets[0], octets[1], sizeof octets[0]);
    mcq_crypto_wipe(octets, sizeof octets);
    assert_int_equal(octets[0][0] | octets[1][31], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agree__either_side__the_same_key),
        cmocka_unit_test(fault_b9__a_point_of_low_order__is_refused),
        cmocka_unit_test(box__each_of_the_table__opens_with_its_key_and_nonce_only),
        cmocka_unit_test(fault_b10__inner_flags__reserved_bits_only_with_the_quirk),
        cmocka_unit_test(derived__every_length__the_octets_of_the_whole_key),
        cmocka_unit_test(random__of_the_system__differs),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
