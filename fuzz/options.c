/*
 * Options of sockets and of their context, through the public calls, on two sockets, of the types
 * that the choices name: new ones in each input, in a simulated world, so nothing happens but what
 * the input does.
 *
 * Oracle: a table of values that is kept here; which option there is, of which type of socket, with
 * what range and default is read from the generated rows one by one. A call that succeeds is read
 * back; one that fails says EINVAL, fills nothing and changes no option of the socket; look-ups by
 * number and by name find what a walk over the rows finds; there are as many sockets as MAX_SOCKETS
 * allows.
 */

#include <ctype.h>
#include <errno.h>
#include <monocoque.h>

#include "calls.h"
#include "reactor/sim/sim.h"
#include "runtime/context.h"
#include "security/crypto.h"
#include "table/option.h"
#include "wire/z85.h"

#define TYPES (MCQ_PUSH + 1)
#define SOCKETS 2
#define TOPICS_MAX 6
#define TOPIC_MAX 64
#define UNTOUCHED 0x55
#define TEXTS_MAX 16 /* options with octets that can be asked for */
#define KEY_BYTES 32
#define KEY_TEXT 40

enum { NONE, PLAIN, CURVE }; /* the numbers of MECHANISM */

struct topic {
    uint8_t octets[TOPIC_MAX];
    size_t len;
};

/* What an option with octets was set to; of a key its octets. */
struct text {
    uint8_t octets[256];
    size_t len;
};

/* What a socket should say. */
struct model {
    struct mcq_socket *socket; /* NULL: not opened yet */
    int type;
    struct topic topics[TOPICS_MAX]; /* of SUB */
    size_t topic_count;
    int64_t initial[MCQ_OPTION_ROWS];
    int64_t values[MCQ_OPTION_ROWS];
    struct text texts[TEXTS_MAX]; /* in the order of readable_texts */
    int64_t mechanism;            /* as MECHANISM has it */
    bool is_server;
    bool has_public; /* CURVE_PUBLICKEY was set, and does not follow from the secret one */
};

/* Values that octets chosen at random hardly are, and which of these options take them. */
static const struct {
    const char *octets;
    bool is_proxy, is_network, is_congestion;
} good_texts[] = {
    {.octets = "127.0.0.1:1080", .is_proxy = true},
    {.octets = "socks.example:1", .is_proxy = true},
    {.octets = "127.0.0.1:"},
    {.octets = "127.0.0.1", .is_network = true},
    {.octets = "10.0.0.0/8", .is_network = true},
    {.octets = "::1/128", .is_network = true},
    {.octets = "10.0.0.0/33"},
    {.octets = "reno", .is_congestion = true},
    {.octets = "no such one"},
    {.octets = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"}, /* a key */
};

static struct mcq_sim *sim;
static struct mcq_context *context;
static unsigned open_count;
static struct model models[SOCKETS];
static int64_t max_sockets, budget, profile, zap_max;
static size_t readable[MCQ_OPTION_ROWS]; /* rows of a socket's numbers */
static size_t readable_count;
static size_t readable_texts[TEXTS_MAX]; /* the same of its octets */
static size_t readable_text_count;

/* --- the rows, walked ------------------------------------------------------------------------- */

static size_t row_index(enum mcq_option_scope scope, int number, enum mcq_option_use use)
{
    size_t index = 0;

    for (; index < MCQ_OPTION_ROWS; index++) {
        const struct mcq_option_row *row = mcq_option_at(index);

        if (row->scope == scope && row->number == number && (row->use & use) != 0)
            break;
    }
    return index;
}

/* A simulated world has no descriptors to wait for: that is another errno. */
static bool is_descriptor(int number)
{
    return number == MCQ_OPT_FD || number == MCQ_OPT_RECV_FD || number == MCQ_OPT_SEND_FD;
}

/* The row of an option of sockets that is there, for this use and kind of value; MCQ_OPTION_ROWS:
 * none is. */
static size_t usable(int number, enum mcq_option_use use, bool is_number)
{
    size_t index = row_index(MCQ_OPTION_OF_SOCKET, number, use);
    const struct mcq_option_row *row = index < MCQ_OPTION_ROWS ? mcq_option_at(index) : NULL;

    return row != NULL && row->is_there && (row->type <= MCQ_OPTION_U64) == is_number
               ? index
               : MCQ_OPTION_ROWS;
}

static bool is_within(const struct mcq_option_row *row, int64_t value)
{
    if (row->type == MCQ_OPTION_U64) /* its upper half is handed over as negative numbers */
        return (uint64_t) value <= row->max;
    return value >= row->min && (value < 0 || (uint64_t) value <= row->max);
}

static bool is_of(const struct mcq_option_row *row, int type)
{
    return (row->types >> type & 1) != 0;
}

/* --- results ---------------------------------------------------------------------------------- */

static void same_result(int result, bool works, const char *what)
{
    calls_same((uint64_t) result, works ? 0 : (uint64_t) -1, what);
    if (!works)
        calls_same((uint64_t) errno, EINVAL, what);
}

/* To whoever has room, so none of the peers is the one to be disconnected. */
static bool sends_to_any(int type)
{
    return type == MCQ_PAIR || type == MCQ_DEALER || type == MCQ_PUSH;
}

/* What the option was set to, whether it can be asked for or not. */
static int64_t value_of(const struct model *model, int number)
{
    size_t index = usable(number, MCQ_OPTION_SET, true);

    return index < MCQ_OPTION_ROWS ? model->values[index] : 0;
}

/* What was subscribed to twice counts once. */
static int64_t distinct_topics(const struct model *model)
{
    int64_t count = 0;

    for (size_t i = 0; i < model->topic_count; i++) {
        const struct topic *topic = &model->topics[i];
        bool is_new = true;

        for (size_t j = 0; j < i; j++)
            is_new &= !mcq_bytes_equal(mcq_bytes(model->topics[j].octets, model->topics[j].len),
                                       mcq_bytes(topic->octets, topic->len));
        count += is_new;
    }
    return count;
}

/* Without a peer a message is waited with, dropped, or nobody's. */
static int64_t expected_events(const struct model *model, int64_t initial)
{
    int64_t policy = value_of(model, MCQ_OPT_WHEN_FULL);
    bool is_router = model->type == MCQ_ROUTER;
    bool waits =
        policy == MCQ_FULL_WAIT || (policy == MCQ_FULL_AS_TYPE &&
                                    (!is_router || value_of(model, MCQ_OPT_ROUTER_MANDATORY) != 0));

    if (!is_router && !sends_to_any(model->type))
        return initial;
    waits |= is_router && value_of(model, MCQ_OPT_ROUTER_BALANCE) != 0;
    return waits ? 0 : MCQ_POLLOUT;
}

static int64_t expected_of(const struct model *model, size_t index)
{
    switch (mcq_option_at(index)->number) {
    case MCQ_OPT_EVENTS: return expected_events(model, model->values[index]);
    case MCQ_OPT_TOPICS_COUNT: return distinct_topics(model);
    case MCQ_OPT_MECHANISM: return model->mechanism;
    case MCQ_OPT_PLAIN_SERVER: return model->mechanism == PLAIN && model->is_server;
    case MCQ_OPT_CURVE_SERVER: return model->mechanism == CURVE && model->is_server;
    default: return model->values[index];
    }
}

/* NULL: these octets cannot be asked for. */
static struct text *text_of(struct model *model, int number)
{
    for (size_t i = 0; i < readable_text_count; i++)
        if (mcq_option_at(readable_texts[i])->number == number)
            return &model->texts[i];
    return NULL;
}

/* Texts come with a zero octet, but for those that identify somebody; keys as a text if there is
 * room for it. */
static struct mcq_bytes expected_octets(const struct text *text, int number, size_t room,
                                        uint8_t octets[sizeof text->octets + 1])
{
    struct mcq_bytes bytes = mcq_bytes(text->octets, text->len);
    enum mcq_option_type type = mcq_option_at(usable(number, MCQ_OPTION_GET, false))->type;
    bool is_secret = number == MCQ_OPT_PLAIN_USERNAME || number == MCQ_OPT_PLAIN_PASSWORD ||
                     number == MCQ_OPT_ZAP_DOMAIN;

    if (type == MCQ_OPTION_KEY && room > KEY_TEXT) {
        (void) !mcq_z85_encode(bytes, (char *) octets);
        bytes.len = KEY_TEXT;
    } else {
        (void) mcq_put_bytes(octets, bytes);
    }
    octets[bytes.len] = 0;
    bytes.len += bytes.len == KEY_TEXT && type == MCQ_OPTION_KEY;
    bytes.len += type == MCQ_OPTION_TEXT && !is_secret;
    return mcq_bytes(octets, bytes.len);
}

static void get_bytes(struct model *model, int number, size_t room)
{
    const struct text *text = text_of(model, number);
    uint8_t octets[sizeof text->octets + 1], buffer[300], untouched[300];
    struct mcq_bytes expected =
        text != NULL ? expected_octets(text, number, room, octets) : mcq_bytes(NULL, room);
    bool works = text != NULL && expected.len <= room;
    size_t len = room;

    memset(buffer, UNTOUCHED, sizeof buffer);
    memset(untouched, UNTOUCHED, sizeof untouched);
    same_result(mcq_get_bytes(model->socket, (enum mcq_option) number, buffer, &len), works,
                "get_bytes");
    calls_same(len, expected.len, "get_bytes' length");
    if (works)
        calls_same_bytes(mcq_bytes(buffer, len), expected, "get_bytes");
    else
        len = 0;
    calls_same_bytes(mcq_bytes(buffer + len, sizeof buffer - len),
                     mcq_bytes(untouched, sizeof buffer - len), "what lies behind");
}

/* Every number and all octets that can be asked for. */
static void check_all(struct model *model)
{
    for (size_t i = 0; i < readable_count; i++) {
        const struct mcq_option_row *row = mcq_option_at(readable[i]);
        int64_t value = UNTOUCHED;

        if (!is_of(row, model->type))
            continue;
        same_result(mcq_get(model->socket, (enum mcq_option) row->number, &value), true, row->name);
        calls_same((uint64_t) value, (uint64_t) expected_of(model, readable[i]), row->name);
    }
    for (size_t i = 0; i < readable_text_count; i++)
        get_bytes(model, mcq_option_at(readable_texts[i])->number, sizeof model->texts[i].octets);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* A peer of octets loses none; where any peer will do, there is none to disconnect. */
static bool has_no_policy(int type, int64_t policy)
{
    return type == MCQ_STREAM ? policy == MCQ_FULL_DROP_NEWEST || policy == MCQ_FULL_DROP_OLDEST
                              : policy == MCQ_FULL_DISCONNECT && sends_to_any(type);
}

static void set_number(struct model *model, int number, int64_t value)
{
    size_t index = usable(number, MCQ_OPTION_SET, true);
    const struct mcq_option_row *row = index < MCQ_OPTION_ROWS ? mcq_option_at(index) : NULL;
    bool works = row != NULL && is_of(row, model->type) && is_within(row, value);

    if (works && number == MCQ_OPT_WHEN_FULL && has_no_policy(model->type, value)) {
        calls_same((uint64_t) mcq_set(model->socket, (enum mcq_option) number, value),
                   (uint64_t) -1, "set WHEN_FULL");
        calls_same((uint64_t) errno, ENOTSUP, "set WHEN_FULL");
        return;
    }
    same_result(mcq_set(model->socket, (enum mcq_option) number, value), works, "set");
    if (works)
        model->values[index] = value;
    if (works && (number == MCQ_OPT_PLAIN_SERVER || number == MCQ_OPT_CURVE_SERVER)) {
        model->is_server = value != 0;
        model->mechanism = value == 0 ? NONE : number == MCQ_OPT_PLAIN_SERVER ? PLAIN : CURVE;
    }
}

static void get_number(const struct model *model, int number)
{
    size_t index = usable(number, MCQ_OPTION_GET, true);
    int64_t value = UNTOUCHED;
    bool works;

    if (is_descriptor(number))
        return;
    works = index < MCQ_OPTION_ROWS && is_of(mcq_option_at(index), model->type);
    same_result(mcq_get(model->socket, (enum mcq_option) number, &value), works, "get");
    calls_same((uint64_t) value, works ? (uint64_t) expected_of(model, index) : UNTOUCHED, "get");
}

static struct topic *topic_of(struct model *model, struct mcq_bytes octets)
{
    for (size_t i = 0; i < model->topic_count; i++)
        if (mcq_bytes_equal(mcq_bytes(model->topics[i].octets, model->topics[i].len), octets))
            return &model->topics[i];
    return NULL;
}

/* Whether SUB takes it; the model then has it, or has it no more. */
static bool model_subscribe(struct model *model, bool is_on, struct mcq_bytes octets)
{
    struct topic *topic = topic_of(model, octets);

    if (!is_on) {
        if (topic != NULL)
            *topic = model->topics[--model->topic_count];
        return topic != NULL;
    }
    topic = &model->topics[model->topic_count++];
    topic->len = octets.len;
    if (octets.len > 0)
        memcpy(topic->octets, octets.data, octets.len);
    return true;
}

/* 32 octets, or their text, with a zero behind it or without. */
static bool read_key(struct mcq_bytes octets, struct mcq_crypto_key *key)
{
    if (octets.len == KEY_BYTES) {
        memcpy(key->octets, octets.data, KEY_BYTES);
        return true;
    }
    if (octets.len == KEY_TEXT + 1 && octets.data[KEY_TEXT] == 0)
        octets.len--;
    return octets.len == KEY_TEXT && mcq_z85_decode(octets, key->octets) == MCQ_OK;
}

/* Whether the octets, whose number is in order, mean something to the option. */
/* "X-NAME:VALUE", with the characters of a property's name. */
static bool is_property(struct mcq_bytes octets)
{
    static const char more[] = "-_.+";
    size_t len = 0;

    while (len < octets.len && octets.data[len] != 0 &&
           (isalnum(octets.data[len]) || strchr(more, octets.data[len]) != NULL))
        len++;
    return len > 2 && len <= UINT8_MAX && len + 1 < octets.len && octets.data[len] == ':' &&
           memcmp(octets.data, "X-", 2) == 0;
}

static bool takes_octets(int number, struct mcq_bytes octets)
{
    bool is_name = octets.len == 0 || memchr(octets.data, 0, octets.len) == NULL;
    size_t good = 0;

    while (good < MCQ_COUNTOF(good_texts) &&
           !mcq_bytes_equal(octets, mcq_bytes_of(good_texts[good].octets)))
        good++;
    switch (number) {
    case MCQ_OPT_ROUTING_ID: return octets.data[0] != 0;
    case MCQ_OPT_BINDTODEVICE: return is_name;
    case MCQ_OPT_METADATA: return is_property(octets);
    case MCQ_OPT_TCP_CONGESTION:
        return octets.len == 0 ||
               (good < MCQ_COUNTOF(good_texts) && good_texts[good].is_congestion);
    case MCQ_OPT_TCP_ACCEPT_FILTER:
        return octets.len == 0 || (good < MCQ_COUNTOF(good_texts) && good_texts[good].is_network);
    case MCQ_OPT_SOCKS_PROXY:
        return octets.len == 0 || (good < MCQ_COUNTOF(good_texts) && good_texts[good].is_proxy);
    default: return true;
    }
}

static void keep_octets(struct model *model, int number, struct mcq_bytes octets)
{
    struct text *text = text_of(model, number);

    if (text == NULL)
        return;
    (void) mcq_put_bytes(text->octets, octets);
    text->len = octets.len;
}

/* The options of a mechanism choose it; a public key follows from the secret one. */
static void keep_security(struct model *model, int number, struct mcq_bytes octets)
{
    struct mcq_crypto_key secret, public;

    if (number == MCQ_OPT_PLAIN_USERNAME || number == MCQ_OPT_PLAIN_PASSWORD) {
        model->mechanism = PLAIN;
        model->is_server = false;
    }
    if (number == MCQ_OPT_CURVE_PUBLICKEY || number == MCQ_OPT_CURVE_SECRETKEY ||
        number == MCQ_OPT_CURVE_SERVERKEY)
        model->mechanism = CURVE;
    if (number == MCQ_OPT_CURVE_SERVERKEY)
        model->is_server = false;
    if (number == MCQ_OPT_CURVE_PUBLICKEY)
        model->has_public = true;
    if (number == MCQ_OPT_CURVE_SECRETKEY && !model->has_public) {
        memcpy(secret.octets, octets.data, KEY_BYTES);
        mcq_crypto_public(&public, &secret);
        keep_octets(model, MCQ_OPT_CURVE_PUBLICKEY, mcq_bytes(public.octets, KEY_BYTES));
    }
}

static void set_bytes(struct model *model, int number, struct mcq_bytes octets)
{
    size_t index = usable(number, MCQ_OPTION_SET, false);
    const struct mcq_option_row *row = index < MCQ_OPTION_ROWS ? mcq_option_at(index) : NULL;
    bool is_topic = number == MCQ_OPT_SUBSCRIBE || number == MCQ_OPT_UNSUBSCRIBE;
    struct mcq_bytes kept = octets;
    struct mcq_crypto_key key;
    bool works = row != NULL && is_of(row, model->type);

    if (is_topic && octets.len > TOPIC_MAX)
        return;
    if (number == MCQ_OPT_SUBSCRIBE && model->topic_count == TOPICS_MAX)
        return;
    if (works && row->type == MCQ_OPTION_KEY) {
        works = read_key(octets, &key);
        kept = mcq_bytes(key.octets, KEY_BYTES);
    } else {
        works = works && octets.len >= (uint64_t) row->min && octets.len <= row->max;
        if (is_topic)
            works = works && model_subscribe(model, number == MCQ_OPT_SUBSCRIBE, octets);
        else
            works = works && takes_octets(number, octets);
    }
    same_result(mcq_set_bytes(model->socket, (enum mcq_option) number, octets.data, octets.len),
                works, "set_bytes");
    if (!works || is_topic)
        return;
    keep_octets(model, number, kept);
    keep_security(model, number, kept);
}

/* It is too late for those of the threads, and FD is of contexts without: other errnos. */
static bool is_of_threads(int number)
{
    return number == MCQ_CTX_IO_THREADS || number == MCQ_CTX_FD ||
           number == MCQ_CTX_THREAD_PRIORITY || number == MCQ_CTX_THREAD_SCHED_POLICY ||
           number == MCQ_CTX_THREAD_AFFINITY_CPU_ADD ||
           number == MCQ_CTX_THREAD_AFFINITY_CPU_REMOVE || number == MCQ_CTX_THREAD_NAME_PREFIX;
}

/* Numbers of the context's that are there. */
static void context_call(int number, int64_t value)
{
    bool is_max = number == MCQ_CTX_MAX_SOCKETS, is_budget = number == MCQ_CTX_BUDGET;
    bool is_profile = number == MCQ_CTX_PROFILE, is_zap = number == MCQ_CTX_ZAP_MAX;
    bool works = (is_zap && value >= 1 && value <= MCQ_CONTEXT_ZAP_MAX_MAX) ||
                 (is_max && value >= 1 && value <= MCQ_CONTEXT_MAX_SOCKETS_MAX) ||
                 (is_budget && value >= -1) || (is_profile && (value == 0 || value == 1));
    bool is_count =
        number == MCQ_CTX_BUDGET_USED || number == MCQ_CTX_REFUSED || number == MCQ_CTX_ZAP_HELD_UP;
    int64_t now = UNTOUCHED;

    if (is_of_threads(number))
        return;
    same_result(mcq_ctx_set(context, (enum mcq_ctx_option) number, value), works, "ctx_set");
    if (works && is_max)
        max_sockets = value;
    if (works && is_budget)
        budget = value;
    if (works && is_profile)
        profile = value;
    if (works && is_zap)
        zap_max = value;
    same_result(mcq_ctx_get(context, (enum mcq_ctx_option) number, &now),
                is_max || is_budget || is_profile || is_zap || is_count, "ctx_get");
    if (is_max)
        calls_same((uint64_t) now, (uint64_t) max_sockets, "MAX_SOCKETS");
    else if (is_budget && budget >= 0)
        calls_same((uint64_t) now, (uint64_t) budget, "BUDGET");
    else if (is_profile)
        calls_same((uint64_t) now, (uint64_t) profile, "PROFILE");
    else if (is_zap)
        calls_same((uint64_t) now, (uint64_t) zap_max, "ZAP_MAX");
    else if (is_budget || is_count)
        calls_same(now >= 0, true, "octets");
    else
        calls_same((uint64_t) now, UNTOUCHED, "ctx_get");
}

/* What look-ups find, of any number and any name. */
static void look_up(enum mcq_option_scope scope, int number, enum mcq_option_use use,
                    struct mcq_bytes name)
{
    size_t index = row_index(scope, number, use);
    const struct mcq_option_row *row = mcq_option_row(scope, number, use), *found;
    char text[TOPIC_MAX + 1] = {0};

    if (row != (index < MCQ_OPTION_ROWS ? mcq_option_at(index) : NULL))
        fuzz_fail("another row for number %d", number);
    if (row != NULL && mcq_option_find(scope, row->name) != row)
        fuzz_fail("another row for %s", row->name);
    if (name.len > 0)
        memcpy(text, name.data, mcq_min_size(name.len, TOPIC_MAX));
    found = mcq_option_find(scope, text);
    if (found != NULL && found->scope != scope)
        fuzz_fail("a row of another scope for %s", text);
    for (index = 0; index < MCQ_OPTION_ROWS; index++)
        if (mcq_option_at(index)->scope == scope && strcmp(mcq_option_at(index)->name, text) == 0 &&
            found != mcq_option_at(index))
            fuzz_fail("not the row of %s", text);
}

/* --- sockets ---------------------------------------------------------------------------------- */

/* Opens one, whose options then have their defaults. */
static void open_one(struct model *model, int type)
{
    *model = (struct model) {.socket = mcq_socket(context, (enum mcq_type) type), .type = type};
    if (model->socket == NULL) {
        calls_same((uint64_t) errno, open_count < max_sockets ? EINVAL : EMFILE, "socket");
        return; /* no more of them, or a type that is not there */
    }
    calls_same(open_count < max_sockets, true, "one more socket");
    open_count++;
    for (size_t i = 0; i < readable_count; i++) {
        const struct mcq_option_row *row = mcq_option_at(readable[i]);
        int64_t *value = &model->initial[readable[i]];

        if (!is_of(row, type))
            continue;
        same_result(mcq_get(model->socket, (enum mcq_option) row->number, value), true, row->name);
        if (row->has_default)
            calls_same((uint64_t) *value,
                       (uint64_t) mcq_option_default_of((enum mcq_option_id) row->number,
                                                        (enum mcq_socket_type) type, profile != 0),
                       row->name);
        if (row->number == MCQ_OPT_TYPE)
            calls_same((uint64_t) *value, (uint64_t) type, row->name);
    }
    memcpy(model->values, model->initial, sizeof model->values);
    for (size_t i = 0; i < readable_text_count; i++)
        if (mcq_option_at(readable_texts[i])->type == MCQ_OPTION_KEY)
            model->texts[i].len = KEY_BYTES; /* all zero */
}

/* Their slots stay, and are there for every input. */
static void close_all(void)
{
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (models[i].socket == NULL)
            continue;
        check_all(&models[i]);
        same_result(mcq_close(models[i].socket), true, "close");
        models[i].socket = NULL;
    }
    while (context->open_count > 0)
        if (!mcq_context_turn(context) && !mcq_sim_advance(sim))
            fuzz_fail("a socket that does not close");
    open_count = 0;
}

static void begin(void)
{
    struct mcq_sim_faults none = {0};
    struct mcq_reactor *reactor;

    if (mcq_sim_new(1, &none, &sim) != MCQ_OK || mcq_sim_reactor_new(sim, &reactor) != MCQ_OK ||
        mcq_context_new_on(reactor, 1, &context) != MCQ_OK)
        fuzz_fail("no world");
    for (size_t index = 0; index < MCQ_OPTION_ROWS; index++) {
        const struct mcq_option_row *row = mcq_option_at(index);

        if (row->scope == MCQ_OPTION_OF_SOCKET &&
            usable(row->number, MCQ_OPTION_GET, true) == index && !is_descriptor(row->number))
            readable[readable_count++] = index;
        if (row->scope == MCQ_OPTION_OF_SOCKET &&
            usable(row->number, MCQ_OPTION_GET, false) == index) {
            if (readable_text_count == TEXTS_MAX)
                fuzz_fail("more than %d options with octets", TEXTS_MAX);
            readable_texts[readable_text_count++] = index;
        }
    }
    max_sockets = SOCKETS;
    for (unsigned i = 0; i < SOCKETS; i++)
        open_one(&models[i], MCQ_PAIR);
    close_all();
}

static int64_t read_value(struct calls *calls)
{
    static const int64_t edges[] = {
        0,         1,         -1,        -2,    2,     INT32_MAX, (int64_t) INT32_MAX + 1,
        INT32_MIN, INT64_MAX, INT64_MIN, 65535, 65536, 6553599,   6553600};
    uint8_t how = calls_octet(calls);
    uint64_t value = 0;

    if (how < 2 * MCQ_COUNTOF(edges))
        return edges[how / 2];
    for (unsigned i = 0; i < 1 + how % 8U; i++)
        value = value << 8 | calls_octet(calls);
    return (int64_t) value;
}

/* One of the rows' numbers, or any. */
static int read_number(struct calls *calls)
{
    uint8_t octet = calls_octet(calls);

    return octet < MCQ_OPTION_ROWS ? mcq_option_at(octet)->number : (octet - 200) * 21;
}

static void call(struct calls *calls, const struct fuzz_input *input)
{
    unsigned what = calls_octet(calls), who = what / 8 % SOCKETS;
    struct model *model = &models[who];
    int number = read_number(calls);
    uint8_t octets[256] = {0};
    size_t len;

    if (model->socket == NULL)
        open_one(model, input->choice[who] % TYPES);
    if (model->socket == NULL)
        return;
    switch (what % 8) {
    case 0:
    case 1: set_number(model, number, read_value(calls)); break;
    case 2: get_number(model, number); break;
    case 3:
    case 4:
        len = calls_octet(calls);
        if (len > 255 - MCQ_COUNTOF(good_texts)) {
            set_bytes(model, number, mcq_bytes_of(good_texts[255 - len].octets));
            break;
        }
        calls_letters(calls, octets, len);
        set_bytes(model, number, mcq_bytes(octets, len));
        break;
    case 5: get_bytes(model, number, calls_octet(calls)); break;
    case 6: context_call(number, read_value(calls)); break;
    default:
        len = calls_octet(calls);
        len = mcq_min_size(len, calls->left.len);
        look_up(what & 8 ? MCQ_OPTION_OF_SOCKET : MCQ_OPTION_OF_CONTEXT, number,
                (enum mcq_option_use)(1 + what / 16 % 3), mcq_bytes(calls->left.data, len));
        mcq_bytes_skip(&calls->left, len);
        break;
    }
}

static void fuzz_one(const struct fuzz_input *input)
{
    struct calls calls = calls_of(input);

    if (context == NULL)
        begin();
    max_sockets = 100;
    budget = -1;
    profile = 0;
    zap_max = MCQ_CONTEXT_ZAP_MAX_DEFAULT;
    same_result(mcq_ctx_set(context, MCQ_CTX_ZAP_MAX, zap_max), true, "ZAP_MAX");
    same_result(mcq_ctx_set(context, MCQ_CTX_PROFILE, profile), true, "PROFILE");
    same_result(mcq_ctx_set(context, MCQ_CTX_BUDGET, budget), true, "BUDGET");
    same_result(mcq_ctx_set(context, MCQ_CTX_MAX_SOCKETS, max_sockets), true, "MAX_SOCKETS");
    while (calls_next(&calls))
        call(&calls, input);
    close_all();
}
