/*
 * message: the public message is the arena's, by another name.
 *
 * Layer:   api.
 */
#ifndef MCQ_API_MESSAGE_H
#define MCQ_API_MESSAGE_H

#include <monocoque.h>

#include "arena/msg.h"

static_assert(sizeof(struct mcq_message) == sizeof(struct mcq_msg), "one storage");
static_assert(offsetof(struct mcq_msg, keeper) == sizeof(struct mcq_message) - 1,
              "the public header names it");
static_assert(_Alignof(struct mcq_message) == _Alignof(struct mcq_msg), "one storage");

static inline struct mcq_msg *mcq_msg_of(struct mcq_message *message)
{
    return (struct mcq_msg *) (void *) message;
}

#endif
