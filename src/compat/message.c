/* Messages: the library's own, and a mark of which are begun. */

#include "compat/compat.h"

/* Up to here libzmq keeps a body in its message, where copies do not share it. */
#define OWN_BODY_MAX 33

static int begun(zmq_msg_t *msg, int result)
{
    zmq_set_mark(msg, result == 0 ? ZMQ_MSG_BEGUN : ZMQ_MSG_ENDED);
    return result;
}

int zmq_msg_init(zmq_msg_t *msg)
{
    return begun(msg, mcq_message_init(zmq_message_of(msg)));
}

int zmq_msg_init_size(zmq_msg_t *msg, size_t size)
{
    return begun(msg, mcq_message_init_size(zmq_message_of(msg), size));
}

int zmq_msg_init_data(zmq_msg_t *msg, void *data, size_t size, zmq_free_fn *ffn, void *hint)
{
    return begun(msg, mcq_message_init_data(zmq_message_of(msg), data, size, ffn, hint));
}

int zmq_msg_close(zmq_msg_t *msg)
{
    if (!zmq_is_begun(msg))
        return zmq_fail(EFAULT);
    zmq_drop_origin(msg);
    zmq_set_mark(msg, ZMQ_MSG_ENDED);
    return mcq_message_close(zmq_message_of(msg));
}

int zmq_msg_move(zmq_msg_t *dest, zmq_msg_t *src)
{
    unsigned char mark;
    int result;

    if (!zmq_is_begun(dest) || !zmq_is_begun(src))
        return zmq_fail(EFAULT);
    if (dest == src)
        return 0;
    zmq_drop_origin(dest);
    mark = src->_[ZMQ_MSG_MARK_AT];
    result = mcq_message_move(zmq_message_of(dest), zmq_message_of(src));
    zmq_set_mark(dest, mark);
    zmq_set_mark(src, ZMQ_MSG_BEGUN);
    return result;
}

int zmq_msg_copy(zmq_msg_t *dest, zmq_msg_t *src)
{
    unsigned char mark;
    int result;

    if (!zmq_is_begun(dest) || !zmq_is_begun(src))
        return zmq_fail(EFAULT);
    if (dest == src)
        return 0;
    zmq_drop_origin(dest);
    mark = mcq_message_size(zmq_message_of(src)) > OWN_BODY_MAX ? ZMQ_MSG_COPIED : 0;
    result = mcq_message_copy(zmq_message_of(dest), zmq_message_of(src));
    zmq_set_mark(dest, ZMQ_MSG_BEGUN | mark);
    zmq_set_mark(src, (unsigned char) (src->_[ZMQ_MSG_MARK_AT] | mark));
    return result;
}

void *zmq_msg_data(zmq_msg_t *msg)
{
    return mcq_message_data(zmq_message_of(msg));
}

size_t zmq_msg_size(const zmq_msg_t *msg)
{
    return mcq_message_size(zmq_message_of(msg));
}

int zmq_msg_more(const zmq_msg_t *msg)
{
    return mcq_message_more(zmq_message_of(msg));
}

/* --- whom it is from ------------------------------------------------------------------------- */

void zmq_forget_origin(zmq_msg_t *msg)
{
    struct mcq_origin *origin = mcq_message_origin(zmq_message_of(msg));

    zmq_set_mark(msg, (unsigned char) (msg->_[ZMQ_MSG_MARK_AT] & ~ZMQ_MSG_ASKED));
    mcq_origin_release(origin);
    mcq_origin_release(origin); /* the one that the message held; so it was found */
}

static int source_fd(const zmq_msg_t *msg)
{
    struct mcq_origin *origin = mcq_message_origin(zmq_message_of(msg));
    int fd;

    if (origin == NULL)
        return zmq_fail(EINVAL);
    fd = mcq_origin_descriptor(origin);
    mcq_origin_release(origin);
    return fd;
}

int zmq_msg_get(const zmq_msg_t *msg, int property)
{
    switch (property) {
    case ZMQ_MORE: return zmq_msg_more(msg);
    case ZMQ_SRCFD: return source_fd(msg);
    case ZMQ_SHARED: return (msg->_[ZMQ_MSG_MARK_AT] & ZMQ_MSG_COPIED) != 0;
    default: return zmq_fail(EINVAL);
    }
}

/* No property can be set: so it is in libzmq. */
int zmq_msg_set(zmq_msg_t *msg, int property, int optval)
{
    (void) msg;
    (void) property;
    (void) optval;
    return zmq_fail(EINVAL);
}

/* What it gives is good until the message is closed, moved or sent: so long it holds its origin. */
const char *zmq_msg_gets(const zmq_msg_t *msg, const char *property)
{
    struct mcq_origin *origin = zmq_is_begun(msg) ? mcq_message_origin(zmq_message_of(msg)) : NULL;
    unsigned char *mark = (unsigned char *) (uintptr_t) &msg->_[ZMQ_MSG_MARK_AT];
    const char *value = origin != NULL ? mcq_origin_property(origin, property) : NULL;

    if (value == NULL || __atomic_fetch_or(mark, ZMQ_MSG_ASKED, __ATOMIC_RELAXED) & ZMQ_MSG_ASKED)
        mcq_origin_release(origin);
    if (value == NULL)
        errno = EINVAL;
    return value;
}
