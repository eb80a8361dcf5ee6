#include <errno.h>
#include <monocoque.h>
#include <string.h>

#include "api/fail.h"
#include "api/message.h"
#include "wire/command.h"

static_assert(MCQ_GROUP_MAX == MCQ_JOIN_GROUP_BYTES_MAX, "as the protocol has it");

int mcq_message_init(struct mcq_message *message)
{
    if (MCQ_UNLIKELY(message == NULL))
        return mcq_fail_null("message_init", "message");
    mcq_msg_init(mcq_msg_of(message));
    return 0;
}

static int fail(const char *call, size_t len, enum mcq_err err)
{
    return mcq_fail(mcq_err_errno(err), "%s of %zu octets: %s", call, len, mcq_err_text(err));
}

static inline int begin(struct mcq_message *message, size_t len, const char *call,
                        enum mcq_err (*init)(struct mcq_msg *msg, size_t len))
{
    enum mcq_err err;

    if (MCQ_UNLIKELY(message == NULL))
        return mcq_fail_null(call, "message");
    err = init(mcq_msg_of(message), len);
    return err == MCQ_OK ? 0 : fail(call, len, err);
}

int mcq_message_init_size(struct mcq_message *message, size_t len)
{
    return begin(message, len, "message_init_size", mcq_msg_init_size);
}

int mcq_message_init_unset(struct mcq_message *message, size_t len)
{
    return begin(message, len, "message_init_unset", mcq_msg_init_unset);
}

int mcq_message_init_copy(struct mcq_message *message, const void *data, size_t len)
{
    enum mcq_err err;

    if (MCQ_UNLIKELY(message == NULL || (data == NULL && len > 0)))
        return mcq_fail_null("message_init_copy", message == NULL ? "message" : "data");
    err = mcq_msg_init_copy(mcq_msg_of(message), mcq_bytes(data, len));
    return err == MCQ_OK ? 0 : fail("message_init_copy", len, err);
}

int mcq_message_init_data(struct mcq_message *message, void *data, size_t len,
                          void (*release)(void *data, void *hint), void *hint)
{
    struct mcq_buf *buf;
    enum mcq_err err;

    if (MCQ_UNLIKELY(message == NULL || (data == NULL && len > 0)))
        return mcq_fail_null("message_init_data", message == NULL ? "message" : "data");
    mcq_msg_init(mcq_msg_of(message));
    err = mcq_buf_wrap(data, len, release, hint, &buf);
    if (err != MCQ_OK)
        return fail("message_init_data", len, err);
    mcq_msg_init_buf(mcq_msg_of(message), &buf, mcq_bytes(data, len));
    return 0;
}

int mcq_message_close(struct mcq_message *message)
{
    if (MCQ_UNLIKELY(message == NULL))
        return mcq_fail_null("message_close", "message");
    mcq_msg_fini(mcq_msg_of(message));
    return 0;
}

int mcq_message_move(struct mcq_message *target, struct mcq_message *source)
{
    if (MCQ_UNLIKELY(target == NULL || source == NULL))
        return mcq_fail_null("message_move", target == NULL ? "target" : "source");
    if (target == source)
        return 0;
    mcq_msg_fini(mcq_msg_of(target));
    mcq_msg_move(mcq_msg_of(target), mcq_msg_of(source));
    return 0;
}

int mcq_message_copy(struct mcq_message *target, struct mcq_message *source)
{
    if (MCQ_UNLIKELY(target == NULL || source == NULL))
        return mcq_fail_null("message_copy", target == NULL ? "target" : "source");
    if (target == source)
        return 0;
    mcq_msg_fini(mcq_msg_of(target));
    mcq_msg_copy(mcq_msg_of(target), mcq_msg_of(source));
    return 0;
}

void *mcq_message_data(struct mcq_message *message)
{
    struct mcq_msg *msg = mcq_msg_of(message);

    if (MCQ_UNLIKELY(message == NULL)) {
        (void) mcq_fail_null("message_data", "message");
        return NULL;
    }
    if (msg->kind == MCQ_MSG_INLINE)
        return msg->small;
    /* Where it may not be written, only the promise of the manual keeps it from being. */
    return (void *) (uintptr_t) msg->large.data;
}

size_t mcq_message_size(const struct mcq_message *message)
{
    if (MCQ_LIKELY(message != NULL))
        return mcq_msg_len((const struct mcq_msg *) (const void *) message);
    (void) mcq_fail_null("message_size", "message");
    return 0;
}

bool mcq_message_more(const struct mcq_message *message)
{
    if (MCQ_LIKELY(message != NULL))
        return ((const struct mcq_msg *) (const void *) message)->more;
    (void) mcq_fail_null("message_more", "message");
    return false;
}

uint32_t mcq_message_routing_id(const struct mcq_message *message)
{
    uint32_t id;

    if (MCQ_UNLIKELY(message == NULL)) {
        (void) mcq_fail_null("message_routing_id", "message");
        return 0;
    }
    id = ((const struct mcq_msg *) (const void *) message)->routing_id;
    return id & MCQ_MSG_ORIGIN_BIT ? 0 : id;
}

int mcq_message_set_routing_id(struct mcq_message *message, uint32_t routing_id)
{
    if (MCQ_UNLIKELY(message == NULL))
        return mcq_fail_null("message_set_routing_id", "message");
    if (routing_id == 0)
        return mcq_fail(EINVAL, "message_set_routing_id: 0 is nobody's");
    mcq_msg_of(message)->routing_id = routing_id;
    return 0;
}

const char *mcq_message_group(const struct mcq_message *message)
{
    if (MCQ_LIKELY(message != NULL))
        return (const char *) mcq_msg_group((const struct mcq_msg *) (const void *) message).data;
    (void) mcq_fail_null("message_group", "message");
    return "";
}

int mcq_message_set_group(struct mcq_message *message, const char *group)
{
    enum mcq_err err;

    if (MCQ_UNLIKELY(message == NULL || group == NULL))
        return mcq_fail_null("message_set_group", message == NULL ? "message" : "group");
    if (strlen(group) > MCQ_GROUP_MAX)
        return mcq_fail(EINVAL, "message_set_group: it is longer than %d octets", MCQ_GROUP_MAX);
    err = mcq_msg_set_group(mcq_msg_of(message), mcq_bytes_of(group));
    return err == MCQ_OK ? 0 : fail("message_set_group", strlen(group), err);
}
