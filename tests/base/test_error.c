#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

static void table__every_row__is_what_the_functions_say(void **state)
{
    static const struct {
        enum mcq_err err;
        const char *name;
        const char *text;
        int number;
        enum mcq_fate fate;
    } rows[] = {
#define ROW(name, text, number, fate) {MCQ_##name, #name, text, number, MCQ_FATE_##fate},
        MCQ_ERR_TABLE(ROW)
#undef ROW
    };

    (void) state;
    assert_int_equal(MCQ_COUNTOF(rows), MCQ_ERR_COUNT);
    for (size_t i = 0; i < MCQ_COUNTOF(rows); i++) {
        assert_int_equal(rows[i].err, i); /* no holes */
        assert_string_equal(mcq_err_name(rows[i].err), rows[i].name);
        assert_string_equal(mcq_err_text(rows[i].err), rows[i].text);
        assert_int_equal(mcq_err_errno(rows[i].err), rows[i].number);
        assert_int_equal(mcq_err_fate(rows[i].err), rows[i].fate);
    }
}

/* Callers write `if (err)`, and errno 0 means success to those of the drop-in. */
static void ok__and_no_other__is_zero(void **state)
{
    (void) state;
    assert_int_equal(MCQ_OK, 0);
    for (int err = MCQ_OK; err < MCQ_ERR_COUNT; err++)
        assert_int_equal(mcq_err_errno((enum mcq_err) err) == 0, err == MCQ_OK);
}

static void names_and_texts__differ_and_are_one_line(void **state)
{
    (void) state;
    for (int a = 0; a < MCQ_ERR_COUNT; a++) {
        const char *text = mcq_err_text((enum mcq_err) a);

        assert_true(strlen(text) > 0);
        assert_null(strchr(text, '\n'));
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(mcq_err_name((enum mcq_err) a), mcq_err_name((enum mcq_err) b));
            assert_string_not_equal(text, mcq_err_text((enum mcq_err) b));
        }
    }
}

static void unknown_value__any__has_a_text_and_drops_the_peer(void **state)
{
    static const int values[] = {MCQ_ERR_COUNT, 1000, -1};

    (void) state;
    for (size_t i = 0; i < MCQ_COUNTOF(values); i++) {
        enum mcq_err err = (enum mcq_err) values[i];

        assert_string_equal(mcq_err_name(err), "UNKNOWN");
        assert_string_equal(mcq_err_text(err), "unknown error");
        assert_int_equal(mcq_err_errno(err), EINVAL);
        assert_int_equal(mcq_err_fate(err), MCQ_FATE_DROP_PEER);
    }
}

static enum mcq_err last_line(int *lines, enum mcq_err err)
{
    ++*lines;
    MCQ_TRY(err);
    ++*lines;
    return MCQ_OK;
}

static void try__error__returns_it_and_ok_goes_on(void **state)
{
    int lines = 0;

    (void) state;
    assert_int_equal(last_line(&lines, MCQ_PROTO), MCQ_PROTO);
    assert_int_equal(lines, 1);
    assert_int_equal(last_line(&lines, MCQ_OK), MCQ_OK);
    assert_int_equal(lines, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__every_row__is_what_the_functions_say),
        cmocka_unit_test(ok__and_no_other__is_zero),
        cmocka_unit_test(names_and_texts__differ_and_are_one_line),
        cmocka_unit_test(unknown_value__any__has_a_text_and_drops_the_peer),
        cmocka_unit_test(try__error__returns_it_and_ok_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
