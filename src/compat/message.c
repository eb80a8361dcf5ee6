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
    mark = mcq_message_size(zmq_message_of(src)) > OWN_BODY_MAX ? ZMQ_MSG_COPIED : ZMQ_MSG_BEGUN;
    result = mcq_message_copy(zmq_message_of(dest), zmq_message_of(src));
    zmq_set_mark(dest, mark);
    zmq_set_mark(src, mark);
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

int zmq_msg_get(const zmq_msg_t *msg, int property)
{
    switch (property) {
    case ZMQ_MORE: return zmq_msg_more(msg);
    case ZMQ_SRCFD: return -1;
    case ZMQ_SHARED: return msg->_[ZMQ_MSG_MARK_AT] == ZMQ_MSG_COPIED;
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

const char *zmq_msg_gets(const zmq_msg_t *msg, const char *property)
{
    return mcq_message_property(zmq_message_of(msg), property, NULL);
}
