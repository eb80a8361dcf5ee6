/* radio_dish: listeners hear the groups that they have joined, named beside the message.
 *     radio_dish       says a little to three groups; two listeners print what they hear
 * Exit status: 0 done, 1 failed. */
#include <string.h>

#include "check.h"

static const char *const news[][2] = {
    {"weather", "rain"},      {"sport", "a draw"}, {"traffic", "none"},
    {"weather", "more rain"}, {"weather", "end"},  {"traffic", "end"},
};

static struct mcq_socket *listener(struct mcq_context *context, const char *endpoint,
                                   const char *group)
{
    struct mcq_socket *dish = connected(context, MCQ_DISH, endpoint);

    check(mcq_join(dish, group) == 0);
    return dish;
}

static void say(struct mcq_socket *radio, const char *group, const char *text)
{
    struct mcq_message message;

    check(mcq_message_init_copy(&message, text, strlen(text)) == 0);
    check(mcq_message_set_group(&message, group) == 0);
    check(mcq_send_message(radio, &message, 0) == 0);
}

static void show_all(struct mcq_socket *dish)
{
    struct mcq_message message;
    bool is_end = false;

    check(mcq_message_init(&message) == 0);
    while (!is_end) {
        check(mcq_recv_message(dish, &message, 0) == 0);
        const char *text = mcq_message_data(&message);
        int len = (int) mcq_message_size(&message);

        printf("%-8s %.*s\n", mcq_message_group(&message), len, text);
        is_end = len == 3 && memcmp(text, "end", 3) == 0;
    }
    check(mcq_message_close(&message) == 0 && mcq_close(dish) == 0);
}

int main(void)
{
    struct mcq_context *context = mcq_ctx_new();
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *radio = bound(context, MCQ_RADIO, endpoint);
    struct mcq_socket *weather = listener(context, endpoint, "weather");
    struct mcq_socket *traffic = listener(context, endpoint, "traffic");

    check(mcq_wait_peers(radio, 2, -1) == 0); /* what nobody has joined yet is dropped */
    for (size_t i = 0; i < sizeof news / sizeof news[0]; i++)
        say(radio, news[i][0], news[i][1]);
    show_all(weather);
    show_all(traffic);
    check(mcq_close(radio) == 0 && mcq_ctx_term(context, -1) == 0);
}
