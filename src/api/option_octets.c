#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "api/fail.h"
#include "api/option.h"
#include "transport/tcp.h"
#include "wire/z85.h"

/* A key as text, and a zero. */
#define KEY_TEXT_BYTES (MCQ_Z85_TEXT_LEN(MCQ_CRYPTO_KEY_BYTES) + 1)

#define SHOWN_MAX 120 /* octets of a text that an error repeats */

/* A part of the topic that can be shown. */
static int fail_topic(const struct mcq_option_row *row, struct mcq_bytes topic, enum mcq_err err)
{
    const char *why = err != MCQ_INVAL                        ? mcq_err_text(err)
                      : row->number == MCQ_OPTION_UNSUBSCRIBE ? "there is no such subscription"
                                                              : "the topic is too long";

    return mcq_fail(mcq_err_errno(err), "set %s of %zu octets: %s", row->name, topic.len, why);
}

static int subscribe(struct mcq_socket *socket, const struct mcq_option_row *row,
                     struct mcq_bytes topic)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;
    enum mcq_err err;

    if (ops->subscribe == NULL)
        return mcq_option_fail_foreign("set", row, socket);
    err = ops->subscribe(socket->pattern, topic, row->number == MCQ_OPTION_SUBSCRIBE);
    mcq_socket_flush(socket);
    mcq_socket_guard_output(socket);
    if (err == MCQ_MISMATCH)
        return mcq_fail(EINVAL, "set %s: set XPUB_MANUAL first", row->name);
    return err == MCQ_OK ? 0 : fail_topic(row, topic, err);
}

static int set_pattern_bytes(struct mcq_socket *socket, const struct mcq_option_place *option,
                             struct mcq_bytes bytes)
{
    const struct mcq_pattern_ops *ops = socket->pattern->ops;
    enum mcq_err err = MCQ_INVAL;

    if (ops->set_bytes != NULL)
        err = ops->set_bytes(socket->pattern, (enum mcq_pattern_option) option->home->at, bytes);
    if (err == MCQ_INVAL)
        return mcq_option_fail_foreign("set", option->row, socket);
    return err == MCQ_OK ? 0 : mcq_option_fail("set", option->row, socket, err);
}

static int set_word(struct mcq_socket *socket, const struct mcq_option_place *option,
                    struct mcq_bytes bytes)
{
    struct mcq_msg *word = &socket->words[option->home->at];
    struct mcq_msg copy;
    enum mcq_err err;

    if (!mcq_option_is_of(option->row, socket->type))
        return mcq_option_fail_foreign("set", option->row, socket);
    err = mcq_msg_init_copy(&copy, bytes);
    if (err != MCQ_OK)
        return mcq_option_fail("set", option->row, socket, err);
    mcq_msg_freeze(&copy);
    mcq_msg_fini(word);
    mcq_msg_move(word, &copy);
    return 0;
}

static int set_security(struct mcq_socket *socket, const struct mcq_option_row *row,
                        struct mcq_bytes bytes)
{
    enum mcq_err err =
        mcq_security_set_octets(&socket->options.security, (enum mcq_option_id) row->number, bytes);

    if (err == MCQ_INVAL)
        return mcq_fail(EINVAL,
                        "set %s of %zu octets: not a key, which is 32 octets or 40 "
                        "characters of Z85",
                        row->name, bytes.len);
    return err == MCQ_OK ? 0 : mcq_option_fail("set", row, socket, err);
}

/* Keys have a text, too, and tell by themselves whether it is one. */
static bool has_good_size(const struct mcq_option_row *row, size_t len)
{
    return row->type == MCQ_OPTION_KEY || (len >= (uint64_t) row->min && len <= row->max);
}

static int add_network(struct mcq_socket *socket, const struct mcq_option_row *row,
                       struct mcq_bytes text)
{
    struct mcq_admission **admission = &socket->options.admission;
    struct mcq_admission_rule rule;
    enum mcq_err err;

    if (text.len > 0 && !mcq_admission_parse(text, &rule))
        return mcq_fail(EINVAL, "set %s to %.*s: a network is written ADDRESS or ADDRESS/BITS",
                        row->name, (int) mcq_min_size(text.len, SHOWN_MAX),
                        (const char *) text.data);
    err = text.len > 0 ? mcq_admission_add(admission, &rule)
                       : mcq_admission_clear(admission, MCQ_ADMIT_NETWORK);
    return err == MCQ_OK ? 0 : mcq_option_fail_full(row, socket, err);
}

static int set_text(struct mcq_socket *socket, const struct mcq_option_place *option,
                    struct mcq_bytes text)
{
    char *field = mcq_option_field(socket, option->home);

    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
        return mcq_fail(EINVAL, "set %s: a name has no zero octet", option->row->name);
    if (option->home->id == MCQ_OPTION_TCP_CONGESTION && text.len > 0 &&
        !mcq_tcp_has_congestion(text))
        return mcq_fail(EINVAL, "set %s to %.*s: the system has none of this name, or denies it",
                        option->row->name, (int) text.len, (const char *) text.data);
    *mcq_put_bytes((uint8_t *) field, text) = '\0';
    return 0;
}

static int set_routing_id(struct mcq_socket *socket, const struct mcq_option_row *row,
                          struct mcq_bytes id)
{
    enum mcq_err err = mcq_socket_options_name(&socket->options, id);

    return err == MCQ_OK ? 0 : mcq_option_fail("set", row, socket, err);
}

static int set_proxy(struct mcq_socket *socket, const struct mcq_option_place *option,
                     struct mcq_bytes text)
{
    struct mcq_endpoint endpoint;
    enum mcq_endpoint_fault fault = option->home->at == MCQ_PROXY_ADDRESS && text.len > 0
                                        ? mcq_endpoint_parse_peer(text, &endpoint)
                                        : MCQ_ENDPOINT_GOOD;
    enum mcq_err err;

    if (fault != MCQ_ENDPOINT_GOOD)
        return mcq_fail(EINVAL, "set %s to %.*s: %s", option->row->name, (int) text.len,
                        (const char *) text.data, mcq_endpoint_fault_text(fault));
    err = mcq_proxy_set(&socket->options.proxy, (enum mcq_proxy_part) option->home->at, text);
    return err == MCQ_OK ? 0 : mcq_option_fail("set", option->row, socket, err);
}

static int add_property(struct mcq_socket *socket, const struct mcq_option_row *row,
                        struct mcq_bytes text)
{
    enum mcq_err err = mcq_properties_add(&socket->options.properties, text);

    if (err == MCQ_INVAL || err == MCQ_LIMIT)
        return mcq_fail(EINVAL,
                        err == MCQ_LIMIT ? "set %s to %.*s: all of them have more than 16 KiB"
                                         : "set %s to %.*s: a property is written X-NAME:VALUE",
                        row->name, (int) mcq_min_size(text.len, SHOWN_MAX),
                        (const char *) text.data);
    return err == MCQ_OK ? 0 : mcq_option_fail("set", row, socket, err);
}

/* Those that are neither a number nor a text are told apart by their ids. */
static int set_octets(struct mcq_socket *socket, const struct mcq_option_place *option,
                      struct mcq_bytes bytes)
{
    if (option->home->kind == MCQ_KIND_TEXT)
        return set_text(socket, option, bytes);
    if (option->home->kind == MCQ_KIND_PROXY)
        return set_proxy(socket, option, bytes);
    if (option->home->kind == MCQ_KIND_RULE)
        return add_network(socket, option->row, bytes);
    if (option->home->kind == MCQ_KIND_SECURITY)
        return set_security(socket, option->row, bytes);
    if (option->home->kind == MCQ_KIND_WORD)
        return set_word(socket, option, bytes);
    if (option->home->kind == MCQ_KIND_PATTERN_OCTETS)
        return set_pattern_bytes(socket, option, bytes);
    if (option->home->id == MCQ_OPTION_ROUTING_ID)
        return set_routing_id(socket, option->row, bytes);
    if (option->home->id == MCQ_OPTION_METADATA)
        return add_property(socket, option->row, bytes);
    return subscribe(socket, option->row, bytes);
}

int mcq_set_bytes(struct mcq_socket *socket, enum mcq_option id, const void *data, size_t len)
{
    struct mcq_option_place option;
    struct mcq_bytes bytes = mcq_bytes(data, len);
    const struct mcq_option_row *row;
    enum mcq_err err;
    int result;

    if (socket == NULL || (data == NULL && len > 0))
        return mcq_fail_null("set_bytes", socket == NULL ? "socket" : "data");
    option = mcq_option_place(id, MCQ_OPTION_SET, true);
    row = option.row;
    if (row == NULL)
        return -1;
    if (!has_good_size(row, len))
        return mcq_fail(EINVAL, "set %s of %zu octets: not %" PRId64 "..%" PRIu64 " octets",
                        row->name, len, row->min, row->max);
    if (id == MCQ_OPT_ROUTING_ID && len > 0 && bytes.data[0] == MCQ_PROPERTY_IDENTITY_NOT_FIRST)
        return mcq_fail(EINVAL, "set ROUTING_ID: those that begin with a zero octet are ROUTER's");
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return mcq_option_fail("set", row, socket, err);
    result = set_octets(socket, &option, bytes);
    mcq_socket_leave(socket);
    return result;
}

/* A STREAM is told the name of its newest peer, if that was not given by the application. */
static struct mcq_bytes routing_id_of(struct mcq_socket *socket)
{
    struct mcq_socket_options *options = &socket->options;
    uint8_t octets[MCQ_ROUTER_GENERATED_BYTES];
    int64_t number;

    if (socket->type == MCQ_SOCKET_TYPE_STREAM &&
        socket->pattern->ops->get(socket->pattern, MCQ_PATTERN_LAST_PEER, &number) == MCQ_OK) {
        mcq_put_u32be(mcq_put_u8(octets, MCQ_PROPERTY_IDENTITY_NOT_FIRST), (uint32_t) number);
        if (mcq_socket_options_name(options, mcq_bytes(octets, sizeof octets)) != MCQ_OK)
            return mcq_bytes_of("");
    }
    return mcq_socket_options_routing_id(options);
}

static struct mcq_bytes bytes_of(struct mcq_socket *socket, const struct mcq_option_place *option)
{
    const struct mcq_socket_options *options = &socket->options;
    struct mcq_bytes bytes;

    if (option->home->kind == MCQ_KIND_SECURITY)
        return mcq_security_octets(options->security, option->home->id);
    if (option->row->number == MCQ_OPTION_ROUTING_ID)
        return routing_id_of(socket);
    if (option->home->kind == MCQ_KIND_PROXY) {
        bytes = mcq_proxy_get(options->proxy, (enum mcq_proxy_part) option->home->at);
        return mcq_bytes(bytes.data, bytes.len + 1);
    }
    if (option->home->kind == MCQ_KIND_TEXT) {
        const char *text = mcq_option_field(socket, option->home);

        return mcq_bytes(text, strlen(text) + 1);
    }
    return mcq_bytes(socket->last_endpoint, strlen(socket->last_endpoint) + 1);
}

/* A key as its text, with a zero. */
static struct mcq_bytes key_text(struct mcq_bytes key, char text[KEY_TEXT_BYTES])
{
    (void) !mcq_z85_encode(key, text);
    text[KEY_TEXT_BYTES - 1] = '\0';
    return mcq_bytes(text, KEY_TEXT_BYTES);
}

int mcq_get_bytes(struct mcq_socket *socket, enum mcq_option id, void *buffer, size_t *len)
{
    const struct mcq_option_row *row;
    char text[KEY_TEXT_BYTES];
    struct mcq_option_place option;
    struct mcq_bytes bytes;
    enum mcq_err err;
    size_t room;

    if (socket == NULL || len == NULL || (buffer == NULL && *len > 0))
        return mcq_fail_null("get_bytes", socket == NULL ? "socket"
                                          : len == NULL  ? "len"
                                                         : "buffer");
    option = mcq_option_place(id, MCQ_OPTION_GET, true);
    row = option.row;
    if (row == NULL)
        return -1;
    err = mcq_socket_enter(socket);
    if (err != MCQ_OK)
        return mcq_option_fail("get", row, socket, err);
    room = *len;
    bytes = bytes_of(socket, &option);
    if (row->type == MCQ_OPTION_KEY && room >= KEY_TEXT_BYTES)
        bytes = key_text(bytes, text);
    *len = bytes.len;
    if (bytes.len > 0 && bytes.len <= room)
        (void) mcq_put_bytes(buffer, bytes);
    mcq_socket_leave(socket);
    if (*len > room)
        return mcq_fail(EINVAL, "get %s: %zu octets do not fit into %zu", row->name, *len, room);
    return 0;
}
