/*
 * session: one peer's protocol life, from the first octet of the greeting to the last frame.
 *
 * Layer:   session. Sans-IO: bytes and time in, bytes and events out; no descriptor, clock, thread
 * or global.
 * Threads: one caller at a time; the owner's lock orders them.
 * Bound:   see struct mcq_session_config; memory is committed for octets received, never for
 * lengths declared.
 *
 *   GREETING --whole, same mechanism--> HANDSHAKE --mechanism accepts--> TRAFFIC
 *       |                                       |                               |
 *       +------------- first error, deadline ---+-------------------------------+--> FAILED
 *       (absorbing)
 *
 * A peer before 3.0 has no mechanism: its HANDSHAKE is one frame with its identity.
 *
 * A raw session (STREAM) is with a peer that speaks no ZMTP: it is in RAW from init on, the first
 * feed tells READY, and then each run of octets is a part. It says nothing of its own and has no
 * deadline.
 *
 * How a caller drives it:
 *
 *   mcq_session_init             the greeting's first octets are waiting in want()
 *   feed(in, now) until AGAIN    each MCQ_OK carries one event
 *   want() / sent(n)             control octets to write: greeting, handshake, PING, PONG
 *   tick(now)                    at deadline_ns() or later
 *
 * The body of an application message never enters the session on its way out: the writer asks
 * frame_head() for the header octets and writes them and the body. Control octets go between
 * frames, never inside one.
 *
 * Where messages are sealed (mcq_session_is_sealed) a frame is a box, which says nothing before all
 * of it is there, and whose places in the stream are fixed when it is sealed:
 *
 *   feed() tells MCQ_EVENT_SEALED   a piece of one; whoever has all of them calls open()
 *   seal()                          in place of frame_head(), in the order in which they leave
 *   want()                          was sealed when it was queued: what is sealed later goes behind
 */
#ifndef MCQ_SESSION_SESSION_H
#define MCQ_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "security/curve.h"
#include "security/handshake.h"
#include "table/socket_type.h"
#include "wire/frame.h"
#include "wire/greeting.h"
#include "wire/ids.h"
#include "wire/metadata.h"

/* Which readings of the protocol we accept: see docs/reference/zmtp.md, Quirks. */
enum mcq_profile {
    MCQ_PROFILE_NATIVE, /* the RFCs, loose only where real peers need it */
    MCQ_PROFILE_COMPAT, /* whatever libzmq accepts, short of its defects */
};

/* What a session is made for. Copied by mcq_session_init; borrowed members must outlive the
 * session.
 * Every number is checked against the ceilings of spec/zmtp.spec. */
struct mcq_session_config {
    enum mcq_socket_type socket_type; /* our own */
    enum mcq_profile profile;
    enum mcq_mechanism mechanism;
    bool is_raw;          /* no ZMTP: octets as they are; most of the rest is of no account */
    uint32_t piece_bytes; /* of a raw session: the most that one part has, from 1 on */
    bool meets_older;     /* peers before 3.0 are welcome, if the security lets them in */
    bool as_server;       /* which end of PLAIN or CURVE we are */
    bool asks_zap; /* there is something to be asked; PLAIN's server asks whatever this says */
    const struct mcq_curve_keys *curve; /* borrowed; of CURVE */
    struct mcq_random random;           /* of CURVE: keys and nonces of the connection */
    struct mcq_bytes username;          /* borrowed; 0..255 octets; of PLAIN's client */
    struct mcq_bytes password;          /* likewise; copies are wiped once they have left */
    struct mcq_bytes routing_id; /* borrowed; 0..255 octets; sent by REQ, DEALER and ROUTER */
    struct mcq_bytes
        extra_metadata;            /* borrowed; whole encoded properties for our READY, or empty */
    uint64_t handshake_ns;         /* from init to TRAFFIC; 0: no deadline */
    uint64_t heartbeat_ns;         /* between PINGs; 0: none are sent */
    uint64_t heartbeat_timeout_ns; /* from a PING to any frame; 0: as heartbeat_ns */
    uint16_t heartbeat_ttl_ds;     /* TTL in our PINGs, tenths of a second */
    uint32_t max_command_bytes;    /* one command's body */
    uint32_t max_properties;       /* in one READY */
    uint32_t max_message_frames;   /* parts of one message */
    uint64_t max_frame_bytes;      /* one message frame's body */
    uint64_t max_message_bytes;    /* all bodies of one message */
};

enum mcq_event_kind {
    MCQ_EVENT_GREETING,  /* the peer's greeting is complete */
    MCQ_EVENT_ZAP,       /* ask ZAP about the peer, and answer with mcq_session_zap */
    MCQ_EVENT_READY,     /* the handshake is over; messages may flow both ways */
    MCQ_EVENT_BODY,      /* a piece of a message frame */
    MCQ_EVENT_SEALED,    /* a piece of a sealed frame, as `body`; all of them are for open() */
    MCQ_EVENT_REFUSED,   /* ERROR in the handshake; the next feed answers MCQ_REFUSED */
    MCQ_EVENT_SUBSCRIBE, /* the peer wants a topic: command form only */
    MCQ_EVENT_CANCEL,    /* the peer no longer wants a topic */
    MCQ_EVENT_JOIN,      /* the peer joins a group */
    MCQ_EVENT_LEAVE,     /* the peer leaves it */
    MCQ_EVENT_PING,      /* answered already: the PONG is in want() */
    MCQ_EVENT_PONG,
    MCQ_EVENT_IGNORED, /* a command nobody here knows, or one out of place: dropped */
};

/* One thing that happened. Borrowed views end with the next call on the session or the input's end,
 * whichever is first. */
struct mcq_event {
    enum mcq_event_kind kind;
    union {
        struct {
            enum mcq_form form;               /* which member of `octets` the peer sent, if any */
            enum mcq_zmtp version;            /* what it speaks */
            const union mcq_greeting *octets; /* borrowed */
        } greeting;
        struct {
            const char *mechanism;
            struct mcq_credentials credentials; /* secret: copies are to be wiped */
            struct mcq_bytes identity;          /* the peer's, if it has said it by now */
        } zap;
        struct {
            enum mcq_zmtp version; /* what the peer speaks */
            enum mcq_socket_type
                socket_type;           /* MCQ_SOCKET_TYPE_NONE: the peer named none (1.0; quirk) */
            struct mcq_bytes identity; /* empty: none */
            struct mcq_bytes metadata; /* all properties, checked; walk with mcq_property_next */
        } ready;
        struct {
            struct mcq_frame_piece piece; /* flags are checked; MORE is the only one left */
            uint32_t part_index;          /* 0 for the first frame of a message */
        } body;
        struct mcq_bytes topic; /* SUBSCRIBE, CANCEL */
        struct mcq_bytes group; /* JOIN, LEAVE */
        struct {
            uint64_t ttl_ns;
            struct mcq_bytes context;
        } ping;                  /* PONG: ttl_ns is 0 */
        struct mcq_bytes reason; /* REFUSED: the peer's words, printable */
        struct {
            enum mcq_command_id id; /* MCQ_COMMAND_UNKNOWN: a name that nobody knows */
            uint32_t size;          /* of the command's body */
        } ignored;
    };
};

/* Why a session ended: the first error, never overwritten. */
struct mcq_failure {
    enum mcq_err err;       /* MCQ_OK while the session lives */
    enum mcq_rule rule;     /* the spec rule the peer broke; MCQ_RULE_NONE for deadlines */
    enum mcq_reason reason; /* the state machine's word for it, MCQ_REASON_NONE if it had none */
    uint64_t offset;        /* octets of the peer's stream accepted before the refused one */
};

enum mcq_session_phase {
    MCQ_PHASE_GREETING,
    MCQ_PHASE_HANDSHAKE,
    MCQ_PHASE_TRAFFIC,
    MCQ_PHASE_RAW,
    MCQ_PHASE_FAILED,
};

struct mcq_session; /* its storage is in session/state.h, for those who embed one */

/* Defaults of a profile, NULL mechanism, no heartbeats. Never fails. */
void mcq_session_config_init(struct mcq_session_config *config, enum mcq_socket_type type,
                             enum mcq_profile profile);

/* The readings that a profile accepts: MCQ_QUIRK_* bits. */
uint32_t mcq_profile_quirks(enum mcq_profile profile);

/* Starts a session in the caller's storage; the handshake deadline counts from now_ns.
 *   MCQ_OK      live; end it with mcq_session_fini
 *   MCQ_INVAL   a member of *config is outside its range; *session is untouched */
MCQ_MUST_CHECK enum mcq_err mcq_session_init(struct mcq_session *session,
                                             const struct mcq_session_config *config,
                                             uint64_t now_ns);

/* Releases what the session holds. Views of its events end here. */
void mcq_session_fini(struct mcq_session *session);

/* Octets from the peer. Consumes from *in and stops after each event.
 *   MCQ_OK      *event is filled
 *   MCQ_AGAIN   *in is used up; no event
 *   MCQ_BUSY    an answer is due and the last one has not left: write want() first, or yield; *in
 *   keeps its rest
 *   MCQ_NOMEM, MCQ_PROTO, MCQ_LIMIT, MCQ_REFUSED, MCQ_MISMATCH
 *               the session failed; mcq_session_failure has the place. Repeated by every later
 *               call.
 *               want() may still hold octets that should go out before the close. */
MCQ_MUST_CHECK enum mcq_err mcq_session_feed(struct mcq_session *session, struct mcq_bytes *in,
                                             uint64_t now_ns, struct mcq_event *event);

/* In place of feed for what traffic mostly is: a message of one part, all of it in *in. Its body,
 * borrowed from *in, is all there is to tell.
 *   false   nothing changed: feed has the verdict */
bool mcq_session_take_whole(struct mcq_session *session, struct mcq_bytes *in,
                            struct mcq_bytes *body);

/* The peer's frames are boxes: CURVE, from READY on. */
bool mcq_session_is_sealed(const struct mcq_session *session);

/* Opens a sealed frame, all octets of its pieces in one place, in that place, and tells what it is:
 * MCQ_EVENT_BODY, a whole part whose body lies in it, or what a command says. Once for each frame,
 * before the next octets are fed. Results as of feed, but for AGAIN and BUSY. */
MCQ_MUST_CHECK enum mcq_err mcq_session_open(struct mcq_session *session, uint8_t *frame,
                                             size_t len, uint64_t now_ns, struct mcq_event *event);

/* The answer to MCQ_EVENT_ZAP: the status of the reply. One that ZAP does not know, 0 for instance,
 * says that the reply is broken, or that nobody is there to give one. The peer's octets may be fed
 * while the answer is due; feed once afterwards, be it with nothing.
 *   MCQ_OK        the handshake goes on
 *   MCQ_STATE     nothing was asked
 *   MCQ_NOMEM     the session failed
 *   MCQ_REFUSED   the session failed; want() may hold an ERROR that should go out before the
 *                 close */
MCQ_MUST_CHECK enum mcq_err mcq_session_zap(struct mcq_session *session, unsigned status,
                                            uint64_t now_ns);

/* The peer's stream ended. A cut greeting, frame or message is dropped; the session fails with
 * MCQ_CLOSED unless it had failed before. */
void mcq_session_end(struct mcq_session *session);

/* Time passed: sends a due PING, or fails with MCQ_TIMEOUT. MCQ_OK otherwise. */
MCQ_MUST_CHECK enum mcq_err mcq_session_tick(struct mcq_session *session, uint64_t now_ns);

/* Octets of the peer have not been looked at by now: its silence counts from now on. Says nothing
 * of the handshake's deadline. */
void mcq_session_excuse(struct mcq_session *session, uint64_t now_ns);

/* Our PING has not come to the peer by now: the time for its answer counts from now on. */
void mcq_session_wait_on(struct mcq_session *session, uint64_t now_ns);

/* From the last PING of ours that was alone on its way to its PONG, as this side saw both; 0: none
 * has been answered yet. */
uint64_t mcq_session_rtt_ns(const struct mcq_session *session);

/* When tick() is due next; MCQ_NEVER_NS: not at all. */
uint64_t mcq_session_deadline_ns(const struct mcq_session *session);

/* Control octets to write now, borrowed until the next call. Empty: none. */
struct mcq_bytes mcq_session_want(const struct mcq_session *session);

/* The first len octets of want() left; len <= want().len. */
void mcq_session_sent(struct mcq_session *session, size_t len);

/* The peer takes no octets now. Until all of want() has left, feed does not say MCQ_BUSY: a
 * PONG of which nothing has left gives way to that of the next PING, which answers both. So two
 * peers that are full do not wait for each other. */
void mcq_session_yield(struct mcq_session *session);

/* Gives back memory that the handshake has needed and traffic may not. Views of events end. */
void mcq_session_trim(struct mcq_session *session);

/* How message frames to this peer lie in the stream; fixed from READY on. */
enum mcq_framing mcq_session_framing(const struct mcq_session *session);

/* Header of the next outgoing message frame; returns its length, at most MCQ_FRAME_HEAD_MAX.
 * Only in TRAFFIC, and only when want() is empty or its octets are written first. */
size_t mcq_session_frame_head(const struct mcq_session *session, bool more, uint64_t body_bytes,
                              uint8_t head[MCQ_FRAME_HEAD_MAX]);

/* Octets of a sealed message frame in front of its body of this length. Nothing follows it. */
size_t mcq_session_seal_head(uint64_t body_bytes);

/* Seals the next outgoing message frame, whose body stands at frame + mcq_session_seal_head: in
 * place, with all that belongs in front of it. */
void mcq_session_seal(struct mcq_session *session, bool more, uint8_t *frame, size_t body_len);

/* Queues SUBSCRIBE or CANCEL in the form that the peer's version understands (RFC 37; zmtp.md,
 * Subscriptions).
 *   MCQ_OK      in want()
 *   MCQ_INVAL   the topic exceeds max_command_bytes
 *   MCQ_STATE   not in TRAFFIC
 *   MCQ_NOMEM   nothing was queued */
MCQ_MUST_CHECK enum mcq_err mcq_session_subscribe(struct mcq_session *session,
                                                  struct mcq_bytes topic, bool subscribe);

/* Queues a message of one part, in front of all messages: PROBE_ROUTER, HELLO_MSG.
 *   MCQ_STATE   neither in TRAFFIC nor RAW
 *   MCQ_NOMEM   nothing was queued */
MCQ_MUST_CHECK enum mcq_err mcq_session_greet(struct mcq_session *session, struct mcq_bytes body);

/* Queues JOIN or LEAVE. Results as of mcq_session_subscribe; MCQ_STATE: also to a peer before 3.1,
 * which does not know them; MCQ_INVAL: the group is longer than its rule allows or holds an octet
 * that it forbids. */
MCQ_MUST_CHECK enum mcq_err mcq_session_join(struct mcq_session *session, struct mcq_bytes group,
                                             bool join);

/* Where it is in its life, and why it ended: err is MCQ_OK until it has. Borrowed. */
enum mcq_session_phase mcq_session_phase(const struct mcq_session *session);
const struct mcq_failure *mcq_session_failure(const struct mcq_session *session);

#endif
