/* Several parts of one message by arrays of buffers. */

#include <stdlib.h>
#include <sys/uio.h>

#include "compat/compat.h"

int zmq_sendiov(void *handle, struct iovec *iov, size_t count, int flags)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    size_t len = 0;

    if (socket == NULL)
        return -1;
    if (iov == NULL || count == 0)
        return zmq_fail(EINVAL);
    for (size_t i = 0; i < count; i++) {
        int more = i + 1 < count ? flags & ZMQ_SNDMORE : 0; /* without it they are messages */

        if (zmq_send(handle, iov[i].iov_base, iov[i].iov_len, (flags & ZMQ_DONTWAIT) | more) < 0)
            return -1;
        len = iov[i].iov_len;
    }
    return zmq_int_of(len);
}

/* Each buffer is the caller's to free. */
static int take_part(struct zmq_socket *socket, struct iovec *iov, int flags, bool *more)
{
    struct mcq_message message;
    int result = -1;

    (void) mcq_message_init(&message);
    if (mcq_recv_message(socket->inner, &message, flags & ZMQ_DONTWAIT) != 0)
        return -1;
    iov->iov_len = mcq_message_size(&message);
    iov->iov_base = malloc(iov->iov_len + 1);
    *more = mcq_message_more(&message);
    if (iov->iov_base != NULL) {
        memcpy(iov->iov_base, mcq_message_data(&message), iov->iov_len);
        result = 0;
    }
    (void) mcq_message_close(&message);
    return result == 0 ? 0 : zmq_fail(ENOMEM);
}

int zmq_recviov(void *handle, struct iovec *iov, size_t *count, int flags)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    bool more = true;
    size_t room;
    size_t i;

    if (socket == NULL)
        return -1;
    if (iov == NULL || count == NULL || *count == 0)
        return zmq_fail(EINVAL);
    room = *count;
    *count = 0;
    for (i = 0; i < room && more; i++) {
        if (take_part(socket, &iov[i], flags, &more) != 0)
            return i > 0 ? zmq_int_of(i) : -1;
        ++*count;
    }
    return zmq_int_of(i);
}
