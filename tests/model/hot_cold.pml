/* Who reads a socket's input: its owner while it calls, the engine while it is away.
 *
 * The holder of the lock says by `guard` what looks after the input, and asks the engine for it:
 *   WATCHED  a one-shot watch on the ready set: fires when the set has an edge
 *   TIMED    a deadline
 *   NONE     a caller sleeps on the ready set
 * A caller takes a message at a time and spends edges by looking at the set, so it may leave octets
 * that no watch tells of: then it asks for a deadline, whatever the guard.
 * When watch or deadline end, whoever has the lock acts (runtime/input.c, on_input):
 *   an edge, a deadline stands  nothing: its owner may be back before it
 *   calls since the last time   deadline
 *   a caller asleep             nothing: it is the guard
 *   else                        the engine takes over what the caller knew of, receives ahead up to
 *                               the mark, and watches
 *
 *   safety      input that could be received ahead is covered at every moment: by a caller inside, a
 *               sleeper or a watch that an edge wakes, a deadline, or a request or letter under way;
 *               no chain of deadlines for a silent owner beyond those under way when it left
 *   liveness    such input is received, or its owner calls for it; one that sends without end does not
 *
 * Planted mistakes: BUG_LEAVE        a caller that knows of more relies on the watch
 *                   BUG_NO_TAKEOVER  the engine reads only what it heard of itself
 *                   BUG_NO_RETURN    back from its sleep, the owner asks for nothing
 *                   BUG_FORGET       on_input finds calls and asks for nothing
 *                   BUG_SEND_COUNTS  send is taken for a call that reads
 *                   BUG_TICK         a silent owner gets deadline after deadline
 *                   BUG_NO_MAIL      a letter is lost when the lock is taken
 *                   BUG_SPENT        serving, the engine leaves the edge and watches, unread
 *                   BUG_EDGE_IS_ALL  what the deadline says is nothing either
 */
#define MARK 1 /* high-water mark of what is received ahead, in messages */

#define NONE 0
#define WATCHED 1
#define TIMED 2

bool held = false
bool mail = false    /* "watch or deadline are over", for the holder */
bool due = false     /* it is the deadline, or both */
byte wire = 0        /* messages that the kernel holds */
byte queue = 0       /* received ahead */
bool edge = false    /* in the ready set */
bool ready = false   /* harvested, and no EAGAIN since */
bool turn = false    /* the pattern has it among the readable */
bool unheard = false /* on the list of those to be read: harvested, and not the pattern's yet */
bool moved = false   /* calls since on_input looked last */
bool asleep = false  /* in recv, for input */
byte guard = WATCHED
bool ask_watch = false
bool ask_timer = false
bool watch = true
bool timer = false
bool fired = false /* the engine is at work on one of these */
byte quiet = 0     /* deadlines in a row with no call between them */
bool owner_inside = false

#define unread (wire > 0 && queue < MARK)
#define covered                                                                                    \
    (owner_inside || held || mail || fired || timer || ask_timer || (edge && (watch || ask_watch || asleep)))

inline wait_for_cold() { moved = false; guard = TIMED; ask_timer = true }

inline receive_ahead()
{
    do
    :: ready && queue < MARK && wire > 0 -> wire--; queue++
    :: ready && queue < MARK && wire == 0 -> ready = false
    :: else -> break
    od;
    turn = true;
    unheard = ready
}

inline act_on_input()
{
    if
    :: moved ->
#ifdef BUG_FORGET
        moved = false; guard = TIMED
#else
        wait_for_cold()
#endif
    :: !moved && asleep -> guard = NONE
    :: !moved && !asleep ->
#ifndef BUG_NO_TAKEOVER
        if :: turn && ready -> unheard = true :: else fi;
#endif
        if :: edge -> edge = false; ready = true; unheard = true :: else fi;
#ifndef BUG_SPENT
        if :: unheard -> receive_ahead() :: else fi;
#endif
#ifdef BUG_TICK
        wait_for_cold()
#else
        guard = WATCHED;
        ask_watch = true
#endif
    fi
}

/* The holder's. */
inline on_input()
{
    atomic {
        if
#ifdef BUG_EDGE_IS_ALL
        :: guard == TIMED -> due = false
#else
        :: guard == TIMED && !due
#endif
        :: else -> due = false; act_on_input()
        fi
    }
}

inline let_go()
{
    do
    :: atomic { mail -> mail = false }; on_input()
    :: atomic { !mail -> held = false; break }
    od
}

active proctype owner()
{
    bool got;

    do
    :: owner_inside = true; /* recv, which may wait */
        atomic { !held -> held = true };
        atomic { moved = true; quiet = 0 };
        do
        :: atomic {
               got = false;
               if
               :: queue > 0 -> queue--; got = true
               :: queue == 0 && turn && ready && wire > 0 -> wire--; got = true
               :: queue == 0 && turn && ready && wire == 0 -> ready = false; turn = false
               :: queue == 0 && turn && !ready -> turn = false
               :: queue == 0 && !turn && (edge || unheard) ->
                   if :: edge -> edge = false; ready = true :: else fi;
                   unheard = false;
                   turn = true
               :: else
               fi
           };
           if
           :: got -> break
           :: atomic { !got && !turn && !edge && !unheard && queue == 0 -> asleep = true };
               let_go();
               owner_inside = false;
end_sleep:     atomic { edge || queue > 0 || turn || unheard -> owner_inside = true };
               atomic { !held -> held = true };
               asleep = false
           :: !got && (turn || edge || unheard || queue > 0)
           fi
        od;
        atomic {
            if
#ifndef BUG_NO_RETURN
            :: guard == NONE -> wait_for_cold()
#endif
#ifndef BUG_LEAVE
            :: guard == WATCHED && turn -> wait_for_cold()
#endif
            :: else
            fi
        };
        let_go();
        owner_inside = false
    :: atomic { !held -> held = true }; /* send */
#ifdef BUG_SEND_COUNTS
        moved = true;
#endif
        let_go()
    :: break /* calls no more */
    od
}

inline post()
{
    if
    :: atomic { !held -> held = true }; on_input(); let_go()
    :: atomic {
           held ->
#ifndef BUG_NO_MAIL
           mail = true
#endif
       }
    fi;
    fired = false
}

active proctype engine()
{
end_idle:
    do
    :: atomic { ask_watch -> ask_watch = false; watch = true }
    :: atomic { ask_timer -> ask_timer = false; timer = true }
    :: atomic { watch && edge -> watch = false; fired = true }; post()
    :: atomic {
           timer ->
           timer = false;
           fired = true;
           due = true;
           if :: moved || owner_inside -> quiet = 0 :: else -> quiet++; assert(quiet < 5) fi
       };
       post()
    od
}

active proctype network()
{
end_quiet:
    do
    :: atomic { wire < 2 -> wire++; edge = true }
    od
}

/* Looks at any moment. */
active proctype judge()
{
end_watch:
    atomic { unread && !covered -> assert(false) }
}

ltl served { [] (unread -> <> (!unread || owner_inside)) }
