/* forwarder: publishers and subscribers that need not know of each other.
 *     forwarder        passes messages on from a publisher to a subscriber, and what the subscriber
 *                      asks for the other way; prints both
 * Exit status: 0 done, 1 failed. */
#include <string.h>

#include "check.h"

/* A message, as it comes; of a subscription the first octet says whether it begins or ends. */
static bool pass_on(const char *way, struct mcq_socket *from, struct mcq_socket *to)
{
    struct mcq_message message;
    const char *text;
    int len;

    check(mcq_message_init(&message) == 0 && mcq_recv_message(from, &message, 0) == 0);
    text = mcq_message_data(&message);
    len = (int) mcq_message_size(&message);
    bool is_end = len == 3 && memcmp(text, "end", 3) == 0;

    if (len > 0 && text[0] <= 1)
        printf("%-5s %s %.*s\n", way, text[0] == 1 ? "subscribe" : "cancel", len - 1, text + 1);
    else
        printf("%-5s %.*s\n", way, len, text);
    check(mcq_send_message(to, &message, mcq_message_more(&message) ? MCQ_SNDMORE : 0) == 0);
    return !is_end;
}

int main(void)
{
    struct mcq_context *context = mcq_ctx_new();
    char above[ENDPOINT_BYTES];
    char below[ENDPOINT_BYTES];
    struct mcq_socket *front = bound(context, MCQ_XSUB, above);
    struct mcq_socket *back = bound(context, MCQ_XPUB, below);
    struct mcq_socket *pub = connected(context, MCQ_PUB, above);
    struct mcq_socket *sub = connected(context, MCQ_SUB, below);
    char text[32];

    check(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "temp.", 5) == 0);
    check(mcq_set_bytes(sub, MCQ_OPT_SUBSCRIBE, "end", 3) == 0);
    for (int i = 0; i < 2; i++)
        check(pass_on("up", back, front));
    for (int64_t count = 0; count < 2; check(mcq_poll(NULL, 0, 1) == 0)) /* it hears of both */
        check(mcq_get(pub, MCQ_OPT_TOPICS_COUNT, &count) == 0);
    check(mcq_send(pub, "wind.oslo calm", 14, 0) == 0);
    check(mcq_send(pub, "temp.oslo 7.2", 13, 0) == 0);
    check(mcq_send(pub, "end", 3, 0) == 0);
    while (pass_on("down", front, back))
        continue;
    do {
        memset(text, 0, sizeof text);
        check(mcq_recv(sub, text, sizeof text - 1, 0) > 0);
        printf("heard %s\n", text);
    } while (strcmp(text, "end") != 0);
    check(mcq_close(pub) == 0 && mcq_close(sub) == 0);
    check(mcq_close(front) == 0 && mcq_close(back) == 0 && mcq_ctx_term(context, -1) == 0);
}
