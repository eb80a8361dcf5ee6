/*
 * fuzz: what the targets of decoders share: an input handed over in pieces, a log of all that came
 * of it, and the comparison of logs.
 */
#ifndef MCQ_FUZZ_FUZZ_H
#define MCQ_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "program.h"
#include "wire/ids.h"

#define FUZZ_LOG_BYTES (1u << 20) /* of most logs */
#define FUZZ_BY_OCTETS_MAX 4096   /* longer inputs are not fed octet by octet */

/* An allocation for each octet is what a campaign spends its time with, so that only the instances
 * that can see a read beyond a piece pay for it. */
#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define FUZZ_COPIES 1
#endif
#endif
#if !defined FUZZ_COPIES
#if defined __AFL_COMPILER && !defined __SANITIZE_ADDRESS__
#define FUZZ_COPIES 0
#else
#define FUZZ_COPIES 1
#endif
#endif

/* The quirks that the second choice names, for targets of single decoders. */
static inline uint32_t fuzz_quirks(const struct fuzz_input *input)
{
    static const uint32_t sets[] = {0, MCQ_QUIRKS_NATIVE, MCQ_QUIRKS_COMPAT, UINT32_MAX};

    return sets[input->choice[1] % MCQ_COUNTOF(sets)];
}

/* --- a log: every field of every record, as octets -------------------------------------------- */

struct text {
    uint8_t *data;
    size_t len;
    size_t room;
};

static inline void write_room(struct text *text, size_t len)
{
    if (len <= text->room - text->len)
        return;
    text->room = 2 * (text->len + len);
    text->data = realloc(text->data, text->room);
    if (text->data == NULL)
        fuzz_fail("out of memory");
}

static inline void write_raw(struct text *text, const void *data, size_t len)
{
    write_room(text, len);
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
}

static inline void write_text(struct text *text, const char *string)
{
    write_raw(text, string, strlen(string) + 1);
}

static inline void write_number(struct text *text, const char *name, uint64_t value)
{
    (void) name;
    write_raw(text, &value, sizeof value);
}

static inline void write_octets(struct text *text, const char *name, struct mcq_bytes octets)
{
    write_number(text, name, octets.len);
    write_raw(text, octets.data, octets.len);
}

static inline void write_verdict(struct text *text, enum mcq_err err, enum mcq_rule rule,
                                 uint64_t at)
{
    write_number(text, "err", err);
    write_number(text, "rule", rule);
    write_number(text, "at", at);
}

/* What the generator writes of each record; no target needs all of it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/codec.h"
#pragma GCC diagnostic pop

/* Octets of a greeting of that form. */
static inline size_t greeting_bytes(enum mcq_form form)
{
    switch (form) {
    case MCQ_FORM_V3: return MCQ_GREETING_V3_BYTES;
    case MCQ_FORM_V2: return MCQ_GREETING_V2_BYTES;
    case MCQ_FORM_V1:
    case MCQ_FORM_NONE: break;
    }
    return 0;
}

/* --- handing over ----------------------------------------------------------------------------- */

enum cutting { CUT_NOWHERE, CUT_AT_RANDOM, CUT_EVERYWHERE, CUT_COUNT };

struct feed {
    struct mcq_bytes left;
    enum cutting cutting;
    uint64_t random;
    bool has_begun;
    uint8_t *piece; /* a copy of it, or NULL */
};

static inline uint64_t fuzz_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Where the octets are cut follows from them alone, so that an input always does the same. */
static inline uint64_t fuzz_hash(struct mcq_bytes octets)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < octets.len; i++)
        hash = (hash ^ octets.data[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

static inline struct feed feed_of(const struct fuzz_input *input, enum cutting cutting)
{
    return (struct feed) {.left = input->octets,
                          .cutting = cutting,
                          .random = cutting == CUT_AT_RANDOM ? fuzz_hash(input->octets) : 1};
}

static inline void feed_end(struct feed *feed)
{
    free(feed->piece);
    feed->piece = NULL;
}

/* The next piece; the first is there even if it is empty. false: all were handed over, and nothing
 * is held any more. */
static inline bool feed_next(struct feed *feed, struct mcq_bytes *piece)
{
    size_t len = feed->left.len;
    bool is_over = feed->has_begun && len == 0;

    feed_end(feed);
    if (is_over)
        return false;
    feed->has_begun = true;
    if (feed->cutting == CUT_EVERYWHERE)
        len = mcq_min_size(len, 1);
    else if (feed->cutting == CUT_AT_RANDOM && len > 0)
        len = 1 + fuzz_random(&feed->random) %
                      mcq_min_size(len, fuzz_random(&feed->random) & 1 ? 8 : len);
    *piece = mcq_bytes(feed->left.data, len);
    if (FUZZ_COPIES) {
        feed->piece = fuzz_copy(*piece);
        piece->data = feed->piece;
    }
    mcq_bytes_skip(&feed->left, len);
    return true;
}

static inline bool is_refusal(enum mcq_err err)
{
    return err != MCQ_OK && err != MCQ_AGAIN;
}

static inline void check_repeats(enum mcq_err first, enum mcq_err again)
{
    if (first != again)
        fuzz_fail("refuses once with %s and then with %s", mcq_err_name(first),
                  mcq_err_name(again));
}

/* --- the comparison --------------------------------------------------------------------------- */

/* One run of an input; `variant` is the target's own: another decoder, another profile. */
typedef void fuzz_run(const struct fuzz_input *input, struct feed *feed, unsigned variant,
                      struct text *text);

static struct text fuzz_whole;
static struct text fuzz_other;

/* Reserved before the first input: AFL++ would take their growing for new behaviour. */
__attribute__((constructor)) static void fuzz_reserve(void)
{
    write_room(&fuzz_whole, FUZZ_LOG_BYTES);
    write_room(&fuzz_other, FUZZ_LOG_BYTES);
}

/* Where two logs part is told in octets; run the input under a debugger to see of which record. */
static inline void fuzz_same(const struct text *whole, const struct text *other, unsigned variant,
                             const char *how)
{
    size_t at = 0;

    while (at < whole->len && at < other->len && whole->data[at] == other->data[at])
        at++;
    if (at < whole->len || at < other->len)
        fuzz_fail("variant %u, %s: other records from octet %zu of the log on, which has %zu, and "
                  "%zu for the whole input",
                  variant, how, at, other->len, whole->len);
}

/* The input whole, cut at random and octet by octet, by each variant of which `variants` holds the
 * number: all logs must be equal. */
static inline void fuzz_compare(const struct fuzz_input *input, fuzz_run *run, unsigned first,
                                unsigned variants)
{
    static const char *const names[] = {"whole", "cut at random", "octet by octet"};

    for (unsigned variant = first; variant < first + variants; variant++)
        for (unsigned cutting = CUT_NOWHERE; cutting < CUT_COUNT; cutting++) {
            bool is_first = variant == first && cutting == CUT_NOWHERE;
            struct text *text = is_first ? &fuzz_whole : &fuzz_other;
            struct feed feed = feed_of(input, (enum cutting) cutting);

            if (cutting == CUT_EVERYWHERE && input->octets.len > FUZZ_BY_OCTETS_MAX)
                continue;
            text->len = 0;
            run(input, &feed, variant, text);
            feed_end(&feed);
            if (!is_first)
                fuzz_same(&fuzz_whole, &fuzz_other, variant, names[cutting]);
        }
}

#endif
