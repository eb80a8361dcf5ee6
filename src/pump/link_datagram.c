#include "pump/link_datagram.h"

#include "pump/link_parts.h"
#include "transport/udp.h"
#include "wire/datagram.h"
#include "wire/frame.h"

#define LOOK_COUNT 64

static_assert(MCQ_UDP_TEXT_BYTES <= MCQ_DATAGRAM_GROUP_BYTES_MAX,
              "what has room for a group has room for an address");

enum mcq_err mcq_link_set_datagrams(struct mcq_link *link, const struct mcq_datagrams *like)
{
    struct mcq_datagrams *datagrams = mcq_alloc(sizeof *datagrams);

    mcq_assert(!link->is_up && link->datagrams == NULL);
    if (datagrams == NULL)
        return MCQ_NOMEM;
    *datagrams = *like;
    mcq_msg_init(&datagrams->body);
    link->datagrams = datagrams;
    return MCQ_OK;
}

enum mcq_err mcq_link_start_datagrams(struct mcq_link *link, uint64_t epoch,
                                      struct mcq_ready_key key)
{
    struct mcq_datagrams *datagrams = link->datagrams;
    struct mcq_link_group *group = link->group;

    mcq_assert(!link->is_up && epoch > link->epoch && datagrams->fd >= 0);
    if (datagrams->is_read &&
        mcq_ready_add(group->in_set, datagrams->fd, key, MCQ_READY_IN) != MCQ_IO_DONE)
        return MCQ_NOMEM;
    link->fd = datagrams->fd;
    datagrams->fd = -1;
    link->key = key;
    link->epoch = epoch;
    link->is_up = true;
    link->can_read = datagrams->is_read;
    link->can_write = true;
    link->lost_by = MCQ_OK;
    link->now_ns = mcq_reactor_now_ns(group->reactor);
    link->started_ns = link->now_ns;
    link->start_count++;
    return MCQ_OK;
}

void mcq_link_set_filter(struct mcq_link *link, bool (*wants)(void *wanter, struct mcq_bytes group),
                         void *wanter)
{
    link->datagrams->wants = wants;
    link->datagrams->wanter = wanter;
}

static void forget_body(struct mcq_datagrams *datagrams)
{
    if (datagrams->has_body)
        mcq_msg_fini(&datagrams->body);
    datagrams->has_body = false;
}

void mcq_link_datagram_fini(struct mcq_link *link)
{
    struct mcq_datagrams *datagrams = link->datagrams;

    if (datagrams == NULL)
        return;
    if (datagrams->fd >= 0)
        mcq_reactor_close(link->group->reactor, datagrams->fd);
    forget_body(datagrams);
    mcq_free(datagrams);
    link->datagrams = NULL;
}

/* --- reading --------------------------------------------------------------------------------- */

static void drop(struct mcq_link *link, enum mcq_tally_drop why)
{
    mcq_tally_drop(&link->tally, why, 1);
}

/* The first part, and the body; both views. false: it is nobody's. */
static bool take_apart(struct mcq_link *link, size_t len, const struct mcq_address *from,
                       char text[MCQ_UDP_TEXT_BYTES], struct mcq_datagram *datagram)
{
    struct mcq_datagrams *datagrams = link->datagrams;
    struct mcq_bytes octets = mcq_bytes(datagrams->octets, len);
    enum mcq_rule rule;
    enum mcq_err err;

    if (len > MCQ_MAX_DATAGRAM_BYTES) {
        drop(link, MCQ_TALLY_OVERSIZED);
        return false;
    }
    if (datagrams->form == MCQ_DATAGRAM_ADDRESS) {
        datagram->group = mcq_bytes(text, mcq_udp_peer_text(from, text));
        datagram->group.len += datagrams->ends_addresses; /* the text has one */
        datagram->body = octets;
        return true;
    }
    err = mcq_datagram_decode(octets, datagram, &rule);
    if (err == MCQ_OK && datagrams->wants != NULL &&
        !datagrams->wants(datagrams->wanter, datagram->group)) {
        drop(link, MCQ_TALLY_FILTERED);
        return false;
    }
    if (err != MCQ_OK)
        drop(link, MCQ_TALLY_REFUSED);
    return err == MCQ_OK;
}

/* Both parts are made before the first one is handed out. */
static bool make_message(struct mcq_link *link, const struct mcq_datagram *datagram,
                         struct mcq_msg *msg)
{
    struct mcq_datagrams *datagrams = link->datagrams;
    struct mcq_blocks *blocks = link->group->receiver.blocks;

    if (mcq_msg_init_block(msg, blocks, datagram->group) == MCQ_OK) {
        if (mcq_msg_init_block(&datagrams->body, blocks, datagram->body) == MCQ_OK) {
            datagrams->has_body = true;
            msg->more = true;
            return true;
        }
        mcq_msg_fini(msg);
    }
    drop(link, MCQ_TALLY_NO_MEMORY);
    return false;
}

/* MCQ_OK: something came, or some failure was told; *is_taken: the former, and it is a message. */
static enum mcq_err look(struct mcq_link *link, struct mcq_msg *msg, bool *is_taken)
{
    struct mcq_datagrams *datagrams = link->datagrams;
    char text[MCQ_UDP_TEXT_BYTES];
    struct mcq_datagram datagram;
    struct mcq_address from;
    struct mcq_io io = mcq_reactor_recv_datagram(link->group->reactor, link->fd, datagrams->octets,
                                                 sizeof datagrams->octets, &from);

    *is_taken = false;
    if (io.result == MCQ_IO_AGAIN) {
        link->can_read = false;
        return MCQ_AGAIN;
    }
    if (io.result == MCQ_IO_DONE && take_apart(link, io.len, &from, text, &datagram))
        *is_taken = make_message(link, &datagram, msg);
    return MCQ_OK;
}

enum mcq_err mcq_link_datagram_pull(struct mcq_link *link, struct mcq_msg *msg,
                                    struct mcq_event *event)
{
    struct mcq_datagrams *datagrams = link->datagrams;
    struct mcq_link_group *group = link->group;
    bool is_taken = false;

    event->kind = MCQ_EVENT_BODY;
    if (datagrams->has_body) {
        mcq_msg_move(msg, &datagrams->body);
        datagrams->has_body = false;
        mcq_link_count_in(link, msg);
        return MCQ_OK;
    }
    if (!link->can_read)
        return MCQ_AGAIN;
    mcq_link_settle(link);
    if (group->budget != NULL && mcq_permits_is_over(group->budget) && mcq_link_starves(link))
        return MCQ_AGAIN;
    for (int i = 0; i < LOOK_COUNT; i++) {
        MCQ_TRY(look(link, msg, &is_taken));
        if (!is_taken)
            continue;
        mcq_link_count_in(link, msg);
        return MCQ_OK;
    }
    link->is_starved = group->is_starved = true; /* others first; it is looked at again */
    return MCQ_AGAIN;
}

void mcq_link_datagram_give_up(struct mcq_link *link)
{
    forget_body(link->datagrams);
    mcq_link_queue_cut(&link->in);
    drop(link, MCQ_TALLY_NO_MEMORY);
}

/* --- writing --------------------------------------------------------------------------------- */

/* A message that waits, as its datagram is made of it. */
struct outgoing {
    uint8_t *octets;    /* room for all of a datagram, and an octet more */
    size_t len;         /* so far; beyond the room: it is too long */
    uint64_t run_bytes; /* that it has as frames */
    char first[MCQ_DATAGRAM_GROUP_BYTES_MAX];
    size_t first_len; /* beyond the room: the first part is too long */
    unsigned part;    /* being read */
};

static void append(uint8_t *room, size_t room_len, size_t *len, struct mcq_bytes octets)
{
    size_t left = *len < room_len ? room_len - *len : 0;

    if (octets.len <= left)
        mcq_put_bytes(room + *len, octets);
    *len = octets.len <= left ? *len + octets.len : room_len + 1;
}

/* The first part is whole: what goes in front of the body. */
static void put_head(const struct mcq_datagrams *datagrams, struct outgoing *out)
{
    struct mcq_bytes group = mcq_bytes(out->first, out->first_len);

    if (datagrams->form == MCQ_DATAGRAM_GROUP && group.len <= sizeof out->first)
        out->len = (size_t) (mcq_encode_datagram_head(out->octets, group) - out->octets);
}

/* Reads a piece of a frame. True: it was the message's last one. */
static bool put_piece(const struct mcq_datagrams *datagrams, struct outgoing *out,
                      const struct mcq_frame_piece *piece)
{
    if (out->part == 0)
        append((uint8_t *) out->first, sizeof out->first, &out->first_len, piece->body);
    else
        append(out->octets, sizeof datagrams->octets, &out->len, piece->body);
    if (!piece->last)
        return false;
    if (out->part++ == 0)
        put_head(datagrams, out);
    return (piece->flags & MCQ_FRAME_MORE) == 0;
}

/* The oldest message that waits. */
static void gather(struct mcq_link *link, struct outgoing *out)
{
    struct mcq_wpump_cursor cursor = mcq_wpump_walk(&link->wpump);
    struct mcq_frame_decoder frames;
    struct mcq_frame_piece piece;
    struct mcq_bytes run;
    struct mcq_buf *owner;
    bool is_over = false;

    mcq_frame_decoder_init(&frames, 0, MCQ_MAX_FRAME_BYTES, 0);
    mcq_frame_decoder_set_framing(&frames, link->framing);
    while (!is_over && mcq_wpump_walk_on(&link->wpump, &cursor, &run, &owner)) {
        size_t len = run.len;

        while (!is_over && mcq_frame_decode(&frames, &run, &piece) == MCQ_OK)
            is_over = put_piece(link->datagrams, out, &piece);
        out->run_bytes += len - run.len;
    }
    mcq_assert(is_over); /* only whole messages leave, and we wrote them */
}

/* Where it goes. false: nowhere. */
static bool find_way(struct mcq_link *link, const struct outgoing *out, struct mcq_address *to)
{
    const struct mcq_datagrams *datagrams = link->datagrams;

    if (out->len > MCQ_MAX_DATAGRAM_BYTES) {
        drop(link, MCQ_TALLY_OVERSIZED);
        return false;
    }
    if (out->first_len > sizeof out->first || out->part != 2 ||
        (datagrams->form == MCQ_DATAGRAM_ADDRESS &&
         !mcq_udp_parse_peer(mcq_bytes(out->first, out->first_len), datagrams->family, to))) {
        drop(link, MCQ_TALLY_NOBODY);
        return false;
    }
    return true;
}

static enum mcq_io_result send_one(struct mcq_link *link, const struct outgoing *out,
                                   const struct mcq_address *to)
{
    struct mcq_bytes octets = mcq_bytes(out->octets, out->len);
    struct mcq_io io = mcq_reactor_send_datagram(link->group->reactor, link->fd, octets, to);

    if (io.result == MCQ_IO_REFUSED) /* nobody was there for one before it; this one is untried */
        io = mcq_reactor_send_datagram(link->group->reactor, link->fd, octets, to);
    return io.result;
}

enum mcq_err mcq_link_datagram_write(struct mcq_link *link)
{
    struct mcq_datagrams *datagrams = link->datagrams;
    bool has_address = datagrams->form == MCQ_DATAGRAM_ADDRESS;
    struct mcq_address to;

    while (mcq_wpump_waiting_bytes(&link->wpump) > 0) {
        struct outgoing out = {.octets = datagrams->octets};
        enum mcq_io_result result = MCQ_IO_DONE;

        if (!link->can_write)
            return MCQ_AGAIN;
        gather(link, &out);
        if (find_way(link, &out, &to))
            result = send_one(link, &out, has_address ? &to : NULL);
        if (result == MCQ_IO_AGAIN)
            return mcq_link_block(link);
        if (result != MCQ_IO_DONE && result != MCQ_IO_REFUSED)
            drop(link, result == MCQ_IO_NO_MEMORY ? MCQ_TALLY_NO_MEMORY : MCQ_TALLY_NOBODY);
        mcq_wpump_skip(&link->wpump, out.run_bytes);
        mcq_link_on_room(link);
    }
    mcq_link_set_dirty(link, false);
    mcq_link_set_blocked(link, false);
    return MCQ_OK;
}
