/* ZAP's messages. The octets are frames of the newest framing, a message's parts; the first
 * choice says whether they are a request or a reply. A message that is read strictly is encoded
 * to the frames that it came as; what is good strictly is good with all quirks; a fault names
 * its rule, and a status its text; so has each number that the second choice can be, or none. */

#define FUZZ_OCTETS_MAX 8192
#include "fuzz.h"

#include "wire/zap.h"

#define FRAMES_MAX 32
#define REQUEST_ID "xx" /* which a reply has to answer */

/* As many whole frames as there are, up to FRAMES_MAX. */
static size_t read_frames(struct mcq_bytes octets, struct mcq_bytes *frames)
{
    struct mcq_frame_decoder decoder;
    struct mcq_frame_piece piece;
    size_t count = 0;

    mcq_frame_decoder_init(&decoder, UINT32_MAX, FUZZ_OCTETS_MAX, FUZZ_OCTETS_MAX);
    while (count < FRAMES_MAX && mcq_frame_decode(&decoder, &octets, &piece) == MCQ_OK &&
           piece.last)
        frames[count++] = piece.body;
    return count;
}

/* What was read strictly is sent as it came; what a quirk let in is not sent at all. */
static void check_sent(const struct mcq_bytes *sent, size_t sent_count,
                       const struct mcq_bytes *frames, size_t count, bool is_strict)
{
    if (sent_count == 0 && !is_strict)
        return;
    if (sent_count != count)
        fuzz_fail("%zu frames are sent, %zu came", sent_count, count);
    for (size_t i = 0; i < count; i++)
        if (!mcq_bytes_equal(sent[i], frames[i]))
            fuzz_fail("frame %zu is not sent as it came", i);
}

static enum mcq_zap_fault run_request(const struct mcq_bytes *frames, size_t count, uint32_t quirks,
                                      enum mcq_rule *rule)
{
    struct mcq_bytes sent[MCQ_ZAP_REQUEST_FRAMES_MAX];
    struct mcq_zap_request request;
    enum mcq_zap_fault fault = mcq_zap_request_decode(frames, count, quirks, &request, rule);

    if (fault == MCQ_ZAP_FAULT_NONE)
        check_sent(sent, mcq_zap_request_encode(&request, sent), frames, count, quirks == 0);
    return fault;
}

static enum mcq_zap_fault run_reply(const struct mcq_bytes *frames, size_t count, uint32_t quirks,
                                    enum mcq_rule *rule)
{
    struct mcq_bytes sent[MCQ_ZAP_REPLY_FRAMES_MAX];
    struct mcq_zap_reply reply;
    enum mcq_zap_fault fault =
        mcq_zap_reply_decode(frames, count, mcq_bytes_of(REQUEST_ID), quirks, &reply, rule);

    if (fault == MCQ_ZAP_FAULT_NONE) {
        unsigned status = mcq_zap_status(reply.status);

        if (!mcq_bytes_equal(mcq_zap_status_text(status), reply.status))
            fuzz_fail("a status that is not its text");
        check_sent(sent, mcq_zap_reply_encode(&reply, sent), frames, count, quirks == 0);
    }
    return fault;
}

/* Of numbers that may be no fault and no status. */
static void check_names(uint8_t number)
{
    struct mcq_bytes text = mcq_zap_status_text(number * 100U);

    unsigned fault = MCQ_ZAP_FAULT_UNSPECIFIED + number;

    if ((mcq_zap_fault_name((enum mcq_zap_fault) fault) != NULL) !=
        (fault <= MCQ_ZAP_FAULT_INVALID_METADATA))
        fuzz_fail("fault %u", fault);
    if (mcq_zap_status(text) != (text.len > 0 ? number * 100U : 0))
        fuzz_fail("status %u", number * 100U);
}

static void fuzz_one(const struct fuzz_input *input)
{
    struct mcq_bytes frames[FRAMES_MAX];
    size_t count = read_frames(input->octets, frames);
    bool strictly_good = false;

    check_names(input->choice[1]);
    for (unsigned loose = 0; loose < 2; loose++) {
        uint32_t quirks = loose ? UINT32_MAX : 0;
        enum mcq_rule rule = MCQ_RULE_NONE;
        enum mcq_zap_fault fault = input->choice[0] & 1 ? run_reply(frames, count, quirks, &rule)
                                                        : run_request(frames, count, quirks, &rule);
        bool is_good = fault == MCQ_ZAP_FAULT_NONE;

        if (is_good != (rule == MCQ_RULE_NONE))
            fuzz_fail("fault %s, but rule %s", mcq_zap_fault_name(fault), mcq_rule_name(rule));
        if (mcq_zap_fault_name(fault) == NULL)
            fuzz_fail("a fault without a name");
        if (strictly_good && !is_good)
            fuzz_fail("good strictly, but %s with all quirks", mcq_zap_fault_name(fault));
        strictly_good = is_good;
    }
}
