#include "transport/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "arena/alloc.h"

#define V4_LEAD 96 /* bits that say "this is IPv4" */

struct mcq_admission {
    _Atomic uint32_t ref_count;
    uint32_t rule_count;
    struct mcq_admission_rule rules[];
};

/* --- rules ------------------------------------------------------------------------------------ */

static void map_v4(const void *octets, uint8_t address[16])
{
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    memcpy(address + 12, octets, 4);
}

static bool parse_bits(struct mcq_bytes text, unsigned most, unsigned *bits)
{
    unsigned value = 0;

    if (text.len == 0 || text.len > 3)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *bits = value;
    return value <= most;
}

bool mcq_admission_parse(struct mcq_bytes text, struct mcq_admission_rule *rule)
{
    const uint8_t *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    size_t len = slash != NULL ? (size_t) (slash - text.data) : text.len;
    struct mcq_admission_rule made = {.kind = MCQ_ADMIT_NETWORK};
    char host[INET6_ADDRSTRLEN];
    struct in_addr v4;
    unsigned bits;

    if (len == 0 || len >= sizeof host || memchr(text.data, '\0', len) != NULL)
        return false;
    memcpy(host, text.data, len);
    host[len] = '\0';
    if (inet_pton(AF_INET, host, &v4) == 1) {
        map_v4(&v4, made.network);
        bits = 32;
    } else if (inet_pton(AF_INET6, host, made.network) == 1) {
        bits = 128;
    } else {
        return false;
    }
    made.bits = bits == 32 ? V4_LEAD : 0;
    if (slash != NULL && !parse_bits(mcq_bytes(slash + 1, text.len - len - 1), bits, &bits))
        return false;
    made.bits = (uint8_t) (made.bits + bits);
    *rule = made;
    return true;
}

/* --- sets of them ----------------------------------------------------------------------------- */

static struct mcq_admission *make(uint32_t rule_count)
{
    struct mcq_admission *made =
        mcq_alloc(mcq_size_add(sizeof *made, mcq_size_mul(rule_count, sizeof made->rules[0])));

    if (made != NULL) {
        atomic_init(&made->ref_count, 1);
        made->rule_count = 0;
    }
    return made;
}

static void replace(struct mcq_admission **admission, struct mcq_admission *made)
{
    mcq_admission_unref(admission);
    *admission = made;
}

enum mcq_err mcq_admission_add(struct mcq_admission **admission,
                               const struct mcq_admission_rule *rule)
{
    const struct mcq_admission *old = *admission;
    uint32_t count = old != NULL ? old->rule_count : 0;
    struct mcq_admission *made;

    if (count == MCQ_ADMIT_RULES_MAX)
        return MCQ_LIMIT;
    made = make(count + 1);
    if (made == NULL)
        return MCQ_NOMEM;
    if (count > 0)
        memcpy(made->rules, old->rules, count * sizeof old->rules[0]);
    made->rules[count] = *rule;
    made->rule_count = count + 1;
    replace(admission, made);
    return MCQ_OK;
}

enum mcq_err mcq_admission_clear(struct mcq_admission **admission, enum mcq_admission_kind kind)
{
    const struct mcq_admission *old = *admission;
    struct mcq_admission *made;

    if (old == NULL)
        return MCQ_OK;
    made = make(old->rule_count);
    if (made == NULL)
        return MCQ_NOMEM;
    for (uint32_t i = 0; i < old->rule_count; i++)
        if (old->rules[i].kind != kind)
            made->rules[made->rule_count++] = old->rules[i];
    replace(admission, made);
    return MCQ_OK;
}

struct mcq_admission *mcq_admission_ref(struct mcq_admission *admission)
{
    if (admission != NULL)
        atomic_fetch_add_explicit(&admission->ref_count, 1, memory_order_relaxed);
    return admission;
}

/* Release: what this thread read of it is before the free; acquire: the free is after that. */
void mcq_admission_unref(struct mcq_admission **admission)
{
    struct mcq_admission *old = *admission;

    *admission = NULL;
    if (old != NULL && atomic_fetch_sub_explicit(&old->ref_count, 1, memory_order_acq_rel) == 1)
        mcq_free(old);
}

/* --- peers ------------------------------------------------------------------------------------ */

/* What is known of a peer. */
struct guest {
    struct mcq_reactor *reactor;
    int fd;
    bool is_local; /* over ipc */
    bool is_known;
    uint8_t address[16];
    struct mcq_owner owner;
};

static struct guest guest_of(struct mcq_reactor *reactor, int fd)
{
    struct guest guest = {.reactor = reactor, .fd = fd};
    struct mcq_address peer = {0};

    if (!mcq_reactor_peer_address(reactor, fd, &peer))
        return guest;
    if (peer.storage.ss_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, &peer.storage, sizeof in);
        map_v4(&in.sin_addr, guest.address);
        guest.is_known = true;
    } else if (peer.storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, &peer.storage, sizeof in6);
        memcpy(guest.address, &in6.sin6_addr, sizeof guest.address);
        guest.is_known = true;
    } else if (peer.storage.ss_family == AF_UNIX) {
        guest.is_local = true;
        guest.is_known = mcq_reactor_owner(reactor, fd, &guest.owner);
    }
    return guest;
}

static bool is_within(const uint8_t address[16], const struct mcq_admission_rule *rule)
{
    unsigned whole = rule->bits / 8;
    unsigned rest = rule->bits % 8;

    return memcmp(address, rule->network, whole) == 0 &&
           (rest == 0 || (address[whole] ^ rule->network[whole]) >> (8 - rest) == 0);
}

static bool fits(const struct guest *guest, const struct mcq_admission_rule *rule)
{
    switch (rule->kind) {
    case MCQ_ADMIT_NETWORK: return is_within(guest->address, rule);
    case MCQ_ADMIT_PID: return guest->owner.pid == rule->id;
    case MCQ_ADMIT_UID: return guest->owner.uid == rule->id;
    case MCQ_ADMIT_GID:
        return guest->owner.gid == rule->id ||
               mcq_reactor_has_group(guest->reactor, guest->fd, rule->id);
    }
    return false;
}

bool mcq_admission_admits(const struct mcq_admission *admission, struct mcq_reactor *reactor,
                          int fd)
{
    struct guest guest;
    bool has_rule = false;

    if (admission == NULL || admission->rule_count == 0)
        return true;
    guest = guest_of(reactor, fd);
    for (uint32_t i = 0; i < admission->rule_count; i++) {
        const struct mcq_admission_rule *rule = &admission->rules[i];

        if ((rule->kind == MCQ_ADMIT_NETWORK) == guest.is_local)
            continue;
        if (guest.is_known && fits(&guest, rule))
            return true;
        has_rule = true;
    }
    return !has_rule;
}
