#include "security/curve.h"

#include <string.h>

#include "arena/secret.h"
#include "security/handshake.h"
#include "wire/encode.h"

static_assert(MCQ_CURVE_INITIATE_METADATA_AT == MCQ_CURVE_INITIATE_SEALED_AT +
                                                    MCQ_CRYPTO_TAG_BYTES +
                                                    MCQ_CURVE_INITIATE_SEALED_METADATA_AT,
              "it follows all that INITIATE has at least");
static_assert(MCQ_CURVE_READY_METADATA_AT == MCQ_CURVE_READY_SEALED_AT + MCQ_CRYPTO_TAG_BYTES +
                                                 MCQ_CURVE_READY_SEALED_METADATA_AT,
              "it follows all that READY has at least");
static_assert(MCQ_CURVE_DATA_AT == MCQ_CURVE_MESSAGE_SEALED_AT + MCQ_CRYPTO_TAG_BYTES +
                                       MCQ_CURVE_MESSAGE_SEALED_DATA_AT,
              "it follows all that MESSAGE has at least");

static_assert(sizeof(struct mcq_curve) <= MCQ_SECRET_BYTES_MAX, "a cell holds it");

struct mcq_curve *mcq_curve_new(const struct mcq_curve_keys *keys, bool is_server,
                                const struct mcq_random *random, uint32_t max_properties)
{
    struct mcq_curve *curve = mcq_crypto_init() == MCQ_OK ? mcq_secret_take(sizeof *curve) : NULL;

    if (curve != NULL)
        *curve = (struct mcq_curve) {
            .is_server = is_server,
            .keys = keys,
            .random = *random,
            .max_properties = max_properties,
        };
    return curve;
}

void mcq_curve_free(struct mcq_curve **curve)
{
    mcq_secret_put(*curve);
    *curve = NULL;
}

static struct mcq_bytes key_bytes(const struct mcq_crypto_key *key)
{
    return mcq_bytes(key->octets, sizeof key->octets);
}

static void wipe_key(struct mcq_crypto_key *key)
{
    mcq_crypto_wipe(key, sizeof *key);
}

/* --- random octets: without them nothing leaves ----------------------------------------------- */

static void draw(struct mcq_curve *curve, void *octets, size_t len)
{
    if (mcq_random_fill(&curve->random, octets, len))
        return;
    memset(octets, 0, len);
    curve->is_unfit = true;
}

static void draw_pair(struct mcq_curve *curve)
{
    if (!mcq_crypto_pair(&curve->own, &curve->random))
        curve->is_unfit = true;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* With a public half that everyone agrees with, a key that nobody has: what it seals stays closed,
 * and the peer ends the handshake. */
static void agree(struct mcq_curve *curve, struct mcq_crypto_key *key,
                  const struct mcq_crypto_key *public, const struct mcq_crypto_key *secret)
{
    if (!mcq_crypto_agree(key, public, secret))
        draw(curve, key, sizeof *key);
}

uint8_t *mcq_curve_put_hello(struct mcq_curve *curve, uint8_t *at)
{
    static const uint8_t blank[MCQ_CURVE_HELLO_SEALED_BYTES] = {0}; /* the proof is zeros, too */
    uint8_t *end;

    draw_pair(curve);
    agree(curve, &curve->hello_key, &curve->keys->server, &curve->own.secret);
    end = mcq_encode_curve_hello(at, key_bytes(&curve->own.public), ++curve->sent_nonce,
                                 mcq_bytes(blank, sizeof blank));
    mcq_box_seal(MCQ_BOX_CURVE_HELLO_SEALED, false, at, MCQ_CURVE_HELLO_SEALED_CONTENT_BYTES,
                 &curve->hello_key);
    return end;
}

uint8_t *mcq_curve_put_welcome(struct mcq_curve *curve, uint8_t *at)
{
    static const uint8_t blank[MCQ_CURVE_WELCOME_SEALED_BYTES] = {0};
    uint8_t nonce[MCQ_CURVE_WELCOME_NONCE_BYTES];
    uint8_t *content = mcq_box_content(MCQ_BOX_CURVE_WELCOME_SEALED, at);
    uint8_t *cookie = mcq_box_content(MCQ_BOX_CURVE_WELCOME_SEALED_COOKIE, content);
    uint8_t *end;

    draw_pair(curve);
    draw(curve, &curve->cookie_key, sizeof curve->cookie_key);
    draw(curve, nonce, sizeof nonce);
    end = mcq_encode_curve_welcome(at, mcq_bytes(nonce, sizeof nonce),
                                   mcq_bytes(blank, sizeof blank));
    mcq_put_bytes(content + MCQ_CURVE_WELCOME_SEALED_SERVER_AT, key_bytes(&curve->own.public));
    draw(curve, content + MCQ_CURVE_WELCOME_SEALED_COOKIE_NONCE_AT,
         MCQ_CURVE_WELCOME_SEALED_COOKIE_NONCE_BYTES);
    mcq_put_bytes(cookie + MCQ_CURVE_WELCOME_SEALED_COOKIE_CLIENT_AT, key_bytes(&curve->peer));
    mcq_put_bytes(cookie + MCQ_CURVE_WELCOME_SEALED_COOKIE_SERVER_AT,
                  key_bytes(&curve->own.secret));
    mcq_box_seal(MCQ_BOX_CURVE_WELCOME_SEALED_COOKIE, false, content,
                 MCQ_CURVE_WELCOME_SEALED_COOKIE_CONTENT_BYTES, &curve->cookie_key);
    mcq_box_seal(MCQ_BOX_CURVE_WELCOME_SEALED, false, at, MCQ_CURVE_WELCOME_SEALED_CONTENT_BYTES,
                 &curve->hello_key);
    wipe_key(&curve->own.secret);
    wipe_key(&curve->peer);
    wipe_key(&curve->hello_key);
    return end;
}

/* The proof that the client's own key, C, belongs to this connection. */
static void put_vouch(struct mcq_curve *curve, uint8_t *content)
{
    uint8_t *vouch = mcq_box_content(MCQ_BOX_CURVE_INITIATE_SEALED_VOUCH, content);
    struct mcq_crypto_key key;

    draw(curve, content + MCQ_CURVE_INITIATE_SEALED_VOUCH_NONCE_AT,
         MCQ_CURVE_INITIATE_SEALED_VOUCH_NONCE_BYTES);
    mcq_put_bytes(vouch + MCQ_CURVE_INITIATE_SEALED_VOUCH_CLIENT_AT, key_bytes(&curve->own.public));
    mcq_put_bytes(vouch + MCQ_CURVE_INITIATE_SEALED_VOUCH_SERVER_AT,
                  key_bytes(&curve->keys->server));
    agree(curve, &key, &curve->peer, &curve->keys->own.secret);
    mcq_box_seal(MCQ_BOX_CURVE_INITIATE_SEALED_VOUCH, false, content,
                 MCQ_CURVE_INITIATE_SEALED_VOUCH_CONTENT_BYTES, &key);
    wipe_key(&key);
}

uint8_t *mcq_curve_put_initiate(struct mcq_curve *curve, uint8_t *at, size_t metadata_len)
{
    uint8_t *content = mcq_box_content(MCQ_BOX_CURVE_INITIATE_SEALED, at);

    (void) mcq_encode_curve_initiate(at, mcq_bytes(curve->cookie_nonce, sizeof curve->cookie_nonce),
                                     mcq_bytes(curve->cookie, sizeof curve->cookie),
                                     ++curve->sent_nonce, mcq_bytes(NULL, 0));
    mcq_put_bytes(content + MCQ_CURVE_INITIATE_SEALED_CLIENT_AT,
                  key_bytes(&curve->keys->own.public));
    put_vouch(curve, content);
    mcq_box_seal(MCQ_BOX_CURVE_INITIATE_SEALED, false, at,
                 MCQ_CURVE_INITIATE_SEALED_METADATA_AT + metadata_len, &curve->message_key);
    wipe_key(&curve->own.secret);
    wipe_key(&curve->hello_key);
    return at + MCQ_CURVE_INITIATE_METADATA_AT + metadata_len;
}

uint8_t *mcq_curve_put_ready(struct mcq_curve *curve, uint8_t *at, size_t metadata_len)
{
    (void) mcq_encode_curve_ready(at, ++curve->sent_nonce, mcq_bytes(NULL, 0));
    mcq_box_seal(MCQ_BOX_CURVE_READY_SEALED, false, at, metadata_len, &curve->message_key);
    return at + MCQ_CURVE_READY_METADATA_AT + metadata_len;
}

/* --- guards ----------------------------------------------------------------------------------- */

static bool stays_closed(struct mcq_handshake *handshake, enum mcq_rule rule)
{
    handshake->err = MCQ_PROTO;
    handshake->rule = rule;
    return false;
}

static bool opens(struct mcq_handshake *handshake, enum mcq_box_id id, size_t len,
                  const struct mcq_crypto_key *key)
{
    return mcq_box_open(id, false, handshake->body, len, key) ||
           stays_closed(handshake, mcq_box_table[id].rule);
}

static void take_key(struct mcq_crypto_key *key, const uint8_t *octets)
{
    memcpy(key->octets, octets, sizeof key->octets);
}

bool mcq_curve_hello_opens(struct mcq_handshake *handshake)
{
    struct mcq_curve *curve = handshake->curve;
    uint8_t *content = mcq_box_content(MCQ_BOX_CURVE_HELLO_SEALED, handshake->body);
    size_t at;

    take_key(&curve->peer, handshake->command->curve_hello.client.data);
    if (!mcq_crypto_agree(&curve->hello_key, &curve->peer, &curve->keys->own.secret))
        return stays_closed(handshake, MCQ_RULE_CURVE_HELLO_CLIENT);
    if (!opens(handshake, MCQ_BOX_CURVE_HELLO_SEALED, MCQ_CURVE_HELLO_SEALED_BYTES,
               &curve->hello_key))
        return false;
    handshake->err = mcq_box_check(MCQ_BOX_CURVE_HELLO_SEALED,
                                   mcq_bytes(content, MCQ_CURVE_HELLO_SEALED_CONTENT_BYTES),
                                   handshake->quirks, &handshake->rule, &at);
    return handshake->err == MCQ_OK;
}

bool mcq_curve_welcome_opens(struct mcq_handshake *handshake)
{
    struct mcq_curve *curve = handshake->curve;
    const uint8_t *content = mcq_box_content(MCQ_BOX_CURVE_WELCOME_SEALED, handshake->body);

    if (!opens(handshake, MCQ_BOX_CURVE_WELCOME_SEALED, MCQ_CURVE_WELCOME_SEALED_BYTES,
               &curve->hello_key))
        return false;
    take_key(&curve->peer, content + MCQ_CURVE_WELCOME_SEALED_SERVER_AT);
    memcpy(curve->cookie_nonce, content + MCQ_CURVE_WELCOME_SEALED_COOKIE_NONCE_AT,
           sizeof curve->cookie_nonce);
    memcpy(curve->cookie, content + MCQ_CURVE_WELCOME_SEALED_COOKIE_AT, sizeof curve->cookie);
    return mcq_crypto_agree(&curve->message_key, &curve->peer, &curve->own.secret) ||
           stays_closed(handshake, MCQ_RULE_CURVE_WELCOME_SEALED_SERVER);
}

/* What the peer's metadata says, as if it had come in clear. */
static bool metadata_is_good(struct mcq_handshake *handshake, struct mcq_bytes metadata)
{
    struct mcq_metadata_decoder decoder;

    mcq_metadata_begin(&decoder, (uint32_t) metadata.len, handshake->curve->max_properties,
                       handshake->quirks);
    handshake->err = mcq_metadata_decode(&decoder, metadata);
    handshake->rule = decoder.rule;
    handshake->metadata = metadata;
    return handshake->err == MCQ_OK && mcq_handshake_metadata_ok(handshake);
}

/* What the cookie kept for us. It was sealed by a key that only this connection ever had, so
 * nothing in it needs to be compared. */
static bool cookie_opens(struct mcq_handshake *handshake)
{
    struct mcq_curve *curve = handshake->curve;
    uint8_t *content = mcq_box_content(MCQ_BOX_CURVE_INITIATE_COOKIE, handshake->body);
    bool is_open = opens(handshake, MCQ_BOX_CURVE_INITIATE_COOKIE, MCQ_CURVE_INITIATE_COOKIE_BYTES,
                         &curve->cookie_key);

    wipe_key(&curve->cookie_key);
    if (!is_open)
        return false;
    take_key(&curve->peer, content + MCQ_CURVE_INITIATE_COOKIE_CLIENT_AT);
    take_key(&curve->own.secret, content + MCQ_CURVE_INITIATE_COOKIE_SERVER_AT);
    mcq_crypto_wipe(content, MCQ_CURVE_INITIATE_COOKIE_CONTENT_BYTES);
    return mcq_crypto_agree(&curve->message_key, &curve->peer, &curve->own.secret) ||
           stays_closed(handshake, MCQ_RULE_CURVE_INITIATE_COOKIE_CLIENT);
}

/* C is the client's own, it vouches for C' on this connection, and for us as the server. */
static bool vouch_is_good(struct mcq_handshake *handshake, uint8_t *content)
{
    struct mcq_curve *curve = handshake->curve;
    const uint8_t *vouch = mcq_box_content(MCQ_BOX_CURVE_INITIATE_SEALED_VOUCH, content);
    struct mcq_crypto_key key;
    bool is_open;

    take_key(&curve->client, content + MCQ_CURVE_INITIATE_SEALED_CLIENT_AT);
    if (!mcq_crypto_agree(&key, &curve->client, &curve->own.secret))
        return stays_closed(handshake, MCQ_RULE_CURVE_INITIATE_SEALED_CLIENT);
    is_open = mcq_box_open(MCQ_BOX_CURVE_INITIATE_SEALED_VOUCH, false, content,
                           MCQ_CURVE_INITIATE_SEALED_VOUCH_BYTES, &key);
    wipe_key(&key);
    if (!is_open)
        return stays_closed(handshake, MCQ_RULE_CURVE_INITIATE_SEALED_VOUCH);
    if (!mcq_crypto_equal(vouch + MCQ_CURVE_INITIATE_SEALED_VOUCH_CLIENT_AT, curve->peer.octets,
                          sizeof curve->peer))
        return stays_closed(handshake, MCQ_RULE_CURVE_INITIATE_SEALED_VOUCH_CLIENT);
    if (!(handshake->quirks & MCQ_QUIRK_VOUCH_SERVER_UNREAD) &&
        !mcq_crypto_equal(vouch + MCQ_CURVE_INITIATE_SEALED_VOUCH_SERVER_AT,
                          curve->keys->own.public.octets, sizeof curve->keys->own.public))
        return stays_closed(handshake, MCQ_RULE_CURVE_INITIATE_SEALED_VOUCH_SERVER);
    return true;
}

bool mcq_curve_initiate_opens(struct mcq_handshake *handshake)
{
    struct mcq_curve *curve = handshake->curve;
    size_t len = handshake->command->curve_initiate.sealed.len;
    uint8_t *content = mcq_box_content(MCQ_BOX_CURVE_INITIATE_SEALED, handshake->body);
    struct mcq_bytes metadata;
    bool is_good;

    curve->seen_nonce = handshake->command->curve_initiate.nonce;
    is_good = cookie_opens(handshake) &&
              opens(handshake, MCQ_BOX_CURVE_INITIATE_SEALED, len, &curve->message_key) &&
              vouch_is_good(handshake, content);
    wipe_key(&curve->own.secret);
    if (!is_good)
        return false;
    metadata = mcq_bytes(content, len - MCQ_CRYPTO_TAG_BYTES);
    mcq_bytes_skip(&metadata, MCQ_CURVE_INITIATE_SEALED_METADATA_AT);
    handshake->credentials.public_key = key_bytes(&curve->client);
    return metadata_is_good(handshake, metadata);
}

bool mcq_curve_ready_opens(struct mcq_handshake *handshake)
{
    struct mcq_curve *curve = handshake->curve;
    size_t len = handshake->command->curve_ready.sealed.len;
    const uint8_t *content = mcq_box_content(MCQ_BOX_CURVE_READY_SEALED, handshake->body);

    curve->seen_nonce = handshake->command->curve_ready.nonce;
    return opens(handshake, MCQ_BOX_CURVE_READY_SEALED, len, &curve->message_key) &&
           metadata_is_good(handshake, mcq_bytes(content, len - MCQ_CRYPTO_TAG_BYTES));
}

/* --- messages --------------------------------------------------------------------------------- */

static_assert(MCQ_CURVE_MESSAGE_NONCE_BYTES == MCQ_CRYPTO_NUMBER_BYTES &&
                  MCQ_CURVE_MESSAGE_SEALED_AT >= MCQ_CRYPTO_BEFORE_BYTES,
              "a MESSAGE is sealed with a derived key");

static void derive(const struct mcq_curve *curve, bool is_servers, struct mcq_crypto_key *derived)
{
    static const uint8_t number[MCQ_CURVE_MESSAGE_NONCE_BYTES] = {0};
    uint8_t nonce[MCQ_CRYPTO_NONCE_BYTES];

    mcq_box_nonce(MCQ_BOX_CURVE_MESSAGE_SEALED, is_servers, number, nonce);
    mcq_crypto_derive(derived, nonce, &curve->message_key);
}

void mcq_curve_begin_messages(struct mcq_curve *curve)
{
    derive(curve, curve->is_server, &curve->seal_key);
    derive(curve, !curve->is_server, &curve->open_key);
    wipe_key(&curve->message_key);
    mcq_crypto_wipe(&curve->own, sizeof curve->own);
    wipe_key(&curve->hello_key);
    wipe_key(&curve->cookie_key);
    curve->keys = NULL;
}

void mcq_curve_seal_message(struct mcq_curve *curve, uint8_t *body, size_t data_len, uint8_t flags)
{
    uint8_t number[MCQ_CURVE_MESSAGE_NONCE_BYTES];

    if (MCQ_UNLIKELY(curve->sent_nonce == UINT64_MAX)) { /* the peer has had that: it ends here */
        memset(body + MCQ_CURVE_MESSAGE_SEALED_AT, 0,
               MCQ_CRYPTO_TAG_BYTES + MCQ_CURVE_MESSAGE_SEALED_DATA_AT + data_len);
        (void) mcq_encode_curve_message(body, curve->sent_nonce, mcq_bytes(NULL, 0));
        return;
    }
    mcq_put_u64be(number, ++curve->sent_nonce);
    body[MCQ_CURVE_DATA_AT - 1] = flags;
    mcq_crypto_seal_derived(body + MCQ_CURVE_MESSAGE_SEALED_AT,
                            data_len + MCQ_CURVE_MESSAGE_SEALED_DATA_AT, number, &curve->seal_key);
    (void) mcq_encode_curve_message(body, curve->sent_nonce, mcq_bytes(NULL, 0));
}

enum mcq_err mcq_curve_open_message(struct mcq_curve *curve, uint8_t *body, size_t len,
                                    enum mcq_rule *rule)
{
    uint8_t number[MCQ_CURVE_MESSAGE_NONCE_BYTES];
    uint64_t nonce;

    mcq_assert(len >= MCQ_CURVE_MESSAGE_BYTES_MIN);
    memcpy(number, body + MCQ_CURVE_MESSAGE_NONCE_AT, sizeof number);
    nonce = mcq_get_u64be(number);
    *rule = MCQ_RULE_CURVE_MESSAGE_NONCE;
    if (nonce <= curve->seen_nonce)
        return MCQ_PROTO;
    *rule = MCQ_RULE_CURVE_MESSAGE_SEALED;
    if (!mcq_crypto_open_derived(body + MCQ_CURVE_MESSAGE_SEALED_AT,
                                 len - MCQ_CURVE_MESSAGE_SEALED_AT, number, &curve->open_key))
        return MCQ_PROTO;
    curve->seen_nonce = nonce;
    *rule = MCQ_RULE_NONE;
    return MCQ_OK;
}
