/*
 * option: where a socket's options live, and how a call on one fails.
 *
 * Layer:   api.
 * Threads: the lock of the socket is held for its fields; the rest is of any thread.
 *
 *   option.c          which options there are, and where
 *   option_number.c   mcq_set, mcq_get
 *   option_octets.c   mcq_set_bytes, mcq_get_bytes
 */
#ifndef MCQ_API_OPTION_H
#define MCQ_API_OPTION_H

#include <monocoque.h>

#include "runtime/socket.h"
#include "table/option.h"

enum mcq_option_kind {
    MCQ_KIND_INT,            /* a field of struct mcq_socket_options */
    MCQ_KIND_INT64,          /* the same */
    MCQ_KIND_BOOL,           /* the same */
    MCQ_KIND_PATTERN,        /* an enum mcq_pattern_option, which some types have */
    MCQ_KIND_STATE,          /* what the socket is or has now */
    MCQ_KIND_OCTETS,         /* not a number */
    MCQ_KIND_TEXT,           /* the same, a field with a zero octet at its end */
    MCQ_KIND_PROXY,          /* the same, an enum mcq_proxy_part */
    MCQ_KIND_RULE,           /* adds to who may connect; an enum mcq_admission_kind */
    MCQ_KIND_SECURITY,       /* of runtime/security.h, a number or not */
    MCQ_KIND_POLICY,         /* a policy, which some types have */
    MCQ_KIND_WORD,           /* the same, an enum mcq_word */
    MCQ_KIND_PATTERN_OCTETS, /* not a number, and an enum mcq_pattern_option */
};

/* Where an option lives; all else about it is in the generated table. */
struct mcq_option_home {
    enum mcq_option_id id;
    enum mcq_option_kind kind;
    size_t at; /* the field's place, or the number of the pattern's option */
};

/* An option that is there. */
struct mcq_option_place {
    const struct mcq_option_row *row;
    const struct mcq_option_home *home;
};

/* The option for a call that wants octets or a number, and sets or gets. row NULL: it failed. */
struct mcq_option_place mcq_option_place(enum mcq_option id, enum mcq_option_use use,
                                         bool is_octets);

/* The field of an option that has one. */
static inline void *mcq_option_field(struct mcq_socket *socket, const struct mcq_option_home *home)
{
    return (char *) &socket->options + home->at;
}

/* A call on a socket's option fails for this reason. */
MCQ_COLD int mcq_option_fail(const char *verb, const struct mcq_option_row *row,
                             const struct mcq_socket *socket, enum mcq_err err);
/* The type of the socket has no such option. */
MCQ_COLD int mcq_option_fail_foreign(const char *verb, const struct mcq_option_row *row,
                                     const struct mcq_socket *socket);
/* One more of what adds up was set. */
MCQ_COLD int mcq_option_fail_full(const struct mcq_option_row *row, const struct mcq_socket *socket,
                                  enum mcq_err err);

#endif
