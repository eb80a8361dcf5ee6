/*
 * fuzz: what the targets share. A target runs an input through one face of the protocol and writes
 * down every record and the verdict; the same octets must say the same however they are cut.
 *
 * A difference prints both texts and aborts. Inputs are raw octets of the face: no knobs in front.
 */
#ifndef MCQ_FUZZ_FUZZ_H
#define MCQ_FUZZ_FUZZ_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "wire/ids.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- text that grows -------------------------------------------------------------------------- */

struct text {
    char *data;
    size_t len;
    size_t room;
};

static inline void print_text(const char *name, const struct text *text)
{
    fprintf(stderr, "--- %s\n", name);
    for (size_t i = 0; i < text->len; i++) {
        unsigned char octet = (unsigned char) text->data[i];

        if (isprint(octet) || octet == '\n')
            fputc(octet, stderr);
        else
            fprintf(stderr, "\\x%02x", octet);
    }
    fputc('\n', stderr);
}

static inline void write_raw(struct text *text, const void *data, size_t len)
{
    if (len > text->room - text->len) {
        text->room = 2 * (text->len + len);
        text->data = realloc(text->data, text->room);
        if (text->data == NULL)
            abort();
    }
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
}

static inline void write_text(struct text *text, const char *string)
{
    write_raw(text, string, strlen(string));
}

static inline void write_number(struct text *text, const char *name, uint64_t value)
{
    char digits[32];

    write_text(text, " ");
    write_text(text, name);
    write_raw(text, digits,
              (size_t) snprintf(digits, sizeof digits, "=%llu", (unsigned long long) value));
}

static inline void write_octets(struct text *text, const char *name, struct mcq_bytes octets)
{
    write_number(text, name, octets.len);
    write_text(text, ":");
    write_raw(text, octets.data, octets.len);
}

static inline void write_verdict(struct text *text, enum mcq_err err, enum mcq_rule rule,
                                 uint64_t at)
{
    write_text(text, mcq_err_name(err));
    write_number(text, mcq_rule_name(rule), at);
    write_text(text, "\n");
}

static inline void must(bool holds, const char *what, const struct text *text)
{
    if (!holds) {
        print_text(what, text);
        abort();
    }
}

static inline bool is_refusal(enum mcq_err err)
{
    return err != MCQ_OK && err != MCQ_AGAIN;
}

/* --- octets in pieces ------------------------------------------------------------------------- */

enum cutting { CUT_NOWHERE, CUT_BY_INPUT, CUT_EVERYWHERE };

/* Each piece lies at an address of its own, so that a sanitizer sees a read beyond it. */
struct feed {
    struct mcq_bytes all;
    struct mcq_bytes left;
    enum cutting cutting;
    uint32_t random;
    uint8_t *piece;
};

/* xorshift32: its state is never 0 */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static inline struct feed feed_of(struct mcq_bytes octets, enum cutting cutting)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; cutting == CUT_BY_INPUT && i < octets.len; i++)
        hash = (hash ^ octets.data[i]) * 16777619u;
    return (struct feed) {octets, octets, cutting, hash | 1, NULL};
}

/* The next piece; the first one is there even if it is empty. false: all were handed over. */
static inline bool feed_next(struct feed *feed, struct mcq_bytes *piece)
{
    size_t len = feed->left.len;

    if (feed->piece != NULL && len == 0)
        return false;
    if (feed->cutting == CUT_EVERYWHERE)
        len = mcq_min_size(len, 1);
    else if (feed->cutting == CUT_BY_INPUT && len > 0)
        len = 1 + next_random(&feed->random) %
                      mcq_min_size(len, next_random(&feed->random) & 1 ? 8 : len);
    free(feed->piece);
    feed->piece = malloc(len > 0 ? len : 1);
    if (feed->piece == NULL)
        abort();
    if (len > 0)
        memcpy(feed->piece, feed->left.data, len);
    mcq_bytes_skip(&feed->left, len);
    *piece = mcq_bytes(feed->piece, len);
    return true;
}

/* --- the comparison --------------------------------------------------------------------------- */

/* One run over all that feed has, with the quirks given; `variant` is the target's own. */
typedef void run_face(struct feed *feed, uint32_t quirks, unsigned variant, struct text *text);

/* How loose the reading is: no quirk, and both profiles. */
static const uint32_t fuzz_quirks[] = {0, MCQ_QUIRKS_NATIVE, MCQ_QUIRKS_COMPAT};

/* Every cutting says the same as the whole; with `by_machine`, variants 0 and 1 agree too. */
static inline void compare_cuttings(struct mcq_bytes octets, uint32_t quirks, unsigned variant,
                                    run_face *run, bool by_machine)
{
    /* Kept from one input to the next: they grow to the longest text, and then rest. */
    static struct text whole, other;

    whole.len = 0;
    for (unsigned slow = 0; slow <= by_machine; slow++) {
        for (unsigned cutting = CUT_NOWHERE; cutting <= CUT_EVERYWHERE; cutting++) {
            struct feed feed = feed_of(octets, (enum cutting) cutting);
            struct text *text = slow == 0 && cutting == CUT_NOWHERE ? &whole : &other;

            text->len = 0;
            run(&feed, quirks, variant + slow, text);
            free(feed.piece);
            if (text->len == whole.len && memcmp(text->data, whole.data, text->len) == 0)
                continue;
            print_text("whole", &whole);
            print_text(cutting == CUT_EVERYWHERE ? "octet by octet" : "in pieces", text);
            abort();
        }
    }
}

#include "tests/codec.h"

#endif
