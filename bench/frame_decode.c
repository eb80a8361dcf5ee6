/*
 * frame_decode: what a frame costs before anybody looks at its body.
 *
 * Question: nanoseconds per frame of a stream in 64 KiB chunks, one core, warm cache: through the
 *           decoder, through its machine alone, through the whole session, and through a hand-made
 *           loop without any check, which is the floor?
 * Method:   rounds of all in turn, the median of each; the ratio to the floor is the figure. The
 *           floor says of each frame what the decoder says, one frame a call, and has all of the
 *           stream at once; a loop that meets the ends of chunks, as decoders do, is listed, and
 *           what merely walks over the sizes, too.
 *
 *     frame_decode [SIZE [ROUNDS]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "session/state.h"
#include "wire/encode.h"
#include "wire/limits.h"

#define CHUNK_BYTES 65536
#define STREAM_BYTES ((size_t) 16 * CHUNK_BYTES)
#define ROUNDS_MAX 101

static uint8_t stream[STREAM_BYTES];
static size_t stream_len;
static uint64_t frame_count;
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e9 * (double) now.tv_sec + (double) now.tv_nsec;
}

static void fill_stream(size_t size)
{
    while (stream_len + size + MCQ_FRAME_HEAD_MAX <= STREAM_BYTES) {
        uint8_t *end = mcq_encode_frame_head(stream + stream_len, 0, size);

        stream_len = (size_t) (end - stream) + size;
        frame_count++;
    }
}

/* The next chunk of the stream; empty: it is over. */
static struct mcq_bytes chunk_at(size_t at)
{
    return mcq_bytes(stream + at, mcq_min_size(CHUNK_BYTES, stream_len - at));
}

static uint64_t walk(void)
{
    uint64_t frames = 0;

    for (size_t at = 0; at < stream_len; frames++)
        at += stream[at] & MCQ_FRAME_LONG ? MCQ_FRAME_V3_HEAD_MAX + mcq_get_u64be(stream + at + 1)
                                          : (size_t) 2 + stream[at + 1];
    return frames;
}

/* What a caller is told of a frame, and nothing checked. */
static __attribute__((noinline)) bool decode_by_hand(struct mcq_bytes *in,
                                                     struct mcq_frame_piece *piece)
{
    const uint8_t *at = in->data;
    bool is_long = at[0] & MCQ_FRAME_LONG;
    size_t head = is_long ? MCQ_FRAME_V3_HEAD_MAX : 2;
    uint64_t size = is_long ? mcq_get_u64be(at + 1) : at[1];

    *piece = (struct mcq_frame_piece) {
        .body = mcq_bytes(at + head, size),
        .size = size,
        .flags = at[0],
        .first = true,
        .last = true,
    };
    mcq_bytes_skip(in, head + size);
    return in->len > 0;
}

static uint64_t by_hand(void)
{
    struct mcq_bytes in = mcq_bytes(stream, stream_len);
    struct mcq_frame_piece piece;
    uint64_t frames = 0;
    bool is_more;

    do {
        is_more = decode_by_hand(&in, &piece);
        frames += piece.last;
    } while (is_more);
    return frames;
}

/* The same of a stream that comes in chunks, as the decoders get it: a body may be cut by a chunk's
 * end, a header lies in the stream as a whole. *left is what is still to come of the last body. */
static __attribute__((noinline)) bool cut_by_hand(struct mcq_bytes *in, uint64_t *left,
                                                  struct mcq_frame_piece *piece)
{
    const uint8_t *at = in->data;
    bool is_long = at[0] & MCQ_FRAME_LONG;
    size_t head = is_long ? MCQ_FRAME_V3_HEAD_MAX : 2;
    uint64_t size = is_long ? mcq_get_u64be(at + 1) : at[1];
    size_t len;

    if (MCQ_UNLIKELY(*left > 0)) {
        if (in->len == 0)
            return false;
        *piece = (struct mcq_frame_piece) {.body = mcq_bytes(at, *left), .last = true};
        mcq_bytes_skip(in, *left);
        *left = 0;
        return true;
    }
    if (MCQ_UNLIKELY(in->len <= head))
        return false;
    len = mcq_min_size(size, in->len - head);
    *piece = (struct mcq_frame_piece) {
        .body = mcq_bytes(at + head, len),
        .size = size,
        .flags = at[0],
        .first = true,
        .last = len == size,
    };
    *left = size - len;
    mcq_bytes_skip(in, head + len);
    return true;
}

/* A chunk that ends within a header, or with it, leaves it to the next one. */
static uint64_t by_hand_in_chunks(void)
{
    struct mcq_frame_piece piece;
    uint64_t frames = 0;
    uint64_t left = 0;

    for (size_t at = 0; at < stream_len;) {
        struct mcq_bytes in = chunk_at(at);

        while (cut_by_hand(&in, &left, &piece))
            frames += piece.last;
        at = (size_t) (in.data - stream);
        if (in.len > 0 && at + in.len == stream_len)
            break;
    }
    return frames;
}

typedef enum mcq_err decode_function(struct mcq_frame_decoder *, struct mcq_bytes *,
                                     struct mcq_frame_piece *);

static inline __attribute__((always_inline)) uint64_t by_decoder(decode_function *decode)
{
    struct mcq_frame_decoder decoder;
    struct mcq_frame_piece piece;
    uint64_t frames = 0;

    mcq_frame_decoder_init(&decoder, 0, MCQ_MAX_FRAME_BYTES, (uint32_t) MCQ_MAX_COMMAND_BYTES);
    for (size_t at = 0; at < stream_len; at += CHUNK_BYTES) {
        struct mcq_bytes in = chunk_at(at);

        while (decode(&decoder, &in, &piece) == MCQ_OK)
            frames += piece.last;
    }
    return frames;
}

static uint64_t fast(void)
{
    return by_decoder(mcq_frame_decode);
}

static uint64_t machine(void)
{
    return by_decoder(mcq_frame_decode_slow);
}

/* Two sessions talk until both are in the traffic; one of them is kept. */
static void open_session(struct mcq_session *session)
{
    static struct mcq_session peer;
    struct mcq_session *pair[2] = {session, &peer};
    static const enum mcq_socket_type types[2] = {MCQ_SOCKET_TYPE_PULL, MCQ_SOCKET_TYPE_PUSH};
    struct mcq_event event;

    for (int i = 0; i < 2; i++) {
        struct mcq_session_config config;

        mcq_session_config_init(&config, types[i], MCQ_PROFILE_NATIVE);
        if (mcq_session_init(pair[i], &config, 0) != MCQ_OK)
            exit(1);
    }
    for (int i = 0; i < 16; i++) {
        struct mcq_bytes out = mcq_session_want(pair[i % 2]);
        size_t len = out.len;

        while (mcq_session_feed(pair[1 - i % 2], &out, 0, &event) == MCQ_OK)
            continue;
        mcq_session_sent(pair[i % 2], len);
    }
    mcq_session_fini(&peer);
}

static uint64_t session(void)
{
    static struct mcq_session kept;
    static bool is_open;
    struct mcq_event event;
    uint64_t frames = 0;

    if (!is_open)
        open_session(&kept);
    is_open = true;
    for (size_t at = 0; at < stream_len; at += CHUNK_BYTES) {
        struct mcq_bytes in = chunk_at(at);

        while (mcq_session_feed(&kept, &in, 0, &event) == MCQ_OK)
            frames += event.body.piece.last;
    }
    return frames;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *) a;
    double right = *(const double *) b;

    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint64_t (*run)(void);
    } ways[] = {
        {"by hand, unchecked", by_hand},
        {"by hand, in chunks", by_hand_in_chunks},
        {"decoder", fast},
        {"machine alone", machine},
        {"sizes only", walk},
        {"whole session", session},
    };
    static double times[MCQ_COUNTOF(ways)][ROUNDS_MAX];
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 0) : 64;
    size_t rounds = mcq_min_size(argc > 2 ? strtoul(argv[2], NULL, 0) : 51, ROUNDS_MAX);

    fill_stream(size);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t way = 0; way < MCQ_COUNTOF(ways); way++) {
            double start = now_ns();
            uint64_t frames = ways[way].run();

            times[way][round] = (now_ns() - start) / (double) frame_count;
            sink += frames;
            if (frames != frame_count)
                return fprintf(stderr, "%s lost frames\n", ways[way].name), 1;
        }
    }
    printf("%zu B\n", size);
    for (size_t way = 0; way < MCQ_COUNTOF(ways); way++) {
        qsort(times[way], rounds, sizeof times[way][0], by_value);
        printf("  %-20s %6.2f ns per frame  %5.2f\n", ways[way].name, times[way][rounds / 2],
               times[way][rounds / 2] / times[0][rounds / 2]);
    }
    return 0;
}
