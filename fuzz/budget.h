/*
 * budget: what a session may hold at most, by what it received and has to send, against the ledger.
 *
 * A session keeps one command of the peer, octets that came and none that were only announced, and
 * what waits to be sent; either may take twice its length, since it grows by doubling.
 */
#ifndef MCQ_FUZZ_BUDGET_H
#define MCQ_FUZZ_BUDGET_H

#include "fuzz.h"

#include "arena/alloc.h"
#include "session/session.h"
#include "session/state.h"

#define BUDGET_SLACK_BYTES 64 /* what an allocator rounds up */

struct budget {
    uint64_t received; /* octets from the peer */
    uint64_t control;  /* octets queued since want() was empty */
    size_t want_len;   /* at the last look */
};

/* To be called before octets leave and after: want() grows by what is queued and shrinks by what
 * leaves. */
static inline void budget_look(struct budget *budget, const struct mcq_session *session)
{
    size_t len = mcq_session_want(session).len;

    if (len > budget->want_len)
        budget->control += len - budget->want_len;
    if (len == 0)
        budget->control = 0;
    budget->want_len = len;
}

static inline uint64_t budget_grown(uint64_t len)
{
    return (len > MCQ_GROW_KEEP_BYTES / 2 ? 2 * len : MCQ_GROW_KEEP_BYTES) + BUDGET_SLACK_BYTES;
}

static inline uint64_t budget_bytes(struct budget *budget, const struct mcq_session *session)
{
    budget_look(budget, session);
    return budget_grown(mcq_min_u64(budget->received, session->config.max_command_bytes)) +
           budget_grown(budget->control);
}

/* Holds `sessions` of them, which may have `bytes` in all, against what is out. */
static inline void budget_check(uint64_t bytes, unsigned sessions)
{
    struct mcq_ledger ledger = mcq_alloc_ledger();

    if (ledger.block_count > 2 * sessions || ledger.bytes > bytes)
        fuzz_fail("%" PRIu64 " octets in %" PRIu64 " allocations, %" PRIu64 " are allowed",
                  ledger.bytes, ledger.block_count, bytes);
}

/* All sessions are gone. */
static inline void budget_check_empty(void)
{
    if (mcq_alloc_ledger().block_count != 0)
        fuzz_fail("%" PRIu64 " allocations are left", mcq_alloc_ledger().block_count);
}

#endif
