/* What is in CURVE's boxes, by known keys. The octets are a box's content, the first choice says
 * which box; the second chooses the quirks, and by its bit 2 the direction that a box has for its
 * way back. The content is sealed and opens again to the same, but not with another nonce, from
 * the other direction, with an octet changed, or cut; the command that it lies in decodes, is
 * encoded to the same octets, and no part of it is a whole one; what is good strictly is good with
 * quirks; and a refusal names an octet that is there. */

#define FUZZ_OCTETS_MAX 1024
#include "fuzz.h"

#include "security/box.h"
#include "wire/encode.h"

#define UNIT_BYTES_MAX (FUZZ_OCTETS_MAX + 1024)
#define CHOICE_BACK 4u

/* The same in all runs: this program is about the layout, its keys may be anything. */
static const struct mcq_crypto_key key = {{1, 2, 3, 4, 5, 6, 7, 8}};

/* --- the rules of the content ----------------------------------------------------------------- */

static void check_rules(enum mcq_box_id id, struct mcq_bytes content, uint32_t quirks)
{
    enum mcq_rule strict_rule;
    enum mcq_rule rule;
    size_t at;
    enum mcq_err strict = mcq_box_check(id, content, 0, &strict_rule, &at);
    enum mcq_err err = mcq_box_check(id, content, quirks, &rule, &at);

    if (at > content.len)
        fuzz_fail("%s: octet %zu of %zu", mcq_rule_name(rule), at, content.len);
    if ((err == MCQ_OK) != (rule == MCQ_RULE_NONE))
        fuzz_fail("%s, but rule %s", mcq_err_name(err), mcq_rule_name(rule));
    if (strict == MCQ_OK && err != MCQ_OK)
        fuzz_fail("good strictly, but not with quirks: %s", mcq_rule_name(rule));
}

/* --- the box ---------------------------------------------------------------------------------- */

/* A box at an address of its own, opened there. */
static bool opens(enum mcq_box_id id, bool back, struct mcq_bytes unit, size_t len)
{
    uint8_t *copy = fuzz_copy(unit);
    bool is_open = mcq_box_open(id, back, copy, len, &key);

    free(copy);
    return is_open;
}

static void check_box(const struct fuzz_input *input, enum mcq_box_id id, bool back,
                      struct mcq_bytes unit, size_t len)
{
    const struct mcq_box *box = &mcq_box_table[id];
    uint8_t *copy = fuzz_copy(unit);

    if (len < MCQ_CRYPTO_TAG_BYTES)
        fuzz_fail("%s is shorter than its tag", box->name);
    if (!mcq_box_open(id, back, copy, len, &key))
        fuzz_fail("%s does not open", box->name);
    if (!mcq_bytes_equal(mcq_bytes(mcq_box_content(id, copy), len - MCQ_CRYPTO_TAG_BYTES),
                         input->octets))
        fuzz_fail("%s opens to something else", box->name);
    free(copy);

    size_t place = input->choice[1] % len;

    if (opens(id, back, unit, place))
        fuzz_fail("%s opens although it is cut to %zu octets", box->name, place);
    if (box->back != NULL && opens(id, !back, unit, len))
        fuzz_fail("%s opens from the other direction", box->name);

    uint8_t *changed = fuzz_copy(unit);

    changed[box->at + place] ^= 1;
    if (opens(id, back, mcq_bytes(changed, unit.len), len))
        fuzz_fail("%s opens with octet %zu changed", box->name, place);
    changed[box->at + place] ^= 1;
    changed[box->nonce_at] ^= 1;
    if (opens(id, back, mcq_bytes(changed, unit.len), len))
        fuzz_fail("%s opens with another nonce", box->name);
    free(changed);
}

/* --- the command that it lies in -------------------------------------------------------------- */

/* A command of the spec with the box's content, and nothing else of its own; 0: the box lies in
 * another box, or the content does not fit the command. */
static size_t encode(enum mcq_box_id id, struct mcq_bytes content, uint8_t *body,
                     enum mcq_command_scope *scope)
{
    uint8_t zeros[MCQ_CURVE_WELCOME_SEALED_BYTES] = {0};
    uint8_t sealed_room[UNIT_BYTES_MAX] = {0};
    struct mcq_bytes sealed = mcq_bytes(sealed_room, content.len + MCQ_CRYPTO_TAG_BYTES);
    struct mcq_bytes public_key = mcq_bytes(zeros, MCQ_CURVE_HELLO_CLIENT_BYTES);
    struct mcq_bytes nonce = mcq_bytes(zeros, MCQ_CURVE_WELCOME_NONCE_BYTES);
    struct mcq_bytes cookie = mcq_bytes(zeros, MCQ_CURVE_INITIATE_COOKIE_BYTES);
    uint8_t *end = body;

    memcpy(sealed_room + MCQ_CRYPTO_TAG_BYTES, content.data, content.len);
    if (sealed.len < mcq_box_table[id].bytes_min ||
        (mcq_box_table[id].is_fixed && sealed.len > mcq_box_table[id].bytes_min))
        return 0;
    *scope = MCQ_SCOPE_CURVE;
    switch (id) {
    case MCQ_BOX_CURVE_HELLO_SEALED:
        end = mcq_encode_curve_hello(body, public_key, 1, sealed);
        break;
    case MCQ_BOX_CURVE_WELCOME_SEALED: end = mcq_encode_curve_welcome(body, nonce, sealed); break;
    case MCQ_BOX_CURVE_INITIATE_COOKIE:
        end = mcq_encode_curve_initiate(body, nonce, sealed, 2,
                                        mcq_bytes(zeros, MCQ_CURVE_INITIATE_SEALED_BYTES_MIN));
        break;
    case MCQ_BOX_CURVE_INITIATE_SEALED:
        end = mcq_encode_curve_initiate(body, nonce, cookie, 2, sealed);
        break;
    case MCQ_BOX_CURVE_READY_SEALED: end = mcq_encode_curve_ready(body, 1, sealed); break;
    case MCQ_BOX_CURVE_MESSAGE_SEALED:
        end = mcq_encode_curve_message(body, 3, sealed);
        *scope = MCQ_SCOPE_CURVE_TRAFFIC;
        break;
    default: break;
    }
    return (size_t) (end - body);
}

static uint8_t *encode_again(uint8_t *at, const struct mcq_command *command)
{
    switch (command->id) {
    case MCQ_COMMAND_CURVE_HELLO:
        return mcq_encode_curve_hello(at, command->curve_hello.client, command->curve_hello.nonce,
                                      command->curve_hello.sealed);
    case MCQ_COMMAND_CURVE_WELCOME:
        return mcq_encode_curve_welcome(at, command->curve_welcome.nonce,
                                        command->curve_welcome.sealed);
    case MCQ_COMMAND_CURVE_INITIATE:
        return mcq_encode_curve_initiate(
            at, command->curve_initiate.cookie_nonce, command->curve_initiate.cookie,
            command->curve_initiate.nonce, command->curve_initiate.sealed);
    case MCQ_COMMAND_CURVE_READY:
        return mcq_encode_curve_ready(at, command->curve_ready.nonce, command->curve_ready.sealed);
    case MCQ_COMMAND_CURVE_MESSAGE:
        return mcq_encode_curve_message(at, command->curve_message.nonce,
                                        command->curve_message.sealed);
    default: return at;
    }
}

static void check_command(enum mcq_command_scope scope, struct mcq_bytes body, size_t place)
{
    struct mcq_command_decoder decoder;
    struct mcq_command command;
    uint8_t again[UNIT_BYTES_MAX];
    struct mcq_bytes part = mcq_bytes(body.data, place % body.len);
    uint8_t *copy = fuzz_copy(part);

    mcq_command_begin(&decoder, scope, (uint32_t) body.len, 0);
    if (mcq_command_decode(&decoder, mcq_bytes(copy, part.len)) != MCQ_AGAIN)
        fuzz_fail("%zu of %zu octets are a command", part.len, body.len);
    free(copy);
    mcq_bytes_skip(&body, part.len);
    if (mcq_command_decode(&decoder, body) != MCQ_OK)
        fuzz_fail("refused by %s", mcq_rule_name(decoder.rule));
    body = mcq_bytes(body.data - part.len, body.len + part.len);
    mcq_command_view(&decoder, body.data, &command);
    if (!mcq_bytes_equal(mcq_bytes(again, (size_t) (encode_again(again, &command) - again)), body))
        fuzz_fail("%s is encoded to something else", mcq_command_name(command.id));
}

/* --- one input -------------------------------------------------------------------------------- */

static void fuzz_one(const struct fuzz_input *input)
{
    enum mcq_box_id id = (enum mcq_box_id)(input->choice[0] % MCQ_BOX_COUNT);
    const struct mcq_box *box = &mcq_box_table[id];
    bool back = (input->choice[1] & CHOICE_BACK) && box->back != NULL;
    size_t len = input->octets.len + MCQ_CRYPTO_TAG_BYTES;
    enum mcq_command_scope scope = MCQ_SCOPE_CURVE;
    uint8_t unit[UNIT_BYTES_MAX] = {0};
    size_t body_len = encode(id, input->octets, unit, &scope);
    size_t unit_len = body_len > 0 ? body_len : box->at + len;

    check_rules(id, input->octets, fuzz_quirks(input));
    memcpy(mcq_box_content(id, unit), input->octets.data, input->octets.len);
    mcq_box_seal(id, back, unit, input->octets.len, &key);
    check_box(input, id, back, mcq_bytes(unit, unit_len), len);
    if (body_len > 0)
        check_command(scope, mcq_bytes(unit, body_len), input->choice[1]);
}
