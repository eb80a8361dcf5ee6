#include "pump/origin.h"

#include <errno.h>
#include <monocoque.h>

#include "api/fail.h"
#include "api/message.h"

struct mcq_origin *mcq_message_origin(const struct mcq_message *message)
{
    struct mcq_origin *origin;

    if (message == NULL) {
        (void) mcq_fail_null("message_origin", "message");
        return NULL;
    }
    origin = mcq_origin_find(((const struct mcq_msg *) (const void *) message)->routing_id);
    if (origin == NULL)
        (void) mcq_fail(ENOENT, "message_origin: it came over no connection, or one that ended "
                                "before many others did");
    return origin;
}

const char *mcq_origin_property(const struct mcq_origin *origin, const char *name)
{
    const char *value;

    if (origin == NULL || name == NULL) {
        (void) mcq_fail_null("origin_property", origin == NULL ? "origin" : "name");
        return NULL;
    }
    value = mcq_origin_text(origin, name);
    if (value == NULL)
        (void) mcq_fail(ENOENT, "origin_property %.100s: the peer has none", name);
    return value;
}

int mcq_origin_descriptor(const struct mcq_origin *origin)
{
    return origin != NULL ? mcq_origin_fd(origin) : mcq_fail_null("origin_descriptor", "origin");
}

void mcq_origin_release(struct mcq_origin *origin)
{
    if (origin != NULL)
        mcq_origin_put(origin);
}
