/*
 * histogram: times in nanoseconds, counted in buckets that are less than a hundredth wide.
 *
 * Any number of times fits, and a time costs an increment, so nothing is sampled or left out.
 */
#ifndef MCQ_BENCH_HISTOGRAM_H
#define MCQ_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_FINE_BITS 7
#define HISTOGRAM_FINE (UINT64_C(1) << HISTOGRAM_FINE_BITS)
#define HISTOGRAM_LONGEST_BITS 40 /* 18 minutes; what takes longer is counted as that */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_LONGEST_BITS - HISTOGRAM_FINE_BITS + 1) * HISTOGRAM_FINE)

struct histogram {
    uint64_t total;
    uint64_t longest_ns;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
    uint64_t most = (UINT64_C(1) << HISTOGRAM_LONGEST_BITS) - 1;
    uint64_t time = ns < most ? ns : most;
    unsigned shift = 0;

    if (time >= HISTOGRAM_FINE)
        shift = (unsigned) (63 - __builtin_clzll(time)) - HISTOGRAM_FINE_BITS;
    histogram->counts[shift * HISTOGRAM_FINE + (time >> shift)]++;
    histogram->total++;
    if (ns > histogram->longest_ns)
        histogram->longest_ns = ns;
}

/* The time that this part (0 to 1) of all did not exceed, to the bucket's upper end. */
static inline double histogram_us(const struct histogram *histogram, double part)
{
    double wanted = part * (double) histogram->total;
    uint64_t seen = 0;

    for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t row = i / HISTOGRAM_FINE;
        uint64_t shift = row > 0 ? row - 1 : 0;
        uint64_t fine = i - shift * HISTOGRAM_FINE;

        seen += histogram->counts[i];
        if (seen > 0 && (double) seen >= wanted) {
            uint64_t ns = ((fine + 1) << shift) - 1;

            return (double) (ns < histogram->longest_ns ? ns : histogram->longest_ns) * 1e-3;
        }
    }
    return 0;
}

#endif
