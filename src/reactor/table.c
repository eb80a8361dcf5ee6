#include "reactor/table.h"

#include <stddef.h>

#include "base/attr.h"

#define ROW_SAYS(operation, result, number) {MCQ_IO_OP_##operation, MCQ_IO_##result, (number)},
#define ROW_IS(operation, result) {MCQ_IO_OP_##operation, MCQ_IO_##result, 0},

static const struct mcq_io_row rows[] = {
#define ROWS_OF(operation) MCQ_IO_##operation##_ROWS(ROW_SAYS, ROW_IS)
    MCQ_IO_OPERATION_TABLE(ROWS_OF)
#undef ROWS_OF
};

static const char *const texts[] = {
#define IO_TEXT(name, text) [MCQ_IO_##name] = (text),
    MCQ_IO_RESULT_TABLE(IO_TEXT)
#undef IO_TEXT
};

static const char *const names[] = {
#define IO_NAME(name) [MCQ_IO_OP_##name] = #name,
    MCQ_IO_OPERATION_TABLE(IO_NAME)
#undef IO_NAME
};

const struct mcq_io_row *mcq_io_rows(enum mcq_io_operation operation, unsigned *count)
{
    size_t first = 0;
    size_t end;

    while (first < MCQ_COUNTOF(rows) && rows[first].operation != operation)
        first++;
    for (end = first; end < MCQ_COUNTOF(rows) && rows[end].operation == operation; end++)
        continue;
    *count = (unsigned) (end - first);
    return &rows[first];
}

/* The first row that says so; NULL: there is none. */
static const struct mcq_io_row *find_row(enum mcq_io_operation operation, enum mcq_io_result result)
{
    unsigned count;
    const struct mcq_io_row *row = mcq_io_rows(operation, &count);

    for (; count > 0; row++, count--)
        if (row->result == result)
            return row;
    return NULL;
}

bool mcq_io_has_row(enum mcq_io_operation operation, enum mcq_io_result result)
{
    return find_row(operation, result) != NULL;
}

int mcq_io_number_of(enum mcq_io_operation operation, enum mcq_io_result result)
{
    const struct mcq_io_row *row = find_row(operation, result);

    return row != NULL ? row->number : 0;
}

/* On the path of every AGAIN, so a switch and not a search. */
#define CASE_SAYS(operation, result, number)                                                       \
    case (number):                                                                                 \
        return MCQ_IO_##result;
#define CASE_IS(operation, result)
#define OPERATION_OF(name)                                                                         \
    case MCQ_IO_OP_##name:                                                                         \
        switch (number) {                                                                          \
            MCQ_IO_##name##_ROWS(CASE_SAYS, CASE_IS) default : break;                              \
        }                                                                                          \
        break;

enum mcq_io_result mcq_io_result_of(enum mcq_io_operation operation, int number)
{
    switch (operation) { /* no default: -Wswitch finds the operation that has no rows */
        MCQ_IO_OPERATION_TABLE(OPERATION_OF)
    case MCQ_IO_OP_COUNT: break;
    }
    return MCQ_IO_BROKEN;
}

const char *mcq_io_result_text(enum mcq_io_result result)
{
    return (size_t) result < MCQ_COUNTOF(texts) ? texts[result] : "unknown";
}

const char *mcq_io_operation_name(enum mcq_io_operation operation)
{
    return (size_t) operation < MCQ_COUNTOF(names) ? names[operation] : "unknown";
}
