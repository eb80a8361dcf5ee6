/*
 * link_datagram: what a link does where there are datagrams and no stream (docs/adr/0036).
 *
 * Layer:   pump.
 * Threads: as link.h.
 * Bound:   one datagram of MCQ_MAX_DATAGRAM_BYTES each way; a look at the system takes up to
 *          LOOK_COUNT of those that are nobody's.
 *
 * A message has two parts. What is sent waits as frames, as for a stream, and each message leaves
 * as one datagram, whatever becomes of it; what has come is a message at once, or is dropped.
 */
#ifndef MCQ_PUMP_LINK_DATAGRAM_H
#define MCQ_PUMP_LINK_DATAGRAM_H

#include "pump/link.h"
#include "wire/limits.h"

enum mcq_datagram_form {
    MCQ_DATAGRAM_GROUP,   /* the first part is a group's name, and in the datagram */
    MCQ_DATAGRAM_ADDRESS, /* the first part is the far side's address, and is not */
};

struct mcq_datagrams {
    enum mcq_datagram_form form;
    bool is_read;        /* else nothing that comes is looked at */
    bool ends_addresses; /* with a zero octet, as libzmq */
    sa_family_t family;
    int fd; /* until the link is up, which has it then; -1: none */
    /* Whether a group's messages are wanted; NULL: all are. */
    bool (*wants)(void *wanter, struct mcq_bytes group);
    void *wanter;
    struct mcq_msg body; /* of the message whose first part was handed out; has_body */
    bool has_body;
    uint8_t octets[MCQ_MAX_DATAGRAM_BYTES + 1]; /* so that one that is too long is seen */
};

/* Datagrams of this descriptor, which is theirs, for a link that is OFF.
 *   MCQ_NOMEM   the descriptor is the caller's */
MCQ_MUST_CHECK enum mcq_err mcq_link_set_datagrams(struct mcq_link *link,
                                                   const struct mcq_datagrams *like);

/* OFF -> UP, once. As mcq_link_start. */
MCQ_MUST_CHECK enum mcq_err mcq_link_start_datagrams(struct mcq_link *link, uint64_t epoch,
                                                     struct mcq_ready_key key);

/* As mcq_link_pull; parts only. MCQ_AGAIN also where others are to have their turn: then the link
 * is starved, and somebody looks again. */
MCQ_MUST_CHECK enum mcq_err mcq_link_datagram_pull(struct mcq_link *link, struct mcq_msg *msg,
                                                   struct mcq_event *event);

/* The message whose first part was handed out goes nowhere, for want of memory. */
void mcq_link_datagram_give_up(struct mcq_link *link);

/* As mcq_link_write, but it fails by MCQ_AGAIN alone, and by MCQ_NOMEM where that cannot be waited
 * for. */
MCQ_MUST_CHECK enum mcq_err mcq_link_datagram_write(struct mcq_link *link);

/* Nothing of it is left. */
void mcq_link_datagram_fini(struct mcq_link *link);

#endif
