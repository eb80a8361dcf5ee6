#include "runtime/security.h"

#include <stdatomic.h>

#include "arena/alloc.h"
#include "runtime/random.h"
#include "wire/command.h"
#include "wire/z85.h"

#define TEXT_BYTES_MAX UINT8_MAX /* what one octet counts: of PLAIN's texts, and of ZAP's domain */

struct text {
    uint8_t len;
    uint8_t octets[TEXT_BYTES_MAX];
};

struct mcq_security {
    atomic_uint holder_count;
    enum mcq_mechanism mechanism;
    bool is_server;
    struct text username;
    struct text password;
    struct text domain; /* of ZAP */
    bool enforces_domain;
    bool has_secret;
    bool has_public; /* it was set; else it follows from the secret one */
    bool has_server;
    struct mcq_curve_keys keys;
};

/* --- holders ---------------------------------------------------------------------------------- */

struct mcq_security *mcq_security_ref(struct mcq_security *security)
{
    if (security != NULL)
        atomic_fetch_add_explicit(&security->holder_count, 1, memory_order_relaxed);
    return security;
}

void mcq_security_unref(struct mcq_security *security)
{
    /* What others read of it comes before the wiping. */
    if (security != NULL &&
        atomic_fetch_sub_explicit(&security->holder_count, 1, memory_order_acq_rel) == 1)
        mcq_unmap_secret(security, sizeof *security);
}

/* One that nobody else reads, to be written. */
static enum mcq_err own(struct mcq_security **security)
{
    struct mcq_security *made;

    if (*security != NULL &&
        atomic_load_explicit(&(*security)->holder_count, memory_order_acquire) == 1)
        return MCQ_OK;
    made = mcq_map_secret(sizeof *made);
    if (made == NULL)
        return MCQ_NOMEM;
    if (*security != NULL)
        memcpy(made, *security, sizeof *made);
    else
        made->mechanism = MCQ_MECHANISM_NULL;
    atomic_init(&made->holder_count, 1);
    mcq_security_unref(*security);
    *security = made;
    return MCQ_OK;
}

/* --- options ---------------------------------------------------------------------------------- */

int mcq_mechanism_number(enum mcq_mechanism mechanism)
{
    return mechanism == MCQ_MECHANISM_PLAIN ? 1 : mechanism == MCQ_MECHANISM_CURVE ? 2 : 0;
}

int mcq_security_number(const struct mcq_security *security, enum mcq_option_id id)
{
    enum mcq_mechanism wanted =
        id == MCQ_OPTION_PLAIN_SERVER ? MCQ_MECHANISM_PLAIN : MCQ_MECHANISM_CURVE;

    if (security == NULL)
        return 0;
    if (id == MCQ_OPTION_MECHANISM)
        return mcq_mechanism_number(security->mechanism);
    if (id == MCQ_OPTION_ZAP_ENFORCE_DOMAIN)
        return security->enforces_domain;
    return security->mechanism == wanted && security->is_server;
}

enum mcq_err mcq_security_set_number(struct mcq_security **security, enum mcq_option_id id,
                                     int value)
{
    enum mcq_mechanism wanted =
        id == MCQ_OPTION_PLAIN_SERVER ? MCQ_MECHANISM_PLAIN : MCQ_MECHANISM_CURVE;

    MCQ_TRY(own(security));
    if (id == MCQ_OPTION_ZAP_ENFORCE_DOMAIN) {
        (*security)->enforces_domain = value != 0;
        return MCQ_OK;
    }
    (*security)->is_server = value != 0;
    (*security)->mechanism = value != 0 ? wanted : MCQ_MECHANISM_NULL;
    return MCQ_OK;
}

static void set_text(struct text *text, struct mcq_bytes octets)
{
    text->len = (uint8_t) octets.len;
    (void) mcq_put_bytes(text->octets, octets);
}

/* 32 octets, or their Z85, with a zero behind it or without. */
static enum mcq_err read_key(struct mcq_bytes octets, struct mcq_crypto_key *key)
{
    const size_t text_len = MCQ_Z85_TEXT_LEN(sizeof key->octets);

    if (octets.len == sizeof key->octets) {
        memcpy(key->octets, octets.data, sizeof key->octets);
        return MCQ_OK;
    }
    if (octets.len == text_len + 1 && octets.data[text_len] == '\0')
        octets.len = text_len;
    return octets.len == text_len ? mcq_z85_decode(octets, key->octets) : MCQ_INVAL;
}

/* libzmq's rule: who sets a public or secret key speaks CURVE, and as a client once it has set the
 * server's. */
static void set_key(struct mcq_security *security, enum mcq_option_id id,
                    const struct mcq_crypto_key *key)
{
    security->mechanism = MCQ_MECHANISM_CURVE;
    if (id == MCQ_OPTION_CURVE_SERVERKEY) {
        security->keys.server = *key;
        security->has_server = true;
        security->is_server = false;
    } else if (id == MCQ_OPTION_CURVE_PUBLICKEY) {
        security->keys.own.public = *key;
        security->has_public = true;
    } else {
        security->keys.own.secret = *key;
        security->has_secret = true;
        if (!security->has_public)
            mcq_crypto_public(&security->keys.own.public, key);
    }
}

enum mcq_err mcq_security_set_octets(struct mcq_security **security, enum mcq_option_id id,
                                     struct mcq_bytes octets)
{
    struct mcq_crypto_key key;

    if (id == MCQ_OPTION_CURVE_PUBLICKEY || id == MCQ_OPTION_CURVE_SECRETKEY ||
        id == MCQ_OPTION_CURVE_SERVERKEY) {
        MCQ_TRY(read_key(octets, &key));
        if (own(security) != MCQ_OK)
            return MCQ_NOMEM;
        set_key(*security, id, &key);
        mcq_crypto_wipe(&key, sizeof key);
        return MCQ_OK;
    }
    MCQ_TRY(own(security));
    if (id == MCQ_OPTION_ZAP_DOMAIN) {
        set_text(&(*security)->domain, octets);
        return MCQ_OK;
    }
    set_text(id == MCQ_OPTION_PLAIN_USERNAME ? &(*security)->username : &(*security)->password,
             octets);
    (*security)->mechanism = MCQ_MECHANISM_PLAIN;
    (*security)->is_server = false;
    return MCQ_OK;
}

static struct mcq_bytes text_bytes(const struct text *text)
{
    return mcq_bytes(text->octets, text->len);
}

static struct mcq_bytes key_bytes(const struct mcq_crypto_key *key)
{
    return mcq_bytes(key->octets, sizeof key->octets);
}

struct mcq_bytes mcq_security_octets(const struct mcq_security *security, enum mcq_option_id id)
{
    static const struct mcq_security none;

    if (security == NULL)
        security = &none;
    switch (id) {
    case MCQ_OPTION_PLAIN_USERNAME: return text_bytes(&security->username);
    case MCQ_OPTION_PLAIN_PASSWORD: return text_bytes(&security->password);
    case MCQ_OPTION_ZAP_DOMAIN: return text_bytes(&security->domain);
    case MCQ_OPTION_CURVE_PUBLICKEY: return key_bytes(&security->keys.own.public);
    case MCQ_OPTION_CURVE_SECRETKEY: return key_bytes(&security->keys.own.secret);
    default: return key_bytes(&security->keys.server);
    }
}

/* --- use -------------------------------------------------------------------------------------- */

/* With libzmq keys that do not fit are found by the handshake, which fails. */
static const char *curve_fault(const struct mcq_security *security, bool is_compat)
{
    struct mcq_crypto_key key;

    if (!security->has_secret && (security->is_server || !is_compat))
        return "CURVE needs a key of its own: set CURVE_SECRETKEY";
    mcq_crypto_public(&key, &security->keys.own.secret);
    if (!is_compat && !mcq_crypto_equal(&key, &security->keys.own.public, sizeof key))
        return "CURVE_PUBLICKEY is not the other half of CURVE_SECRETKEY";
    if (security->is_server)
        return NULL;
    if (!security->has_server)
        return "a client of CURVE needs the server's key: set CURVE_SERVERKEY, or CURVE_SERVER";
    if (!is_compat && !mcq_crypto_agree(&key, &security->keys.server, &security->keys.own.secret))
        return "CURVE_SERVERKEY is no key of a server";
    mcq_crypto_wipe(&key, sizeof key);
    return NULL;
}

enum mcq_err mcq_security_check(const struct mcq_security *security, bool is_compat,
                                const char **fault)
{
    if (security == NULL || security->mechanism != MCQ_MECHANISM_CURVE)
        return MCQ_OK;
    *fault = mcq_random_is_there() && mcq_crypto_init() == MCQ_OK
                 ? curve_fault(security, is_compat)
                 : "the system has no random octets";
    return *fault == NULL ? MCQ_OK : MCQ_INVAL;
}

void mcq_security_configure(const struct mcq_security *security, struct mcq_session_config *config)
{
    if (security == NULL)
        return;
    config->mechanism = security->mechanism;
    config->as_server = security->is_server;
    config->username = text_bytes(&security->username);
    config->password = text_bytes(&security->password);
    config->curve = &security->keys;
    config->random = mcq_random_system();
    config->asks_zap = mcq_security_asks(security);
}

bool mcq_security_asks(const struct mcq_security *security)
{
    if (security == NULL)
        return false;
    switch (security->mechanism) {
    case MCQ_MECHANISM_NULL: return security->domain.len > 0;
    case MCQ_MECHANISM_CURVE: return security->domain.len > 0 || !security->enforces_domain;
    default: return true;
    }
}

bool mcq_security_is_plain(const struct mcq_security *security)
{
    return security != NULL && security->mechanism == MCQ_MECHANISM_PLAIN;
}

bool mcq_security_admits_unasked(const struct mcq_security *security)
{
    return security->mechanism != MCQ_MECHANISM_PLAIN && !security->enforces_domain;
}
