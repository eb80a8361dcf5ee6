/*
 * test_mutator: 10,000 inputs out of the seeds that the command line names, FACE/NAME last. Checks
 * that they stay in their bounds, that the same seed makes the same ones, and that at least half
 * are read beyond their first unit: a mutator that breaks heads reaches nothing.
 */
#include <glob.h>

#include "fuzz.h"

#define RUNS 10000
#define SEEDS_MOST 1024
#define MOST 4096

void *afl_custom_init(void *afl, unsigned int seed);
size_t afl_custom_fuzz(void *data, uint8_t *buf, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t max_size);
void afl_custom_deinit(void *data);

/* Each at an address of its own, so that a sanitizer sees a read beyond it. */
static struct {
    uint8_t *data;
    size_t size;
} seeds[SEEDS_MOST];

static size_t seed_count;

static void check(bool holds, const char *what, unsigned run)
{
    if (!holds) {
        fprintf(stderr, "test_mutator: run %u: %s\n", run, what);
        exit(1);
    }
}

static void read_seeds(const char *folder)
{
    char pattern[4096];
    glob_t found;

    check(snprintf(pattern, sizeof pattern, "%s/*", folder) < (int) sizeof pattern, folder, 0);
    check(glob(pattern, 0, NULL, &found) == 0, folder, 0);
    for (size_t i = 0; i < found.gl_pathc && seed_count < SEEDS_MOST; i++) {
        FILE *file = fopen(found.gl_pathv[i], "rb");
        uint8_t octets[MOST];

        check(file != NULL, found.gl_pathv[i], 0);
        size_t size = fread(octets, 1, sizeof octets, file);

        fclose(file);
        seeds[seed_count].data = malloc(size);
        check(seeds[seed_count].data != NULL, "out of memory", 0);
        memcpy(seeds[seed_count].data, octets, size);
        seeds[seed_count++].size = size;
    }
    globfree(&found);
}

/* Whole units at the input's beginning: a greeting, then frames. */
static unsigned units_read(const uint8_t *data, size_t len)
{
    struct mcq_bytes rest = mcq_bytes(data, len);
    struct mcq_greeting_decoder greeting;
    struct mcq_frame_decoder frames;
    struct mcq_frame_piece piece;
    unsigned count = 0;

    mcq_greeting_decoder_init(&greeting, MCQ_QUIRKS_COMPAT);
    if (mcq_greeting_decode(&greeting, &rest) == MCQ_OK)
        count++;
    else
        rest = mcq_bytes(data, len);
    mcq_frame_decoder_init(&frames, MCQ_QUIRKS_COMPAT, UINT32_MAX, UINT32_MAX);
    while (mcq_frame_decode(&frames, &rest, &piece) == MCQ_OK)
        count += piece.last;
    return count;
}

static uint64_t run_all(unsigned seed, unsigned *deep, unsigned *changed)
{
    void *mutator = afl_custom_init(NULL, seed);
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    check(mutator != NULL, "out of memory", 0);
    for (unsigned run = 0; run < RUNS; run++) {
        size_t mine = run % seed_count, other = (run * 7u + 3u) % seed_count;
        size_t most = run % 5 == 0 ? seeds[mine].size : MOST;
        uint8_t *out = NULL;
        size_t len = afl_custom_fuzz(mutator, seeds[mine].data, seeds[mine].size, &out,
                                     seeds[other].data, seeds[other].size, most);

        check(len > 0 && len <= most && out != NULL, "out of its bounds", run);
        for (size_t i = 0; i < len; i++)
            hash = (hash ^ out[i]) * UINT64_C(1099511628211);
        *deep += units_read(out, len) > 1;
        *changed += len != seeds[mine].size || memcmp(out, seeds[mine].data, len) != 0;
    }
    afl_custom_deinit(mutator);
    return hash;
}

int main(int argc, char **argv)
{
    unsigned deep = 0, changed = 0, more = 0;

    for (int i = 1; i < argc; i++)
        read_seeds(argv[i]);
    check(seed_count > 0, "no seeds", 0);
    uint64_t first = run_all(1, &deep, &changed);

    check(first == run_all(1, &more, &more), "the same seed makes other inputs", RUNS);
    check(first != run_all(2, &more, &more), "another seed makes the same inputs", RUNS);
    printf("%zu seeds, %u of %u inputs changed, %u read beyond the first unit\n", seed_count,
           changed, RUNS, deep);
    check(changed == RUNS, "one is not changed", RUNS);
    check(deep >= RUNS / 2, "too few are read beyond their first unit", RUNS);
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].data);
    return 0;
}
