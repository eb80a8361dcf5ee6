/* Rest: what peers say that is for nobody to receive is read as far as others do not suffer. */

#include "pump/link_parts.h"

/* For so long after a rest little is read at a time: what is unread rests in our memory. */
#define WARY_NS 100000000

static void begin_window(struct mcq_link_group *group, uint64_t now_ns)
{
    group->window++;
    group->window_at_ns = now_ns;
    group->command_bytes = 0;
}

void mcq_link_count_command(struct mcq_link *link)
{
    struct mcq_link_group *group = link->group;
    size_t len = (size_t) link->session->command.size + MCQ_REST_COMMAND_BYTES;

    if (link->now_ns >= group->window_at_ns + MCQ_REST_WINDOW_NS)
        begin_window(group, link->now_ns);
    if (link->window != group->window) {
        link->window = group->window;
        link->command_bytes = 0;
    }
    group->command_bytes = mcq_size_add(group->command_bytes, len);
    link->command_bytes = mcq_size_add(link->command_bytes, len);
    if (group->command_bytes < MCQ_REST_GROUP_BYTES || link->command_bytes < MCQ_REST_LINK_BYTES)
        return;
    link->is_resting = true;
    link->wary_until_ns = link->now_ns + WARY_NS;
    group->has_resting = true;
}

void mcq_link_wake(struct mcq_link *link)
{
    link->is_starved = false;
    if (!link->is_resting)
        return;
    link->is_resting = false;
    if (link->window == link->group->window) /* it was read long ago: the clock has gone on */
        begin_window(link->group, link->group->window_at_ns);
}
