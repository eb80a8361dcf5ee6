/* parts: messages of several parts, for the examples of the guide's larger patterns. */
#ifndef MCQ_EXAMPLES_PARTS_H
#define MCQ_EXAMPLES_PARTS_H

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "check.h"

#define PARTS_MAX 6

struct parts {
    struct mcq_message at[PARTS_MAX];
    int count;
};

static inline void parts_close(struct parts *parts)
{
    for (int i = 0; i < PARTS_MAX; i++)
        check(mcq_message_close(&parts->at[i]) == 0);
    parts->count = 0;
}

/* A whole message, into storage that is empty or fresh. False: none. */
static inline bool parts_recv(struct parts *parts, struct mcq_socket *socket, int flags)
{
    for (int i = 0; i < PARTS_MAX; i++)
        check(mcq_message_init(&parts->at[i]) == 0);
    parts->count = mcq_recv_parts(socket, parts->at, PARTS_MAX, flags);
    return parts->count > 0;
}

/* From this part on; they are empty then. False: nobody could take it. */
static inline bool parts_send(struct parts *parts, int first, struct mcq_socket *socket)
{
    return mcq_send_parts(socket, parts->at + first, (size_t) (parts->count - first),
                          MCQ_DONTWAIT) == 0;
}

static inline const char *parts_data(struct parts *parts, int index)
{
    return mcq_message_data(&parts->at[index]);
}

static inline bool parts_is(struct parts *parts, int index, const char *text)
{
    size_t len = index < parts->count ? mcq_message_size(&parts->at[index]) : SIZE_MAX;

    return len == strlen(text) && memcmp(parts_data(parts, index), text, len) == 0;
}

/* The number that the text begins with; 0: none. */
static inline int number_in(const char *text)
{
    long number;

    errno = 0;
    number = strtol(text, NULL, 10);
    return errno != 0 || number > INT_MAX || number < INT_MIN ? 0 : (int) number;
}

static inline int parts_number(struct parts *parts, int index)
{
    char text[16] = "";
    size_t len = index < parts->count ? mcq_message_size(&parts->at[index]) : sizeof text;

    if (len < sizeof text)
        memcpy(text, parts_data(parts, index), len);
    return number_in(text);
}

static inline void parts_set(struct parts *parts, int index, const char *text)
{
    check(mcq_message_close(&parts->at[index]) == 0);
    check(mcq_message_init_copy(&parts->at[index], text, strlen(text)) == 0);
    if (index >= parts->count)
        parts->count = index + 1;
}

/* Sends these texts, with a NULL behind the last one. False: nobody could take it now. */
static inline bool say_all(struct mcq_socket *socket, const char *const texts[])
{
    struct parts parts = {.count = 0};
    bool is_sent;

    for (int i = 0; texts[i] != NULL; i++)
        parts_set(&parts, i, texts[i]);
    is_sent = parts_send(&parts, 0, socket);
    parts_close(&parts);
    return is_sent;
}

#define say(socket, ...) say_all(socket, (const char *const[]) {__VA_ARGS__, NULL})

static inline void leave(struct mcq_socket *socket)
{
    check(mcq_set(socket, MCQ_OPT_LINGER, 0) == 0 && mcq_close(socket) == 0);
}

#endif
