/*
 * Options: one row each, from the table. What the library has is passed on; what it has not and a
 * stable build of libzmq takes is kept, to be asked for again, and has no effect
 * (docs/reference/drop-in.md names them).
 */

#include <stdlib.h>

#include "compat/compat.h"

#define OURS 1000 /* numbers from here on are not libzmq's */
#define KEY_OCTETS 32
#define KEY_TEXT 40

struct octets {
    unsigned char *data;
    size_t len;
};

struct zmq_shadow {
    int64_t numbers[MCQ_OPTION_ROWS];
    struct octets octets[MCQ_OPTION_ROWS];
};

/* --- rows ------------------------------------------------------------------------------------ */

/* Mechanisms and transports that this build lacks have no options, as in a build of libzmq without
 * them. */
static bool is_left_out(const struct mcq_option_row *row)
{
    static const char *const prefixes[] = {"GSSAPI_", "VMCI_", "NORM_"};

    for (size_t i = 0; i < ZMQ_COUNT(prefixes); i++)
        if (strncmp(row->name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return row->is_draft && !row->is_unguarded;
}

/* A PUB is an XPUB there, and a REP a ROUTER: they take its options, which do nothing to them. */
static bool is_of_its_base(const struct zmq_socket *socket, const struct mcq_option_row *row)
{
    if (row->number == MCQ_OPTION_SUBSCRIBE || row->number == MCQ_OPTION_UNSUBSCRIBE)
        return false;
    return (socket->type == ZMQ_PUB && mcq_option_is_of(row, MCQ_SOCKET_TYPE_XPUB)) ||
           (socket->type == ZMQ_REP && mcq_option_is_of(row, MCQ_SOCKET_TYPE_ROUTER));
}

static const struct mcq_option_row *row_of(const struct zmq_socket *socket, int option,
                                           enum mcq_option_use use)
{
    const struct mcq_option_row *row = mcq_option_row(MCQ_OPTION_OF_SOCKET, option, use);

    if (row == NULL || option >= OURS || (row->use & use) == 0 || is_left_out(row))
        return NULL;
    /* These two are not of a pattern in libzmq: every socket takes them, and most do nothing. */
    if (row->number == MCQ_OPTION_CONFLATE || row->number == MCQ_OPTION_INVERT_MATCHING)
        return row;
    if (mcq_option_is_of(row, (enum mcq_socket_type) socket->type))
        return row;
    return is_of_its_base(socket, row) ? row : NULL;
}

/* What libzmq takes beyond the values that mean something: a flag is any number but 0, of bits
 * those count that there are. */
static const struct wide_row {
    enum mcq_option_id id;
    int32_t min;
} wide_rows[] = {
    {MCQ_OPTION_TOS, 0},
    {MCQ_OPTION_ROUTER_MANDATORY, 0},
    {MCQ_OPTION_ROUTER_RAW, 0},
    {MCQ_OPTION_ROUTER_HANDOVER, 0},
    {MCQ_OPTION_PROBE_ROUTER, 0},
    {MCQ_OPTION_REQ_CORRELATE, 0},
    {MCQ_OPTION_REQ_RELAXED, 0},
    {MCQ_OPTION_XPUB_VERBOSE, 0},
    {MCQ_OPTION_XPUB_VERBOSER, 0},
    {MCQ_OPTION_XPUB_NODROP, 0},
    {MCQ_OPTION_XPUB_MANUAL, 0},
    {MCQ_OPTION_XPUB_MANUAL_LAST_VALUE, 0},
    {MCQ_OPTION_ONLY_FIRST_SUBSCRIBE, 0},
    {MCQ_OPTION_INVERT_MATCHING, INT32_MIN},
    {MCQ_OPTION_ZAP_ENFORCE_DOMAIN, INT32_MIN},
    {MCQ_OPTION_LOOPBACK_FASTPATH, INT32_MIN},
    {MCQ_OPTION_MULTICAST_LOOP, INT32_MIN},
    {MCQ_OPTION_RECONNECT_STOP, INT32_MIN},
};

/* The same value as the library has it; false: libzmq refuses it, too. */
static bool narrow_value(const struct mcq_option_row *row, int64_t *value)
{
    for (size_t i = 0; i < ZMQ_COUNT(wide_rows); i++) {
        if ((int) wide_rows[i].id != row->number)
            continue;
        if (*value < wide_rows[i].min)
            return false;
        *value = row->max == 1 ? *value != 0 : *value & (int64_t) row->max;
        return true;
    }
    if (row->number == MCQ_OPTION_HEARTBEAT_TIMEOUT && *value < 0)
        return false; /* -1 is its default, and cannot be set */
    return row->type == MCQ_OPTION_U64 || mcq_option_takes(row, *value);
}

/* Whether the library does what the option says. */
static bool is_passed_on(const struct zmq_socket *socket, const struct mcq_option_row *row)
{
    return row->is_there && mcq_option_is_of(row, (enum mcq_socket_type) socket->type);
}

static size_t size_of(const struct mcq_option_row *row)
{
    return row->type == MCQ_OPTION_I32 ? sizeof(int32_t) : sizeof(int64_t);
}

/* --- shadows --------------------------------------------------------------------------------- */

/* The mutex is held. NULL: no memory. */
static struct zmq_shadow *shadow_of(struct zmq_socket *socket)
{
    struct zmq_shadow *shadow = atomic_load(&socket->shadow);

    if (shadow != NULL)
        return shadow;
    shadow = calloc(1, sizeof *shadow);
    if (shadow == NULL)
        return NULL;
    for (size_t i = 0; i < MCQ_OPTION_ROWS; i++)
        shadow->numbers[i] = mcq_option_at(i)->compat;
    atomic_store(&socket->shadow, shadow);
    return shadow;
}

void zmq_shadow_drop(struct zmq_socket *socket)
{
    struct zmq_shadow *shadow = atomic_exchange(&socket->shadow, NULL);

    if (shadow == NULL)
        return;
    for (size_t i = 0; i < MCQ_OPTION_ROWS; i++)
        free(shadow->octets[i].data);
    free(shadow);
}

static size_t index_of(const struct mcq_option_row *row)
{
    return (size_t) (row - mcq_option_at(0));
}

static int keep_number(struct zmq_socket *socket, const struct mcq_option_row *row, int64_t value)
{
    struct zmq_shadow *shadow;

    (void) pthread_mutex_lock(&socket->mutex);
    shadow = shadow_of(socket);
    if (shadow != NULL)
        shadow->numbers[index_of(row)] = value;
    (void) pthread_mutex_unlock(&socket->mutex);
    return shadow != NULL ? 0 : zmq_fail(ENOMEM);
}

static int64_t kept_number(struct zmq_socket *socket, const struct mcq_option_row *row)
{
    struct zmq_shadow *shadow;
    int64_t value;

    (void) pthread_mutex_lock(&socket->mutex);
    shadow = atomic_load(&socket->shadow);
    value = shadow != NULL ? shadow->numbers[index_of(row)] : row->compat;
    (void) pthread_mutex_unlock(&socket->mutex);
    return value;
}

/* The copy is the socket's from then on. False: there is no memory to keep anything in. */
static bool keep_copy(struct zmq_socket *socket, const struct mcq_option_row *row,
                      struct octets copy)
{
    struct zmq_shadow *shadow;

    (void) pthread_mutex_lock(&socket->mutex);
    shadow = shadow_of(socket);
    if (shadow != NULL) {
        free(shadow->octets[index_of(row)].data);
        shadow->octets[index_of(row)] = copy;
    }
    (void) pthread_mutex_unlock(&socket->mutex);
    return shadow != NULL;
}

static int keep_octets(struct zmq_socket *socket, const struct mcq_option_row *row,
                       const void *data, size_t len)
{
    struct octets copy = {malloc(len + 1), len};

    if (copy.data == NULL)
        return zmq_fail(ENOMEM);
    if (len > 0)
        memcpy(copy.data, data, len);
    if (keep_copy(socket, row, copy))
        return 0;
    free(copy.data);
    return zmq_fail(ENOMEM);
}

/* --- set ------------------------------------------------------------------------------------- */

static int set_number(struct zmq_socket *socket, const struct mcq_option_row *row, const void *data,
                      size_t len)
{
    int64_t value = 0;
    int32_t narrow = 0;

    if (data == NULL || len != size_of(row))
        return zmq_fail(EINVAL);
    if (row->type == MCQ_OPTION_I32) {
        memcpy(&narrow, data, sizeof narrow);
        value = narrow;
    } else {
        memcpy(&value, data, sizeof value);
    }
    if (row->number == MCQ_OPTION_IPV4ONLY)
        return narrow == 0 || narrow == 1 ? mcq_set(socket->inner, MCQ_OPT_IPV6, !narrow)
                                          : zmq_fail(EINVAL);
    if (!narrow_value(row, &value))
        return zmq_fail(EINVAL);
    if (is_passed_on(socket, row))
        return mcq_set(socket->inner, (enum mcq_option) row->number, value);
    return keep_number(socket, row, value);
}

/* An empty text is NULL to libzmq, but for these two. */
static bool refuses_empty(const struct mcq_option_row *row)
{
    return row->type == MCQ_OPTION_TEXT && row->number != MCQ_OPTION_SOCKS_USERNAME &&
           row->number != MCQ_OPTION_SOCKS_PASSWORD;
}

static int set_octets(struct zmq_socket *socket, const struct mcq_option_row *row, const void *data,
                      size_t len)
{
    if ((data == NULL && len > 0) || (data != NULL && len == 0 && refuses_empty(row)))
        return zmq_fail(EINVAL);
    if (row->type == MCQ_OPTION_KEY) {
        if (len != KEY_OCTETS && len != KEY_TEXT && len != KEY_TEXT + 1)
            return zmq_fail(EINVAL);
    } else if (len < (uint64_t) row->min || len > row->max) {
        return zmq_fail(EINVAL);
    }
    if (!is_passed_on(socket, row))
        return keep_octets(socket, row, data, len);
    if (mcq_set_bytes(socket->inner, (enum mcq_option) row->number, data, len) == 0)
        return 0;
    /* What was not subscribed to can be given back all the same. */
    return row->number == MCQ_OPTION_UNSUBSCRIBE && socket->type == ZMQ_SUB && errno == EINVAL ? 0
                                                                                               : -1;
}

int zmq_setsockopt(void *handle, int option, const void *optval, size_t optvallen)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    const struct mcq_option_row *row;

    if (socket == NULL)
        return -1;
    row = row_of(socket, option, MCQ_OPTION_SET);
    if (row == NULL)
        return zmq_fail(EINVAL);
    return mcq_option_is_number(row) ? set_number(socket, row, optval, optvallen)
                                     : set_octets(socket, row, optval, optvallen);
}

/* --- get ------------------------------------------------------------------------------------- */

static int number_of(struct zmq_socket *socket, const struct mcq_option_row *row, int64_t *value)
{
    if (row->number == MCQ_OPTION_IPV4ONLY) {
        if (mcq_get(socket->inner, MCQ_OPT_IPV6, value) != 0)
            return -1;
        *value = !*value;
        return 0;
    }
    if (is_passed_on(socket, row))
        return mcq_get(socket->inner, (enum mcq_option) row->number, value);
    *value = kept_number(socket, row);
    return 0;
}

/* All others want the exact length. */
static bool has_room_to_spare(const struct mcq_option_row *row)
{
    return row->number == MCQ_OPTION_RCVMORE || row->number == MCQ_OPTION_FD ||
           row->number == MCQ_OPTION_EVENTS || row->number == MCQ_OPTION_THREAD_SAFE;
}

// NOLINTNEXTLINE(readability-non-const-parameter): as its like
static int get_number(struct zmq_socket *socket, const struct mcq_option_row *row, void *room,
                      size_t *len)
{
    int64_t value;
    int32_t narrow;

    if (*len != size_of(row) && !(has_room_to_spare(row) && *len > size_of(row)))
        return zmq_fail(EINVAL);
    *len = size_of(row);
    if (number_of(socket, row, &value) != 0)
        return -1;
    narrow = (int32_t) value;
    memcpy(room, row->type == MCQ_OPTION_I32 ? (void *) &narrow : (void *) &value, *len);
    return 0;
}

/* Texts come with a zero, counted. */
static int get_kept(struct zmq_socket *socket, const struct mcq_option_row *row, void *room,
                    size_t *len)
{
    bool is_text = row->type == MCQ_OPTION_TEXT;
    struct zmq_shadow *shadow;
    struct octets octets = {NULL, 0};
    int result = 0;

    (void) pthread_mutex_lock(&socket->mutex);
    shadow = atomic_load(&socket->shadow);
    if (shadow != NULL)
        octets = shadow->octets[index_of(row)];
    if (*len < octets.len + is_text) {
        result = zmq_fail(EINVAL);
    } else {
        if (octets.len > 0)
            memcpy(room, octets.data, octets.len);
        if (is_text)
            ((char *) room)[octets.len] = '\0';
        *len = octets.len + is_text;
    }
    (void) pthread_mutex_unlock(&socket->mutex);
    return result;
}

/* A text to libzmq, which has a zero behind it, and octets to the library. */
static bool lacks_zero(const struct mcq_option_row *row)
{
    return row->number == MCQ_OPTION_PLAIN_USERNAME || row->number == MCQ_OPTION_PLAIN_PASSWORD ||
           row->number == MCQ_OPTION_ZAP_DOMAIN;
}

static int get_octets(struct zmq_socket *socket, const struct mcq_option_row *row, void *room,
                      size_t *len)
{
    size_t had = *len;

    if (row->type == MCQ_OPTION_KEY && had != KEY_OCTETS && had != KEY_TEXT + 1)
        return zmq_fail(EINVAL);
    if (!is_passed_on(socket, row))
        return get_kept(socket, row, room, len);
    if (mcq_get_bytes(socket->inner, (enum mcq_option) row->number, room, len) != 0)
        return -1;
    if (!lacks_zero(row))
        return 0;
    if (*len >= had)
        return zmq_fail(EINVAL);
    ((char *) room)[(*len)++] = '\0';
    return 0;
}

int zmq_getsockopt(void *handle, int option, void *optval, size_t *optvallen)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    const struct mcq_option_row *row;
    size_t len;

    if (socket == NULL)
        return -1;
    row = row_of(socket, option, MCQ_OPTION_GET);
    if (row == NULL)
        return zmq_fail(EINVAL);
    if (optval == NULL || optvallen == NULL)
        return zmq_fail(EFAULT);
    len = *optvallen;
    if ((mcq_option_is_number(row) ? get_number : get_octets)(socket, row, optval, &len) != 0)
        return -1;
    memset((char *) optval + len, 0, *optvallen - len); /* programs count on it */
    *optvallen = len;
    return 0;
}
