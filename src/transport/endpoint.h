/*
 * endpoint: the text of an address, taken apart.
 *
 * Layer:   transport. Pure: looks nothing up and opens nothing.
 * Threads: values; no state.
 *
 *   tcp://[SOURCE:PORT;]HOST:PORT   HOST a name, an IPv4 or an IPv6 address, brackets optional
 *   ipc://PATH, ipc://@NAME         a file, or a name that is none (unix(7), abstract)
 *   inproc://NAME                   NAME any octets
 *   udp://[INTERFACE;]HOST:PORT     as tcp; INTERFACE a name or an address, `*` for any
 *
 * A port is a decimal number of 0 to 65535 and nothing else; `*` stands for any, and for binding
 * only. (libzmq reads ports with atoi and keeps 16 bits of them, so that 70000 binds 4464.)
 */
#ifndef MCQ_TRANSPORT_ENDPOINT_H
#define MCQ_TRANSPORT_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/error.h"

enum mcq_scheme {
    MCQ_SCHEME_TCP,
    MCQ_SCHEME_INPROC,
    MCQ_SCHEME_IPC,
    MCQ_SCHEME_UDP,
};

/* What the text is for: some forms have a meaning for one only. */
enum mcq_endpoint_use {
    MCQ_ENDPOINT_BIND,
    MCQ_ENDPOINT_CONNECT,
};

#define MCQ_IPC_PATH_MAX 107 /* sun_path has room for it, and a zero octet */

/* Views of the text. */
struct mcq_endpoint {
    enum mcq_scheme scheme;
    struct mcq_bytes host;   /* brackets and zone taken off; empty: any address (bind) */
    struct mcq_bytes zone;   /* behind '%': an interface; empty: none */
    struct mcq_bytes source; /* ADDRESS:PORT to connect from, as written; empty: any */
                             /* udp: the interface of a group; the same */
    uint16_t port;           /* 0: any */
    struct mcq_bytes path; /* ipc: 1 to MCQ_IPC_PATH_MAX octets, '@' included; empty: any (bind) */
    bool takes_over; /* ipc: another one's socket file gives way, as in libzmq; false as parsed */
};

/* Why a text is no endpoint, for people. */
enum mcq_endpoint_fault {
    MCQ_ENDPOINT_GOOD,
    MCQ_ENDPOINT_NO_SCHEME,
    MCQ_ENDPOINT_UNKNOWN_SCHEME,
    MCQ_ENDPOINT_NO_ADDRESS,
    MCQ_ENDPOINT_NO_PORT,
    MCQ_ENDPOINT_BAD_PORT,
    MCQ_ENDPOINT_BAD_HOST,
    MCQ_ENDPOINT_EMPTY_SOURCE,
    MCQ_ENDPOINT_BAD_SOURCE,
    MCQ_ENDPOINT_ANY_HOST_TO_CONNECT,
    MCQ_ENDPOINT_ANY_PORT_TO_CONNECT,
    MCQ_ENDPOINT_SOURCE_TO_BIND,
    MCQ_ENDPOINT_LONG_PATH,
    MCQ_ENDPOINT_BAD_PATH,
    MCQ_ENDPOINT_NO_NAME,
    MCQ_ENDPOINT_ANY_PATH_TO_CONNECT,
};

/* Takes `text` apart.
 *   MCQ_ENDPOINT_GOOD   *endpoint is filled; its views are borrowed from text
 *   any other           *endpoint is untouched */
MCQ_MUST_CHECK enum mcq_endpoint_fault
mcq_endpoint_parse(struct mcq_bytes text, enum mcq_endpoint_use use, struct mcq_endpoint *endpoint);

/* Whether it is an endpoint of udp, good or not. */
bool mcq_endpoint_is_udp(struct mcq_bytes text);

/* The same of a text that is a tcp endpoint's HOST:PORT alone, to connect to. */
MCQ_MUST_CHECK enum mcq_endpoint_fault mcq_endpoint_parse_peer(struct mcq_bytes text,
                                                               struct mcq_endpoint *endpoint);

/* The source, taken apart as something to bind. false: it has none. */
bool mcq_endpoint_source(const struct mcq_endpoint *endpoint, struct mcq_endpoint *source);

/* What is wrong, and the way out, as the end of a sentence. Never NULL. */
const char *mcq_endpoint_fault_text(enum mcq_endpoint_fault fault);

#endif
