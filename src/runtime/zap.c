#include "runtime/zap.h"

#include <stddef.h>
#include <string.h>

#include "arena/alloc.h"
#include "base/assert.h"
#include "security/crypto.h"

#define HANDLER_NAME "inproc://zeromq.zap.01" /* RFC 27, Framework */
#define REPLY_BYTES_MAX 65536                 /* all frames of a reply: more is no reply */

struct mcq_question {
    struct mcq_inproc_caller caller;
    struct mcq_context *context;
    struct mcq_engine *engine;
    struct mcq_zap_asker *asker; /* NULL: forgotten, or answered */
    struct mcq_question *next;   /* WAITING: in the engine's queue */
    bool is_asked;
    bool is_counted; /* among those that the handler has */
    uint32_t quirks;
    struct mcq_msg parts[MCQ_ZAP_REPLY_FRAMES_MAX]; /* of the reply, as far as it is kept */
    size_t part_count;                              /* and beyond */
    size_t part_bytes;
    size_t size;
    size_t frame_count;
    uint8_t lens[MCQ_ZAP_REQUEST_FRAMES_MAX];
    uint8_t octets[]; /* the frames, one behind the other */
};

static_assert(MCQ_ZAP_REQUEST_FRAMES_MAX <= MCQ_PIPE_CHUNK, "a request is short");

static void question_run(struct mcq_inproc_caller *caller, bool is_over, bool is_gone);

static struct mcq_question *question_of(struct mcq_inproc_caller *caller)
{
    return (struct mcq_question *) caller; /* its first member */
}

/* --- life ------------------------------------------------------------------------------------ */

static void drop_parts(struct mcq_question *question)
{
    for (size_t i = 0; i < mcq_min_size(question->part_count, MCQ_COUNTOF(question->parts)); i++)
        mcq_msg_fini(&question->parts[i]);
    question->part_count = 0;
}

static void question_free(struct mcq_question *question)
{
    size_t size = question->size;

    drop_parts(question);
    mcq_crypto_wipe(question, size);
    mcq_free(question);
}

static struct mcq_question *question_new(const struct mcq_bytes *frames, size_t count)
{
    size_t size = sizeof(struct mcq_question);
    struct mcq_question *question;
    uint8_t *at;

    for (size_t i = 0; i < count; i++)
        size += frames[i].len; /* each is short: the encoder says so */
    question = mcq_alloc(size);
    if (question == NULL)
        return NULL;
    *question = (struct mcq_question) {
        .caller.told = question_run,
        .size = size,
        .frame_count = count,
    };
    at = question->octets;
    for (size_t i = 0; i < count; i++) {
        mcq_assert(frames[i].len <= UINT8_MAX);
        question->lens[i] = (uint8_t) frames[i].len;
        at = mcq_put_bytes(at, frames[i]);
    }
    return question;
}

/* The handler has no more to do with it, or will be through with it by itself. */
static void uncount(struct mcq_question *question)
{
    if (question->is_counted)
        question->engine->zap.asked_count--;
    question->is_counted = false;
}

/* --- asking ---------------------------------------------------------------------------------- */

static enum mcq_err put_frame(struct mcq_pipe_end *pipe, struct mcq_bytes frame, bool more)
{
    struct mcq_msg msg;

    if (frame.len <= MCQ_PIPE_COPY_MAX)
        return mcq_pipe_put_copy(pipe, frame, more);
    MCQ_TRY(mcq_msg_init_copy(&msg, frame));
    msg.more = more;
    if (mcq_pipe_put(pipe, &msg) == MCQ_OK)
        return MCQ_OK;
    mcq_msg_fini(&msg);
    return MCQ_NOMEM;
}

static enum mcq_err put_frames(struct mcq_question *question)
{
    const uint8_t *at = question->octets;

    for (size_t i = 0; i < question->frame_count; i++) {
        MCQ_TRY(put_frame(&question->caller.pipe, mcq_bytes(at, question->lens[i]),
                          i + 1 < question->frame_count));
        at += question->lens[i];
    }
    return MCQ_OK;
}

/* To whoever is the handler now. */
static enum mcq_err question_begin(struct mcq_question *question)
{
    enum mcq_err err = mcq_inproc_call(&question->caller, question->context, question->engine,
                                       mcq_bytes_of(HANDLER_NAME), MCQ_SOCKET_TYPE_REQ);

    if (err != MCQ_OK)
        return err == MCQ_MISMATCH ? MCQ_NOT_FOUND : err;
    question->is_asked = true;
    question->is_counted = true;
    question->engine->zap.asked_count++;
    err = put_frames(question);
    if (err != MCQ_OK) {
        mcq_pipe_cut(&question->caller.pipe);
        return err;
    }
    mcq_inproc_caller_show(&question->caller);
    return MCQ_OK;
}

/* Its end has been asked for; it goes when the far side has. */
static void question_end(struct mcq_question *question)
{
    question->asker = NULL;
    mcq_inproc_caller_end(&question->caller);
}

static void tell(struct mcq_question *question, const struct mcq_zap_answer *answer)
{
    struct mcq_zap_asker *asker = question->asker;

    question->asker = NULL;
    if (asker == NULL)
        return;
    asker->question = NULL;
    asker->answered(asker, answer);
}

static void tell_err(struct mcq_question *question, enum mcq_err err)
{
    const struct mcq_zap_answer answer = {.err = err};

    tell(question, &answer);
}

static bool has_turn(const struct mcq_engine *engine, struct mcq_context *context)
{
    return engine->zap.asked_count < atomic_load_explicit(&context->zap_max, memory_order_relaxed);
}

/* The oldest that wait. */
static void ask_next(struct mcq_engine *engine, struct mcq_context *context)
{
    while (engine->zap.first != NULL && has_turn(engine, context)) {
        struct mcq_question *question = engine->zap.first;
        enum mcq_err err;

        engine->zap.first = question->next;
        if (engine->zap.first == NULL)
            engine->zap.last = NULL;
        err = question_begin(question);
        if (err == MCQ_OK)
            continue;
        tell_err(question, err);
        if (question->is_asked)
            question_end(question);
        else
            question_free(question);
    }
}

enum mcq_err mcq_zap_ask(struct mcq_zap_asker *asker, struct mcq_context *context,
                         struct mcq_engine *engine, uint32_t quirks,
                         const struct mcq_zap_request *request)
{
    struct mcq_bytes frames[MCQ_ZAP_REQUEST_FRAMES_MAX];
    size_t count = mcq_zap_request_encode(request, frames);
    struct mcq_question *question;
    enum mcq_err err;

    mcq_assert(count > 0 && asker->question == NULL);
    if (!mcq_inproc_has_name(context, mcq_bytes_of(HANDLER_NAME)))
        return MCQ_NOT_FOUND;
    question = question_new(frames, count);
    if (question == NULL)
        return MCQ_NOMEM;
    question->context = context;
    question->engine = engine;
    question->quirks = quirks;
    question->asker = asker;
    if (engine->zap.first == NULL && has_turn(engine, context)) {
        err = question_begin(question);
        if (err != MCQ_OK) {
            if (question->is_asked)
                question_end(question);
            else
                question_free(question);
            return err;
        }
    } else {
        (void) atomic_fetch_add_explicit(&context->zap_held_up_count, 1, memory_order_relaxed);
        if (engine->zap.last != NULL)
            engine->zap.last->next = question;
        else
            engine->zap.first = question;
        engine->zap.last = question;
    }
    asker->question = question;
    return MCQ_OK;
}

static void leave_queue(struct mcq_question *question)
{
    struct mcq_question **at = &question->engine->zap.first;
    struct mcq_question *before = NULL;

    while (*at != question) {
        before = *at;
        at = &(*at)->next;
    }
    *at = question->next;
    if (question->engine->zap.last == question)
        question->engine->zap.last = before;
}

void mcq_zap_forget(struct mcq_zap_asker *asker)
{
    struct mcq_question *question = asker->question;

    asker->question = NULL;
    if (question == NULL)
        return;
    if (question->is_asked) {
        question_end(question);
    } else {
        leave_queue(question);
        question_free(question);
    }
}

/* --- the reply ------------------------------------------------------------------------------- */

/* The request's, behind its delimiter and its version. */
static struct mcq_bytes request_id(const struct mcq_question *question)
{
    struct mcq_bytes frames[MCQ_ZAP_REQUEST_FRAMES_MAX];
    struct mcq_zap_request request;
    const uint8_t *at = question->octets;
    enum mcq_zap_fault fault;
    enum mcq_rule rule;

    for (size_t i = 0; i < question->frame_count; i++) {
        frames[i] = mcq_bytes(at, question->lens[i]);
        at += question->lens[i];
    }
    fault =
        mcq_zap_request_decode(frames, question->frame_count, question->quirks, &request, &rule);
    mcq_assert(fault == MCQ_ZAP_FAULT_NONE); /* we wrote it */
    return request.request_id;
}

static void read_reply(struct mcq_question *question, struct mcq_zap_answer *answer)
{
    struct mcq_bytes frames[MCQ_ZAP_REPLY_FRAMES_MAX];
    size_t count = mcq_min_size(question->part_count, MCQ_COUNTOF(frames));
    struct mcq_zap_reply reply;
    enum mcq_rule rule;

    answer->err = MCQ_OK;
    answer->fault = MCQ_ZAP_FAULT_MALFORMED;
    if (question->part_count > MCQ_COUNTOF(frames) || question->part_bytes > REPLY_BYTES_MAX)
        return;
    for (size_t i = 0; i < count; i++)
        frames[i] = mcq_msg_bytes(&question->parts[i]);
    answer->fault =
        mcq_zap_reply_decode(frames, count, request_id(question), question->quirks, &reply, &rule);
    if (answer->fault != MCQ_ZAP_FAULT_NONE)
        return;
    answer->status = mcq_zap_status(reply.status);
    answer->user_id = reply.user_id;
    answer->metadata = reply.metadata;
}

/* MCQ_OK: all of it is there. Frames beyond the last that may be are counted only. */
static enum mcq_err take_reply(struct mcq_question *question)
{
    struct mcq_msg msg;
    bool more;

    do {
        MCQ_TRY(mcq_inproc_caller_take(&question->caller, question->engine->receiver.blocks, &msg));
        more = msg.more;
        question->part_bytes += mcq_msg_len(&msg);
        if (question->part_count < MCQ_COUNTOF(question->parts))
            mcq_msg_move(&question->parts[question->part_count], &msg);
        else
            mcq_msg_fini(&msg);
        question->part_count++;
    } while (more);
    return MCQ_OK;
}

/* In the engine's thread: the far side has put something into the pipe, or is gone. */
static void question_run(struct mcq_inproc_caller *caller, bool is_over, bool is_gone)
{
    struct mcq_question *question = question_of(caller);
    struct mcq_engine *engine = question->engine;
    struct mcq_context *context = question->context;
    struct mcq_zap_answer answer = {.err = MCQ_CLOSED};
    enum mcq_err err = question->asker != NULL ? take_reply(question) : MCQ_AGAIN;

    if (err == MCQ_OK)
        read_reply(question, &answer);
    else if (err == MCQ_NOMEM)
        answer.err = MCQ_NOMEM;
    if (err != MCQ_AGAIN || is_gone)
        uncount(question);
    if (err != MCQ_AGAIN || is_over)
        tell(question, &answer);
    if (is_gone) {
        mcq_inproc_caller_ring_off(caller);
        question_free(question);
    } else if (err != MCQ_AGAIN) {
        drop_parts(question);
        question_end(question);
    }
    ask_next(engine, context);
}
