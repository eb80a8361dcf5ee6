/*
 * mutator: AFL++'s custom mutator for all targets. It reads an input as far as the grammar goes,
 * changes one thing in it, and keeps every length around that thing right, or breaks exactly one.
 *
 * The face is found by looking: a greeting and then frames; one command; a list of properties; or
 * frames. What cannot be read is left as it is, and changed octet by octet like anything else.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz/grammar.h"
#include "wire/frame.h"
#include "wire/greeting.h"

#define FIELDS_MOST 512
#define UNITS_MOST 128
#define STACK_MOST 3 /* changes to one input */

void *afl_custom_init(void *afl, unsigned int seed);
size_t afl_custom_fuzz(void *data, uint8_t *buf, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t max_size);
void afl_custom_deinit(void *data);

/* A number, or a span with its length in the `width` octets before it. */
struct field {
    size_t at;
    size_t len;
    unsigned width; /* 0: no length of its own */
    bool is_frame;  /* a body: flags and size lie before it */
    bool is_number;
    int parent; /* the span that this one lies in; -1: none */
    uint64_t low;
    uint64_t high;
};

struct unit {
    size_t at;
    size_t len;
};

/* What was read of an input. */
struct reading {
    struct field fields[FIELDS_MOST];
    struct unit units[UNITS_MOST];
    int field_count;
    int unit_count;
};

struct mutator {
    uint64_t random;
    uint8_t *out;
    size_t len;
    size_t room; /* of out; the most that the current call may fill */
    size_t most;
    struct reading mine;
    struct reading other;
};

/* --- chance ----------------------------------------------------------------------------------- */

/* splitmix64: any seed will do, 0 too */
static uint64_t next_random(struct mutator *m)
{
    uint64_t x = m->random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static size_t below(struct mutator *m, size_t bound)
{
    return bound > 0 ? (size_t) (next_random(m) % bound) : 0;
}

/* A value at the edges of what is allowed, or any. */
static uint64_t edge(struct mutator *m, uint64_t low, uint64_t high)
{
    switch (below(m, 8)) {
    case 0: return low;
    case 1: return low - (low > 0);
    case 2: return high;
    case 3: return high + (high < UINT64_MAX);
    case 4: return 0;
    case 5: return next_random(m);
    default: return low + below(m, 64);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t get_number(const uint8_t *at, unsigned width)
{
    uint64_t value = 0;

    while (width-- > 0)
        value = value << 8 | *at++;
    return value;
}

static void put_number(uint8_t *at, unsigned width, uint64_t value)
{
    while (width-- > 0) {
        at[width] = (uint8_t) value;
        value >>= 8;
    }
}

/* The index of the new field; -1: no room, which its children take for no parent. */
static int add_field(struct reading *r, struct field field)
{
    if (r->field_count == FIELDS_MOST)
        return -1;
    r->fields[r->field_count] = field;
    return r->field_count++;
}

static bool add_unit(struct reading *r, size_t at, size_t len)
{
    if (r->unit_count == UNITS_MOST)
        return false;
    r->units[r->unit_count++] = (struct unit) {at, len};
    return true;
}

/* Reads fields from `at` on; returns where it had to stop. */
static size_t read_fields(struct reading *r, const uint8_t *data, size_t at, size_t end, int parent,
                          const struct grammar_field *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct grammar_field *row = &rows[i];
        struct field field = {.parent = parent, .low = row->low, .high = row->high};
        uint64_t len = row->kind == GRAMMAR_FIXED ? row->low : row->width;

        if (row->kind == GRAMMAR_REST || row->kind == GRAMMAR_RECORDS)
            len = end - at;
        if (len > end - at)
            return at;
        if (row->kind == GRAMMAR_COUNTED) {
            field.width = row->width;
            len = get_number(data + at, row->width);
            at += row->width;
            if (len > end - at)
                return at - row->width;
        }
        field.at = at;
        field.len = (size_t) len;
        field.is_number = row->kind == GRAMMAR_NUMBER;
        int index = add_field(r, field);

        for (size_t next = at; row->kind == GRAMMAR_RECORDS && next < end;) {
            size_t begin = next;

            next = read_fields(r, data, begin, end, index, grammar_property,
                               MCQ_COUNTOF(grammar_property));
            if (next == begin || (parent < 0 && !add_unit(r, begin, next - begin)))
                break;
        }
        at += (size_t) len;
    }
    return at;
}

/* A known command's fields; false: none that is known begins here. */
static bool read_command(struct reading *r, const uint8_t *data, size_t at, size_t end, int parent)
{
    for (size_t i = 0; i < MCQ_COUNTOF(grammar_commands); i++) {
        const struct grammar_command *row = &grammar_commands[i];

        if (end - at < row->head_len || memcmp(data + at, row->head, row->head_len) != 0)
            continue;
        add_field(r, (struct field) {.at = at + 1,
                                     .len = row->head_len - 1,
                                     .width = 1,
                                     .parent = parent,
                                     .high = row->head_len});
        read_fields(r, data, at + row->head_len, end, parent, row->fields, row->field_count);
        return true;
    }
    return false;
}

static void read_frames(struct reading *r, const uint8_t *data, size_t at, size_t end)
{
    while (end - at >= 2) {
        unsigned width = data[at] & MCQ_FRAME_LONG ? MCQ_FRAME_HEAD_MAX - 1 : 1;

        if (end - at < 1 + width)
            return;
        uint64_t size = get_number(data + at + 1, width);
        size_t body = at + 1 + width;

        if (size > end - body || !add_unit(r, at, 1 + width + (size_t) size))
            return;
        add_field(r, (struct field) {.at = at,
                                     .len = 1,
                                     .is_number = true,
                                     .parent = -1,
                                     .high = MCQ_FRAME_MORE | MCQ_FRAME_LONG | MCQ_FRAME_COMMAND});
        int index = add_field(r, (struct field) {.at = body,
                                                 .len = (size_t) size,
                                                 .width = width,
                                                 .is_frame = true,
                                                 .parent = -1,
                                                 .high = UINT8_MAX});

        read_command(r, data, body, body + (size_t) size, index);
        at = body + (size_t) size;
    }
}

static void read_input(struct reading *r, const uint8_t *data, size_t len)
{
    size_t at = 0;

    r->field_count = r->unit_count = 0;
    if (len >= MCQ_GREETING_BYTES && data[0] == GRAMMAR_GREETING_LEAD) {
        at = MCQ_GREETING_BYTES;
        add_unit(r, 0, at);
        for (size_t i = 0; i < MCQ_COUNTOF(grammar_greeting); i++)
            add_field(r, (struct field) {.at = grammar_greeting[i].at,
                                         .len = grammar_greeting[i].len,
                                         .is_number = true,
                                         .parent = -1,
                                         .high = UINT8_MAX});
    } else if (len > 0 && read_command(r, data, 0, len, -1)) {
        add_unit(r, 0, len);
        return;
    } else {
        static const struct grammar_field list = {GRAMMAR_RECORDS, 0, 0, UINT32_MAX};

        read_fields(r, data, 0, len, -1, &list, 1);
        /* Its first property was read: the list itself, a name and a value. */
        if (r->field_count > (int) MCQ_COUNTOF(grammar_property))
            return;
        r->field_count = r->unit_count = 0;
    }
    read_frames(r, data, at, len);
}

/* --- changing --------------------------------------------------------------------------------- */

/* Makes `from` octets at `at` `to` octets long; new ones are random. false: there is no room. */
static bool resize(struct mutator *m, size_t at, size_t from, size_t to)
{
    if (to > from && to - from > m->most - m->len)
        return false;
    memmove(m->out + at + to, m->out + at + from, m->len - at - from);
    m->len = m->len - from + to;
    for (size_t i = from; i < to; i++)
        m->out[at + i] = (uint8_t) next_random(m);
    return true;
}

/* Gives a span another length; all lengths around it follow. */
static void resize_span(struct mutator *m, int index, uint64_t want)
{
    struct field *field = &m->mine.fields[index];
    size_t most = field->len + (m->most - m->len);
    size_t len = (size_t) mcq_min_u64(want, most);
    size_t before = field->len;

    if (field->width == 1 && !field->is_frame)
        len = mcq_min_size(len, UINT8_MAX);
    if (!resize(m, field->at, before, len))
        return;
    for (; index >= 0; index = field->parent) {
        field = &m->mine.fields[index];
        field->len = field->len - before + len;
        if (field->is_frame && field->width == 1 && field->len > UINT8_MAX) {
            unsigned width = MCQ_FRAME_HEAD_MAX - 1;

            if (!resize(m, field->at - 1, 1, width))
                return; /* one length is too small now: an input like any other */
            m->out[field->at - 2] |= MCQ_FRAME_LONG;
            field->at += width - 1;
            field->width = width;
        }
        put_number(m->out + field->at - field->width, field->width, field->len);
    }
}

static void change_field(struct mutator *m)
{
    int index = (int) below(m, (size_t) m->mine.field_count);
    const struct field *field = &m->mine.fields[index];
    bool is_number = field->is_number && field->len <= sizeof(uint64_t);

    if (is_number)
        put_number(m->out + field->at, (unsigned) field->len, edge(m, field->low, field->high));
    else if (field->is_number || (below(m, 2) && field->len > 0))
        m->out[field->at + below(m, field->len)] = (uint8_t) next_random(m);
    else
        resize_span(m, index, edge(m, field->low, field->high));
}

static void break_length(struct mutator *m)
{
    const struct field *field = &m->mine.fields[below(m, (size_t) m->mine.field_count)];
    uint64_t len = field->len;
    uint64_t wrong[] = {len + 1, len - 1, 0, UINT64_MAX, UINT64_MAX >> 1, next_random(m)};

    if (field->width > 0)
        put_number(m->out + field->at - field->width, field->width,
                   wrong[below(m, MCQ_COUNTOF(wrong))]);
}

/* Puts octets in at a unit's beginning. */
static void insert(struct mutator *m, size_t at, const uint8_t *data, size_t len)
{
    if (resize(m, at, 0, len))
        memcpy(m->out + at, data, len);
}

static void duplicate_unit(struct mutator *m)
{
    struct unit unit = m->mine.units[below(m, (size_t) m->mine.unit_count)];

    if (resize(m, unit.at + unit.len, 0, unit.len))
        memcpy(m->out + unit.at + unit.len, m->out + unit.at, unit.len);
}

/* The first unit stays while others are there: what follows it needs it. */
static void drop_unit(struct mutator *m)
{
    size_t count = (size_t) m->mine.unit_count;

    if (count > 1) {
        struct unit unit = m->mine.units[1 + below(m, count - 1)];

        resize(m, unit.at, unit.len, 0);
    }
}

static size_t place(struct mutator *m)
{
    struct unit unit = m->mine.units[below(m, (size_t) m->mine.unit_count)];

    return unit.at + unit.len;
}

static void splice(struct mutator *m, const uint8_t *other, size_t other_size)
{
    read_input(&m->other, other, other_size);
    if (m->other.unit_count > 0) {
        struct unit unit = m->other.units[below(m, (size_t) m->other.unit_count)];

        insert(m, place(m), other + unit.at, unit.len);
    }
}

/* Another command with all that it must have, in a frame of its own. */
static void put_command(struct mutator *m)
{
    const struct grammar_command *row = &grammar_commands[below(m, MCQ_COUNTOF(grammar_commands))];
    uint8_t octets[2 + GRAMMAR_COMMAND_HEAD_MAX + UINT8_MAX];
    size_t len = 2;

    memcpy(octets + len, row->head, row->head_len);
    len += row->head_len;
    for (size_t i = 0; i < row->field_count; i++) {
        const struct grammar_field *field = &row->fields[i];
        size_t span = field->kind == GRAMMAR_NUMBER ? 0 : (size_t) field->low;

        if (span + field->width > sizeof octets - len)
            return;
        put_number(octets + len, field->width, field->low);
        memset(octets + len + field->width, 0, span);
        len += field->width + span;
    }
    if (len - 2 > UINT8_MAX)
        return;
    octets[0] = MCQ_FRAME_COMMAND;
    octets[1] = (uint8_t) (len - 2);
    insert(m, place(m), octets, len);
}

static void change_octet(struct mutator *m)
{
    if (m->len > 0)
        m->out[below(m, m->len)] = (uint8_t) next_random(m);
}

static void change(struct mutator *m, const uint8_t *other, size_t other_size)
{
    size_t what = below(m, 16);

    read_input(&m->mine, m->out, m->len);
    if (m->mine.unit_count == 0 || m->mine.field_count == 0)
        change_octet(m);
    else if (what < 7)
        change_field(m);
    else if (what < 9)
        break_length(m);
    else if (what < 11)
        duplicate_unit(m);
    else if (what < 12)
        drop_unit(m);
    else if (what < 14)
        splice(m, other, other_size);
    else if (what < 15)
        put_command(m);
    else
        change_octet(m);
}

/* --- what AFL++ calls ------------------------------------------------------------------------- */

void *afl_custom_init(void *afl, unsigned int seed)
{
    struct mutator *m = calloc(1, sizeof *m);

    (void) afl;
    if (m != NULL)
        m->random = seed;
    return m;
}

/* The octets in *out stay until the next call. 0: nothing was made of this input. */
size_t afl_custom_fuzz(void *data, uint8_t *buf, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t max_size)
{
    struct mutator *m = data;

    if (m->room < max_size) {
        uint8_t *grown = realloc(m->out, max_size);

        if (grown == NULL)
            return 0;
        m->out = grown;
        m->room = max_size;
    }
    m->most = max_size;
    m->len = mcq_min_size(size, max_size);
    if (m->len == 0)
        return 0;
    memcpy(m->out, buf, m->len);
    for (size_t i = 1 + below(m, STACK_MOST); i > 0; i--)
        change(m, other, other == NULL ? 0 : other_size);
    if (m->len == 0) { /* the only span shrank to nothing */
        m->out[0] = buf[0];
        m->len = 1;
    }
    if (m->len == size && memcmp(m->out, buf, size) == 0) /* no room, or nothing there to change */
        m->out[below(m, size)] ^= (uint8_t) (1 + below(m, UINT8_MAX));
    *out = m->out;
    return m->len;
}

void afl_custom_deinit(void *data)
{
    struct mutator *m = data;

    free(m->out);
    free(m);
}
