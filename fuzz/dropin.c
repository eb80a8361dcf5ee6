/*
 * libzmq's calls on messages, as the drop-in library has them: begun in each way, copied, moved,
 * sent through a pipe and closed, in the order that the input says.
 *
 * Oracle: a model of each message: whether it is begun, its octets, which free function is due. A
 * call on a message that is not begun is EFAULT; octets are what they were; each free function has
 * run once when the last message with its octets is gone, and none before.
 */

#include <compat/zmq.h>
#include <errno.h>

#include "calls.h"

#define MESSAGES 6
#define BODIES 64
#define LEN_MAX 5000

struct body {
    uint8_t *octets;
    size_t len;
    unsigned holders;
    unsigned released;
};

struct model {
    zmq_msg_t msg;
    bool is_begun;
    size_t len;
    uint8_t fill;
    struct body *body; /* with a free function; NULL: none */
};

static void *context, *push, *pull;
static struct model models[MESSAGES];
static struct body bodies[BODIES];
static unsigned body_count;
static struct body *passing; /* on its way: short octets are copied, and given back at once */

static void release(void *data, void *hint)
{
    struct body *body = hint;

    if (body == passing && body->holders == 1)
        body->holders = 0;
    if (data != body->octets || body->released++ > 0 || body->holders > 0)
        fuzz_fail("a free function too early, too often, or of other octets");
}

static void hold(struct model *model, bool is_begun, size_t len, uint8_t fill, struct body *body)
{
    struct body *before = model->is_begun ? model->body : NULL;

    if (body != NULL)
        body->holders++;
    if (before != NULL)
        before->holders--;
    model->is_begun = is_begun;
    model->len = len;
    model->fill = fill;
    model->body = body;
}

static void check(struct model *model)
{
    const uint8_t *octets;

    if (!model->is_begun)
        return;
    calls_same(zmq_msg_size(&model->msg), model->len, "size");
    octets = zmq_msg_data(&model->msg);
    for (size_t i = 0; i < model->len; i++)
        if (octets[i] != model->fill)
            fuzz_fail("other octets at %zu", i);
}

static void same_result(int result, bool works)
{
    calls_same(result >= 0, works, "result");
    if (!works)
        calls_same((uint64_t) errno, EFAULT, "errno");
}

/* --- calls ------------------------------------------------------------------------------------ */

/* A message that is begun anew loses what it had, so it is closed first. */
static void close_one(struct model *model)
{
    bool works = model->is_begun;

    hold(model, false, 0, 0, NULL);
    same_result(zmq_msg_close(&model->msg), works);
}

static void begin_one(struct model *model, unsigned how, size_t len, uint8_t fill)
{
    struct body *body = NULL;

    if (model->is_begun)
        close_one(model);
    if (how == 0) {
        len = 0;
        same_result(zmq_msg_init(&model->msg), true);
    } else if (how == 1 || body_count == BODIES) {
        same_result(zmq_msg_init_size(&model->msg, len), true);
        memset(zmq_msg_data(&model->msg), fill, len);
    } else {
        body = &bodies[body_count++];
        *body = (struct body) {.octets = malloc(len + 1), .len = len};
        if (body->octets == NULL)
            fuzz_fail("out of memory");
        memset(body->octets, fill, len);
        same_result(zmq_msg_init_data(&model->msg, body->octets, len, release, body), true);
    }
    hold(model, true, len, fill, body);
}

static void copy_or_move(struct model *target, struct model *source, bool moves)
{
    bool works = target->is_begun && source->is_begun;

    if (works && target != source) {
        hold(target, true, source->len, source->fill, source->body);
        if (moves)
            hold(source, true, 0, 0, NULL);
    }
    same_result(moves ? zmq_msg_move(&target->msg, &source->msg)
                      : zmq_msg_copy(&target->msg, &source->msg),
                works);
}

/* Through a pipe and back: what was sent is empty, what comes is what was sent. */
static void pass(struct model *from, struct model *to)
{
    bool works = from->is_begun;
    struct model sent = *from;

    if (!works || !to->is_begun) {
        if (!works)
            same_result(zmq_msg_send(&from->msg, push, ZMQ_DONTWAIT), false);
        if (!to->is_begun)
            same_result(zmq_msg_recv(&to->msg, pull, ZMQ_DONTWAIT), false);
        return;
    }
    passing = sent.body;
    if (passing != NULL)
        passing->holders++; /* the pipe */
    hold(from, true, 0, 0, NULL);
    calls_same((uint64_t) zmq_msg_send(&from->msg, push, ZMQ_DONTWAIT), sent.len, "send");
    check(from);
    hold(to, true, sent.len, sent.fill, NULL);
    calls_same((uint64_t) zmq_msg_recv(&to->msg, pull, ZMQ_DONTWAIT), sent.len, "recv");
    if (passing != NULL && zmq_msg_data(&to->msg) == passing->octets)
        to->body = passing; /* it has what the pipe held */
    else if (passing != NULL && passing->holders > 0)
        passing->holders--;
    passing = NULL;
}

static void call(struct calls *calls)
{
    unsigned what = calls_octet(calls);
    struct model *one = &models[calls_octet(calls) % MESSAGES];
    struct model *other = &models[calls_octet(calls) % MESSAGES];

    switch (what % 6) {
    case 0: begin_one(one, what / 6 % 3, calls_octet(calls) * 20U % LEN_MAX, (uint8_t) what); break;
    case 1: close_one(one); break;
    case 2: copy_or_move(one, other, false); break;
    case 3: copy_or_move(one, other, true); break;
    case 4: pass(one, other); break;
    default:
        if (one->is_begun) {
            calls_same((uint64_t) zmq_msg_more(&one->msg), 0, "more");
            calls_same(zmq_msg_get(&one->msg, (int) (what / 6)) >= 0,
                       what / 6 == ZMQ_MORE || what / 6 == ZMQ_SHARED, "get");
        }
        break;
    }
    for (unsigned i = 0; i < MESSAGES; i++)
        check(&models[i]);
}

/* The context's thread is gone when the program is. */
static void end(void)
{
    (void) zmq_close(push);
    (void) zmq_close(pull);
    (void) zmq_ctx_term(context);
}

static void begin(void)
{
    context = zmq_ctx_new();
    push = zmq_socket(context, ZMQ_PUSH);
    pull = zmq_socket(context, ZMQ_PULL);
    if (pull == NULL || zmq_bind(pull, "inproc://fuzz") != 0 ||
        zmq_connect(push, "inproc://fuzz") != 0)
        fuzz_fail("no pipe: %s", zmq_strerror(zmq_errno()));
    if (atexit(end) != 0)
        fuzz_fail("no end");
}

static void fuzz_one(const struct fuzz_input *input)
{
    struct calls calls = calls_of(input);

    if (context == NULL)
        begin();
    body_count = 0;
    while (calls_next(&calls))
        call(&calls);
    for (unsigned i = 0; i < MESSAGES; i++)
        if (models[i].is_begun)
            close_one(&models[i]);
    for (unsigned i = 0; i < body_count; i++) {
        calls_same(bodies[i].released, 1, "free functions that ran");
        free(bodies[i].octets);
    }
}
