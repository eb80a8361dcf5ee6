/*
 * mcq decode: what one side of a connection has sent, frame by frame, read with the library's own
 * decoders, as tolerantly as they can be set.
 *
 * The octets of one side, as a dump has them; from its greeting on, for the greeting says how the
 * rest is to be read. What is in a box stays there.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <monocoque.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "security/steps.h"
#include "tool/tool.h"
#include "wire/command.h"
#include "wire/frame.h"
#include "wire/greeting.h"
#include "wire/limits.h"
#include "wire/metadata.h"

#define SHOWN 64 /* octets of a text */
#define FILE_BYTES_MAX (UINT32_C(1) << 30)

struct decode {
    const uint8_t *begin;
    struct mcq_bytes left;
    struct mcq_frame_decoder frames;
    const struct mcq_machine *machine; /* of the mechanism; NULL: none that is known */
    bool has_identity;                 /* the next frame is the peer's identity */
};

/* --- words ----------------------------------------------------------------------------------- */

static void print_text(struct mcq_bytes text)
{
    (void) putchar('"');
    for (size_t i = 0; i < text.len && i < SHOWN; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            (void) printf("\\%c", text.data[i]);
        else if (text.data[i] < 0x80 && isprint(text.data[i]))
            (void) putchar(text.data[i]);
        else
            (void) printf("\\x%02x", text.data[i]); /* a terminal's words are not a peer's */
    }
    (void) fputs(text.len > SHOWN ? "...\"" : "\"", stdout);
}

static void print_at(uint64_t offset)
{
    (void) printf("%04" PRIx64 "  ", offset);
}

/* The line that ends it. */
static int broken(uint64_t offset, enum mcq_rule rule)
{
    print_at(offset);
    (void) printf("error: rule %s (%s)\n", mcq_rule_name(rule), mcq_rule_source(rule));
    return TOOL_FAILED;
}

static int cut(uint64_t offset, const char *what)
{
    print_at(offset);
    (void) printf("error: the octets end within %s\n", what);
    return TOOL_FAILED;
}

/* --- commands -------------------------------------------------------------------------------- */

static int print_metadata(const struct decode *decode, struct mcq_bytes metadata)
{
    uint64_t at = (uint64_t) (metadata.data - decode->begin);
    struct mcq_metadata_decoder decoder;
    struct mcq_property property;

    mcq_metadata_begin(&decoder, (uint32_t) metadata.len, MCQ_MAX_PROPERTIES, MCQ_QUIRKS_COMPAT);
    if (mcq_metadata_decode(&decoder, metadata) != MCQ_OK) {
        (void) putchar('\n');
        return broken(at + decoder.at, decoder.rule);
    }
    while (mcq_property_next(&metadata, &property)) {
        (void) printf("%.*s=", (int) property.name.len, (const char *) property.name.data);
        print_text(property.value);
        (void) fputs(metadata.len > 0 ? " " : "", stdout);
    }
    (void) putchar('\n');
    return TOOL_DONE;
}

static void print_box(uint64_t nonce, struct mcq_bytes sealed)
{
    (void) printf("nonce %" PRIu64 ", a box of %zu octets", nonce, sealed.len);
}

static int print_fields(const struct decode *decode, const struct mcq_command *command)
{
    switch (command->id) {
    case MCQ_COMMAND_READY: return print_metadata(decode, command->ready.metadata);
    case MCQ_COMMAND_PLAIN_INITIATE:
        return print_metadata(decode, command->plain_initiate.metadata);
    case MCQ_COMMAND_ERROR: print_text(command->error.reason); break;
    case MCQ_COMMAND_SUBSCRIBE: print_text(command->subscribe.topic); break;
    case MCQ_COMMAND_CANCEL: print_text(command->cancel.topic); break;
    case MCQ_COMMAND_JOIN: print_text(command->join.group); break;
    case MCQ_COMMAND_LEAVE: print_text(command->leave.group); break;
    case MCQ_COMMAND_PING:
        (void) printf("ttl %u ms, context ", (unsigned) command->ping.ttl * MCQ_PING_TTL_UNIT_MS);
        print_text(command->ping.context);
        break;
    case MCQ_COMMAND_PONG:
        (void) fputs("context ", stdout);
        print_text(command->pong.context);
        break;
    case MCQ_COMMAND_PLAIN_HELLO: /* the password is nobody's business */
        print_text(command->plain_hello.username);
        (void) printf(", a password of %zu octets", command->plain_hello.password.len);
        break;
    case MCQ_COMMAND_CURVE_HELLO:
        print_box(command->curve_hello.nonce, command->curve_hello.sealed);
        break;
    case MCQ_COMMAND_CURVE_WELCOME:
        (void) printf("a box of %zu octets", command->curve_welcome.sealed.len);
        break;
    case MCQ_COMMAND_CURVE_INITIATE:
        print_box(command->curve_initiate.nonce, command->curve_initiate.sealed);
        break;
    case MCQ_COMMAND_CURVE_READY:
        print_box(command->curve_ready.nonce, command->curve_ready.sealed);
        break;
    case MCQ_COMMAND_CURVE_MESSAGE:
        print_box(command->curve_message.nonce, command->curve_message.sealed);
        break;
    default: break;
    }
    (void) putchar('\n');
    return TOOL_DONE;
}

/* As a command of one of the scopes that count here; the last that is tried leaves its verdict in
 * *decoder. */
static enum mcq_err read_command(const struct decode *decode, struct mcq_bytes body,
                                 struct mcq_command_decoder *decoder)
{
    bool has_boxes = decode->machine != NULL && decode->machine->scope == MCQ_SCOPE_CURVE;
    enum mcq_command_scope scopes[] = {
        decode->machine != NULL ? decode->machine->scope : MCQ_SCOPE_TRAFFIC,
        has_boxes ? MCQ_SCOPE_CURVE_TRAFFIC : MCQ_SCOPE_TRAFFIC,
    };
    enum mcq_err err = MCQ_OK;

    for (size_t i = 0; i < MCQ_COUNTOF(scopes); i++) {
        mcq_command_begin(decoder, scopes[i], (uint32_t) body.len, MCQ_QUIRKS_COMPAT);
        err = mcq_command_decode(decoder, body);
        if (err != MCQ_OK || decoder->id != MCQ_COMMAND_UNKNOWN)
            return err;
    }
    return err;
}

static int show_command(const struct decode *decode, struct mcq_bytes body)
{
    uint64_t at = (uint64_t) (body.data - decode->begin);
    struct mcq_command_decoder decoder;
    struct mcq_command command;

    if (read_command(decode, body, &decoder) != MCQ_OK) {
        (void) printf("%-9s\n", mcq_command_name(decoder.id));
        return broken(at + decoder.at, decoder.rule);
    }
    if (decoder.id == MCQ_COMMAND_UNKNOWN) {
        (void) fputs("a command that is not known: ", stdout);
        print_text(body);
        (void) putchar('\n');
        return TOOL_DONE;
    }
    mcq_command_view(&decoder, body.data, &command);
    (void) printf("%-10s", mcq_command_name(command.id));
    return print_fields(decode, &command);
}

/* --- frames ---------------------------------------------------------------------------------- */

static bool is_command(const struct decode *decode, const struct mcq_frame_piece *piece)
{
    struct mcq_command_decoder decoder;

    if (piece->flags & MCQ_FRAME_COMMAND)
        return piece->size <= MCQ_MAX_COMMAND_BYTES;
    /* libzmq's boxes are messages to the framing. */
    return decode->machine != NULL && decode->machine->scope == MCQ_SCOPE_CURVE &&
           piece->size <= UINT32_MAX && read_command(decode, piece->body, &decoder) == MCQ_OK &&
           decoder.id != MCQ_COMMAND_UNKNOWN;
}

static int show_frame(struct decode *decode, const struct mcq_frame_piece *piece)
{
    if (is_command(decode, piece))
        return show_command(decode, piece->body);
    (void) fputs(decode->has_identity ? "identity  " : "message   ", stdout);
    decode->has_identity = false;
    print_text(piece->body);
    (void) printf(" (%" PRIu64 " octet%s%s)\n", piece->size, piece->size == 1 ? "" : "s",
                  piece->flags & MCQ_FRAME_MORE ? ", more follows" : "");
    return TOOL_DONE;
}

static int show_frames(struct decode *decode)
{
    int status = TOOL_DONE;

    while (status == TOOL_DONE && decode->left.len > 0) {
        uint64_t at = (uint64_t) (decode->left.data - decode->begin);
        struct mcq_frame_piece piece;
        enum mcq_err err = mcq_frame_decode(&decode->frames, &decode->left, &piece);

        if (err == MCQ_AGAIN)
            return cut(at, "a frame's header");
        if (err != MCQ_OK)
            return broken(at, decode->frames.rule);
        if (!piece.last)
            return cut(at, "a frame's body");
        print_at(at);
        status = show_frame(decode, &piece);
    }
    return status;
}

/* --- the greeting ---------------------------------------------------------------------------- */

static const struct mcq_machine *machine_of(const uint8_t *name, size_t room)
{
    for (unsigned i = 0; i < MCQ_MECHANISM_COUNT; i++) {
        const struct mcq_machine *machine = mcq_machine_find((enum mcq_mechanism) i, true);

        if (machine != NULL && strncmp(machine->mechanism, (const char *) name, room) == 0)
            return machine;
    }
    return NULL;
}

static void show_greeting(struct decode *decode, const struct mcq_greeting_decoder *greeting)
{
    const struct mcq_greeting_v3 *v3 = &greeting->greeting.v3;

    print_at(0);
    (void) printf("greeting  %s", mcq_zmtp_name(greeting->version));
    if (greeting->form == MCQ_FORM_V3) {
        size_t len = strnlen((const char *) v3->mechanism, sizeof v3->mechanism);

        decode->machine = machine_of(v3->mechanism, sizeof v3->mechanism);
        (void) putchar(' ');
        print_text(mcq_bytes(v3->mechanism, len));
        (void) fputs(v3->as_server ? " server" : "", stdout);
    } else if (greeting->form == MCQ_FORM_V2) {
        (void) printf(
            " %s", mcq_socket_type_name((enum mcq_socket_type) greeting->greeting.v2.socket_type));
    }
    (void) putchar('\n');
}

static int show(struct mcq_bytes octets)
{
    struct decode decode = {.begin = octets.data, .left = octets};
    struct mcq_greeting_decoder greeting;
    enum mcq_err err;

    mcq_greeting_decoder_init(&greeting, MCQ_QUIRKS_COMPAT);
    err = mcq_greeting_decode(&greeting, &decode.left);
    if (err == MCQ_AGAIN)
        return cut(greeting.accepted, "the greeting");
    if (err != MCQ_OK)
        return broken(greeting.accepted, greeting.rule);
    show_greeting(&decode, &greeting);
    if (greeting.form == MCQ_FORM_V1)
        decode.left = octets; /* there is none, and frames have begun */
    decode.has_identity = mcq_form_begins_with_identity(greeting.form);
    mcq_frame_decoder_init(&decode.frames, MCQ_QUIRKS_COMPAT, MCQ_MAX_FRAME_BYTES,
                           MCQ_MAX_COMMAND_BYTES);
    mcq_frame_decoder_set_framing(&decode.frames, greeting.framing);
    return show_frames(&decode);
}

/* --- the file -------------------------------------------------------------------------------- */

/* All of it; NULL: it has said why not. */
static uint8_t *read_all(FILE *file, const char *path, size_t *len)
{
    size_t room = 1 << 16;
    uint8_t *octets = malloc(room);

    *len = 0;
    while (octets != NULL) {
        uint8_t *grown;

        *len += fread(octets + *len, 1, room - *len, file);
        if (*len < room)
            break;
        room = room < FILE_BYTES_MAX ? 2 * room : 0;
        grown = room > 0 ? realloc(octets, room) : NULL;
        if (grown == NULL)
            free(octets);
        octets = grown;
    }
    if (octets != NULL && ferror(file) == 0)
        return octets;
    free(octets);
    (void) mcq_tool_fail("decode %s: %s", path,
                         octets == NULL ? "it is too long" : mcq_strerror(errno));
    return NULL;
}

int mcq_tool_decode(int argc, char **argv)
{
    bool is_input = argc == 1 || (argc == 2 && strcmp(argv[1], "-") == 0);
    const char *path = is_input ? "-" : argv[1];
    FILE *file;
    uint8_t *octets;
    size_t len;
    int status;

    if (argc > 2 || (!is_input && argv[1][0] == '-')) {
        (void) mcq_tool_fail("decode: it wants one file, or none for its input; see mcq decode "
                             "--help");
        return TOOL_USAGE;
    }
    file = is_input ? stdin : fopen(path, "re");
    if (file == NULL)
        return mcq_tool_fail("decode %s: %s", path, mcq_strerror(errno));
    octets = read_all(file, path, &len);
    if (!is_input)
        (void) fclose(file);
    if (octets == NULL)
        return TOOL_FAILED;
    status =
        len == 0 ? mcq_tool_fail("decode %s: it is empty", path) : show(mcq_bytes(octets, len));
    free(octets);
    return status;
}
