/*
 * codec_driver: batches of inputs through the generated decoders; answers with all that they found.
 *
 *     codec_driver < BATCHES > ANSWERS        what diff.py runs
 *
 * Numbers are little-endian. A batch is its length (u32), then inputs, each a head and its octets:
 *
 *     u8 kind | u8 own | u32 quirks | u64 limit | u32 other | u32 seed | u32 length | octets
 *
 *     kind          own                limit              other
 *     0 greeting    -                  -                  -
 *     1 frames      framing            max_frame_bytes    max_command_bytes
 *     2 command     scope of names     -                  octets still missing
 *     3 metadata    -                  most properties    octets still missing
 *     4 ready       our socket type    most properties    -
 *     5 message     which of them      -                  -
 *     6 text        -                  -                  -
 *     7 box         which of them      -                  -
 *
 * The answer to an input is its length (u32) and that many octets of text: a line for each record,
 * with every field, then "ERROR rule at". Each input is decoded whole, cut at places drawn from
 * the seed, and octet by octet; frames by straight-line code and by the machine alone; a message,
 * whose octets are its parts as frames of the newest framing, a text and a box whole. Where two of
 * these runs do not write the same, or a decoder does not repeat its refusal, the text has another
 * line, which begins with "broken".
 *
 * Exit status: 0 the input ended behind a batch, 2 it did not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "security/boxes.h"
#include "wire/ids.h"
#include "wire/limits.h"

#define HEAD_BYTES 26
#define BY_OCTETS_MAX 96 /* longer inputs go octet by octet once in BY_OCTETS_EVERY */
#define BY_OCTETS_EVERY 8
#define PARTS_MAX 32
#define ECHO "xx" /* what a reply has to give back */

/* --- text that grows -------------------------------------------------------------------------- */

struct text {
    char *data;
    size_t len;
    size_t room;
};

_Noreturn static void give_up(const char *what)
{
    fprintf(stderr, "codec_driver: %s\n", what);
    exit(2);
}

static char *text_room(struct text *text, size_t more)
{
    if (more > text->room - text->len) {
        text->room = 2 * (text->len + more);
        text->data = realloc(text->data, text->room);
        if (text->data == NULL)
            give_up("out of memory");
    }
    return text->data + text->len;
}

static void write_octets_raw(struct text *text, const void *data, size_t len)
{
    memcpy(text_room(text, len + 1), data, len);
    text->len += len;
}

static void write_text(struct text *text, const char *string)
{
    write_octets_raw(text, string, strlen(string));
}

static void write_hex(struct text *text, struct mcq_bytes octets)
{
    static const char digits[] = "0123456789abcdef";
    char *at = text_room(text, 2 * octets.len + 1);

    for (size_t i = 0; i < octets.len; i++) {
        *at++ = digits[octets.data[i] >> 4];
        *at++ = digits[octets.data[i] & 15];
    }
    text->len += 2 * octets.len;
}

static void write_u64(struct text *text, uint64_t value)
{
    char digits[24];
    size_t at = sizeof digits;

    do
        digits[--at] = (char) ('0' + value % 10);
    while ((value /= 10) > 0);
    write_octets_raw(text, digits + at, sizeof digits - at);
}

static void write_name(struct text *text, const char *name)
{
    write_text(text, " ");
    write_text(text, name);
    write_text(text, "=");
}

static void write_octets(struct text *text, const char *name, struct mcq_bytes octets)
{
    write_name(text, name);
    write_hex(text, octets);
}

static void write_number(struct text *text, const char *name, uint64_t value)
{
    write_name(text, name);
    write_u64(text, value);
}

static void write_verdict(struct text *text, enum mcq_err err, enum mcq_rule rule, uint64_t at)
{
    write_text(text, mcq_err_name(err));
    write_text(text, " ");
    write_text(text, mcq_rule_name(rule));
    write_text(text, " ");
    write_u64(text, at);
    write_text(text, "\n");
}

#include "tests/codec.h"

/* --- one input -------------------------------------------------------------------------------- */

enum kind {
    KIND_GREETING,
    KIND_FRAMES,
    KIND_COMMAND,
    KIND_METADATA,
    KIND_READY,
    KIND_MESSAGE,
    KIND_TEXT,
    KIND_BOX
};

struct input {
    uint8_t kind;
    uint8_t own;
    uint32_t quirks;
    uint64_t limit;
    uint32_t other;
    uint32_t seed;
    struct mcq_bytes octets;
};

enum cutting { CUT_NOWHERE, CUT_AT_RANDOM, CUT_EVERYWHERE };

/* How one run hands the octets over: each piece at an address of its own, so that a sanitizer sees
 * a read beyond it. */
struct feed {
    struct mcq_bytes left;
    enum cutting cutting;
    uint32_t random;
    uint8_t *piece;
};

/* xorshift32: its state is never 0 */
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static struct feed feed_of(const struct input *input, enum cutting cutting)
{
    return (struct feed) {input->octets, cutting, input->seed | 1, NULL};
}

/* The next piece; the first one is there even if it is empty. false: all were handed over. */
static bool feed_next(struct feed *feed, struct mcq_bytes *piece)
{
    size_t len = feed->left.len;

    if (feed->piece != NULL && len == 0)
        return false;
    if (feed->cutting == CUT_EVERYWHERE)
        len = mcq_min_size(len, 1);
    else if (feed->cutting == CUT_AT_RANDOM && len > 0)
        len = 1 + next_random(&feed->random) %
                      mcq_min_size(len, next_random(&feed->random) & 1 ? 8 : len);
    free(feed->piece);
    feed->piece = malloc(len > 0 ? len : 1);
    if (feed->piece == NULL)
        give_up("out of memory");
    memcpy(feed->piece, feed->left.data, len);
    mcq_bytes_skip(&feed->left, len);
    *piece = mcq_bytes(feed->piece, len);
    return true;
}

static void write_repeats(struct text *text, enum mcq_err first, enum mcq_err again)
{
    if (first != again) {
        write_text(text, "broken: refuses once with ");
        write_text(text, mcq_err_name(first));
        write_text(text, " and then with ");
        write_text(text, mcq_err_name(again));
        write_text(text, "\n");
    }
}

static bool is_refusal(enum mcq_err err)
{
    return err != MCQ_OK && err != MCQ_AGAIN;
}

/* --- greetings -------------------------------------------------------------------------------- */

static void run_greeting(const struct input *input, struct feed *feed, struct text *text)
{
    struct mcq_greeting_decoder decoder;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    mcq_greeting_decoder_init(&decoder, input->quirks);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = mcq_greeting_decode(&decoder, &piece);
    if (is_refusal(err))
        write_repeats(text, err, mcq_greeting_decode(&decoder, &piece));
    write_text(text, "greeting form=");
    write_text(text, form_name(decoder.form));
    write_text(text, " frames=");
    write_text(text, decoder.form != MCQ_FORM_NONE ? framing_name(decoder.framing) : "");
    write_text(text, " speaks=");
    write_text(text, decoder.form != MCQ_FORM_NONE ? mcq_zmtp_name(decoder.version) : "");
    write_number(text, "replay", decoder.replay);
    write_number(text, "due", decoder.due);
    if (err == MCQ_OK)
        write_greeting(text, decoder.form, &decoder.greeting);
    write_text(text, "\n");
    write_verdict(text, err, decoder.rule, decoder.accepted);
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Writes a piece; the line of a frame ends with its last one, or with "open". */
static void write_piece(struct text *text, enum mcq_framing framing,
                        const struct mcq_frame_piece *piece)
{
    if (piece->first) {
        uint8_t head[MCQ_FRAME_HEAD_MAX];
        uint8_t flags = piece->flags & (uint8_t) ~MCQ_FRAME_LONG;
        uint8_t *end = mcq_encode_frame_head_as(framing, head, flags, piece->size);

        write_text(text, "frame");
        write_number(text, "flags", piece->flags);
        write_number(text, "size", piece->size);
        write_octets(text, "encoded", mcq_bytes(head, (size_t) (end - head)));
        if (end != head + mcq_frame_head_bytes_as(framing, piece->size))
            write_text(text, " broken: size and encoder do not agree");
        write_octets(text, "body", mcq_bytes(NULL, 0));
    }
    write_hex(text, piece->body);
    if (piece->last)
        write_text(text, "\n");
}

static void run_frames(const struct input *input, struct feed *feed, struct text *text, bool slow)
{
    enum mcq_err (*decode)(struct mcq_frame_decoder *, struct mcq_bytes *,
                           struct mcq_frame_piece *) =
        slow ? mcq_frame_decode_slow : mcq_frame_decode;
    struct mcq_frame_decoder decoder;
    struct mcq_frame_piece frame = {.last = true};
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    mcq_frame_decoder_init(&decoder, input->quirks, input->limit, input->other);
    mcq_frame_decoder_set_framing(&decoder, (enum mcq_framing) input->own);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        while ((err = decode(&decoder, &piece, &frame)) == MCQ_OK)
            write_piece(text, decoder.framing, &frame);
    if (!frame.last)
        write_text(text, " open\n");
    if (is_refusal(err))
        write_repeats(text, err, decode(&decoder, &piece, &frame));
    write_verdict(text, err, decoder.rule, decoder.offset);
}

/* --- commands --------------------------------------------------------------------------------- */

static void write_encoded_command(struct text *text, const struct mcq_command *command)
{
    size_t len = command_bytes(command);
    uint8_t *octets = malloc(len + 1);

    if (octets == NULL)
        give_up("out of memory");
    if (encode_command(octets, command) != octets + len)
        write_text(text, " broken: size and encoder do not agree");
    write_octets(text, "encoded", mcq_bytes(octets, len));
    free(octets);
}

static void run_command(const struct input *input, struct feed *feed, struct text *text)
{
    struct mcq_command_decoder decoder;
    struct mcq_command command;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;

    mcq_command_begin(&decoder, (enum mcq_command_scope) input->own,
                      (uint32_t) input->octets.len + input->other, input->quirks);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = mcq_command_decode(&decoder, piece);
    if (is_refusal(err))
        write_repeats(text, err, mcq_command_decode(&decoder, mcq_bytes(NULL, 0)));
    if (err == MCQ_OK) {
        mcq_command_view(&decoder, input->octets.data, &command);
        write_command(text, &command);
        if (command.id != MCQ_COMMAND_UNKNOWN)
            write_encoded_command(text, &command);
        write_text(text, "\n");
    }
    write_verdict(text, err, decoder.rule, decoder.at);
}

/* --- metadata --------------------------------------------------------------------------------- */

static void write_properties(struct text *text, struct mcq_bytes rest)
{
    struct mcq_property property;

    while (mcq_property_next(&rest, &property)) {
        uint8_t *octets = malloc(property_bytes(&property));

        if (octets == NULL)
            give_up("out of memory");
        uint8_t *end = encode_property(octets, &property);
        write_text(text, "property");
        write_property(text, &property);
        write_octets(text, "encoded", mcq_bytes(octets, (size_t) (end - octets)));
        write_text(text, "\n");
        free(octets);
    }
}

static void run_metadata(const struct input *input, struct feed *feed, struct text *text)
{
    struct mcq_metadata_decoder decoder;
    enum mcq_err err = MCQ_AGAIN;
    struct mcq_bytes piece;
    uint32_t missing = input->kind == KIND_METADATA ? input->other : 0;

    mcq_metadata_begin(&decoder, (uint32_t) input->octets.len + missing, (uint32_t) input->limit,
                       input->quirks);
    while (err == MCQ_AGAIN && feed_next(feed, &piece))
        err = mcq_metadata_decode(&decoder, piece);
    if (is_refusal(err))
        write_repeats(text, err, mcq_metadata_decode(&decoder, mcq_bytes(NULL, 0)));
    if (err == MCQ_OK && input->kind == KIND_METADATA)
        write_properties(text, input->octets);
    write_verdict(text, err, decoder.rule, decoder.at);
    if (err == MCQ_OK && input->kind == KIND_READY) {
        struct mcq_ready ready;
        enum mcq_rule rule;

        err = mcq_ready_check(input->octets, (enum mcq_socket_type) input->own, input->quirks,
                              &ready, &rule);
        if (err == MCQ_OK) {
            write_text(text, "ready");
            write_ready(text, &ready);
            write_text(text, "\n");
        }
        write_verdict(text, err, rule, 0);
    }
}

/* --- messages of frames, and texts ------------------------------------------------------------ */

static void run_message(const struct input *input, struct feed *feed, struct text *text)
{
    struct mcq_bytes parts[PARTS_MAX];
    struct mcq_frame_decoder decoder;
    struct mcq_frame_piece frame;
    struct mcq_bytes octets;
    size_t count = 0;

    feed_next(feed, &octets);
    mcq_frame_decoder_init(&decoder, UINT32_MAX, MCQ_MAX_FRAME_BYTES, UINT32_MAX);
    while (count < PARTS_MAX && mcq_frame_decode(&decoder, &octets, &frame) == MCQ_OK && frame.last)
        parts[count++] = frame.body;
    write_message(text, input->own, parts, count, mcq_bytes_of(ECHO), input->quirks);
}

static void run_text(struct feed *feed, struct text *text)
{
    struct mcq_bytes octets;

    feed_next(feed, &octets);
    uint8_t *room = malloc(MCQ_Z85_CHARACTERS * octets.len + 1);
    if (room == NULL)
        give_up("out of memory");
    write_z85(text, octets, room);
    free(room);
}

/* What a box held, field by field where it is good. */
static void run_box(const struct input *input, struct feed *feed, struct text *text)
{
    struct mcq_bytes content;
    enum mcq_rule rule;
    size_t at;

    feed_next(feed, &content);
    if (input->own >= MCQ_BOX_COUNT)
        give_up("no such box");
    enum mcq_err err =
        mcq_box_check((enum mcq_box_id) input->own, content, input->quirks, &rule, &at);
    const struct mcq_box *box = &mcq_box_table[input->own];
    const struct mcq_box_field *end = box->fields + box->field_count;

    for (const struct mcq_box_field *field = box->fields; err == MCQ_OK && field < end; field++) {
        struct mcq_bytes octets = content;

        mcq_bytes_skip(&octets, field->at);
        if (!field->is_rest)
            octets.len = field->bytes;
        write_octets(text, mcq_rule_name(field->rule), octets);
    }
    write_text(text, "\n");
    write_verdict(text, err, rule, at);
}

/* --- batches ---------------------------------------------------------------------------------- */

static void run_input(const struct input *input, enum cutting cutting, bool slow, struct text *text)
{
    struct feed feed = feed_of(input, cutting);

    switch ((enum kind) input->kind) {
    case KIND_GREETING: run_greeting(input, &feed, text); break;
    case KIND_FRAMES: run_frames(input, &feed, text, slow); break;
    case KIND_COMMAND: run_command(input, &feed, text); break;
    case KIND_METADATA:
    case KIND_READY: run_metadata(input, &feed, text); break;
    case KIND_MESSAGE: run_message(input, &feed, text); break;
    case KIND_TEXT: run_text(&feed, text); break;
    case KIND_BOX: run_box(input, &feed, text); break;
    default: give_up("no such kind of input");
    }
    free(feed.piece);
}

/* The whole run's text, then that of each run that differs from it. */
static void answer(const struct input *input, struct text *text)
{
    static const char *const names[] = {"whole", "cut at random", "octet by octet"};
    bool by_octets = input->octets.len <= BY_OCTETS_MAX || input->seed % BY_OCTETS_EVERY == 0;
    struct text other = {0};
    size_t begin = text->len;

    run_input(input, CUT_NOWHERE, false, text);
    if (input->kind >= KIND_MESSAGE)
        return;
    size_t len = text->len - begin;
    for (unsigned slow = 0; slow <= (input->kind == KIND_FRAMES ? 1U : 0U); slow++)
        for (unsigned cutting = slow ? CUT_NOWHERE : CUT_AT_RANDOM;
             cutting <= (by_octets ? CUT_EVERYWHERE : CUT_AT_RANDOM); cutting++) {
            other.len = 0;
            run_input(input, (enum cutting) cutting, slow, &other);
            if (other.len == len && memcmp(other.data, text->data + begin, len) == 0)
                continue;
            write_text(text, "broken: differs ");
            write_text(text, names[cutting]);
            write_text(text, slow ? ", by the machine:\n" : ":\n");
            write_octets_raw(text, other.data, other.len);
        }
    free(other.data);
}

static uint32_t get_u32le(const uint8_t *at)
{
    return __builtin_bswap32(mcq_get_u32be(at));
}

static void put_u32le(char *at, uint32_t value)
{
    mcq_put_u32be((uint8_t *) at, __builtin_bswap32(value));
}

/* Takes the next input off the batch. */
static struct input input_next(struct mcq_bytes *batch)
{
    const uint8_t *head = batch->data;

    if (batch->len < HEAD_BYTES || get_u32le(head + 22) > batch->len - HEAD_BYTES)
        give_up("an input is cut");
    struct input input = {
        .kind = head[0],
        .own = head[1],
        .quirks = get_u32le(head + 2),
        .limit = __builtin_bswap64(mcq_get_u64be(head + 6)),
        .other = get_u32le(head + 14),
        .seed = get_u32le(head + 18),
        .octets = mcq_bytes(head + HEAD_BYTES, get_u32le(head + 22)),
    };
    mcq_bytes_skip(batch, HEAD_BYTES + input.octets.len);
    return input;
}

/* Every octet of a batch is read before any answer is written: neither side waits for the other. */
static void answer_batch(uint8_t *octets, uint32_t len)
{
    struct mcq_bytes batch = mcq_bytes(octets, len);
    struct text text = {0};

    while (batch.len > 0) {
        struct input input = input_next(&batch);
        size_t begin = text.len;

        write_octets_raw(&text, "\0\0\0", sizeof len);
        answer(&input, &text);
        put_u32le(text.data + begin, (uint32_t) (text.len - begin - sizeof len));
    }
    if ((text.len > 0 && fwrite(text.data, 1, text.len, stdout) < text.len) || fflush(stdout) != 0)
        give_up("nobody reads the answers");
    free(text.data);
}

int main(void)
{
    uint8_t head[4];
    size_t found;

    while ((found = fread(head, 1, sizeof head, stdin)) == sizeof head) {
        uint32_t len = get_u32le(head);
        uint8_t *octets = malloc(len + 1u);

        if (octets == NULL || fread(octets, 1, len, stdin) < len)
            give_up("a batch is cut");
        answer_batch(octets, len);
        free(octets);
    }
    return found == 0 ? 0 : 2;
}
