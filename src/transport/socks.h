/*
 * socks: the client's side of SOCKS5 (RFC 1928, RFC 1929), octets in and octets out.
 *
 * Layer:   transport. Sans-IO.
 * Threads: a conversation is its owner's; a proxy that is shared never changes.
 * Bound:   what a server may say is at most 262 octets; none further is taken.
 *
 *   init --> METHOD --server: none--------------> CONNECT --granted--> DONE
 *                 +---server: a password--> LOGIN ---^  +--else--> failed, for good
 *
 * One method is offered, as libzmq does: a password if there is a user's name, else none. Names are
 * the proxy's to look up.
 */
#ifndef MCQ_TRANSPORT_SOCKS_H
#define MCQ_TRANSPORT_SOCKS_H

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

#define MCQ_PROXY_TEXT_MAX 255 /* a length is one octet */

/* --- the proxy and who we are to it ----------------------------------------------------------- */

enum mcq_proxy_part {
    MCQ_PROXY_ADDRESS, /* HOST:PORT */
    MCQ_PROXY_USERNAME,
    MCQ_PROXY_PASSWORD,
    MCQ_PROXY_PARTS,
};

struct mcq_socks_proxy;

/* *proxy becomes one with this part; who shared the old one still has it. NULL has three empty
 * ones.
 *   MCQ_NOMEM   as it was */
MCQ_MUST_CHECK enum mcq_err mcq_proxy_set(struct mcq_socks_proxy **proxy, enum mcq_proxy_part part,
                                          struct mcq_bytes text);

/* With a zero octet behind it that is not counted. */
struct mcq_bytes mcq_proxy_get(const struct mcq_socks_proxy *proxy, enum mcq_proxy_part part);

/* NULL is fine. The last one to go wipes it. */
struct mcq_socks_proxy *mcq_proxy_ref(struct mcq_socks_proxy *proxy);
void mcq_proxy_unref(struct mcq_socks_proxy **proxy);

/* --- one conversation ------------------------------------------------------------------------- */

struct mcq_socks {
    int state;
    const struct mcq_socks_proxy *proxy;
    struct mcq_bytes host;
    uint16_t port;
    uint16_t out_len;
    uint16_t out_sent;
    uint16_t in_len;
    uint8_t out[3 + 2 * MCQ_PROXY_TEXT_MAX]; /* the longest is the login */
    uint8_t in[4 + 1 + MCQ_PROXY_TEXT_MAX + 2];
};

/* Begins. What it is told is borrowed until the end.
 *   host   1 to 255 octets: a name, or a numeric address, without brackets */
void mcq_socks_init(struct mcq_socks *socks, const struct mcq_socks_proxy *proxy,
                    struct mcq_bytes host, uint16_t port);
/* Wipes it. */
void mcq_socks_fini(struct mcq_socks *socks);

/* What is to be sent now, until it was; empty: it is the server's turn. */
struct mcq_bytes mcq_socks_want(const struct mcq_socks *socks);
void mcq_socks_sent(struct mcq_socks *socks, size_t len);

/* How many octets the server has to say next, at least: the reader takes no more, for what comes
 * behind the last of them is the peer's. 0: none. */
size_t mcq_socks_room(const struct mcq_socks *socks);

/* From the server, at most that many octets; all of them are taken.
 *   MCQ_OK        the stream is the peer's from here on
 *   MCQ_AGAIN     there is something to send, or to be read
 *   MCQ_PROTO     this is no SOCKS5, or we may not use it
 *   MCQ_REFUSED   the peer does not listen
 *   MCQ_CLOSED    the peer is not to be had, now */
MCQ_MUST_CHECK enum mcq_err mcq_socks_feed(struct mcq_socks *socks, struct mcq_bytes in);

#endif
