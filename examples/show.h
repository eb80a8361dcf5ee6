/*
 * show: a session's events as lines for people.
 */
#ifndef EXAMPLES_SHOW_H
#define EXAMPLES_SHOW_H

#include <stdio.h>

#include "session/session.h"

/* WHO NAME "TEXT"; octets that do not print become \xHH. */
static inline void show_text(const char *who, struct mcq_bytes name, struct mcq_bytes text)
{
    printf("%s %-11.*s \"", who, (int) name.len, (const char *) name.data);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= ' ' && text.data[i] < 127 && text.data[i] != '"' &&
            text.data[i] != '\\')
            putchar(text.data[i]);
        else
            printf("\\x%02x", text.data[i]);
    puts("\"");
}

/* One line, or one for each property of a READY. A frame is a "part" while more follow, then a
 * "message"; what comes of it before its last octets is a "piece". */
static inline void show_event(const char *who, const struct mcq_event *event)
{
    static const char *const names[] = {
        [MCQ_EVENT_GREETING] = "mechanism", [MCQ_EVENT_BODY] = "message",
        [MCQ_EVENT_REFUSED] = "ERROR",      [MCQ_EVENT_SUBSCRIBE] = "SUBSCRIBE",
        [MCQ_EVENT_CANCEL] = "CANCEL",      [MCQ_EVENT_PING] = "PING",
        [MCQ_EVENT_PONG] = "PONG",          [MCQ_EVENT_IGNORED] = "ignored",
        [MCQ_EVENT_READY] = "property",     [MCQ_EVENT_JOIN] = "JOIN",
        [MCQ_EVENT_LEAVE] = "LEAVE",        [MCQ_EVENT_ZAP] = "ZAP",
    };
    struct mcq_bytes name = mcq_bytes_of(names[event->kind]);
    const struct mcq_frame_piece *piece = &event->body.piece;
    struct mcq_property property;

    switch (event->kind) {
    case MCQ_EVENT_GREETING:
        printf("%s ZMTP        %s\n", who, mcq_zmtp_name(event->greeting.version));
        if (event->greeting.form == MCQ_FORM_V3)
            show_text(who, name, mcq_bytes_of((const char *) event->greeting.octets->v3.mechanism));
        break;
    case MCQ_EVENT_READY:
        printf("%s READY\n", who);
        for (struct mcq_bytes rest = event->ready.metadata; mcq_property_next(&rest, &property);)
            show_text(who, property.name, property.value);
        break;
    case MCQ_EVENT_BODY:
        if (!piece->last && piece->body.len == 0)
            break; /* only its header is in */
        if (!piece->last)
            name = mcq_bytes_of("piece");
        else if (piece->flags & MCQ_FRAME_MORE)
            name = mcq_bytes_of("part");
        show_text(who, name, piece->body);
        break;
    case MCQ_EVENT_REFUSED: show_text(who, name, event->reason); break;
    case MCQ_EVENT_SUBSCRIBE:
    case MCQ_EVENT_CANCEL: show_text(who, name, event->topic); break;
    case MCQ_EVENT_JOIN:
    case MCQ_EVENT_LEAVE: show_text(who, name, event->group); break;
    case MCQ_EVENT_SEALED: break; /* nobody here speaks CURVE */
    case MCQ_EVENT_ZAP: show_text(who, name, mcq_bytes_of(event->zap.mechanism)); break;
    case MCQ_EVENT_PING:
    case MCQ_EVENT_PONG: show_text(who, name, event->ping.context); break;
    case MCQ_EVENT_IGNORED:
        show_text(who, name, mcq_bytes_of(mcq_command_name(event->ignored.id)));
        break;
    }
}

#endif
