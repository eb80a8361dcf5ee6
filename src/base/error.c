#include "base/error.h"

#include <errno.h>
#include <stddef.h>

struct err_row {
    const char *name;
    const char *text;
    int number;
    enum mcq_fate fate;
};

static const struct err_row err_table[] = {
#define ERR_ROW(name, text, number, fate) [MCQ_##name] = {#name, text, number, MCQ_FATE_##fate},
    MCQ_ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

static const struct err_row *err_row(enum mcq_err err)
{
    static const struct err_row unknown = {"UNKNOWN", "unknown error", EINVAL, MCQ_FATE_DROP_PEER};

    return (size_t) err < MCQ_COUNTOF(err_table) ? &err_table[err] : &unknown;
}

const char *mcq_err_name(enum mcq_err err)
{
    return err_row(err)->name;
}

const char *mcq_err_text(enum mcq_err err)
{
    return err_row(err)->text;
}

int mcq_err_errno(enum mcq_err err)
{
    return err_row(err)->number;
}

enum mcq_fate mcq_err_fate(enum mcq_err err)
{
    return err_row(err)->fate;
}
