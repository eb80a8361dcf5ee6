#include "compat/compat.h"

int zmq_socket_monitor(void *handle, const char *endpoint, int events)
{
    struct zmq_socket *socket = zmq_socket_of(handle);

    (void) endpoint;
    (void) events;
    return socket == NULL ? -1 : zmq_fail(EINVAL);
}
