/* CURVE with known keys, so that what is tried gets into the boxes. The octets are frames in clear
 * of a peer whose handshake is over: each is sealed and goes to a session of CURVE, cut by what the
 * second choice says, while another session without security gets it as it is. Both have to tell
 * the same and end the same. What was heard is refused a second time, and so is a frame with an
 * octet changed. With bit 0 of the first choice the octets are the peer's metadata in a whole
 * handshake instead, which comes to READY just where one of NULL does; the next bits are our role,
 * the profile, and flags inside the boxes that no frame can have. */

#define FUZZ_OCTETS_MAX 4096
#include "fuzz.h"

#include "session/state.h"
#include "wire/limits.h"

#define CHOICE_HANDSHAKE 1u
#define CHOICE_SERVER 2u
#define CHOICE_COMPAT 4u
#define CHOICE_EXTRA_FLAGS 0xf0u

#define NOW_NS 1
#define FRAME_ROOM (FUZZ_OCTETS_MAX + 64)
#define TURNS_MAX 16 /* of a handshake */

static struct mcq_curve_keys keys[2]; /* the client's, the server's */
static uint8_t frame_room[FRAME_ROOM];
static uint8_t opened_room[FRAME_ROOM];

static bool count_up(void *context, uint8_t *octets, size_t len)
{
    uint8_t *next = context;

    for (size_t i = 0; i < len; i++)
        octets[i] = (*next)++;
    return true;
}

__attribute__((constructor)) static void make_keys(void)
{
    uint8_t next = 1;
    const struct mcq_random random = {count_up, &next};

    if (mcq_crypto_init() != MCQ_OK)
        fuzz_fail("no random octets");
    for (unsigned i = 0; i < 2; i++)
        if (!mcq_crypto_pair(&keys[i].own, &random))
            fuzz_fail("no keys");
    keys[0].server = keys[1].own.public;
}

/* --- sessions --------------------------------------------------------------------------------- */

static void configure(const struct fuzz_input *input, struct mcq_session_config *config,
                      bool is_server, struct mcq_random random)
{
    mcq_session_config_init(config, is_server ? MCQ_SOCKET_TYPE_XPUB : MCQ_SOCKET_TYPE_SUB,
                            input->choice[0] & CHOICE_COMPAT ? MCQ_PROFILE_COMPAT
                                                             : MCQ_PROFILE_NATIVE);
    config->mechanism = MCQ_MECHANISM_CURVE;
    config->as_server = is_server;
    config->curve = &keys[is_server];
    config->random = random;
    config->max_frame_bytes = 512; /* within reach */
    config->max_message_bytes = 1024;
    config->max_message_frames = 4;
    config->max_command_bytes = 256;
    config->max_properties = 4;
}

/* A session whose handshake is taken for done. */
static void start_traffic(struct mcq_session *session, const struct mcq_session_config *config)
{
    static const struct mcq_crypto_key key = {{42}};

    if (mcq_session_init(session, config, NOW_NS) != MCQ_OK)
        fuzz_fail("the configuration is not taken");
    mcq_session_sent(session, mcq_session_want(session).len);
    session->phase = MCQ_PHASE_TRAFFIC;
    session->version = MCQ_ZMTP_3_1;
    mcq_frame_decoder_set_framing(&session->frames, MCQ_FRAMING_NEWEST);
    if (session->curve == NULL)
        return;
    session->curve->message_key = key;
    session->curve->seen_nonce = session->curve->sent_nonce = 2;
    mcq_session_begin_sealed(session);
}

/* --- what is told ----------------------------------------------------------------------------- */

static void write_event(struct text *text, const struct mcq_event *event)
{
    write_number(text, "event", event->kind);
    switch (event->kind) {
    case MCQ_EVENT_BODY:
        write_number(text, "part", event->body.part_index);
        write_number(text, "flags", event->body.piece.flags);
        write_octets(text, "body", event->body.piece.body);
        break;
    case MCQ_EVENT_SUBSCRIBE:
    case MCQ_EVENT_CANCEL: write_octets(text, "topic", event->topic); break;
    case MCQ_EVENT_JOIN:
    case MCQ_EVENT_LEAVE: write_octets(text, "group", event->group); break;
    case MCQ_EVENT_PING:
    case MCQ_EVENT_PONG:
        write_number(text, "ttl", event->ping.ttl_ns);
        write_octets(text, "context", event->ping.context);
        break;
    case MCQ_EVENT_IGNORED:
        write_number(text, "id", event->ignored.id);
        write_number(text, "size", event->ignored.size);
        break;
    default: fuzz_fail("an event of kind %d in traffic", (int) event->kind);
    }
}

/* A frame that came whole to a session without security, header and all. */
static enum mcq_err feed_clear(struct mcq_session *session, struct mcq_bytes frame,
                               struct text *text)
{
    struct mcq_event event;
    enum mcq_err err;

    while ((err = mcq_session_feed(session, &frame, NOW_NS, &event)) == MCQ_OK)
        write_event(text, &event);
    mcq_session_sent(session, mcq_session_want(session).len);
    return err;
}

/* The same sealed, cut in two. */
static enum mcq_err feed_sealed(struct mcq_session *session, struct mcq_bytes frame, size_t cut,
                                struct text *text)
{
    struct mcq_bytes pieces[2] = {mcq_bytes(frame.data, cut % (frame.len + 1)), frame};
    struct mcq_event event;
    enum mcq_err err = MCQ_AGAIN;
    size_t got = 0;

    mcq_bytes_skip(&pieces[1], pieces[0].len);
    for (unsigned i = 0; i < 2 && err == MCQ_AGAIN; i++)
        while ((err = mcq_session_feed(session, &pieces[i], NOW_NS, &event)) == MCQ_OK) {
            struct mcq_frame_piece piece = event.body.piece;

            if (event.kind != MCQ_EVENT_SEALED || piece.body.len > FRAME_ROOM - got)
                fuzz_fail("an event of kind %d, or a frame of too many octets", (int) event.kind);
            got = piece.first ? 0 : got;
            memcpy(opened_room + got, piece.body.data, piece.body.len);
            got += piece.body.len;
            if (!piece.last)
                continue;
            if (got != piece.size)
                fuzz_fail("%zu of %" PRIu64 " octets are a frame", got, piece.size);
            err = mcq_session_open(session, opened_room, got, NOW_NS, &event);
            if (err != MCQ_OK)
                return err;
            write_event(text, &event);
        }
    mcq_session_sent(session, mcq_session_want(session).len);
    return err;
}

/* --- traffic ---------------------------------------------------------------------------------- */

/* A peer's frame with these octets and flags in its box; its length. */
static size_t seal(struct mcq_curve *peer, struct mcq_bytes body, uint8_t flags)
{
    uint8_t *at = mcq_encode_frame_head(frame_room, 0, body.len + MCQ_CURVE_DATA_AT);

    if (body.len > 0)
        memcpy(at + MCQ_CURVE_DATA_AT, body.data, body.len);
    mcq_curve_seal_message(peer, at, body.len, flags);
    return (size_t) (at - frame_room) + MCQ_CURVE_DATA_AT + body.len;
}

static uint8_t inner_flags(uint8_t flags)
{
    if (flags & MCQ_FRAME_COMMAND)
        return MCQ_CURVE_MESSAGE_SEALED_FLAGS_COMMAND;
    return flags & MCQ_FRAME_MORE ? MCQ_CURVE_MESSAGE_SEALED_FLAGS_MORE : 0;
}

/* Frames that were said once, or that somebody changed, end the session. */
static void check_attacks(struct mcq_session *session, struct mcq_curve *peer, size_t last_len,
                          uint8_t choice)
{
    struct text none = {0};
    const struct mcq_failure *failure = mcq_session_failure(session);

    if (choice % 2 == 0 && last_len > 0) {
        if (feed_sealed(session, mcq_bytes(frame_room, last_len), choice, &none) != MCQ_PROTO ||
            failure->rule != MCQ_RULE_CURVE_MESSAGE_NONCE)
            fuzz_fail("a frame is taken twice");
    } else {
        size_t len = seal(peer, mcq_bytes_of("changed"), 0);
        size_t head = len - strlen("changed") - MCQ_CURVE_DATA_AT;

        frame_room[head + choice % (len - head)] ^= 0x10;
        if (feed_sealed(session, mcq_bytes(frame_room, len), choice, &none) != MCQ_PROTO)
            fuzz_fail("a frame that was changed is taken");
    }
    if (none.len > 0)
        fuzz_fail("an attack tells something");
    free(none.data);
}

static void run_traffic(const struct fuzz_input *input)
{
    bool is_server = input->choice[0] & CHOICE_SERVER;
    uint8_t next[3] = {1, 2, 3};
    struct mcq_session_config config;
    struct mcq_session sealed;
    struct mcq_session clear;
    struct mcq_session peer;
    struct mcq_frame_decoder frames;
    struct mcq_frame_piece piece;
    struct mcq_bytes left = input->octets;
    size_t last_len = 0;
    enum mcq_err sealed_err = MCQ_AGAIN;
    enum mcq_err clear_err = MCQ_AGAIN;

    configure(input, &config, is_server, (struct mcq_random) {count_up, &next[0]});
    start_traffic(&sealed, &config);
    config.mechanism = MCQ_MECHANISM_NULL;
    start_traffic(&clear, &config);
    configure(input, &config, !is_server, (struct mcq_random) {count_up, &next[1]});
    start_traffic(&peer, &config);
    fuzz_whole.len = fuzz_other.len = 0;
    mcq_frame_decoder_init(&frames, 0, FUZZ_OCTETS_MAX, FUZZ_OCTETS_MAX);
    while (sealed_err == MCQ_AGAIN && clear_err == MCQ_AGAIN) {
        uint8_t head[MCQ_FRAME_HEAD_MAX];
        uint8_t *end;
        uint8_t flags;

        if (mcq_frame_decode(&frames, &left, &piece) != MCQ_OK || !piece.last)
            break;
        flags = piece.flags & (MCQ_FRAME_MORE | MCQ_FRAME_COMMAND);
        end = mcq_encode_frame_head(head, flags, piece.body.len);
        memcpy(frame_room, head, (size_t) (end - head));
        if (piece.body.len > 0)
            memcpy(frame_room + (end - head), piece.body.data, piece.body.len);
        clear_err = feed_clear(
            &clear, mcq_bytes(frame_room, (size_t) (end - head) + piece.body.len), &fuzz_whole);
        last_len = seal(peer.curve, piece.body, inner_flags(flags));
        sealed_err =
            feed_sealed(&sealed, mcq_bytes(frame_room, last_len), input->choice[1], &fuzz_other);
    }
    fuzz_same(&fuzz_whole, &fuzz_other, 0, "sealed");
    if (sealed_err != clear_err ||
        mcq_session_failure(&sealed)->rule != mcq_session_failure(&clear)->rule)
        fuzz_fail("%s by %s sealed, %s by %s in clear", mcq_err_name(sealed_err),
                  mcq_rule_name(mcq_session_failure(&sealed)->rule), mcq_err_name(clear_err),
                  mcq_rule_name(mcq_session_failure(&clear)->rule));
    if (sealed_err == MCQ_AGAIN && (input->choice[0] & CHOICE_EXTRA_FLAGS)) {
        bool is_loose = input->choice[0] & CHOICE_COMPAT;

        last_len = seal(peer.curve, mcq_bytes(NULL, 0), input->choice[0] & CHOICE_EXTRA_FLAGS);
        sealed_err = feed_sealed(&sealed, mcq_bytes(frame_room, last_len), 0, &fuzz_other);
        if ((sealed_err == MCQ_PROTO) == is_loose && sealed_err != MCQ_LIMIT)
            fuzz_fail("reserved bits in a box: %s", mcq_err_name(sealed_err));
    }
    if (sealed_err == MCQ_AGAIN)
        check_attacks(&sealed, peer.curve, last_len, input->choice[1]);
    mcq_session_fini(&sealed);
    mcq_session_fini(&clear);
    mcq_session_fini(&peer);
}

/* --- the handshake ---------------------------------------------------------------------------- */

/* What one wants goes to the other, until neither wants anything. Are both ready? */
static bool meet(struct mcq_session *one, struct mcq_session *other, size_t cut)
{
    struct mcq_session *sessions[] = {one, other};
    unsigned ready_count = 0;

    for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
        struct mcq_session *from = sessions[turn % 2];
        struct mcq_session *to = sessions[!(turn % 2)];
        struct mcq_bytes want = mcq_session_want(from);
        struct mcq_bytes first = mcq_bytes(want.data, cut % (want.len + 1));
        struct mcq_event event;

        for (unsigned i = 0; i < 2; i++) {
            while (mcq_session_feed(to, i == 0 ? &first : &want, NOW_NS, &event) == MCQ_OK)
                ready_count += event.kind == MCQ_EVENT_READY;
            if (i == 0)
                mcq_bytes_skip(&want, cut % (want.len + 1));
        }
        mcq_session_sent(from, mcq_session_want(from).len);
    }
    return ready_count == 2;
}

static bool handshake(const struct fuzz_input *input, enum mcq_mechanism mechanism)
{
    bool is_server = input->choice[0] & CHOICE_SERVER;
    uint8_t next[2] = {1, 2};
    struct mcq_session_config config;
    struct mcq_session ours;
    struct mcq_session peer;
    bool is_ready;

    configure(input, &config, is_server, (struct mcq_random) {count_up, &next[0]});
    config.mechanism = mechanism;
    config.max_command_bytes = MCQ_MAX_COMMAND_BYTES;
    if (mcq_session_init(&ours, &config, NOW_NS) != MCQ_OK)
        fuzz_fail("the configuration is not taken");
    configure(input, &config, !is_server, (struct mcq_random) {count_up, &next[1]});
    config.mechanism = mechanism;
    config.max_command_bytes = MCQ_MAX_COMMAND_BYTES;
    config.extra_metadata = input->octets;
    if (mcq_session_init(&peer, &config, NOW_NS) != MCQ_OK)
        fuzz_fail("the peer's configuration is not taken");
    is_ready = meet(&ours, &peer, input->choice[1]);
    mcq_session_fini(&ours);
    mcq_session_fini(&peer);
    return is_ready;
}

static void fuzz_one(const struct fuzz_input *input)
{
    if (!(input->choice[0] & CHOICE_HANDSHAKE))
        run_traffic(input);
    else if (handshake(input, MCQ_MECHANISM_CURVE) != handshake(input, MCQ_MECHANISM_NULL))
        fuzz_fail("the same metadata is good in clear or in a box, and not in the other");
}
