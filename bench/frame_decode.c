/*
 * frame_decode: what a frame costs before anybody looks at its body.
 *
 * Question: nanoseconds per frame of a stream in 64 KiB chunks, one core, warm cache: through the
 *           decoder, through its machine alone, through the whole session, and through a hand-made
 *           loop without any check, which is the floor?
 * Method:   rounds of all in turn, each over the stream until TURN_FRAMES went by, in time of the
 *           thread. A ratio is taken within a round; shown are medians over all rounds, and their
 *           quartiles. Each few rounds are a process of their own: where code and stack lie is
 *           drawn anew, and one draw in a hundred makes one of the ways four times as slow.
 * Floors:   the first says of each frame what the decoder says, one frame a call, and has all of
 *           the stream at once. The second has the decoder's input, chunks that cut frames. What
 *           merely walks over the sizes is listed, too.
 * Beware:   the floor waits for memory and leaves most of the core idle; the decoder's checks fill
 *           it. Where something else runs on the same core, as neighbours of a virtual machine do,
 *           the checks show: 1.7 times the floor instead of 1.2 at 1 KiB.
 *
 *     frame_decode [SIZE...]    64 and 1024 where none is given
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session/state.h"
#include "wire/encode.h"
#include "wire/limits.h"

#define CHUNK_BYTES 65536
#define STREAM_BYTES ((size_t) 16 * CHUNK_BYTES)
#define PROCESSES 21
#define ROUNDS 9 /* of one process */
#define TURN_FRAMES 100000

static uint8_t stream[STREAM_BYTES];
static size_t stream_len;
static uint64_t frame_count;
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
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

#define WAY_COUNT MCQ_COUNTOF(ways)

/* Nanoseconds per frame of each way. */
struct round {
    double times[WAY_COUNT];
};

static bool run_round(struct round *round)
{
    uint64_t passes = TURN_FRAMES / frame_count + 1;

    for (size_t way = 0; way < WAY_COUNT; way++) {
        double start = now_ns();
        uint64_t frames = 0;

        for (uint64_t i = 0; i < passes; i++)
            frames += ways[way].run();
        round->times[way] = (now_ns() - start) / (double) (passes * frame_count);
        sink += frames;
        if (frames != passes * frame_count)
            return fprintf(stderr, "%s lost frames\n", ways[way].name), false;
    }
    return true;
}

/* What one process does: its rounds, written to standard output as they are. */
static int measure(size_t size)
{
    struct round round;

    fill_stream(size);
    for (int i = 0; i < ROUNDS; i++) {
        if (!run_round(&round) || fwrite(&round, sizeof round, 1, stdout) != 1)
            return 1;
    }
    return 0;
}

/* A process of this program; its rounds. */
static bool ask_process(char *program, char *size, struct round rounds[ROUNDS])
{
    char *argv[] = {program, (char[]) {"--measure"}, size, NULL};
    int status = -1;
    size_t count = 0;
    int ends[2];
    FILE *answer;
    pid_t pid;

    if (pipe(ends) != 0)
        return false;
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execv("/proc/self/exe", argv);
        _exit(1);
    }
    close(ends[1]);
    answer = fdopen(ends[0], "rb");
    if (answer != NULL) {
        count = fread(rounds, sizeof rounds[0], ROUNDS, answer);
        fclose(answer);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && count == ROUNDS;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *) a;
    double right = *(const double *) b;

    return (left > right) - (left < right);
}

/* Of a way's times over those of a floor; over 1 without one. */
struct quartiles {
    double at[3];
};

static struct quartiles quartiles_of(const struct round *rounds, size_t way, int floor)
{
    double values[PROCESSES * ROUNDS];
    struct quartiles found;

    for (size_t i = 0; i < MCQ_COUNTOF(values); i++)
        values[i] = rounds[i].times[way] / (floor < 0 ? 1 : rounds[i].times[floor]);
    qsort(values, MCQ_COUNTOF(values), sizeof values[0], by_value);
    for (size_t i = 0; i < MCQ_COUNTOF(found.at); i++)
        found.at[i] = values[MCQ_COUNTOF(values) * (i + 1) / 4];
    return found;
}

static bool report(char *program, char *size)
{
    static struct round rounds[PROCESSES][ROUNDS];

    for (int i = 0; i < PROCESSES; i++) {
        if (!ask_process(program, size, rounds[i]))
            return fprintf(stderr, "a process of %s failed\n", program), false;
    }
    printf("%-20s ns per frame   times the floor    times that in chunks\n", size);
    for (size_t way = 0; way < WAY_COUNT; way++) {
        printf("  %-18s %12.2f", ways[way].name, quartiles_of(rounds[0], way, -1).at[1]);
        for (int floor = 0; floor < 2; floor++) {
            struct quartiles ratio = quartiles_of(rounds[0], way, floor);

            printf("   %5.2f (%.2f..%.2f)", ratio.at[1], ratio.at[0], ratio.at[2]);
        }
        printf("\n");
    }
    return true;
}

int main(int argc, char **argv)
{
    char *usual[] = {(char[]) {"64"}, (char[]) {"1024"}};
    char **sizes = argc > 1 ? argv + 1 : usual;
    int size_count = argc > 1 ? argc - 1 : (int) MCQ_COUNTOF(usual);

    if (argc == 3 && strcmp(argv[1], "--measure") == 0)
        return measure(strtoul(argv[2], NULL, 0));
    for (int i = 0; i < size_count; i++) {
        if (!report(argv[0], sizes[i]))
            return 1;
    }
    return 0;
}
