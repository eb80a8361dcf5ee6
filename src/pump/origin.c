#include "pump/origin.h"

#include <pthread.h>
#include <string.h>

#include "arena/alloc.h"
#include "arena/msg.h"
#include "base/assert.h"
#include "transport/transport.h"
#include "wire/metadata.h"

#define BUCKETS 1024 /* a power of two */

struct mcq_origin {
    uint32_t number;
    uint32_t holder_count;
    bool was_let_in; /* by ZAP */
    bool is_listed;  /* its connection stands, or it is among the gone */
    int fd;
    const struct mcq_reactor *reactor;
    struct mcq_origin *bucket_next;
    struct mcq_origin *gone_next;
    size_t len;
    char texts[]; /* name, zero, value, zero, ... */
};

/* File-level: a message names its origin by a number alone, in whichever thread it is by now. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct mcq_origin *buckets[BUCKETS];
static struct mcq_origin *gone_first;
static struct mcq_origin *gone_last;
static size_t gone_bytes;
static uint32_t last_number;

/* --- under the mutex ------------------------------------------------------------------------- */

static struct mcq_origin **place_of(uint32_t number)
{
    struct mcq_origin **at = &buckets[number & (BUCKETS - 1)];

    while (*at != NULL && (*at)->number != number)
        at = &(*at)->bucket_next;
    return at;
}

static void enter(struct mcq_origin *origin)
{
    struct mcq_origin **at;

    do {
        origin->number = ++last_number | MCQ_MSG_ORIGIN_BIT;
        at = place_of(origin->number);
    } while (*at != NULL);
    *at = origin;
}

static size_t size_of(const struct mcq_origin *origin)
{
    return sizeof *origin + origin->len;
}

static void free_if_unused(struct mcq_origin *origin)
{
    if (origin->is_listed || origin->holder_count > 0)
        return;
    *place_of(origin->number) = origin->bucket_next;
    mcq_free(origin);
}

/* *at is on the list of the gone; before: whom it follows there. */
static void unlist(struct mcq_origin **at, struct mcq_origin *before)
{
    struct mcq_origin *origin = *at;

    *at = origin->gone_next;
    if (gone_last == origin)
        gone_last = before;
    gone_bytes -= size_of(origin);
    origin->is_listed = false;
    free_if_unused(origin);
}

/* --- making one ------------------------------------------------------------------------------ */

static void put(struct mcq_origin *origin, struct mcq_bytes name, struct mcq_bytes value)
{
    char *at = origin->texts + origin->len;
    const uint8_t *zero = value.len > 0 ? memchr(value.data, '\0', value.len) : NULL;

    if (zero != NULL) /* it is asked for as a text */
        value.len = (size_t) (zero - value.data);
    if (name.len + value.len + 2 > MCQ_ORIGIN_BYTES_MAX - origin->len)
        return;
    at = (char *) mcq_put_bytes((uint8_t *) at, name);
    *at++ = '\0';
    at = (char *) mcq_put_bytes((uint8_t *) at, value);
    *at++ = '\0';
    origin->len = (size_t) (at - origin->texts);
}

static bool is_ours(struct mcq_bytes name)
{
    return mcq_bytes_equal(name, mcq_bytes_of(MCQ_ORIGIN_USER)) ||
           mcq_bytes_equal(name, mcq_bytes_of(MCQ_ORIGIN_ADDRESS));
}

/* The first of a name is the one that is found. */
static void put_decision(struct mcq_origin *origin, const struct mcq_decision *decision)
{
    struct mcq_bytes rest =
        mcq_bytes(decision->octets + decision->user_id_len, decision->metadata_len);
    struct mcq_property property;

    put(origin, mcq_bytes_of(MCQ_ORIGIN_USER), mcq_bytes(decision->octets, decision->user_id_len));
    while (mcq_property_next(&rest, &property))
        put(origin, property.name, property.value);
}

static void fill(struct mcq_origin *origin, struct mcq_reactor *reactor,
                 const struct mcq_decision *decision, struct mcq_bytes metadata)
{
    char address[MCQ_TRANSPORT_TEXT_BYTES];
    struct mcq_property property;

    if (mcq_transport_peer_text(reactor, origin->fd, address))
        put(origin, mcq_bytes_of(MCQ_ORIGIN_ADDRESS), mcq_bytes_of(address));
    if (decision != NULL)
        put_decision(origin, decision);
    while (mcq_property_next(&metadata, &property))
        if (!is_ours(property.name))
            put(origin, property.name, property.value);
}

struct mcq_origin *mcq_origin_new(struct mcq_reactor *reactor, int fd,
                                  const struct mcq_decision *decision, struct mcq_bytes metadata)
{
    union {
        struct mcq_origin origin;
        char room[sizeof(struct mcq_origin) + MCQ_ORIGIN_BYTES_MAX];
    } made;
    struct mcq_origin *origin;

    made.origin = (struct mcq_origin) {
        .reactor = reactor, .fd = fd, .was_let_in = decision != NULL, .is_listed = true};
    fill(&made.origin, reactor, decision, metadata);
    origin = mcq_alloc(size_of(&made.origin));
    if (origin == NULL)
        return NULL;
    memcpy(origin, &made, size_of(&made.origin));
    (void) pthread_mutex_lock(&mutex);
    enter(origin);
    (void) pthread_mutex_unlock(&mutex);
    return origin;
}

/* --- its life -------------------------------------------------------------------------------- */

void mcq_origin_leave(struct mcq_origin **origin, bool is_named)
{
    struct mcq_origin *left = *origin;

    *origin = NULL;
    if (left == NULL)
        return;
    (void) pthread_mutex_lock(&mutex);
    if (!is_named) {
        left->is_listed = false;
        free_if_unused(left);
        (void) pthread_mutex_unlock(&mutex);
        return;
    }
    if (gone_last != NULL)
        gone_last->gone_next = left;
    else
        gone_first = left;
    gone_last = left;
    gone_bytes += size_of(left);
    while (gone_bytes > MCQ_ORIGINS_GONE_BYTES)
        unlist(&gone_first, NULL);
    (void) pthread_mutex_unlock(&mutex);
}

void mcq_origins_forget(const struct mcq_reactor *reactor)
{
    struct mcq_origin **at = &gone_first;
    struct mcq_origin *before = NULL;

    (void) pthread_mutex_lock(&mutex);
    while (*at != NULL) {
        if ((*at)->reactor == reactor) {
            unlist(at, before);
            continue;
        }
        before = *at;
        at = &before->gone_next;
    }
    (void) pthread_mutex_unlock(&mutex);
}

uint32_t mcq_origins_gone_count(void)
{
    uint32_t count = 0;

    (void) pthread_mutex_lock(&mutex);
    for (const struct mcq_origin *origin = gone_first; origin != NULL; origin = origin->gone_next)
        count++;
    (void) pthread_mutex_unlock(&mutex);
    return count;
}

/* What the parent had is not freed: its lists may be half changed. */
void mcq_origins_mark_forked(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

    mutex = fresh;
    memset(buckets, 0, sizeof buckets);
    gone_first = NULL;
    gone_last = NULL;
    gone_bytes = 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

uint32_t mcq_origin_number(const struct mcq_origin *origin)
{
    return origin != NULL ? origin->number : 0;
}

struct mcq_origin *mcq_origin_find(uint32_t number)
{
    struct mcq_origin *origin;

    if ((number & MCQ_MSG_ORIGIN_BIT) == 0)
        return NULL;
    (void) pthread_mutex_lock(&mutex);
    origin = *place_of(number);
    if (origin != NULL)
        origin->holder_count++;
    (void) pthread_mutex_unlock(&mutex);
    return origin;
}

void mcq_origin_put(struct mcq_origin *origin)
{
    (void) pthread_mutex_lock(&mutex);
    mcq_assert(origin->holder_count > 0);
    origin->holder_count--;
    free_if_unused(origin);
    (void) pthread_mutex_unlock(&mutex);
}

const char *mcq_origin_text(const struct mcq_origin *origin, const char *name)
{
    const char *at = origin->texts;
    const char *end = origin->texts + origin->len;

    while (at < end) {
        const char *value = at + strlen(at) + 1;

        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

bool mcq_origin_may_follow(const struct mcq_origin *older, const struct mcq_origin *newer)
{
    const char *was;
    const char *is;

    if (older == NULL || !older->was_let_in)
        return true;
    if (newer == NULL || !newer->was_let_in)
        return false;
    was = mcq_origin_text(older, MCQ_ORIGIN_USER);
    is = mcq_origin_text(newer, MCQ_ORIGIN_USER);
    return was != NULL && is != NULL && strcmp(was, is) == 0;
}

int mcq_origin_fd(const struct mcq_origin *origin)
{
    return origin->fd;
}
