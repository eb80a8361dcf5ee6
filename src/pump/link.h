/*
 * link: one peer's connection: a stream, the protocol session on it, and the two pumps.
 *
 * Layer:   pump. Where the octets of the reactor meet the protocol.
 * Threads: the holder of the socket's lock. How a connection is made is in pump/opening.h.
 * Bound:   outgoing: out_max messages; incoming: in_max messages and one that is not whole, which
 *          the session bounds.
 *
 *   OFF --start, with an opening that is READY--> UP --lost, end--> OFF
 *
 * Messages may be put at any time: what is put while OFF leaves on the next connection, and what
 * had not wholly left when a connection was lost leaves on the next one. Taking never hands out the
 * first part of a message before its last one is there. What was received whole stays after the
 * connection is lost.
 *
 * A link that conflates keeps the newest message only: high-water marks do not count, what waits
 * gives way to what is put, and take reads all there is. In a pipe it is the reader's link that
 * does so; until it looks, the marks bound what waits.
 *
 * A peer rests when its commands, and those of all peers of the group, have cost enough for now:
 * it is not readable then, and its owner wakes it after some time. So what commands take from those
 * who send messages is bounded, however many peers send them, and however fast.
 *
 * The calls read and write by themselves: put when a batch is full or the high-water mark is
 * reached, take when there is nothing to hand out. A connection that fails in one of them is put on
 * the list of its group, whose owner ends it after the call: nothing happens behind its back.
 */
#ifndef MCQ_PUMP_LINK_H
#define MCQ_PUMP_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/msg.h"
#include "arena/permits.h"
#include "arena/place.h"
#include "base/attr.h"
#include "base/error.h"
#include "pump/lane.h"
#include "pump/opening.h"
#include "pump/pipe.h"
#include "pump/read_pump.h"
#include "pump/seal_pump.h"
#include "pump/tally.h"
#include "pump/write_pump.h"
#include "reactor/reactor.h"
#include "reactor/ready.h"
#include "reactor/row.h"

/* A part to send. With a message its body is moved; without one the octets are copied, at most
 * MCQ_WPUMP_COPY_MAX of them. */
struct mcq_part {
    struct mcq_bytes body;
    struct mcq_msg *msg; /* NULL: octets; a stream has no memory for more than it copies */
    bool more;
};

/* Parts that were received: a ring that doubles when full. */
struct mcq_link_queue {
    struct mcq_msg *parts;
    uint32_t mask;
    uint32_t head;
    uint32_t tail;
    uint32_t whole_at; /* behind the last part of the last whole message */
    uint32_t message_count;
    size_t body_bytes;
    size_t begun_bytes; /* of the message that is not whole, and of its places here */
    bool is_within;     /* a message was begun to be taken */
};

struct mcq_link;

/* What the far side of a pipe is told. */
enum mcq_link_tell {
    MCQ_TELL_INPUT = 1,
    MCQ_TELL_ROOM = 2,
};

struct mcq_datagrams;

/* What the links of a socket share. */
struct mcq_link_group {
    struct mcq_reactor *reactor;
    void (*tell)(struct mcq_link *link, enum mcq_link_tell what); /* for links of pipes */
    struct mcq_ready_set *in_set;                                 /* streams of links that are UP */
    struct mcq_ready_set *out_set;                                /* streams that were full once */
    struct mcq_receiver receiver;
    struct mcq_slab *send_slab;
    struct mcq_spump_room seal_room; /* warm, for the next link that seals */
    struct mcq_places places;        /* of messages that are written where they leave from */
    struct mcq_link *dirty_first;    /* with octets that nobody has tried to write since, a queue */
    struct mcq_link *dirty_last;
    uint64_t dirty_count;        /* links that came on that list so far */
    struct mcq_link *asker;      /* whose message was taken last, until something is sent */
    size_t asking_count;         /* links, that one included, with more at hand then */
    bool is_pinged;              /* some peer waits for answers to its PINGs */
    struct mcq_link *lost_first; /* that failed, in the order in which they did */
    struct mcq_link *lost_last;
    struct mcq_link *roomy_first; /* that were full and have room again */
    size_t blocked_count;         /* links with octets that the stream did not take */
    uint64_t put_count;           /* parts queued so far, by all links, or runs of them */
    uint64_t queued_count;        /* messages, the same */
    uint64_t flush_count;         /* writes so far */
    struct mcq_row *row;          /* for writes to many links; NULL: none yet, or none to be had */
    uint64_t row_at;              /* the flush_count from which on one is asked for */
    struct mcq_permits *budget;   /* of all groups together; NULL: none, and what follows is idle */
    _Atomic uint64_t *begun_most; /* at least what the link that could be shed best would free */
    bool may_defer;       /* what is put now need not be in the queues before the next flush */
    bool has_deferred;    /* such messages are with the pattern, which has to share them out */
    bool looks_again;     /* who asks a pipe in vain goes on asking: its far side tells nobody */
    struct mcq_lane lane; /* open: has_deferred, and they are in it */
    struct mcq_tap tap;   /* of a link with nothing in its queue */
    struct mcq_tap duct;  /* of a link with a pipe */
    struct mcq_tap questions;  /* of a link whose messages come with a name */
    struct mcq_link *answered; /* the last one, which waits for others; NULL: none */
    uint64_t laned_count;      /* messages that went through lanes so far */
    bool shares_output;        /* what links queue is in send blocks, for many at a time */
    bool was_cut_short; /* the last take found nothing so far, and there is more to look at */
    bool has_alarm;     /* the pattern has asked to be called, alarm_ns later */
    uint64_t alarm_ns;
    bool is_starved;  /* a link was not read, for the budget is used up */
    bool has_resting; /* a link rests that nobody was told of yet */
    uint32_t window;  /* of time, in which so much was spent on commands */
    uint64_t window_at_ns;
    size_t command_bytes;
    bool is_swollen;        /* much was held, and is not any more: mcq_link_group_trim */
    uint64_t held_bytes;    /* by all links, as of their last settling */
    uint64_t empty_bytes;   /* the same, of their tables: places that no part is in */
    uint64_t most_bytes;    /* that were held since the last trim */
    uint64_t charged_bytes; /* of the budget: both, up to a lot */
    struct mcq_tally tally; /* of links that are gone, and of what was for no link */
};

struct mcq_link {
    struct mcq_link_group *group;
    bool is_up;
    enum mcq_framing framing; /* of what is queued in wpump */
    int fd;                   /* -1: OFF */
    uint64_t epoch;           /* of the connection; grows with each start */
    uint64_t started_ns;      /* when it began */
    uint32_t start_count;     /* connections so far */
    bool can_read;            /* nobody has looked for more in vain since the last edge */
    bool is_drained;          /* recv has said that whoever looks for more will find none */
    bool hears_end;           /* such an edge has told of an end behind the octets */
    bool is_one_of_many;      /* as of that edge: to look for more in vain would be a call a peer */
    bool can_write;
    bool is_full; /* put said AGAIN; whoever flushes looks whether there is room again */
    bool is_blocked;
    bool was_blocked; /* since somebody asked whether the peer is silent */
    bool is_dirty;
    bool is_lost;
    bool is_resting; /* not read, for its commands have cost enough */
    bool is_unheard; /* what was received by now is taken; the rest may be heard, and dropped */
    bool is_roomy;   /* on the list */
    bool is_in_out_set;
    bool keeps_input;  /* messages of this link are taken: what came before a loss is kept */
    bool has_sent;     /* a message left on this connection: worth a graceful end */
    bool is_finishing; /* mcq_link_finish was called */
    bool is_shut;      /* mcq_link_shut was called on this connection */
    bool conflates; /* of what waits, either way, only the newest message; set before it is used */
    struct mcq_ready_key key;
    bool is_starved; /* not read, for the budget is used up */
    uint32_t window; /* of the group, in which it has said so many octets of commands */
    size_t command_bytes;
    uint64_t wary_until_ns; /* little is read at a time: it has rested */
    uint64_t now_ns;        /* of the last read */
    enum mcq_err lost_by;   /* why; the session's failure has more if it failed */
    uint32_t out_max;       /* high-water marks in messages; 0: none */
    uint32_t in_max;
    size_t table_bytes;   /* what a hub keeps for this peer's subscriptions */
    uint64_t held_bytes;  /* as of the last settling */
    uint64_t empty_bytes; /* the same */
    uint64_t settle_at;   /* the next one is due when so many octets were put, */
    size_t settle_below;  /* ... or when so few are left to take */
    struct mcq_link_queue in;
    struct mcq_rpump rpump;
    struct mcq_wpump wpump;
    struct mcq_spump spump;          /* between wpump and the stream, where frames are boxes */
    struct mcq_session *session;     /* NULL: OFF, or a pipe's */
    struct mcq_origin *origin;       /* of the connection, or the last one; NULL: unknown */
    uint32_t origin_number;          /* the same for messages */
    bool has_named;                  /* messages have it */
    struct mcq_pipe_end pipe;        /* all NULL: it is of a stream, or of datagrams */
    struct mcq_datagrams *datagrams; /* NULL: it is not of datagrams */
    struct mcq_msg heard;            /* of a pipe: the topic of the last event */
    struct mcq_tally tally;
    uint64_t begun_out_bytes; /* of the message that was begun to be put */
    uint64_t dirty_at;        /* the group's count when it came on the list */
    struct mcq_link *dirty_next;
    struct mcq_link *dirty_prev;
    struct mcq_link *lost_next;
    struct mcq_link *roomy_next;
};

/* --- the group ------------------------------------------------------------------------------- */

/* The slabs and blocks are the group's until fini.
 *   MCQ_NOMEM   *group is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_link_group_init(struct mcq_link_group *group,
                                                struct mcq_reactor *reactor);

/* All links are gone. */
void mcq_link_group_fini(struct mcq_link_group *group);

/* Takes the next failed link off the list; NULL: none. */
struct mcq_link *mcq_link_next_lost(struct mcq_link_group *group);

/* Takes the next link that was full and has room again off the list; NULL: none. */
struct mcq_link *mcq_link_next_roomy(struct mcq_link_group *group);

/* Starts a message whose body is written where it can leave from: a link that takes it
 * (mcq_link_put) copies nothing. As mcq_places_take. */
MCQ_MUST_CHECK enum mcq_err mcq_link_group_reserve(struct mcq_link_group *group, size_t len,
                                                   struct mcq_msg *msg);

/* --- a link's life --------------------------------------------------------------------------- */

/* OFF, empty. The group outlives it. */
void mcq_link_init(struct mcq_link *link, struct mcq_link_group *group, uint32_t out_max,
                   uint32_t in_max);

/* Other high-water marks, from now on. */
void mcq_link_set_max(struct mcq_link *link, uint32_t out_max, uint32_t in_max);

/* OFF, and about to end: what waits counts as lost, and its tally is its group's. A pipe is still
 * there. */
void mcq_link_retire(struct mcq_link *link);

/* OFF: drops all that is queued. */
void mcq_link_fini(struct mcq_link *link);

/* OFF -> UP with what a successful opening has made: its stream, session and unread octets are the
 * link's; *opening is empty. The link joins the input set under this key.
 *   MCQ_NOMEM   no room in the set; nothing changed */
MCQ_MUST_CHECK enum mcq_err mcq_link_start(struct mcq_link *link, struct mcq_opening *opening,
                                           uint64_t epoch, struct mcq_ready_key key);

/* This link is of a pipe, of which it has this end until mcq_link_fini; what is put waits in it. */
void mcq_link_set_pipe(struct mcq_link *link, struct mcq_pipe_end pipe);

/* It will soon be read, and is in a cache itself: what it points to comes nearer. */
void mcq_link_expect(const struct mcq_link *link);

/* There was an edge, or somebody wants to know without. */
static inline void mcq_link_set_readable(struct mcq_link *link)
{
    link->can_read = true;
    link->is_drained = false;
}

static inline bool mcq_link_is_piped(const struct mcq_link *link)
{
    return link->pipe.out != NULL;
}

/* Nobody is at its other end, or many are: pump/link_datagram.h. */
static inline bool mcq_link_is_of_datagrams(const struct mcq_link *link)
{
    return link->datagrams != NULL;
}

/* OFF -> UP: the far side is there. */
void mcq_link_start_piped(struct mcq_link *link, uint64_t epoch);

/* A write, or the far side of a pipe, has made room: who found none may look again. */
void mcq_link_on_room(struct mcq_link *link);

/* When mcq_link_tick is due; MCQ_NEVER_NS: not at all. */
static inline uint64_t mcq_link_deadline_ns(const struct mcq_link *link)
{
    return link->session != NULL ? mcq_session_deadline_ns(link->session) : MCQ_NEVER_NS;
}

/* Time passed: sends a PING, or loses the link. A peer whose octets were not looked at is not
 * silent, so its input is read first, as far as there is room. */
void mcq_link_tick(struct mcq_link *link, uint64_t now_ns);

/* UP -> OFF: a cut message is dropped, whole ones that were received stay, the first one
 * that has not wholly left starts anew. Returns the stream, for the caller to close; -1: it was a
 * pipe, and its far side is to be told. */
int mcq_link_end(struct mcq_link *link);

/* Who rests, or starves, may be read again. Some time has passed. */
void mcq_link_wake(struct mcq_link *link);

/* --- the budget ------------------------------------------------------------------------------ */

/* What closing the link would give back of a message that is not whole, or of subscriptions that it
 * wants more of. 0 if that is so little that it will go on once the application takes the rest. */
uint64_t mcq_link_begun_bytes(const struct mcq_link *link);

/* What a pattern keeps that came from peers which are gone; of the others it is in table_bytes. */
void mcq_link_group_hold(struct mcq_link_group *group, uint64_t bytes);
void mcq_link_group_release(struct mcq_link_group *group, uint64_t bytes);

/* Gives back what its queues have grown to, if they are empty. */
void mcq_link_trim(struct mcq_link *link);

/* The same of what all links share, a part at a time, but for a few warm blocks. Then it is swollen
 * no more, unless there is more to do. */
void mcq_link_group_trim(struct mcq_link_group *group);

/* --- messages -------------------------------------------------------------------------------- */

/* Queues a part. At 128 KiB, and before it calls the link full, it writes.
 *   MCQ_OK      the part is gone from the caller's hands
 *   MCQ_AGAIN   only at the first part of a message: as many wait as the high-water mark allows;
 *               once a write makes room, the
 *               link is on the list of the roomy
 *   MCQ_NOMEM   the part could not be kept; the message was begun: mcq_link_cut takes it back */
MCQ_MUST_CHECK enum mcq_err mcq_link_put(struct mcq_link *link, struct mcq_part *part);

/* The same for a message that had room when it was promised some, whatever the high-water mark is
 * by now. MCQ_AGAIN: there is no memory. */
MCQ_MUST_CHECK enum mcq_err mcq_link_put_promised(struct mcq_link *link, struct mcq_part *part);

/* The same with an encoded frame, whose body has so many octets, that many links share; see
 * mcq_wpump_put_run. */
MCQ_MUST_CHECK enum mcq_err mcq_link_put_run(struct mcq_link *link, struct mcq_buf *buf,
                                             struct mcq_bytes run, size_t body_bytes,
                                             bool ends_message);

/* The same with messages of a part each, to a stream, between two messages; the link does not
 * conflate. Returns how many were queued: there was no room, or no memory, for those behind. */
uint32_t mcq_link_put_frames(struct mcq_link *link, const struct mcq_frames *frames);

/* Opens the lane of the group for this link, where that is worth it, or the duct; both are closed.
 */
void mcq_link_open_lane(struct mcq_link *link);

/* Puts what is in the lane into its link's queue. It is open. */
void mcq_link_close_lane(struct mcq_link_group *group);

/* Puts a message of one part through the duct, which is open, and shows it. False: the duct is
 * closed, and nothing was taken; ask the link. */
bool mcq_link_duct(struct mcq_link_group *group, struct mcq_part *part);

/* Queues a message of one part for the link that was answered last, if it has asked again, and its
 * answers still wait for others'. False: nothing was taken; send it in the usual way. */
bool mcq_link_answer(struct mcq_link_group *group, struct mcq_part *part);

/* Takes back the message that was begun and not ended. */
void mcq_link_cut(struct mcq_link *link);

/* Drops the oldest message that waits and of which nothing has left; not within one. False: there
 * is none that can be taken back, as in a pipe. */
bool mcq_link_drop_oldest(struct mcq_link *link);

/* Drops all that waits: it was for a peer that is gone. */
void mcq_link_drop(struct mcq_link *link);

/* Drops what was received, but for the rest of a message that was begun to be taken, and for what
 * is in a pipe. OFF. */
void mcq_link_drop_input(struct mcq_link *link);

/* Whether the first part of a message would be taken now; tries to write if it seems full. After a
 * false the link comes up in mcq_link_next_roomy once it would. */
bool mcq_link_has_room(struct mcq_link *link);

/* The next part, of a whole message.
 *   MCQ_OK      *msg is the caller's
 *   MCQ_AGAIN   none; set when mcq_link_is_readable turns */
MCQ_MUST_CHECK enum mcq_err mcq_link_take(struct mcq_link *link, struct mcq_msg *msg);

/* Messages that a tap gives before others are looked at. */
#define MCQ_TAP_MAX 64

/* Opens a tap of its group for this link, where that is worth it: the next messages are its. */
void mcq_link_open_tap(struct mcq_link *link, struct mcq_tap *tap);

/* The next message, through a tap that is open; or, of a stream, its octets, borrowed
 * until anything else is done with the link. False: the tap is closed; ask the link. */
bool mcq_link_tap(struct mcq_tap *tap, struct mcq_msg *msg);
bool mcq_link_tap_octets(struct mcq_tap *tap, struct mcq_bytes *body);

/* What the peer says next, for sockets whose peers subscribe: event->kind is BODY (a part, in *msg,
 * as it comes), SUBSCRIBE, CANCEL, JOIN or LEAVE.
 *   MCQ_AGAIN   nothing */
MCQ_MUST_CHECK enum mcq_err mcq_link_hear(struct mcq_link *link, struct mcq_msg *msg,
                                          struct mcq_event *event);

/* The same, but the parts of a message come when it is whole, one behind the other. */
MCQ_MUST_CHECK enum mcq_err mcq_link_hear_whole(struct mcq_link *link, struct mcq_msg *msg,
                                                struct mcq_event *event);

/* Receives ahead of the application, as far as in_max allows. True: a whole message is there. */
bool mcq_link_prefetch(struct mcq_link *link);

/* Whether take may have something: whole messages, or octets that were not looked at and may be. */
bool mcq_link_is_readable(const struct mcq_link *link);

/* Whether there may be octets that were not looked at. */
bool mcq_link_has_unread(const struct mcq_link *link);

/* Whether there is more of what the peer has said here already: a stream of octets is not asked. */
bool mcq_link_has_at_hand(const struct mcq_link *link);

/* Whether the peer is not read because it does not take its PONG. That is so while we have sent it
 * nothing but answers: else the stream may be full of messages, and the peer in the same place. */
static inline bool mcq_link_is_held(const struct mcq_link *link)
{
    return link->session != NULL && !link->can_write && !link->has_sent &&
           mcq_session_want(link->session).len > 0;
}

/* What a message from this peer carries. */
static inline uint32_t mcq_link_name_origin(struct mcq_link *link)
{
    link->has_named = true;
    return link->origin_number;
}

/* Of datagrams: those for groups that are not wanted are dropped before they are messages. */
void mcq_link_set_filter(struct mcq_link *link, bool (*wants)(void *wanter, struct mcq_bytes group),
                         void *wanter);

/* Queues SUBSCRIBE or CANCEL; the link is UP. As mcq_session_subscribe. */
MCQ_MUST_CHECK enum mcq_err mcq_link_subscribe(struct mcq_link *link, struct mcq_bytes topic,
                                               bool is_on);

/* The same of JOIN or LEAVE, which is nothing to datagrams. As mcq_session_join. */
MCQ_MUST_CHECK enum mcq_err mcq_link_join(struct mcq_link *link, struct mcq_bytes group,
                                          bool is_on);

/* Queues a message of one part, in front of all messages; the link is UP, and nothing was written
 * on this connection. As mcq_session_greet. */
MCQ_MUST_CHECK enum mcq_err mcq_link_greet(struct mcq_link *link, struct mcq_msg *msg);

/* Adds a message of one part to what was received, as if it came from the peer; NULL: an empty one.
 * MCQ_NOMEM. */
MCQ_MUST_CHECK enum mcq_err mcq_link_note(struct mcq_link *link, struct mcq_msg *msg);

/* --- octets ---------------------------------------------------------------------------------- */

/* Writes what waits, as far as the stream takes it.
 *   MCQ_OK      all has left, or waits for a connection
 *   MCQ_AGAIN   the stream is full: can_write is false; its edge tells when to go on
 *   other       the link is lost */
enum mcq_err mcq_link_flush(struct mcq_link *link);

/* The same of those that became dirty before that count (group->dirty_count), the first ones, and
 * `max` at most, which is 1 or more. Returns how many; 0: there are none. */
size_t mcq_link_flush_some(struct mcq_link_group *group, uint64_t before, size_t max);

/* Messages that have not wholly left. What is in a pipe has left, once its far side is there. */
uint64_t mcq_link_waiting_count(const struct mcq_link *link);

/* Ends the connection once all that waits has left; without one, and if nothing waits, at once.
 * The link is lost then, whether it is up or not. What has come from the peer is dropped, and what
 * still comes is nobody's. Only a link of a stream. */
void mcq_link_finish(struct mcq_link *link);

/* Nothing leaves any more: the peer reads what is under way, then the end. Reading goes on, and
 * what the session would say to it, or still waits, counts as written: a stream that is closed
 * because a PONG could not leave would take from the peer what it has not read yet. Only a link of
 * a stream that is up. */
void mcq_link_shut(struct mcq_link *link);

/* The peer has failed otherwise: a deadline, a rule of the pattern. Puts it on the list. */
void mcq_link_lose(struct mcq_link *link, enum mcq_err err);

#endif
