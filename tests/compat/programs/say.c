#include "say.h"

#include <stdarg.h>
#include <stdint.h>

const char *title = "";

void say(const char *what, long result)
{
    int number = zmq_errno();

    if (result == -1)
        printf("%s: %s = -1 (%d %s)\n", title, what, number, zmq_strerror(number));
    else
        printf("%s: %s = %ld\n", title, what, result);
    errno = 0;
}

void set_number(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0)
        printf("%s: option %d = %d: %d\n", title, option, value, zmq_errno());
}

int number_of(void *socket, int option)
{
    int value = -1;
    size_t len = sizeof value;

    return zmq_getsockopt(socket, option, &value, &len) == 0 ? value : -1;
}

const char *last_endpoint(void *socket)
{
    static char text[ENDPOINT_BYTES];
    size_t len = sizeof text;

    text[0] = '\0';
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &len);
    return text;
}

void *open_socket(void *context, int type)
{
    void *socket = zmq_socket(context, type);

    if (socket == NULL)
        exit(3);
    set_number(socket, ZMQ_RCVTIMEO, 5000);
    set_number(socket, ZMQ_SNDTIMEO, 5000);
    set_number(socket, ZMQ_LINGER, 0);
    return socket;
}

void join(void *bound, void *connected)
{
    TRY(zmq_bind(bound, "tcp://127.0.0.1:*"));
    TRY(zmq_connect(connected, last_endpoint(bound)));
}

/* --- messages -------------------------------------------------------------------------------- */

void tell(void *socket, ...)
{
    const char *part;
    const char *next;
    va_list parts;

    va_start(parts, socket);
    for (part = va_arg(parts, const char *); part != NULL; part = next) {
        next = va_arg(parts, const char *);
        if (zmq_send(socket, part, strlen(part), next != NULL ? ZMQ_SNDMORE : 0) < 0) {
            say("tell", -1);
            break;
        }
    }
    va_end(parts);
}

static void show(const unsigned char *octets, size_t len)
{
    putchar('[');
    for (size_t i = 0; i < len; i++)
        printf(octets[i] >= ' ' && octets[i] < 127 ? "%c" : "\\%02x", octets[i]);
    putchar(']');
}

void hear(const char *who, void *socket)
{
    int more = 1;

    printf("%s: %s ", title, who);
    while (more) {
        zmq_msg_t part;

        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, 0) < 0) {
            printf("(%d)", zmq_errno());
            more = 0;
        } else {
            show(zmq_msg_data(&part), zmq_msg_size(&part));
            more = zmq_msg_more(&part);
        }
        zmq_msg_close(&part);
    }
    putchar('\n');
}

/* --- monitors -------------------------------------------------------------------------------- */

void *watch(void *context, void *socket, const char *name, int events)
{
    void *reader = open_socket(context, ZMQ_PAIR);

    SAY(zmq_socket_monitor(socket, name, events));
    SAY(zmq_connect(reader, name));
    return reader;
}

int show_event(const char *who, void *reader)
{
    unsigned char frame[6];
    uint16_t event;
    char room[ENDPOINT_BYTES];

    if (zmq_recv(reader, frame, sizeof frame, 0) < 0) {
        say(who, -1);
        return 0;
    }
    zmq_recv(reader, room, sizeof room, 0);
    memcpy(&event, frame, 2);
    printf("%s: %s event %x\n", title, who, event);
    return event;
}
