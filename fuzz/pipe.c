/*
 * Calls of both ends of a pipe, against a list for each way.
 *
 * Oracle: what comes out is what was put, in order, whole messages only, and what was tagged in
 * front of a message that was begun; nothing is seen before it is published, nor after it was cut;
 * who has found nothing is told, once; a writer without room has as many messages on their way as
 * the limit says, but for those that the reader has not said yet, and is told before the reader
 * finds nothing; what fails for want of memory changes nothing; all memory comes back. The first
 * choices are the marks.
 */

#include "pump/pipe.h"
#include "calls.h"

#define PLACES_MAX 64 /* of a burst */
#define ENTRIES_MAX (CALLS_MAX * PLACES_MAX)
#define BODY_MAX 320

struct entry {
    uint16_t len;
    uint8_t tag, first;
    bool more;
};

/* One way; all counts are of entries. */
struct way {
    struct entry entries[ENTRIES_MAX];
    unsigned put, whole, shown, taken;
    uint64_t messages, taken_messages;
    uint32_t writer_max, reader_max;
    bool is_within, reader_waits, writer_waits;
};

static struct {
    struct calls calls;
    struct mcq_pipe pipe;
    struct mcq_blocks *blocks;
    struct way ways[2]; /* what end 0 writes, and what end 1 does */
} run;

static void fill(uint8_t body[BODY_MAX], const struct entry *entry)
{
    for (unsigned i = 0; i < entry->len; i++)
        body[i] = (uint8_t) (entry->first + i * 3);
}

static uint64_t limit_of(const struct way *way)
{
    return way->writer_max == 0 || way->reader_max == 0
               ? 0
               : (uint64_t) way->writer_max + way->reader_max;
}

static void look_for_room(struct way *way, struct mcq_pipe_end *end)
{
    uint64_t limit = limit_of(way);
    uint64_t waiting = way->messages - way->taken_messages;
    bool has_room = mcq_pipe_has_room(end);

    if (has_room && limit > 0 && waiting >= limit)
        fuzz_fail("room for more than %" PRIu64, limit);
    if (!has_room && (limit == 0 || waiting + 64 < limit))
        fuzz_fail("no room, and %" PRIu64 " of %" PRIu64 " wait", waiting, limit);
    way->writer_waits = way->writer_waits || !has_room;
}

static bool put_one(struct mcq_pipe_end *end, struct entry entry, unsigned how)
{
    uint8_t body[BODY_MAX] = {0};
    struct mcq_bytes octets = mcq_bytes(body, entry.len);
    struct mcq_msg msg;
    enum mcq_err err;

    fill(body, &entry);
    if (mcq_msg_init_copy(&msg, octets) != MCQ_OK)
        fuzz_fail("out of memory");
    msg.more = entry.more;
    mcq_alloc_fail_at(how & 1);
    if (entry.tag != MCQ_PIPE_PART)
        err = mcq_pipe_put_tagged(end, &msg, entry.tag);
    else if ((how & 2) && entry.len <= MCQ_PIPE_COPY_MAX)
        err = mcq_pipe_put_copy(end, octets, entry.more);
    else
        err = mcq_pipe_put(end, &msg);
    mcq_alloc_fail_at(0);
    if (err != MCQ_OK && mcq_msg_len(&msg) != entry.len)
        fuzz_fail("what could not be put is gone");
    mcq_msg_fini(&msg);
    if (err != MCQ_OK && (err != MCQ_NOMEM || !(how & 1)))
        fuzz_fail("put: %s", mcq_err_text(err));
    return err == MCQ_OK;
}

static void put(struct way *way, struct mcq_pipe_end *end, unsigned count, unsigned how)
{
    struct entry entry = {.len = (uint16_t) (calls_octet(&run.calls) * 5 / 4)};

    for (unsigned i = 0; i < count && way->put < ENTRIES_MAX; i++) {
        entry.first = (uint8_t) way->put;
        entry.more = (how & 4) && i % 3 != 2;
        if (!put_one(end, entry, how))
            continue;
        way->entries[way->put++] = entry;
        way->is_within = entry.more;
        if (entry.more)
            continue;
        way->whole = way->put;
        way->messages++;
    }
}

static void put_tagged(struct way *way, struct mcq_pipe_end *end, unsigned how)
{
    unsigned len = calls_octet(&run.calls);
    struct entry entry = {(uint16_t) len, (uint8_t) (1 + len % MCQ_PIPE_TAG_MAX), (uint8_t) len,
                          false};

    if (way->put == ENTRIES_MAX || !put_one(end, entry, how & 1))
        return;
    memmove(&way->entries[way->whole + 1], &way->entries[way->whole],
            (way->put - way->whole) * sizeof entry);
    way->entries[way->whole++] = entry;
    way->put++;
}

static void publish(struct way *way, struct mcq_pipe_end *end)
{
    bool tells = way->shown != way->whole && way->reader_waits;

    calls_same(mcq_pipe_publish(end), tells, "the reader is told");
    way->shown = way->whole;
    way->reader_waits = way->reader_waits && !tells;
}

static void take(struct way *way, struct mcq_pipe_end *end, unsigned how)
{
    const struct entry *entry = &way->entries[way->taken];
    bool is_any = way->taken != way->shown;
    uint8_t body[BODY_MAX] = {0};
    struct mcq_msg msg;
    enum mcq_err err;
    uint8_t tag;
    bool tells;

    calls_same(mcq_pipe_is_readable(end), is_any, "is readable");
    mcq_alloc_fail_at(how & 1);
    err = mcq_pipe_take(end, run.blocks, &msg, &tag, &tells);
    mcq_alloc_fail_at(0);
    if (tells && !way->writer_waits)
        fuzz_fail("a writer is told that does not wait");
    if (tells)
        way->writer_waits = false;
    if (err == MCQ_NOMEM && (how & 1) && is_any)
        return;
    calls_same(err, is_any ? MCQ_OK : MCQ_AGAIN, "take");
    if (!is_any) {
        way->reader_waits = true;
        if (way->writer_waits && way->taken == way->whole)
            fuzz_fail("nothing is left, and the writer is not told");
        return;
    }
    fill(body, entry);
    calls_same(tag, entry->tag, "the tag");
    calls_same(msg.more, entry->more, "more");
    calls_same_bytes(mcq_msg_bytes(&msg), mcq_bytes(body, entry->len), "the body");
    mcq_msg_put(&msg, run.blocks);
    way->taken++;
    way->taken_messages += tag == MCQ_PIPE_PART && !entry->more;
}

static void cut(struct way *way, struct mcq_pipe_end *end)
{
    mcq_pipe_cut(end);
    way->put = way->whole;
    way->is_within = false;
}

/* Raised only: who lowers a mark may leave more than it allows, which the limit's check forgets. */
static void raise(unsigned who, struct mcq_pipe_end *end, uint32_t out, uint32_t in)
{
    struct way *mine = &run.ways[who], *other = &run.ways[1 - who];

    mine->writer_max = mine->writer_max == 0 ? 0 : mine->writer_max + out;
    other->reader_max = other->reader_max == 0 ? 0 : other->reader_max + in;
    mcq_pipe_set_max(end, mine->writer_max, other->reader_max);
}

static void call(void)
{
    unsigned what = calls_octet(&run.calls), who = what & 1, how = what >> 4;
    struct mcq_pipe_end end = mcq_pipe_end(&run.pipe, who);
    struct way *mine = &run.ways[who], *other = &run.ways[1 - who];

    switch (what / 2 % 8) {
    case 0: put(mine, &end, 1, how); break;
    case 1: put(mine, &end, calls_octet(&run.calls) % PLACES_MAX, how); break;
    case 2: put_tagged(mine, &end, how); break;
    case 3: publish(mine, &end); break;
    case 4: cut(mine, &end); break;
    case 5: look_for_room(mine, &end); break;
    case 6:
        for (unsigned count = calls_octet(&run.calls); count > 0; count--)
            take(other, &end, count == 1 ? how : 0);
        break;
    default: raise(who, &end, how & 3, how / 4); break;
    }
    calls_same(mcq_pipe_is_within(&end), mine->is_within, "is within");
    calls_same(mcq_pipe_unshown_count(&end) > 0, mine->put != mine->shown, "unshown");
}

static void begin(unsigned who)
{
    struct mcq_pipe_end end = mcq_pipe_end(&run.pipe, who);

    run.ways[who].writer_max = calls_octet(&run.calls) % 40;
    run.ways[1 - who].reader_max = calls_octet(&run.calls) % 40;
    run.ways[who].reader_waits = true; /* it begins with having found nothing */
    mcq_pipe_set_max(&end, run.ways[who].writer_max, run.ways[1 - who].reader_max);
}

static void fuzz_one(const struct fuzz_input *input)
{
    run.calls = calls_of(input);
    for (unsigned who = 0; who < 2; who++) {
        struct way *way = &run.ways[who];

        way->put = way->whole = way->shown = way->taken = 0;
        way->messages = way->taken_messages = 0;
        way->is_within = way->writer_waits = false;
    }
    mcq_pipe_init(&run.pipe);
    if (mcq_blocks_new(&run.blocks) != MCQ_OK)
        fuzz_fail("out of memory");
    begin(0);
    begin(1);
    while (calls_next(&run.calls))
        call();
    mcq_pipe_fini(&run.pipe);
    mcq_blocks_free(&run.blocks);
    calls_end();
}
