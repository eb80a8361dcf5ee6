/* router_dealer: a kitchen. Guests order without waiting for what they ordered before, and are
 * served by name, in the order in which the dishes are ready.
 *     router_dealer    two guests, two dishes each; the last order is ready first
 * Exit status: 0 done, 1 failed. */
#include <string.h>

#include "check.h"

#define GUESTS 2
#define DISHES 2
#define ORDERS (GUESTS * DISHES)

static const char *const names[GUESTS] = {"ann", "bob"};
static const char *const dishes[DISHES] = {"soup", "cake"};

struct order {
    struct mcq_message guest; /* the part that ROUTER puts in front: whom it came from */
    struct mcq_message dish;
};

int main(void)
{
    struct mcq_context *context = mcq_ctx_new();
    char endpoint[ENDPOINT_BYTES];
    struct mcq_socket *kitchen = bound(context, MCQ_ROUTER, endpoint);
    struct mcq_socket *guests[GUESTS];
    struct order orders[ORDERS];

    for (int i = 0; i < GUESTS; i++) {
        guests[i] = mcq_socket(context, MCQ_DEALER);
        check(mcq_set_bytes(guests[i], MCQ_OPT_ROUTING_ID, names[i], strlen(names[i])) == 0);
        check(mcq_connect(guests[i], endpoint) == 0);
        for (int dish = 0; dish < DISHES; dish++)
            check(mcq_send(guests[i], dishes[dish], strlen(dishes[dish]), 0) == 0);
    }
    for (int i = 0; i < ORDERS; i++) {
        check(mcq_message_init(&orders[i].guest) == 0 && mcq_message_init(&orders[i].dish) == 0);
        check(mcq_recv_message(kitchen, &orders[i].guest, 0) == 0);
        check(mcq_recv_message(kitchen, &orders[i].dish, 0) == 0);
    }
    for (int i = ORDERS - 1; i >= 0; i--) {
        check(mcq_send_message(kitchen, &orders[i].guest, MCQ_SNDMORE) == 0); /* to whom */
        check(mcq_send_message(kitchen, &orders[i].dish, 0) == 0);
    }
    for (int i = 0; i < GUESTS; i++) {
        for (int dish = 0; dish < DISHES; dish++) {
            char text[16] = "";

            check(mcq_recv(guests[i], text, sizeof text - 1, 0) > 0);
            printf("%s gets %s\n", names[i], text);
        }
        check(mcq_close(guests[i]) == 0);
    }
    check(mcq_close(kitchen) == 0 && mcq_ctx_term(context, -1) == 0);
}
