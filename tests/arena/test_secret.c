/* Cells for secrets: zero, apart, wiped, and where the kernel shows them to nobody else. */

#include "arena/test_support.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/secret.h"

#define CELL_COUNT 200

static bool is_zero(const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (octets[i] != 0)
            return false;
    return true;
}

static void cells__are_zero_apart_and_gone_in_the_end(void **state)
{
    uint8_t *cells[CELL_COUNT];

    (void) state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < CELL_COUNT; i++) {
            cells[i] = mcq_secret_take(MCQ_SECRET_BYTES_MAX);
            assert_non_null(cells[i]);
            assert_true(is_zero(cells[i], MCQ_SECRET_BYTES_MAX));
            memset(cells[i], (int) (1 + i % 255), MCQ_SECRET_BYTES_MAX);
        }
        for (size_t i = 0; i < CELL_COUNT; i++) {
            assert_int_equal(cells[i][0], 1 + i % 255);
            assert_int_equal(cells[i][MCQ_SECRET_BYTES_MAX - 1], 1 + i % 255);
        }
        for (size_t i = 0; i < CELL_COUNT; i++) /* neither order of a list */
            mcq_secret_put(cells[(i * 77 + 5) % CELL_COUNT]);
        assert_int_equal(mcq_alloc_ledger().block_count, 0);
    }
    mcq_secret_put(NULL);
}

static void each_allocation_refused__no_cell_and_nothing_leaks(void **state)
{
    void *cell = NULL;

    (void) state;
    for (uint64_t n = 1; cell == NULL; n++) {
        mcq_alloc_fail_at(n);
        cell = mcq_secret_take(1);
        assert_true(cell != NULL || mcq_alloc_ledger().block_count == 0);
        assert_in_range(n, 1, 3);
    }
    mcq_alloc_fail_at(0);
    mcq_secret_put(cell);
}

/* What the kernel says of the mapping that the address lies in: "rd wr ... dd wf". */
static void flags_of(const void *address, char flags[256])
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    bool is_it = false;

    assert_non_null(file);
    flags[0] = '\0';
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long from;
        unsigned long to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_it = from <= (unsigned long) address && (unsigned long) address < to;
        else if (is_it && strncmp(line, "VmFlags:", 8) == 0)
            (void) snprintf(flags, 256, "%.255s", line + 8);
    }
    assert_int_equal(fclose(file), 0);
}

static void fault_b14__cells__stay_out_of_core_dumps(void **state)
{
    uint8_t *cell = mcq_secret_take(32);
    char flags[256];

    (void) state;
    flags_of(cell, flags);
    if (flags[0] == '\0') {
        mcq_secret_put(cell);
        print_message("# this kernel does not tell the flags of mappings\n");
        skip();
    }
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " wf"));
    mcq_secret_put(cell);
}

/* The child has neither the secrets nor the parent's lock, and cells of its own. */
static void fault_g1__a_child__reads_zeros_and_has_cells_of_its_own(void **state)
{
    uint8_t *cell = mcq_secret_take(32);
    int status = -1;

    (void) state;
    memset(cell, 's', 32);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        bool is_good = is_zero(cell, 32);
        uint8_t *other = mcq_secret_take(32);

        is_good = is_good && other != NULL && other != cell;
        mcq_secret_put(other);
        mcq_secret_put(cell); /* of no use here, and no harm */
        _exit(is_good ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(cell[31], 's');
    mcq_secret_put(cell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(cells__are_zero_apart_and_gone_in_the_end),
        LEDGER_TEST(each_allocation_refused__no_cell_and_nothing_leaks),
        LEDGER_TEST(fault_b14__cells__stay_out_of_core_dumps),
        LEDGER_TEST(fault_g1__a_child__reads_zeros_and_has_cells_of_its_own),
    };

    return cmocka_run_group_tests_name("arena.secret", tests, NULL, NULL);
}
