#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena/alloc.h"
#include "session/assembly.h"

static int ledger_is_empty(void **state)
{
    (void) state;
    mcq_alloc_fail_at(0);
    assert_int_equal(mcq_alloc_ledger().block_count, 0);
    return 0;
}

static struct mcq_frame_piece piece_of(const void *data, size_t at, size_t len, size_t size,
                                       bool more)
{
    return (struct mcq_frame_piece) {
        .body = mcq_bytes((const uint8_t *) data + at, len),
        .size = size,
        .flags = more ? MCQ_FRAME_MORE : 0,
        .first = at == 0,
        .last = at + len == size,
    };
}

/* Adds one part in two pieces; an empty part is one. */
static enum mcq_err add_part(struct mcq_assembly *assembly, const void *data, size_t size,
                             size_t cut, bool more)
{
    if (cut > 0 && cut < size) {
        struct mcq_frame_piece head = piece_of(data, 0, cut, size, more);
        struct mcq_frame_piece tail = piece_of(data, cut, size - cut, size, more);

        MCQ_TRY(mcq_assembly_add(assembly, &head) == MCQ_AGAIN ? MCQ_OK : MCQ_STATE);
        return mcq_assembly_add(assembly, &tail);
    }

    struct mcq_frame_piece whole = piece_of(data, 0, size, size, more);

    return mcq_assembly_add(assembly, &whole);
}

static void assembly__parts_of_many_sizes_cut_anywhere__come_back_as_they_were(void **state)
{
    static const size_t sizes[] = {0, 1, 127, 128, 0, 300, 16383, 16384, 70000, 0};
    static uint8_t data[70000];
    struct mcq_assembly assembly;

    (void) state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t) (i % 251);
    mcq_assembly_init(&assembly, SIZE_MAX);
    for (size_t cut = 0; cut < 200; cut += 7) {
        struct mcq_bytes part;
        size_t cursor = 0;

        for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
            bool more = i + 1 < MCQ_COUNTOF(sizes);

            assert_int_equal(add_part(&assembly, data, sizes[i], cut, more),
                             more ? MCQ_AGAIN : MCQ_OK);
        }
        assert_int_equal(assembly.part_count, MCQ_COUNTOF(sizes));
        for (size_t i = 0; i < MCQ_COUNTOF(sizes); i++) {
            assert_true(mcq_assembly_next(&assembly, &cursor, &part));
            assert_true(mcq_bytes_equal(part, mcq_bytes(data, sizes[i])));
        }
        assert_false(mcq_assembly_next(&assembly, &cursor, &part));
        mcq_assembly_clear(&assembly);
    }
    mcq_assembly_fini(&assembly);
}

static void assembly__a_flood_of_empty_parts__costs_no_more_than_twice_its_octets(void **state)
{
    const uint64_t count = 100000;
    const uint64_t wire_bytes = 2 * count;
    struct mcq_assembly assembly;

    (void) state;
    mcq_assembly_init(&assembly, SIZE_MAX);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(add_part(&assembly, "", 0, 0, true), MCQ_AGAIN);
    assert_true(mcq_alloc_ledger().bytes <= 2 * wire_bytes);
    mcq_assembly_fini(&assembly);
}

static void assembly__a_size_that_was_only_declared__commits_nothing(void **state)
{
    struct mcq_frame_piece piece = piece_of("x", 0, 1, SIZE_MAX / 2, false);
    struct mcq_assembly assembly;

    (void) state;
    mcq_assembly_init(&assembly, SIZE_MAX);
    assert_int_equal(mcq_assembly_add(&assembly, &piece), MCQ_AGAIN);
    assert_true(mcq_alloc_ledger().bytes < 256);
    mcq_assembly_fini(&assembly);
}

static void assembly__bound_and_one_beyond__exact(void **state)
{
    struct mcq_assembly assembly;

    (void) state;
    for (size_t size = 98; size <= 100; size++) {
        static const uint8_t data[100];

        mcq_assembly_init(&assembly, 100); /* the part and its one octet of length */
        assert_int_equal(add_part(&assembly, data, size, 0, false),
                         size <= 99 ? MCQ_OK : MCQ_LIMIT);
        mcq_assembly_fini(&assembly);
    }
}

static void assembly__each_allocation_refused__nothing_leaks_and_clear_recovers(void **state)
{
    static const uint8_t data[5000];
    struct mcq_assembly assembly;

    (void) state;
    for (uint64_t n = 1;; n++) {
        enum mcq_err err;

        mcq_assembly_init(&assembly, SIZE_MAX);
        mcq_alloc_fail_at(n);
        err = add_part(&assembly, data, sizeof data, 1000, false);
        if (err == MCQ_OK && mcq_alloc_fail_left() > 0) {
            mcq_assembly_fini(&assembly);
            break;
        }
        assert_int_not_equal(err, MCQ_OK);
        mcq_assembly_clear(&assembly);
        assert_int_equal(add_part(&assembly, data, 10, 0, false), MCQ_OK);
        mcq_assembly_fini(&assembly);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            assembly__parts_of_many_sizes_cut_anywhere__come_back_as_they_were, ledger_is_empty),
        cmocka_unit_test_teardown(
            assembly__a_flood_of_empty_parts__costs_no_more_than_twice_its_octets, ledger_is_empty),
        cmocka_unit_test_teardown(assembly__a_size_that_was_only_declared__commits_nothing,
                                  ledger_is_empty),
        cmocka_unit_test_teardown(assembly__bound_and_one_beyond__exact, ledger_is_empty),
        cmocka_unit_test_teardown(
            assembly__each_allocation_refused__nothing_leaks_and_clear_recovers, ledger_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
