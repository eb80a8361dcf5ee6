#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void bytes_of__text__leaves_out_the_zero(void **state)
{
    (void) state;
    assert_int_equal(mcq_bytes_of("abc").len, 3);
    assert_int_equal(mcq_bytes_of("").len, 0);
}

static void skip__up_to_the_end__drops_from_the_front(void **state)
{
    struct mcq_bytes bytes = mcq_bytes_of("abcd");

    (void) state;
    mcq_bytes_skip(&bytes, 0);
    assert_int_equal(bytes.len, 4);
    mcq_bytes_skip(&bytes, 3);
    assert_int_equal(bytes.len, 1);
    assert_int_equal(bytes.data[0], 'd');
    mcq_bytes_skip(&bytes, 1);
    assert_int_equal(bytes.len, 0);
}

static void end__of_octets_and_of_none__is_behind_the_last(void **state)
{
    struct mcq_bytes bytes = mcq_bytes_of("abcd");

    (void) state;
    assert_ptr_equal(mcq_bytes_end(bytes), bytes.data + 4);
    assert_ptr_equal(mcq_bytes_end(mcq_bytes(bytes.data, 0)), bytes.data);
    assert_null(mcq_bytes_end(mcq_bytes(NULL, 0)));
}

static void equal__empty_without_data__equals_empty(void **state)
{
    (void) state;
    assert_true(mcq_bytes_equal(mcq_bytes(NULL, 0), mcq_bytes_of("")));
    assert_false(mcq_bytes_equal(mcq_bytes(NULL, 0), mcq_bytes_of("a")));
}

static void equal__any_octet_or_length_differs__is_false(void **state)
{
    (void) state;
    assert_true(mcq_bytes_equal(mcq_bytes("a\0b", 3), mcq_bytes("a\0b", 3)));
    assert_false(mcq_bytes_equal(mcq_bytes("a\0b", 3), mcq_bytes("a\0c", 3)));
    assert_false(mcq_bytes_equal(mcq_bytes("a\0b", 3), mcq_bytes("a\0b", 2)));
}

static void min__both_orders__is_the_smaller(void **state)
{
    (void) state;
    assert_int_equal(mcq_min_size(1, 2), 1);
    assert_int_equal(mcq_min_size(2, 1), 1);
    assert_true(mcq_min_size(SIZE_MAX, SIZE_MAX) == SIZE_MAX);
    assert_int_equal(mcq_min_u64(1, UINT64_MAX), 1);
    assert_int_equal(mcq_min_u64(UINT64_MAX, 1), 1);
}

static void put__numbers__most_significant_octet_first(void **state)
{
    static const uint8_t expected[] = {0x80, 0xfe, 0xdc, 0x89, 0xab, 0xcd, 0xef, 0xf1,
                                       0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
    uint8_t wire[sizeof expected];
    uint8_t *at = wire;

    (void) state;
    at = mcq_put_u8(at, 0x80);
    at = mcq_put_u16be(at, 0xfedc);
    at = mcq_put_u32be(at, 0x89abcdef);
    at = mcq_put_u64be(at, UINT64_C(0xf102030405060708));
    assert_ptr_equal(at, wire + sizeof wire);
    assert_memory_equal(wire, expected, sizeof wire);
}

/* At every alignment, with the top bit of every octet set and clear. */
static void get__what_put_wrote__at_any_address(void **state)
{
    static const uint64_t values[] = {
        0, 1, 0x80, 0xff, 0x8000000000000000, 0x0123456789abcdef, UINT64_MAX};
    uint8_t wire[16];

    (void) state;
    for (size_t offset = 0; offset < 8; offset++) {
        for (size_t i = 0; i < MCQ_COUNTOF(values); i++) {
            uint16_t low16 = (uint16_t) (values[i] & UINT16_MAX);
            uint32_t low32 = (uint32_t) (values[i] & UINT32_MAX);

            mcq_put_u16be(wire + offset, low16);
            assert_int_equal(mcq_get_u16be(wire + offset), low16);
            mcq_put_u32be(wire + offset, low32);
            assert_int_equal(mcq_get_u32be(wire + offset), low32);
            mcq_put_u64be(wire + offset, values[i]);
            assert_true(mcq_get_u64be(wire + offset) == values[i]);
        }
    }
}

static void put_bytes__empty_without_data__writes_nothing(void **state)
{
    uint8_t wire[4] = "abc";

    (void) state;
    assert_ptr_equal(mcq_put_bytes(wire, mcq_bytes(NULL, 0)), wire);
    assert_ptr_equal(mcq_put_bytes(wire, mcq_bytes_of("xy")), wire + 2);
    assert_memory_equal(wire, "xyc", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of__text__leaves_out_the_zero),
        cmocka_unit_test(skip__up_to_the_end__drops_from_the_front),
        cmocka_unit_test(end__of_octets_and_of_none__is_behind_the_last),
        cmocka_unit_test(equal__empty_without_data__equals_empty),
        cmocka_unit_test(equal__any_octet_or_length_differs__is_false),
        cmocka_unit_test(min__both_orders__is_the_smaller),
        cmocka_unit_test(put__numbers__most_significant_octet_first),
        cmocka_unit_test(get__what_put_wrote__at_any_address),
        cmocka_unit_test(put_bytes__empty_without_data__writes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
