/* The handshake of each mechanism in both roles, driven by octets: each is an event, of any kind at
 * any time, or what the session does in its place. The oracle is the machine as the spec writes it,
 * with its `else`, read name by name: after each event state, reason, what the state sends and asks
 * and its rule are those of the spec; every state has an answer, the timer's ends the handshake; no
 * state is outside the model; and none is accepted before all events that `require` names. The
 * first choice is the machine and whether ZAP is configured, the second quirks, our socket type,
 * and whether guards look at what the peer said or at the octet. Guards that open boxes are always
 * told: there is nobody here who has a key. */

#define FUZZ_OCTETS_MAX 256 /* the longest way to an end has ten events */
#include "fuzz.h"

#include "fuzz/grammar.h"
#include "security/handshake.h"

#define EVENTS_MAX 16
#define STATES_MAX 16

/* --- the slow reading of the spec ----------------------------------------------------------- */

static bool is_named(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static const struct grammar_state *state_named(const struct grammar_machine *spec, const char *name)
{
    for (size_t i = 0; i < spec->state_count; i++)
        if (is_named(spec->states[i].name, name))
            return &spec->states[i];
    return NULL;
}

static const struct grammar_answer *answer_to(const struct grammar_state *state, const char *event)
{
    const struct grammar_answer *otherwise = NULL;

    for (size_t i = 0; i < state->answer_count; i++) {
        if (is_named(state->answers[i].event, event))
            return &state->answers[i];
        if (is_named(state->answers[i].event, "else"))
            otherwise = &state->answers[i];
    }
    if (otherwise == NULL)
        fuzz_fail("%s has no answer to %s", state->name, event);
    return otherwise;
}

/* Has every event that comes before traffic been there? `seen`: a bit for each of the machine's. */
static bool has_required(const struct grammar_machine *spec, unsigned seen)
{
    for (size_t i = 0; i < spec->required_count; i++) {
        bool was_there = false;

        for (size_t event = 0; event < spec->event_count; event++)
            if (is_named(spec->events[event], spec->required[i]) && (seen >> event & 1))
                was_there = true;
        if (!was_there)
            return false;
    }
    return true;
}

/* --- the machine with guards that the input answers ------------------------------------------- */

static bool guard_says; /* what the octet at hand decides; written before each step */

static bool guard_told(struct mcq_handshake *handshake)
{
    if (!guard_says)
        handshake->err = MCQ_PROTO;
    return guard_says;
}

/* A copy of the machine in which every guard is guard_told. */
static void tell_guards(const struct mcq_machine *machine, struct mcq_machine *told,
                        struct mcq_step steps[STATES_MAX * EVENTS_MAX])
{
    size_t count = (size_t) machine->state_count * machine->event_count;

    if (count > (size_t) STATES_MAX * EVENTS_MAX)
        fuzz_fail("a machine of %zu steps", count);
    memcpy(steps, machine->steps, count * sizeof *steps);
    for (size_t i = 0; i < count; i++)
        if (steps[i].guard != NULL)
            steps[i].guard = guard_told;
    *told = *machine;
    told->steps = steps;
}

/* --- both at once ----------------------------------------------------------------------------- */

struct walk {
    const struct grammar_machine *spec;
    struct mcq_handshake handshake;
    const char *state; /* by the spec */
    unsigned seen;     /* events so far, a bit each */
    bool is_told;      /* ZAP is configured */
    bool reads;        /* guards look at the metadata */
};

/* What the machine is in must be what the spec says. */
static void check_state(const struct walk *walk)
{
    const struct mcq_handshake *handshake = &walk->handshake;
    const struct mcq_machine *machine = handshake->machine;
    const struct grammar_state *state = state_named(walk->spec, walk->state);
    enum mcq_command_id sends = mcq_handshake_sends(handshake);
    bool is_over = mcq_handshake_accepted(handshake) || mcq_handshake_rejected(handshake);

    if (handshake->state >= machine->state_count && !is_over)
        fuzz_fail("%s: state %u is not of the model", walk->spec->rule, handshake->state);
    if (!is_named(machine->state_names[handshake->state], walk->state))
        fuzz_fail("%s: in %s, which should be %s", walk->spec->rule,
                  machine->state_names[handshake->state], walk->state);
    if (is_over != (state == NULL) ||
        mcq_handshake_accepted(handshake) != is_named(walk->state, walk->spec->accept))
        fuzz_fail("%s: %s and the model do not agree on the end", walk->spec->rule, walk->state);
    if (mcq_handshake_accepted(handshake) && !has_required(walk->spec, walk->seen))
        fuzz_fail("%s: traffic, though of its events only %#x came", walk->spec->rule, walk->seen);
    if ((sends != MCQ_COMMAND_UNKNOWN) != (state != NULL && state->sends != NULL))
        fuzz_fail("%s: %s sends %s", walk->spec->rule, walk->state, mcq_command_name(sends));
    if (sends != MCQ_COMMAND_UNKNOWN && !is_named(mcq_command_name(sends), state->sends))
        fuzz_fail("%s: %s sends %s", walk->spec->rule, walk->state, mcq_command_name(sends));
    if (mcq_handshake_may_ask(handshake) != (state != NULL && state->asks) ||
        mcq_handshake_asks(handshake, walk->is_told) !=
            (state != NULL && state->asks && (state->asks_always || walk->is_told)))
        fuzz_fail("%s: %s asks ZAP, or does not", walk->spec->rule, walk->state);
    if (state == NULL) {
        if (mcq_handshake_rule(handshake) != MCQ_RULE_NONE)
            fuzz_fail("%s: %s has a rule", walk->spec->rule, walk->state);
        return;
    }

    const char *rule = mcq_rule_name(mcq_handshake_rule(handshake));
    size_t len = strlen(walk->spec->rule);

    if (strncmp(rule, walk->spec->rule, len) != 0 || rule[len] != '.' ||
        strcmp(rule + len + 1, walk->state) != 0)
        fuzz_fail("%s is reported as %s", walk->state, rule);
}

/* What the peer's command says, by the octet that stands for it; some of it is wrong. */
static void say(struct walk *walk, uint8_t octet, struct mcq_command *command)
{
    const struct grammar_octets *said =
        &grammar_properties[octet / EVENTS_MAX % MCQ_COUNTOF(grammar_properties)];

    *command = (struct mcq_command) {.id = MCQ_COMMAND_PLAIN_HELLO};
    command->plain_hello.username = mcq_bytes_of("user");
    command->plain_hello.password = mcq_bytes_of("password");
    walk->handshake.command = command;
    walk->handshake.metadata = mcq_bytes(said->data, said->len);
    guard_says = octet & EVENTS_MAX;
}

/* What a guard that reads has to say to it. */
static bool is_good(const struct walk *walk)
{
    const struct mcq_handshake *handshake = &walk->handshake;
    struct mcq_ready ready;
    enum mcq_rule rule;

    if (!walk->reads)
        return guard_says;
    return handshake->err == MCQ_OK && mcq_ready_check(handshake->metadata, handshake->own,
                                                       handshake->quirks, &ready, &rule) == MCQ_OK;
}

static void step(struct walk *walk, unsigned event, uint8_t octet)
{
    const struct grammar_state *state = state_named(walk->spec, walk->state);
    const struct grammar_answer *answer = answer_to(state, walk->spec->events[event]);
    struct mcq_command command;

    say(walk, octet, &command);
    bool agreed = answer->guard == NULL || is_good(walk);

    mcq_handshake_step(&walk->handshake, event);
    walk->handshake.command = NULL;
    walk->seen |= 1u << event;
    walk->state = agreed ? answer->target : answer->otherwise;
    if (answer->guard != NULL && !agreed && walk->handshake.err == MCQ_OK)
        fuzz_fail("%s: %s refuses and does not say why", walk->spec->rule, answer->guard);
    check_state(walk);
    if (is_named(walk->spec->events[event], "timer") && !mcq_handshake_rejected(&walk->handshake))
        fuzz_fail("%s: %s waits on after its time", walk->spec->rule, state->name);
    if (mcq_handshake_rejected(&walk->handshake) &&
        !is_named(mcq_reason_name(walk->handshake.reason), answer->reason))
        fuzz_fail("%s: failed because of %s, not of %s", walk->spec->rule,
                  mcq_reason_name(walk->handshake.reason), answer->reason);
}

/* The event of that name; fails if the machine has none. */
static unsigned event_named(const struct grammar_machine *spec, const char *name)
{
    for (unsigned event = 0; event < spec->event_count; event++)
        if (is_named(spec->events[event], name))
            return event;
    fuzz_fail("%s has no event %s", spec->rule, name);
}

/* The numbers by which the session calls events are those of their names. */
static void check_events(const struct grammar_machine *spec, const struct mcq_machine *machine)
{
    if (machine->event_count != spec->event_count || spec->event_count > EVENTS_MAX ||
        machine->state_count != spec->state_count)
        fuzz_fail("%s: another machine", spec->rule);
    if (machine->event_other != event_named(spec, "other") ||
        machine->event_malformed != event_named(spec, "malformed") ||
        machine->event_sent != event_named(spec, "sent") ||
        machine->event_timer != event_named(spec, "timer"))
        fuzz_fail("%s: events are taken for each other", spec->rule);
    for (size_t i = 0; i < MCQ_COUNTOF(grammar_statuses); i++) {
        unsigned event = mcq_machine_on_status(machine, grammar_statuses[i]);

        if (event != MCQ_NO_EVENT && strncmp(spec->events[event], "zap_", 4) != 0)
            fuzz_fail("%s: status %u is %s", spec->rule, grammar_statuses[i], spec->events[event]);
    }
}

/* The octet's low half is an event; one that the machine has not is what the session would do now:
 * send what is due, or take ZAP's answer as given. */
static unsigned event_of(const struct walk *walk, uint8_t octet)
{
    const struct mcq_machine *machine = walk->handshake.machine;
    unsigned event = octet % EVENTS_MAX;

    if (event < machine->event_count)
        return event;
    if (mcq_handshake_may_ask(&walk->handshake))
        return machine->event_zap_ok;
    return mcq_handshake_sends(&walk->handshake) != MCQ_COMMAND_UNKNOWN ? machine->event_sent
                                                                        : machine->event_other;
}

static void fuzz_one(const struct fuzz_input *input)
{
    const struct grammar_machine *spec =
        &grammar_machines[input->choice[0] % MCQ_COUNTOF(grammar_machines)];
    const struct mcq_machine *machine = mcq_machine_find(spec->mechanism, spec->as_server);
    enum mcq_socket_type own = (enum mcq_socket_type)(input->choice[1] / 8);
    struct walk walk = {
        .spec = spec,
        .state = spec->start,
        .is_told = input->choice[0] / MCQ_COUNTOF(grammar_machines) & 1,
        .reads = (input->choice[1] & 4) && machine->scope != MCQ_SCOPE_CURVE,
    };
    struct mcq_step steps[STATES_MAX * EVENTS_MAX];
    struct mcq_machine told;

    if (mcq_socket_type_row(own) == NULL)
        return;
    if (mcq_machine_find(MCQ_MECHANISM_COUNT, spec->as_server) != NULL)
        fuzz_fail("a machine of no mechanism");
    check_events(spec, machine);
    tell_guards(machine, &told, steps);
    mcq_handshake_init(&walk.handshake, walk.reads ? machine : &told, own, fuzz_quirks(input));
    check_state(&walk);
    for (size_t i = 0; i < input->octets.len && state_named(spec, walk.state) != NULL; i++) {
        uint8_t octet = input->octets.data[i];

        step(&walk, event_of(&walk, octet), octet);
    }
}
