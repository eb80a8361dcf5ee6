/*
 * test_mutator: 10,000 inputs that a face's mutator makes out of its seeds, and as many that it
 * makes out of its own, as a campaign without seeds does.
 *
 *     test_mutator_FACE FOLDER [SHARE]
 *
 * They stay in their bounds, and the same seed makes the same ones. With a SHARE in percent, as
 * many of them are read as a greeting and a whole frame at least: a mutator that breaks every head
 * reaches nothing.
 */
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "wire/frame.h"
#include "wire/greeting.h"

#define RUNS 10000u
#define SEEDS_MOST 4096
#define OCTETS_MOST 4096
#define HEAD_BYTES 2 /* the choices in front */
#define KEPT_MOST 32u
#define KEEP_EVERY 8u
#define GROWN_MOST (1u << 20) /* of an input in a campaign */

void *afl_custom_init(void *afl, unsigned seed);
size_t afl_custom_fuzz(void *data, uint8_t *octets, size_t len, uint8_t **out, const uint8_t *other,
                       size_t other_len, size_t most);
void afl_custom_deinit(void *data);

/* Each at an address of its own, so that a sanitizer sees a read beyond it. */
struct seeds {
    size_t count;
    uint8_t *octets[SEEDS_MOST];
    size_t len[SEEDS_MOST];
};

struct tally {
    unsigned changed;
    unsigned deep;
    uint64_t hash; /* FNV-1a of all that was made */
};

static void check(bool holds, const char *what, unsigned run)
{
    if (!holds) {
        fprintf(stderr, "test_mutator: run %u: %s\n", run, what);
        exit(1);
    }
}

static void read_seeds(struct seeds *seeds, const char *folder)
{
    char pattern[4096];
    glob_t found;

    check((size_t) snprintf(pattern, sizeof pattern, "%s/*", folder) < sizeof pattern, folder, 0);
    check(glob(pattern, 0, NULL, &found) == 0, folder, 0);
    for (size_t i = 0; i < found.gl_pathc && seeds->count < SEEDS_MOST; i++) {
        uint8_t octets[OCTETS_MOST];
        FILE *file = fopen(found.gl_pathv[i], "rb");

        check(file != NULL, found.gl_pathv[i], 0);
        size_t len = fread(octets, 1, sizeof octets, file);
        uint8_t *copy = malloc(len > 0 ? len : 1);

        fclose(file);
        check(copy != NULL, "out of memory", 0);
        memcpy(copy, octets, len);
        seeds->octets[seeds->count] = copy;
        seeds->len[seeds->count++] = len;
    }
    globfree(&found);
}

/* Does it begin with a greeting and a whole frame? */
static bool is_deep(struct mcq_bytes octets)
{
    struct mcq_greeting_decoder greeting;
    struct mcq_frame_decoder frames;
    struct mcq_frame_piece piece = {.last = false};

    if (octets.len < HEAD_BYTES)
        return false;
    mcq_bytes_skip(&octets, HEAD_BYTES);
    mcq_greeting_decoder_init(&greeting, MCQ_QUIRKS_COMPAT);
    if (mcq_greeting_decode(&greeting, &octets) != MCQ_OK)
        return false;
    mcq_frame_decoder_init(&frames, MCQ_QUIRKS_COMPAT, UINT32_MAX, UINT32_MAX);
    return mcq_frame_decode(&frames, &octets, &piece) == MCQ_OK && piece.last;
}

static struct tally run_all(const struct seeds *seeds, unsigned seed)
{
    struct tally tally = {.hash = UINT64_C(0xcbf29ce484222325)};
    void *mutator = afl_custom_init(NULL, seed);

    check(mutator != NULL, "out of memory", 0);
    for (unsigned run = 0; run < RUNS; run++) {
        size_t mine = run % seeds->count, other = (run * 7u + 3u) % seeds->count;
        size_t most = run % 5 == 0 && seeds->len[mine] > 0 ? seeds->len[mine] : OCTETS_MOST;
        uint8_t *out = NULL;
        size_t len = afl_custom_fuzz(mutator, seeds->octets[mine], seeds->len[mine], &out,
                                     seeds->octets[other], seeds->len[other], most);

        check(out != NULL && len > 0 && len <= most, "out of its bounds", run);
        for (size_t i = 0; i < len; i++)
            tally.hash = (tally.hash ^ out[i]) * UINT64_C(0x100000001b3);
        tally.changed += len != seeds->len[mine] || memcmp(out, seeds->octets[mine], len) != 0;
        tally.deep += is_deep(mcq_bytes(out, len));
    }
    afl_custom_deinit(mutator);
    return tally;
}

static void keep(struct seeds *kept, size_t place, const uint8_t *octets, size_t len)
{
    uint8_t *copy = malloc(len);

    check(copy != NULL, "out of memory", 0);
    memcpy(copy, octets, len);
    free(kept->octets[place]);
    kept->octets[place] = copy;
    kept->len[place] = len;
    if (place == kept->count)
        kept->count++;
}

static void drop_all(struct seeds *seeds)
{
    for (size_t i = 0; i < seeds->count; i++)
        free(seeds->octets[i]);
}

/* From three octets that say nothing, and at first from nothing beside them. */
static void breed(unsigned seed)
{
    struct seeds kept = {.count = 0};
    void *mutator = afl_custom_init(NULL, seed);

    check(mutator != NULL, "out of memory", 0);
    keep(&kept, 0, (const uint8_t[3]) {0}, 3);
    for (unsigned run = 0; run < RUNS; run++) {
        size_t mine = run % kept.count, other = (run * 7u + 3u) % kept.count;
        bool has_other = kept.count > 1;
        uint8_t *out = NULL;
        size_t len = afl_custom_fuzz(mutator, kept.octets[mine], kept.len[mine], &out,
                                     has_other ? kept.octets[other] : NULL,
                                     has_other ? kept.len[other] : 0, GROWN_MOST);

        check(out != NULL && len > 0 && len <= GROWN_MOST, "out of its bounds", run);
        if (run % KEEP_EVERY == 0)
            keep(&kept, kept.count < KEPT_MOST ? kept.count : 1 + out[0] % (KEPT_MOST - 1), out,
                 len);
    }
    drop_all(&kept);
    afl_custom_deinit(mutator);
}

int main(int argc, char **argv)
{
    static struct seeds seeds;
    unsigned share = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : 0;

    check(argc > 1, "no folder of seeds is named", 0);
    read_seeds(&seeds, argv[1]);
    struct tally first = run_all(&seeds, 1), again = run_all(&seeds, 1), other = run_all(&seeds, 2);

    printf("%zu seeds, %u of %u inputs changed, %u read up to a frame\n", seeds.count,
           first.changed, RUNS, first.deep);
    check(first.hash == again.hash, "the same seed makes other inputs", RUNS);
    check(first.hash != other.hash, "another seed makes the same inputs", RUNS);
    check(first.changed >= RUNS / 10 * 8, "too few are changed", RUNS);
    check(first.deep >= RUNS / 100 * share, "too few are read up to a frame", RUNS);
    drop_all(&seeds);
    for (unsigned seed = 1; seed <= 4; seed++)
        breed(seed);
    return 0;
}
