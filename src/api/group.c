#include <errno.h>
#include <monocoque.h>

#include "api/fail.h"

static int call_join(struct mcq_socket *socket, const char *group, bool is_on)
{
    const char *verb = is_on ? "join" : "leave";
    enum mcq_err err;

    if (socket == NULL || group == NULL)
        return mcq_fail_null(verb, socket == NULL ? "socket" : "group");
    err = mcq_socket_enter(socket);
    if (err == MCQ_OK) {
        err = socket->pattern->ops->join == NULL
                  ? MCQ_NOT_SUPPORTED
                  : socket->pattern->ops->join(socket->pattern, mcq_bytes_of(group), is_on);
        mcq_socket_flush(socket);
        mcq_socket_guard_output(socket);
        mcq_socket_leave(socket);
    }
    if (err == MCQ_OK)
        return 0;
    if (err == MCQ_NOT_SUPPORTED)
        return mcq_fail(ENOTSUP, "%s: a %s socket has no groups", verb,
                        mcq_socket_type_name(socket->type));
    return mcq_fail(mcq_err_errno(err), "%s %.255s: %s", verb, group,
                    err != MCQ_INVAL ? mcq_fail_text(MCQ_CALL_OTHER, socket->type, err)
                    : is_on          ? "it is joined, or longer than 255 octets"
                                     : "it is not joined");
}

int mcq_join(struct mcq_socket *socket, const char *group)
{
    return call_join(socket, group, true);
}

int mcq_leave(struct mcq_socket *socket, const char *group)
{
    return call_join(socket, group, false);
}
