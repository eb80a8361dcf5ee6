/*
 * mutator: AFL++'s custom mutator, which reads an input by the grammar as far as it goes.
 *
 *     AFL_CUSTOM_MUTATOR_LIBRARY=mutator_FACE.so afl-fuzz ...
 *
 * An input becomes tokens: fields, and the frames, commands and properties that hold them. Some are
 * drawn and changed: a number or a length to an edge of its rule or beyond, octets to what the rule
 * forbids, whole items left out, doubled, swapped, taken from another input or from the spec. What
 * lies around a changed length is made to fit, so that exactly one rule is broken, or none. What
 * cannot be read gets a few random octets. All that is drawn follows from AFL++'s seed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/grammar.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HEAD_BYTES 2 /* the choices in front */
#define TOKENS_MAX 2048
#define ROOM_BYTES (1u << 17)
#define LENGTH_MOST 70000 /* of what is made: beyond max_command_bytes */
#define LONG_EVERY 32     /* lengths above 300 once in so many: they are slow */
#define RUNS_AT_ONCE 64   /* of one queue entry; AFL++ doubles it while there is news */
#define TRIES_MOST 8      /* changes to one input; half of all have one */
#define HAVOC_EVERY 16

enum face { FACE_GREETING, FACE_FRAME, FACE_COMMAND, FACE_METADATA, FACE_SESSION, FACE_ZAP };
static const enum face face = MUTATOR_FACE;

enum token_kind { TOKEN_FIELD, TOKEN_GREETING, TOKEN_FRAME, TOKEN_COMMAND, TOKEN_PROPERTY };

/* A run of octets. What precedes it says how long it is: a number of `width` octets, or, for what a
 * frame holds, the frame's head. */
struct token {
    enum token_kind kind;
    const struct grammar_field *field; /* or NULL */
    const struct grammar_framing *framing;
    size_t at;
    size_t len;
    size_t width;
    size_t head_at; /* of the frame's head, or of that number */
    uint8_t flags;
    int parent; /* the token around it, or -1 */
};

struct mutator {
    uint64_t random;
    uint8_t octets[ROOM_BYTES];
    size_t len;
    struct token tokens[TOKENS_MAX];
    size_t count;
    uint8_t item[ROOM_BYTES]; /* what is about to be put in */
};

void *afl_custom_init(void *afl, unsigned seed);
size_t afl_custom_fuzz(void *data, uint8_t *octets, size_t len, uint8_t **out, const uint8_t *other,
                       size_t other_len, size_t most);
uint32_t afl_custom_fuzz_count(void *data, const uint8_t *octets, size_t len);
const char *afl_custom_describe(void *data, size_t most);
void afl_custom_deinit(void *data);

/* --- chance ----------------------------------------------------------------------------------- */

static uint64_t draw(struct mutator *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random >> 8;
}

/* 0 .. bound - 1; bound > 0 */
static size_t below(struct mutator *m, size_t bound)
{
    return (size_t) (draw(m) % bound);
}

static bool once_in(struct mutator *m, size_t times)
{
    return below(m, times) == 0;
}

/* A value at an edge of low..high, one beyond it, or any. */
static uint64_t draw_value(struct mutator *m, uint64_t low, uint64_t high)
{
    switch (below(m, 8)) {
    case 0: return low;
    case 1: return high;
    case 2: return low - 1;
    case 3: return high + 1;
    case 4: return low + (high > low);
    case 5: return high - (high > low);
    case 6: return draw(m) >> below(m, 56);
    default: return low + (high - low < UINT64_MAX ? draw(m) % (high - low + 1) : draw(m));
    }
}

static size_t draw_length(struct mutator *m, uint64_t low, uint64_t high)
{
    uint64_t length = draw_value(m, low, high);

    if (length > 300 && !once_in(m, LONG_EVERY))
        length = low + below(m, 40);
    return length < LENGTH_MOST ? (size_t) length : LENGTH_MOST;
}

static bool is_allowed_octet(const struct grammar_field *field, uint8_t octet)
{
    return field->octets[octet >> 6] >> (octet & 63) & 1;
}

/* An octet that the field allows, or one that it forbids if there is one; half of them beside one
 * of the other kind. */
static uint8_t draw_octet(struct mutator *m, const struct grammar_field *field, bool is_allowed)
{
    uint8_t octet = (uint8_t) draw(m);
    bool at_edge = once_in(m, 2);

    if (field == NULL ||
        !(field->octets[0] | field->octets[1] | field->octets[2] | field->octets[3]))
        return octet;
    for (unsigned i = 0; i < 256; i++, octet = (uint8_t) ((octet + 1) & 0xff))
        if (is_allowed_octet(field, octet) == is_allowed &&
            (!at_edge || is_allowed_octet(field, (uint8_t) (octet + 1)) != is_allowed ||
             is_allowed_octet(field, (uint8_t) (octet - 1)) != is_allowed))
            break;
    return octet;
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t get_number(const uint8_t *at, size_t width)
{
    uint64_t number = 0;

    for (size_t i = 0; i < width; i++)
        number = number << 8 | at[i];
    return number;
}

static void put_number(uint8_t *at, size_t width, uint64_t number)
{
    for (size_t i = width; i-- > 0; number >>= 8)
        at[i] = (uint8_t) number;
}

/* The index of the new token; the last one is given again when there is no more room. */
static int add(struct mutator *m, struct token token)
{
    if (m->count == TOKENS_MAX)
        return TOKENS_MAX - 1;
    m->tokens[m->count] = token;
    return (int) m->count++;
}

static void read_properties(struct mutator *m, size_t at, size_t end, int parent);

/* Tokens for as many fields as there are octets for. Returns where the last one ends. */
static size_t read_fields(struct mutator *m, const struct grammar_unit *unit, size_t at, size_t end,
                          int parent)
{
    for (size_t i = 0; i < unit->field_count && at < end; i++) {
        const struct grammar_field *field = &unit->fields[i];
        struct token token = {
            .field = field, .at = at, .len = end - at, .head_at = at, .parent = parent};

        if (field->kind == GRAMMAR_NUMBER) {
            token.len = field->width;
        } else if (field->kind == GRAMMAR_FIXED) {
            token.len = (size_t) field->low;
        } else if (field->kind == GRAMMAR_COUNTED) {
            if (end - at < field->width)
                return end;
            token.width = field->width;
            token.at += field->width;
            uint64_t announced = get_number(m->octets + at, field->width);
            token.len = announced < end - token.at ? (size_t) announced : end - token.at;
        }
        if (token.len > end - token.at)
            token.len = end - token.at;
        at = token.at + token.len;
        int index = add(m, token);
        if (field->kind == GRAMMAR_RECORDS)
            read_properties(m, token.at, at, index);
    }
    return at;
}

static void read_properties(struct mutator *m, size_t at, size_t end, int parent)
{
    while (at < end) {
        int index = add(m, (struct token) {.kind = TOKEN_PROPERTY, .at = at, .parent = parent});

        at = read_fields(m, &grammar_property, at, end, index);
        m->tokens[index].len = at - m->tokens[index].at;
        if (m->count == TOKENS_MAX)
            return;
    }
}

static void read_command(struct mutator *m, size_t scope, size_t at, size_t end, int parent)
{
    for (size_t i = 0; i < grammar_scopes[scope].count; i++) {
        const struct grammar_unit *unit = &grammar_scopes[scope].commands[i];

        if (end - at >= unit->head.len &&
            memcmp(m->octets + at, unit->head.data, unit->head.len) == 0)
            read_fields(m, unit, at + unit->head.len, end, parent);
    }
}

/* A frame's head at `at`: its length, with *flags and *size filled; 0: it is cut. */
static size_t read_head(const struct mutator *m, const struct grammar_framing *framing, size_t at,
                        uint8_t *flags, uint64_t *size)
{
    const uint8_t *octets = m->octets + at;
    size_t left = m->len - at;

    if (framing->marker < 0) {
        bool is_long = left > 0 && (octets[0] & framing->long_lead);
        size_t len = is_long ? 9 : 2;

        if (left < len)
            return 0;
        *flags = octets[0] & (uint8_t) ~framing->long_lead;
        *size = get_number(octets + 1, len - 1);
        return len;
    }
    bool is_long = left > 0 && octets[0] == framing->marker;
    size_t len = is_long ? 10 : 2;
    if (left < len)
        return 0;
    *size = (is_long ? get_number(octets + 1, 8) : octets[0]) - framing->counted;
    *flags = octets[len - 1];
    return len;
}

/* The other way round; a size that fits the short form takes it unless is_long. */
static size_t make_head(const struct grammar_framing *framing, uint8_t *at, uint8_t flags,
                        uint64_t size, bool is_long)
{
    uint64_t counted = size + framing->counted;

    is_long = is_long || size > framing->short_most;
    if (framing->marker < 0) {
        at[0] = is_long ? flags | framing->long_lead : flags;
        put_number(at + 1, is_long ? 8 : 1, counted);
        return is_long ? 9 : 2;
    }
    at[0] = is_long ? framing->long_lead : (uint8_t) counted;
    if (is_long)
        put_number(at + 1, 8, counted);
    at[is_long ? 9 : 1] = flags;
    return is_long ? 10 : 2;
}

/* Frames, and the commands in them: of the handshake that is spoken, and of the traffic. */
static void read_frames(struct mutator *m, const struct grammar_framing *framing, size_t at,
                        int scope)
{
    while (at < m->len && m->count < TOKENS_MAX - 1) {
        uint8_t flags = 0;
        uint64_t size = 0;
        size_t head = read_head(m, framing, at, &flags, &size);
        size_t body = at + head;

        if (head == 0)
            return;
        size_t len = size < m->len - body ? (size_t) size : m->len - body;
        int frame = add(m, (struct token) {.kind = TOKEN_FRAME,
                                           .framing = framing,
                                           .at = at,
                                           .len = head + len,
                                           .head_at = at,
                                           .flags = flags,
                                           .parent = -1});
        int command = add(m, (struct token) {.kind = TOKEN_COMMAND,
                                             .framing = framing,
                                             .at = body,
                                             .len = len,
                                             .head_at = at,
                                             .flags = flags,
                                             .parent = frame});
        if (scope >= 0 && (flags & framing->command)) {
            read_command(m, (size_t) scope, body, body + len, command);
            read_command(m, MCQ_SCOPE_TRAFFIC, body, body + len, command);
        }
        at = body + len;
    }
}

/* Decides as the peer's version is decided. Returns where the frames begin. */
static size_t read_greeting(struct mutator *m, const struct grammar_framing **framing)
{
    size_t settled = SIZE_MAX; /* the octet that the last row answered */

    *framing = &grammar_framings[MCQ_FRAMING_NEWEST];
    for (size_t i = 0; i < COUNT(grammar_decisions); i++) {
        const struct grammar_decision *row = &grammar_decisions[i];

        if (row->octet == settled)
            continue;
        if (HEAD_BYTES + row->octet >= m->len)
            return m->len;
        if ((m->octets[HEAD_BYTES + row->octet] & row->mask) != row->value)
            continue;
        settled = row->octet;
        if (!row->decides)
            continue;
        *framing = &grammar_framings[row->framing];
        if (row->layout == NULL)
            return HEAD_BYTES;
        int greeting =
            add(m, (struct token) {.kind = TOKEN_GREETING, .at = HEAD_BYTES, .parent = -1});
        size_t end = read_fields(m, row->layout, HEAD_BYTES, m->len, greeting);
        m->tokens[greeting].len = end - HEAD_BYTES;
        return end;
    }
    return m->len;
}

static const struct grammar_machine *machine_of(const struct mutator *m)
{
    return &grammar_machines[m->octets[0] % COUNT(grammar_machines)];
}

static void read_input(struct mutator *m)
{
    const struct grammar_framing *framing;
    size_t at;

    m->count = 0;
    if (m->len < HEAD_BYTES)
        return;
    switch (face) {
    case FACE_GREETING: read_greeting(m, &framing); break;
    case FACE_FRAME:
        read_frames(m, &grammar_framings[m->octets[0] % COUNT(grammar_framings)], HEAD_BYTES, -1);
        break;
    case FACE_COMMAND:
        read_command(m, m->octets[0] % COUNT(grammar_scopes), HEAD_BYTES, m->len, -1);
        break;
    case FACE_METADATA: read_properties(m, HEAD_BYTES, m->len, -1); break;
    case FACE_ZAP: read_frames(m, &grammar_framings[MCQ_FRAMING_NEWEST], HEAD_BYTES, -1); break;
    case FACE_SESSION:
        at = read_greeting(m, &framing);
        read_frames(m, framing, at, machine_of(m)->scope);
        break;
    }
}

/* --- changing --------------------------------------------------------------------------------- */

/* Puts `len` octets in the place of `old` ones; nothing happens if that is too much. */
static bool replace(struct mutator *m, size_t at, size_t old, const uint8_t *octets, size_t len)
{
    if (m->len - old + len > ROOM_BYTES)
        return false;
    memmove(m->octets + at + len, m->octets + at + old, m->len - at - old);
    if (len > 0)
        memcpy(m->octets + at, octets, len);
    m->len += len - old;
    return true;
}

/* The same, and all lengths around the place fit again. `within` is the token that the octets lie
 * in, or -1. Tokens around it begin before it, so their places hold. */
static void replace_within(struct mutator *m, int within, size_t at, size_t old,
                           const uint8_t *octets, size_t len)
{
    if (!replace(m, at, old, octets, len))
        return;
    for (size_t change = len - old; within >= 0; within = m->tokens[within].parent) {
        struct token *token = &m->tokens[within];

        token->len += change; /* wraps around for what is shorter */
        if (token->width > 0) {
            put_number(m->octets + token->head_at, token->width, token->len);
        } else if (token->kind == TOKEN_COMMAND) {
            uint8_t head[16];
            size_t head_old = token->at - token->head_at;
            size_t head_len =
                make_head(token->framing, head, token->flags, token->len, head_old > 2);

            if (!replace(m, token->head_at, head_old, head, head_len))
                return;
            change += head_len - head_old;
        }
    }
}

/* A number, or one octet of several. */
static void change_octets(struct mutator *m, const struct token *token)
{
    const struct grammar_field *field = token->field;

    if (token->len == 0)
        return;
    if (field != NULL && field->kind == GRAMMAR_NUMBER && token->len == field->width) {
        put_number(m->octets + token->at, field->width, draw_value(m, field->low, field->high));
        return;
    }
    m->octets[token->at + below(m, token->len)] = draw_octet(m, field, !once_in(m, 3));
}

/* Another length at an edge of the rule; what the octets are is allowed. */
static void change_length(struct mutator *m, int index)
{
    struct token *token = &m->tokens[index];
    const struct grammar_field *field = token->field;
    size_t len = field != NULL && field->kind != GRAMMAR_RECORDS && field->kind != GRAMMAR_NUMBER
                     ? draw_length(m, field->low, field->high)
                     : draw_length(m, 0, token->framing != NULL ? token->framing->short_most : 255);

    for (size_t i = 0; i < len; i++)
        m->item[i] = i < token->len ? m->octets[token->at + i] : draw_octet(m, field, true);
    replace_within(m, index, token->at, token->len, m->item, len);
}

/* A length that its octets do not have. */
static void lie(struct mutator *m, const struct token *token)
{
    if (token->width > 0) {
        uint64_t said = once_in(m, 2) ? draw_value(m, token->field->low, token->field->high)
                                      : token->len + below(m, 3) - 1;
        put_number(m->octets + token->head_at, token->width, said);
    } else if (token->kind == TOKEN_COMMAND) {
        uint8_t head[16];
        uint64_t said = once_in(m, 2) ? draw_value(m, 0, token->framing->long_most)
                                      : token->len + below(m, 3) - 1;

        replace(m, token->head_at, token->at - token->head_at, head,
                make_head(token->framing, head, token->flags, said, once_in(m, 4)));
    }
}

/* Another flags octet, or the other form of the size; the body stays. */
static void change_head(struct mutator *m, const struct token *token)
{
    uint8_t head[16];
    uint8_t flags =
        once_in(m, 3) ? (uint8_t) draw(m) : (uint8_t) (draw(m) & token->framing->known_flags);
    size_t old = token->at - token->head_at;

    if (once_in(m, 2))
        flags = token->flags;
    replace(m, token->head_at, old, head,
            make_head(token->framing, head, flags, token->len, once_in(m, 2)));
}

/* A command of the spec, in a frame if it is to lie among frames. */
static size_t make_command(struct mutator *m, const struct grammar_framing *framing, size_t scope)
{
    const struct grammar_scope *names = &grammar_scopes[scope];
    const struct grammar_octets *sample = &names->commands[below(m, names->count)].sample;
    size_t head =
        framing == NULL ? 0 : make_head(framing, m->item, framing->command, sample->len, false);

    memcpy(m->item + head, sample->data, sample->len);
    return head + sample->len;
}

static size_t make_message(struct mutator *m, const struct grammar_framing *framing)
{
    size_t size = draw_length(m, 0, framing->short_most);
    size_t head = make_head(framing, m->item, (uint8_t) (draw(m) & 1), size, once_in(m, 4));

    memset(m->item + head, 'm', size);
    return head + size;
}

static size_t make_property(struct mutator *m)
{
    const struct grammar_octets *sample = &grammar_properties[below(m, COUNT(grammar_properties))];

    memcpy(m->item, sample->data, sample->len);
    return sample->len;
}

/* An item of that kind as the spec has it, to m->item. */
static size_t make_item(struct mutator *m, const struct token *like)
{
    if (like->kind == TOKEN_PROPERTY)
        return make_property(m);
    if (like->kind == TOKEN_FRAME)
        return once_in(m, 2) ? make_message(m, like->framing)
                             : make_command(m, like->framing,
                                            once_in(m, 2) ? below(m, COUNT(grammar_scopes))
                                                          : machine_of(m)->scope);
    return 0;
}

/* A whole item of that kind out of another input, to m->item; 0: it has none. */
static size_t take_item(struct mutator *m, enum token_kind kind, const uint8_t *other,
                        size_t other_len)
{
    static struct mutator theirs;
    size_t found = 0;
    size_t len = 0;

    if (other == NULL || other_len > ROOM_BYTES || other_len < HEAD_BYTES)
        return 0;
    memcpy(theirs.octets, other, other_len);
    theirs.len = other_len;
    read_input(&theirs);
    for (size_t i = 0; i < theirs.count; i++)
        if (theirs.tokens[i].kind == kind && once_in(m, ++found)) {
            len = theirs.tokens[i].len;
            memcpy(m->item, theirs.octets + theirs.tokens[i].at, len);
        }
    return len;
}

/* Leaves an item out, doubles it, or puts another in front of it or in its place. */
static void change_item(struct mutator *m, int index, const uint8_t *other, size_t other_len)
{
    const struct token item = m->tokens[index];
    size_t old = once_in(m, 2) ? item.len : 0;
    size_t len = 0;

    switch (below(m, 4)) {
    case 0: break;
    case 1:
        len = item.len;
        memcpy(m->item, m->octets + item.at, len);
        break;
    case 2: len = make_item(m, &item); break;
    default: len = take_item(m, item.kind, other, other_len); break;
    }
    replace_within(m, item.parent, item.at, old, m->item, len);
}

/* An item behind all others. */
static void append_item(struct mutator *m, const uint8_t *other, size_t other_len)
{
    const struct token *last = NULL;
    enum token_kind kind = face == FACE_METADATA ? TOKEN_PROPERTY : TOKEN_FRAME;

    for (size_t i = 0; i < m->count; i++)
        if (m->tokens[i].kind == kind)
            last = &m->tokens[i];
    struct token like = {.kind = kind, .framing = &grammar_framings[MCQ_FRAMING_NEWEST]};
    if (last != NULL)
        like = *last;
    if (face == FACE_COMMAND) {
        size_t len = make_command(m, NULL, m->octets[0] % COUNT(grammar_scopes));

        replace(m, HEAD_BYTES, m->len - HEAD_BYTES, m->item, len);
    } else {
        size_t len = once_in(m, 3) ? take_item(m, kind, other, other_len) : make_item(m, &like);

        replace(m, m->len, 0, m->item, len);
    }
}

/* A few octets anywhere: for what the grammar does not know. */
static void havoc(struct mutator *m)
{
    for (size_t i = 1 + below(m, 8); i > 0 && m->len > 0; i--) {
        size_t at = below(m, m->len);
        uint8_t octet = (uint8_t) draw(m);

        switch (below(m, 4)) {
        case 0: m->octets[at] ^= (uint8_t) (1u << (octet & 7)); break;
        case 1: m->octets[at] = octet; break;
        case 2: replace(m, at, 1, NULL, 0); break;
        default: replace(m, at, 0, &octet, 1); break;
        }
    }
}

static void change_token(struct mutator *m, int index, const uint8_t *other, size_t other_len)
{
    const struct token *token = &m->tokens[index];

    switch (token->kind) {
    case TOKEN_FIELD:
        switch (below(m, 4)) {
        case 0: change_length(m, index); break;
        case 1: lie(m, token); break;
        default: change_octets(m, token); break;
        }
        break;
    case TOKEN_COMMAND:
        switch (below(m, 4)) {
        case 0: change_length(m, index); break;
        case 1: lie(m, token); break;
        case 2: change_head(m, token); break;
        default: change_octets(m, token); break;
        }
        break;
    case TOKEN_GREETING: change_octets(m, token); break;
    case TOKEN_FRAME:
    case TOKEN_PROPERTY: change_item(m, index, other, other_len); break;
    }
}

static void change(struct mutator *m, const uint8_t *other, size_t other_len)
{
    read_input(m);
    /* A refused beginning hides all that follows: the later of two draws is taken. */
    size_t index = below(m, m->count + 1);
    size_t again = below(m, m->count + 1);
    if (again > index)
        index = again;
    if (once_in(m, HAVOC_EVERY))
        havoc(m);
    else if (m->count == 0 || once_in(m, 6))
        append_item(m, other, other_len);
    else if (once_in(m, 24))
        m->octets[below(m, HEAD_BYTES)] = (uint8_t) below(m, 40);
    else if (index > 0 && once_in(m, 24))
        m->len = m->tokens[index - 1].at;
    else if (index > 0)
        change_token(m, (int) index - 1, other, other_len);
}

/* --- what AFL++ calls ------------------------------------------------------------------------- */

void *afl_custom_init(void *afl, unsigned seed)
{
    struct mutator *m = calloc(1, sizeof *m);

    (void) afl;
    if (m != NULL)
        m->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    return m;
}

size_t afl_custom_fuzz(void *data, uint8_t *octets, size_t len, uint8_t **out, const uint8_t *other,
                       size_t other_len, size_t most)
{
    struct mutator *m = data;

    m->len = len < ROOM_BYTES ? len : ROOM_BYTES;
    memcpy(m->octets, octets, m->len);
    for (size_t tries = TRIES_MOST; tries > 0; tries--) {
        while (m->len < HEAD_BYTES)
            m->octets[m->len++] = 0;
        change(m, other, other_len);
        bool is_same = m->len == len && memcmp(m->octets, octets, len) == 0;
        if (!is_same && once_in(m, 2))
            break;
    }
    while (m->len < HEAD_BYTES)
        m->octets[m->len++] = 0;
    *out = m->octets;
    return m->len < most ? m->len : most;
}

/* Few, so that a short campaign comes to many entries and to AFL++'s own changes of them. */
uint32_t afl_custom_fuzz_count(void *data, const uint8_t *octets, size_t len)
{
    (void) data;
    (void) octets;
    (void) len;
    return RUNS_AT_ONCE;
}

const char *afl_custom_describe(void *data, size_t most)
{
    (void) data;
    (void) most;
    return "grammar";
}

void afl_custom_deinit(void *data)
{
    free(data);
}
