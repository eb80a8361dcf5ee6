/* Sockets: the library's, in storage that knows whether it is one. */

#include <stdlib.h>

#include "compat/compat.h"

/* File-level: storage of sockets outlives them and their contexts. */
static pthread_mutex_t free_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct zmq_socket *free_sockets;

#define SEND_FLAGS (ZMQ_DONTWAIT | ZMQ_SNDMORE)

/* --- life ------------------------------------------------------------------------------------ */

static struct zmq_socket *take_storage(void)
{
    struct zmq_socket *socket;

    (void) pthread_mutex_lock(&free_mutex);
    socket = free_sockets;
    if (socket != NULL)
        free_sockets = socket->next_free;
    (void) pthread_mutex_unlock(&free_mutex);
    if (socket != NULL)
        return socket;
    socket = calloc(1, sizeof *socket);
    if (socket != NULL)
        (void) pthread_mutex_init(&socket->mutex, NULL);
    return socket;
}

static void put_storage(struct zmq_socket *socket)
{
    (void) pthread_mutex_lock(&free_mutex);
    socket->next_free = free_sockets;
    free_sockets = socket;
    (void) pthread_mutex_unlock(&free_mutex);
}

/* What a context says of the sockets that are made in it. */
static int inherit(struct zmq_socket *socket)
{
    if (zmq_context_value(socket->context, MCQ_CONTEXT_IPV6) != 0 &&
        mcq_set(socket->inner, MCQ_OPT_IPV6, 1) != 0)
        return -1;
    if (zmq_context_value(socket->context, MCQ_CONTEXT_BLOCKY) == 0)
        return mcq_set(socket->inner, MCQ_OPT_LINGER, 0);
    return 0;
}

void *zmq_socket(void *context_handle, int type)
{
    struct zmq_context *context = zmq_context_of(context_handle);
    struct zmq_socket *socket;

    if (context == NULL)
        return NULL;
    socket = take_storage();
    if (socket == NULL)
        return NULL;
    socket->context = context;
    socket->type = type;
    socket->inner = mcq_socket(context->inner, (enum mcq_type) type);
    if (socket->inner == NULL || inherit(socket) != 0) {
        int number = errno;

        if (socket->inner != NULL)
            (void) mcq_close(socket->inner);
        put_storage(socket);
        errno = number;
        return NULL;
    }
    atomic_store(&socket->mark, ZMQ_SOCKET_LIVE);
    return socket;
}

int zmq_close(void *handle)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    uint32_t live = ZMQ_SOCKET_LIVE;

    if (socket == NULL)
        return -1;
    if (!atomic_compare_exchange_strong(&socket->mark, &live, 0))
        return zmq_fail(ENOTSOCK);
    zmq_shadow_drop(socket);
    if (zmq_is_own(socket->context)) {
        (void) mcq_close(socket->inner);
        zmq_monitor_end(socket);
    }
    put_storage(socket);
    return 0;
}

/* --- endpoints ------------------------------------------------------------------------------- */

static int call_endpoint(void *handle, const char *endpoint,
                         int (*call)(struct mcq_socket *socket, const char *endpoint),
                         bool needs_thread)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    static const char inproc[] = "inproc:";

    if (socket == NULL)
        return -1;
    if (endpoint == NULL)
        return zmq_fail(EINVAL);
    if (needs_thread && zmq_context_value(socket->context, MCQ_CONTEXT_IO_THREADS) == 0 &&
        strncmp(endpoint, inproc, sizeof inproc - 1) != 0)
        return zmq_fail(EMTHREAD);
    return call(socket->inner, endpoint);
}

int zmq_bind(void *socket, const char *endpoint)
{
    return call_endpoint(socket, endpoint, mcq_bind, true);
}

int zmq_connect(void *socket, const char *endpoint)
{
    return call_endpoint(socket, endpoint, mcq_connect, true);
}

/* Which of the two it was, libzmq does not ask. */
static int end_endpoint(struct mcq_socket *socket, const char *endpoint)
{
    int result = mcq_unbind(socket, endpoint);

    return result != 0 && errno == ENOENT ? mcq_disconnect(socket, endpoint) : result;
}

/* A wildcard names nothing that could be ended: the address does that it became. */
static bool is_wildcard(const char *endpoint)
{
    size_t len = strlen(endpoint);

    return strcmp(endpoint, "ipc://*") == 0 ||
           (strncmp(endpoint, "tcp://", 6) == 0 && strcmp(endpoint + len - 2, ":*") == 0);
}

int zmq_unbind(void *socket, const char *endpoint)
{
    if (endpoint != NULL && is_wildcard(endpoint) && zmq_socket_of(socket) != NULL)
        return zmq_fail(ENOENT);
    return call_endpoint(socket, endpoint, end_endpoint, false);
}

int zmq_disconnect(void *socket, const char *endpoint)
{
    return zmq_unbind(socket, endpoint);
}

/* --- messages -------------------------------------------------------------------------------- */

int zmq_send(void *handle, const void *buf, size_t len, int flags)
{
    struct zmq_socket *socket = zmq_socket_of(handle);

    if (socket == NULL || mcq_send(socket->inner, buf, len, flags & SEND_FLAGS) != 0)
        return -1;
    return zmq_int_of(len);
}

/* Constant octets need no copy, whose reference would cost more than that of few. */
int zmq_send_const(void *handle, const void *buf, size_t len, int flags)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    struct mcq_message message;
    int number;

    if (socket == NULL ||
        mcq_message_init_data(&message, (void *) (uintptr_t) buf, len, NULL, NULL) != 0)
        return -1;
    if (mcq_send_message(socket->inner, &message, flags & SEND_FLAGS) == 0)
        return zmq_int_of(len);
    number = errno;
    (void) mcq_message_close(&message);
    return zmq_fail(number);
}

int zmq_recv(void *handle, void *buf, size_t len, int flags)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    ptrdiff_t size;

    if (socket == NULL)
        return -1;
    size = mcq_recv(socket->inner, buf, len, flags & ZMQ_DONTWAIT);
    return size < 0 ? -1 : zmq_int_of((size_t) size);
}

int zmq_msg_send(zmq_msg_t *msg, void *handle, int flags)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    size_t len;

    if (socket == NULL)
        return -1;
    if (!zmq_is_begun(msg))
        return zmq_fail(EFAULT);
    zmq_drop_origin(msg);
    len = mcq_message_size(zmq_message_of(msg));
    if (mcq_send_message(socket->inner, zmq_message_of(msg), flags & SEND_FLAGS) != 0)
        return -1;
    zmq_set_mark(msg, ZMQ_MSG_BEGUN);
    return zmq_int_of(len);
}

int zmq_msg_recv(zmq_msg_t *msg, void *handle, int flags)
{
    struct zmq_socket *socket = zmq_socket_of(handle);
    int result;

    if (socket == NULL)
        return -1;
    if (!zmq_is_begun(msg))
        return zmq_fail(EFAULT);
    zmq_drop_origin(msg);
    result = mcq_recv_message(socket->inner, zmq_message_of(msg), flags & ZMQ_DONTWAIT);
    zmq_set_mark(msg, ZMQ_MSG_BEGUN);
    return result == 0 ? zmq_int_of(mcq_message_size(zmq_message_of(msg))) : -1;
}

int zmq_sendmsg(void *socket, zmq_msg_t *msg, int flags)
{
    return zmq_msg_send(msg, socket, flags);
}

int zmq_recvmsg(void *socket, zmq_msg_t *msg, int flags)
{
    return zmq_msg_recv(msg, socket, flags);
}
