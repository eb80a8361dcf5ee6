/* The end of a context, against threads that close its sockets and threads that are inside calls.
 *
 * A socket goes when it is closed and no call in it has let go of its lock to sleep: whoever lets go
 * of the lock last asks the engine, under that lock, which takes the lock once more, so that the one
 * that asked is through, frees the socket, and counts it off in the context. POLL sleeps for socket
 * 0, RECV for socket 1. Poll needs the context after it has let go of all sockets: its sleeper comes
 * from there, and a context stays while a sleeper is out. TERM ends the context: it tells all
 * sockets, waits until none is left and only its own sleeper is out, ends the engine, and frees.
 *
 *   safety      nobody touches the context once it is freed; a socket is counted off once
 *   at the end  the context is freed, and all threads are through
 *
 * Planted mistakes: BUG_LOOK_AFTER      who closes looks at the context after the socket is let go
 *                   BUG_CALLS_UNCOUNTED a socket goes though a call sleeps in it
 *                   BUG_SLEEPER_FREE    the context does not wait for sleepers that are out
 *                   BUG_PUT_SILENT      a sleeper that comes home tells nobody
 *                   BUG_CHECK_FIRST     term looks, and then says that it sleeps
 *                   BUG_SLOT_SILENT     a socket that is counted off tells nobody
 *                   BUG_ASK_TWICE       everybody who sees a closed socket asks for its end
 *                   BUG_POST_LATE       asks the engine after the lock is let go
 *                   BUG_SILENT          who closes, or ends the context, wakes nobody who sleeps
 */
#define SOCKETS 2
#define OPEN 0
#define CLOSING 1
#define FREE 2

byte state[SOCKETS]
bool held[SOCKETS]
bool finishing[SOCKETS]
byte calls[SOCKETS]
bool asked[SOCKETS] /* in the engine's inbox: the end of this socket */
bool news[SOCKETS]  /* for who sleeps there: its eventfd */
bool inside[SOCKETS] /* its call has begun: an application that begins one later has lost the socket */

bool guarded = false /* the context's mutex */
byte open_count = SOCKETS
byte asleep = 0
bool term_here = false
bool term_told = false
bool ending = false
bool engine_done = false
bool gone = false

inline touch() { assert(!gone) }
inline enter(s) { touch(); atomic { !held[s] -> held[s] = true } }
inline guard() { touch(); atomic { !guarded -> guarded = true } }
inline unguard() { guarded = false }

inline tell_term()
{
    if
    :: term_here && open_count == 0 && asleep <= 1 -> term_told = true
    :: else -> skip
    fi
}

/* The engine looks into its inbox when it is woken: the wake-up is the last that touches it. */
inline post(s) { asked[s] = true; touch() }

/* What everybody does before letting go. */
inline leave(s, late)
{
#ifdef BUG_CALLS_UNCOUNTED
#define CALM true
#else
#define CALM (calls[s] == 0)
#endif
#ifdef BUG_ASK_TWICE
#define FIRST true
#else
#define FIRST (!finishing[s])
#endif
    if
    :: state[s] == CLOSING && FIRST && CALM ->
        finishing[s] = true;
#ifdef BUG_POST_LATE
        late = true
#else
        post(s)
#endif
    :: else -> skip
    fi;
    held[s] = false;
    if
    :: late -> post(s); late = false
    :: else -> skip
    fi
}

inline take_sleeper() { guard(); asleep++; unguard() }

inline put_sleeper()
{
    guard();
    asleep--;
#ifndef BUG_PUT_SILENT
    tell_term();
#endif
    unguard()
}

inline sleep_in(s, late)
{
    calls[s]++;
    leave(s, late);
    news[s]; /* the end of the context or of the socket, which stays said */
    enter(s);
    calls[s]--
}

active proctype poll()
{
    bool late;

    take_sleeper();
    inside[0] = true;
    enter(0);
    if
    :: state[0] == OPEN && !news[0] -> sleep_in(0, late)
    :: else -> skip
    fi;
    leave(0, late);
    put_sleeper()
}

active proctype recv()
{
    bool late;

    enter(1);
    inside[1] = true;
    if
    :: state[1] == OPEN && !news[1] ->
        take_sleeper();
        sleep_in(1, late);
        put_sleeper()
    :: else -> skip
    fi;
    leave(1, late)
}

active [SOCKETS] proctype closer()
{
    bool late;
    byte s = _pid % SOCKETS;

    inside[s];
    enter(s);
    state[s] = CLOSING;
#ifndef BUG_SILENT
    news[s] = true;
#endif
    leave(s, late);
#ifdef BUG_LOOK_AFTER
    touch()
#endif
}

active proctype engine()
{
    byte s = 0;
    bool late;

end:
    do
    :: atomic { asked[0] -> s = 0 }
        asked[0] = false;
        goto ends
    :: atomic { asked[1] -> s = 1 }
        asked[1] = false;
ends:
        enter(s);
        assert(state[s] == CLOSING && calls[s] == 0);
        state[s] = FREE;
        leave(s, late);
        guard();
        assert(open_count > 0);
        open_count--;
#ifndef BUG_SLOT_SILENT
        tell_term();
#endif
        unguard()
    :: ending && !asked[0] && !asked[1] -> break
    od;
    engine_done = true
}

active proctype term()
{
    byte s = 0;
    bool late, over;

    inside[0] && inside[1]; /* who begins a call later has lost the context */
#ifndef BUG_SILENT
    do
    :: s < SOCKETS ->
        enter(s);
        if
        :: state[s] == OPEN -> news[s] = true
        :: else -> skip
        fi;
        leave(s, late);
        s++
    :: else -> break
    od;
#endif
    take_sleeper();
#ifdef BUG_CHECK_FIRST
    over = (open_count == 0 && asleep <= 1);
    guard();
    term_here = true;
#else
    guard();
    term_here = true;
#ifdef BUG_SLEEPER_FREE
    over = (open_count == 0);
#else
    over = (open_count == 0 && asleep <= 1);
#endif
#endif
    do
    :: over -> break
    :: else ->
        unguard();
        atomic { term_told -> term_told = false }
        guard();
#ifdef BUG_SLEEPER_FREE
        over = (open_count == 0)
#else
        over = (open_count == 0 && asleep <= 1)
#endif
    od;
    term_here = false;
    unguard();
    put_sleeper();
    ending = true;
    engine_done;
    gone = true
}

/* When nothing moves any more. */
active proctype judge()
{
    timeout ->
    assert(gone && asleep == 0 && open_count == 0)
}
