/*
 * state: what a session holds, for those who embed one and for the files of this folder.
 *
 * Layer:   session.
 * Threads: as session/session.h says.
 */
#ifndef MCQ_SESSION_STATE_H
#define MCQ_SESSION_STATE_H

#include "arena/grow.h"
#include "security/handshake.h"
#include "session/session.h"
#include "wire/command.h"

/* An event of the handshake that could not be told in the call that made it. */
enum mcq_session_due {
    MCQ_DUE_NOTHING,
    MCQ_DUE_ZAP,
    MCQ_DUE_READY,     /* its metadata is in `cut` */
    MCQ_DUE_SUBSCRIBE, /* a peer that never subscribes wants all */
};

struct mcq_session {
    enum mcq_session_phase phase;
    enum mcq_session_due due; /* the next feed begins with it */
    bool zap_asked;           /* its answer is to come */
    bool ready_kept;          /* the peer's READY is in `cut`; ours may not leave yet */
    uint32_t quirks;          /* MCQ_QUIRK_* bits of the profile */
    enum mcq_zmtp version;    /* that the peer speaks; MCQ_ZMTP_NONE: not known yet */
    uint32_t replayed;        /* octets of greeting.replay that went to `frames` */
    bool pong_due;            /* a PONG is in `out`; the next command waits for it to leave ... */
    bool pong_yields;         /* ... or the next PONG takes its place: mcq_session_yield */
    bool in_command;          /* the frame being read is a command */
    uint8_t name_bytes;       /* of a sealed frame's command, as its first octet says */
    bool outer_more;          /* a sealed frame has MORE on its outside */
    uint32_t part_index;      /* of the message frame being read */
    uint64_t message_bytes;   /* bodies of the message being read */
    uint64_t body_at;         /* offset in the stream of the body being read */
    struct mcq_failure failure;
    struct mcq_frame_decoder frames;
    struct mcq_greeting_decoder greeting;
    struct mcq_command_decoder command;
    struct mcq_metadata_decoder metadata;
    struct mcq_handshake handshake;
    struct mcq_curve *curve; /* NULL: another mechanism */
    struct mcq_grow cut;     /* the body of a command that came in pieces */
    struct mcq_grow out;     /* control octets; the first out_sent have left */
    size_t out_sent;
    size_t pong_at; /* in `out`: the PONG that is due */
    size_t pong_len;
    size_t greeting_queued;   /* octets of our greeting that went to `out` */
    uint64_t handshake_at_ns; /* deadlines; MCQ_NEVER_NS: none */
    uint64_t ping_at_ns;      /* the next PING of ours */
    uint64_t silence_at_ns;   /* no octet since our PING: the peer is dead */
    uint64_t ttl_at_ns;       /* no octet since the peer's PING: the peer said so itself */
    uint64_t ttl_ns;          /* as that said it */
    uint32_t pings_out;       /* of ours, whose PONGs are to come */
    uint32_t pings_in_vain;   /* since the last PONG */
    bool is_timed;            /* the first of them, which left at pinged_ns */
    uint64_t pinged_ns;
    uint64_t rtt_ns; /* of the last one that was timed; 0: none has been */
    struct mcq_session_config config;
};

/* Keeps the first error. Returns it, so that callers can `return session_fail(...)`. */
enum mcq_err mcq_session_fail(struct mcq_session *session, enum mcq_err err, enum mcq_rule rule,
                              enum mcq_reason reason, uint64_t offset);

/* session/output.c: what we send. Each leaves `out` as it was when it returns MCQ_NOMEM. */
MCQ_MUST_CHECK enum mcq_err mcq_session_put_greeting(struct mcq_session *session);
/* A command of the handshake, with what the configuration says. `status`: of ZAP, in an ERROR. */
MCQ_MUST_CHECK enum mcq_err mcq_session_put_handshake(struct mcq_session *session,
                                                      enum mcq_command_id id, unsigned status);
MCQ_MUST_CHECK enum mcq_err mcq_session_put_ping(struct mcq_session *session);
MCQ_MUST_CHECK enum mcq_err mcq_session_put_pong(struct mcq_session *session,
                                                 struct mcq_bytes context);
/* Our own greeting to a peer of this form, as configured. */
void mcq_session_own_greeting(const struct mcq_session *session, enum mcq_form form,
                              union mcq_greeting *greeting);
/* What peers before 3.0 get in place of a READY, as far as the greeting has not said it. */
MCQ_MUST_CHECK enum mcq_err mcq_session_put_identity(struct mcq_session *session);
/* Octets of the metadata in our READY; SIZE_MAX when the sum overflows. */
size_t mcq_session_metadata_bytes(const struct mcq_session_config *config);

/* session/heartbeat.c: deadlines. */
void mcq_session_heard(struct mcq_session *session);
void mcq_session_answered(struct mcq_session *session, uint64_t now_ns);
void mcq_session_start_heartbeat(struct mcq_session *session, uint64_t now_ns);

/* session/incoming.c: frames. */
MCQ_MUST_CHECK enum mcq_err mcq_session_feed_frames(struct mcq_session *session,
                                                    struct mcq_bytes *in, uint64_t now_ns,
                                                    struct mcq_event *event);
MCQ_MUST_CHECK enum mcq_err mcq_session_take_part(struct mcq_session *session,
                                                  const struct mcq_frame_piece *piece,
                                                  uint64_t head_end, struct mcq_event *event);
/* A whole command of the traffic, which its decoder has read. */
MCQ_MUST_CHECK enum mcq_err mcq_session_take_traffic(struct mcq_session *session,
                                                     const uint8_t *body, uint64_t now_ns,
                                                     struct mcq_event *event);
/* session/sealed.c: frames that are boxes. */
/* They are all there is from now on, and as long as what they hold may be. */
void mcq_session_begin_sealed(struct mcq_session *session);
/* Seals the frame with the flags of a clear one whose body stands behind its head. */
void mcq_session_put_sealed(struct mcq_session *session, uint8_t flags, uint8_t *frame, size_t len);
MCQ_MUST_CHECK enum mcq_err mcq_session_feed_sealed(struct mcq_session *session,
                                                    const struct mcq_frame_piece *piece,
                                                    struct mcq_event *event);
/* session/older.c: peers before 3.0, which have no handshake. */
/* Their greeting is over, if they have one. */
MCQ_MUST_CHECK enum mcq_err mcq_session_meet_older(struct mcq_session *session);
/* Their first frame. */
MCQ_MUST_CHECK enum mcq_err mcq_session_feed_identity(struct mcq_session *session,
                                                      struct mcq_bytes *in, uint64_t now_ns,
                                                      struct mcq_event *event);
/* session/raw.c: peers that speak no ZMTP. */
void mcq_session_begin_raw(struct mcq_session *session);
MCQ_MUST_CHECK enum mcq_err mcq_session_feed_raw(struct mcq_session *session, struct mcq_bytes *in,
                                                 struct mcq_event *event);
/* session/handshake.c: the machine of the mechanism, and what it calls for. */
/* Takes handshake steps that need no octet of the peer: what a state sends and asks. `status`: of
 * ZAP's reply, for an ERROR. */
MCQ_MUST_CHECK enum mcq_err mcq_session_run_handshake(struct mcq_session *session, unsigned status,
                                                      uint64_t now_ns);
/* A whole command of the peer; `body` holds it. `is_kept`: in `cut`. */
MCQ_MUST_CHECK enum mcq_err mcq_session_take_handshake(struct mcq_session *session,
                                                       const uint8_t *body, bool is_kept,
                                                       uint64_t now_ns, struct mcq_event *event);
/* An event that is due since an earlier call. */
void mcq_session_tell_due(struct mcq_session *session, struct mcq_event *event);
/* The peer broke off, or broke a rule: takes the step and fails with what the machine says. */
enum mcq_err mcq_session_reject(struct mcq_session *session, unsigned event, enum mcq_err err,
                                enum mcq_rule rule, uint64_t offset);
/* A command that the present state has no use for, whatever its fields say. How much of it was
 * read by then depends on how it was cut, so the report names its beginning. */
enum mcq_err mcq_session_reject_unexpected(struct mcq_session *session);
/* Turns the machine's rejection into the session's failure. */
enum mcq_err mcq_session_rejected(struct mcq_session *session, enum mcq_err err, enum mcq_rule rule,
                                  uint64_t offset);

static inline uint64_t mcq_session_offset(const struct mcq_session *session)
{
    return session->greeting.accepted + session->frames.offset;
}

/* now + wait, without wrapping; a wait of 0 means never. */
static inline uint64_t mcq_deadline_ns(uint64_t now_ns, uint64_t wait_ns)
{
    uint64_t at;

    if (wait_ns == 0 || __builtin_add_overflow(now_ns, wait_ns, &at))
        return MCQ_NEVER_NS;
    return at;
}

#endif
