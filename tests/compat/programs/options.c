/* Options: their defaults, what they take, and what is written where they are read. */

#include "say.h"

static int is_of_the_run(int option)
{
    return option == ZMQ_FD || option == ZMQ_LAST_ENDPOINT;
}

void defaults(void)
{
    void *context = zmq_ctx_new();

    title = "defaults";
    for (int type = 0; type <= 10; type++) {
        void *socket = zmq_socket(context, type);

        for (int option = 0; option <= 125; option++) {
            static const size_t lens[] = {4, 8, 255};

            for (size_t i = 0; i < COUNT(lens); i++) {
                unsigned char room[256] = {0};
                size_t len = lens[i];
                int result = zmq_getsockopt(socket, option, room, &len);

                printf("%d %d %zu: %d", type, option, lens[i], result);
                if (result != 0)
                    printf(" %d", zmq_errno());
                else if (!is_of_the_run(option))
                    for (size_t at = printf(" %zu:", len), until = 0; until < len && at; until++)
                        printf("%02x", room[until]);
                putchar('\n');
            }
        }
        zmq_close(socket);
    }
    zmq_ctx_term(context);
}

/* One option of one type: which numbers it takes, and which lengths. */
static void range_of(int type, int option)
{
    static const int values[] = {-2147483647 - 1, -2,        -1, 0, 1, 2, 3, 4, 255, 256,
                                 65535,           2147483647};
    void *context = zmq_ctx_new();
    char text[64];

    printf("%d %d:", type, option);
    for (size_t i = 0; i < COUNT(values); i++) {
        void *socket = zmq_socket(context, type);

        printf(" %d",
               zmq_setsockopt(socket, option, &values[i], sizeof values[i]) != 0 ? zmq_errno() : 0);
        zmq_close(socket);
    }
    memset(text, 'a', sizeof text);
    for (size_t len = 0; len <= sizeof text; len = len == 0 ? 1 : len * 2) {
        void *socket = zmq_socket(context, type);

        printf(" %zu:%d", len, zmq_setsockopt(socket, option, text, len) != 0 ? zmq_errno() : 0);
        zmq_close(socket);
    }
    putchar('\n');
    zmq_ctx_term(context);
}

void ranges(void)
{
    title = "ranges";
    for (int type = 0; type <= 10; type++)
        for (int option = 0; option <= 125; option++)
            if (option != ZMQ_USE_FD && option != ZMQ_BINDTODEVICE)
                range_of(type, option);
}

/* Whoever gives more room than a value needs finds zeros behind it, and the room as it was if the
 * call fails. */
void filled(void)
{
    static const size_t lens[] = {0, 3, 4, 8, 10, 32, 41};
    void *context = zmq_ctx_new();
    void *socket = open_socket(context, ZMQ_ROUTER);

    title = "filled";
    SAY(zmq_bind(socket, "inproc://x"));
    SAY(zmq_setsockopt(socket, ZMQ_ROUTING_ID, "abc", 3));
    for (int option = 0; option <= 125; option++)
        for (size_t i = 0; i < COUNT(lens); i++) {
            unsigned char room[48];
            size_t len = lens[i];

            if (option == ZMQ_FD)
                continue;
            memset(room, 0xff, sizeof room);
            printf("%d %zu: %d ", option, lens[i], zmq_getsockopt(socket, option, room, &len));
            printf("%zu ", len);
            for (size_t at = 0; at < sizeof room; at++)
                printf("%02x", room[at]);
            putchar('\n');
        }
    zmq_close(socket);
    zmq_ctx_term(context);
}
