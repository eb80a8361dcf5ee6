/* pub_sub: each subscriber hears the topics that it asked for.
 *     pub_sub          publishes some weather; two subscribers print their part of it
 * Exit status: 0 done, 1 failed. */
#include <string.h>

#include "check.h"

static const char *const news[][2] = {
    {"temp.oslo", "7.2"}, {"wind.oslo", "calm"}, {"temp.rome", "18.9"},
    {"rain.rome", "no"},  {"wind.rome", "gale"}, {"end", ""},
};

static struct mcq_socket *subscriber(struct mcq_context *context, const char *endpoint,
                                     const char *topic)
{
    struct mcq_socket *sub = connected(context, MCQ_SUB, endpoint);

    check(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, topic, strlen(topic)) == 0);
    check(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "end", 3) == 0);
    return sub;
}

static void show_all(const char *name, struct mcq_socket *sub)
{
    char topic[32] = "";

    while (strcmp(topic, "end") != 0) {
        char text[32] = ""; /* the second part */

        memset(topic, 0, sizeof topic);
        check(mcq_recv(sub, topic, sizeof topic - 1, 0) > 0);
        check(mcq_recv(sub, text, sizeof text - 1, 0) >= 0);
        printf("%-11s  %-9s  %s\n", name, topic, text);
    }
    check(mcq_close(sub) == 0);
}

int main(void)
{
    struct mcq_context *context = mcq_ctx_new();
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *pub = bound(context, MCQ_PUB, endpoint);
    struct mcq_socket *temp = subscriber(context, endpoint, "temp.");
    struct mcq_socket *wind = subscriber(context, endpoint, "wind.");

    check(mcq_wait_peers(pub, 2, -1) == 0); /* what nobody has subscribed to yet is dropped */
    for (size_t i = 0; i < sizeof news / sizeof news[0]; i++) {
        check(mcq_send(pub, news[i][0], strlen(news[i][0]), MCQ_SNDMORE) == 0);
        check(mcq_send(pub, news[i][1], strlen(news[i][1]), 0) == 0);
    }
    show_all("thermometer", temp);
    show_all("windsock", wind);
    check(mcq_close(pub) == 0 && mcq_ctx_term(context, -1) == 0);
}
