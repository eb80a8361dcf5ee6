#include "reactor/table.h"

#include <stddef.h>

#include "base/attr.h"

static const struct mcq_io_row rows[] = {
#define IO_ROW(operation, result, number) {MCQ_IO_OP_##operation, MCQ_IO_##result, (number)},
    MCQ_IO_TABLE(IO_ROW)
#undef IO_ROW
};

static const char *const texts[] = {
#define IO_TEXT(name, text) [MCQ_IO_##name] = (text),
    MCQ_IO_RESULT_TABLE(IO_TEXT)
#undef IO_TEXT
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

enum mcq_io_result mcq_io_result_of(enum mcq_io_operation operation, int number)
{
    unsigned count;
    const struct mcq_io_row *row = mcq_io_rows(operation, &count);

    for (; count > 0; row++, count--)
        if (row->number == number && number != 0)
            return row->result;
    return MCQ_IO_BROKEN;
}

const char *mcq_io_result_text(enum mcq_io_result result)
{
    return (size_t) result < MCQ_COUNTOF(texts) ? texts[result] : "unknown";
}
