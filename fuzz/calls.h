/*
 * calls: an input read as calls: for targets that hold a data structure against a model of it.
 *
 * What is read beyond the end is zero, so each input means something; a target ends when all is
 * read, or after CALLS_MAX calls.
 */
#ifndef MCQ_FUZZ_CALLS_H
#define MCQ_FUZZ_CALLS_H

#include "arena/alloc.h"
#include "base/error.h"
#include "program.h"

#define CALLS_MAX 512

struct calls {
    struct mcq_bytes left;
    unsigned count;
};

static inline struct calls calls_of(const struct fuzz_input *input)
{
    return (struct calls) {input->octets, 0};
}

static inline bool calls_next(struct calls *calls)
{
    return calls->left.len > 0 && calls->count++ < CALLS_MAX;
}

static inline uint8_t calls_octet(struct calls *calls)
{
    if (calls->left.len == 0)
        return 0;
    uint8_t octet = calls->left.data[0];

    mcq_bytes_skip(&calls->left, 1);
    return octet;
}

/* `len` octets of four values only, four in each octet of the input, so that names often meet. */
static inline void calls_letters(struct calls *calls, uint8_t *name, size_t len)
{
    static const uint8_t letters[] = {'a', 'b', 0, 0xff};
    unsigned octet = 0;

    for (size_t i = 0; i < len; i++) {
        octet = i % 4 == 0 ? calls_octet(calls) : octet >> 2;
        name[i] = letters[octet & 3];
    }
}

static inline void calls_same(uint64_t found, uint64_t expected, const char *what)
{
    if (found != expected)
        fuzz_fail("%s: %" PRIu64 ", and the model says %" PRIu64, what, found, expected);
}

static inline void calls_same_bytes(struct mcq_bytes found, struct mcq_bytes expected,
                                    const char *what)
{
    if (!mcq_bytes_equal(found, expected))
        fuzz_fail("%s: %zu octets, and the model has %zu others", what, found.len, expected.len);
}

/* All that was allocated is given back. */
static inline void calls_end(void)
{
    calls_same(mcq_alloc_ledger().block_count, 0, "allocations left");
}

#endif
