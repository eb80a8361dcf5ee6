/* Who reads a socket's input: its owner while it calls, the engine while it is away.
 *
 * The engine keeps at most one thing for a socket's input: a one-shot watch on its epoll fd (cold), or
 * a one-shot deadline of 10 ms (hot).
 *   watch fires      call counter moved since the engine last looked: set the deadline, watch no more;
 *                    else post "read".
 *   deadline ends    counter moved: set it again; else post "read".
 *   post "read"      without the lock: its holder reads for us, and the deadline is set. With it, and
 *                    somebody asleep for input: set nothing, and say so (lent); who comes back from
 *                    that sleep asks for the deadline. Else read, and watch again.
 * Only recv and poll count; send does not. Who makes room and finds the ready flag set reads on: no
 * edge will come for what was left at the mark.
 *
 *   safety      input that could be read is covered at every moment: by a caller inside, a sleeper
 *               that an edge wakes, a watch that it fires, a deadline, or a request for one;
 *               never watch and deadline; no second deadline in a row for a silent owner
 *   liveness    input that could be read is read, although its owner sends without end
 *
 * Planted mistakes: BUG_NO_RETURN     back from its sleep, the owner does not ask for the deadline
 *                   BUG_FORGET        a watch that finds the socket hot sets no deadline
 *                   BUG_SEND_COUNTS   send moves the call counter
 *                   BUG_TICK          a deadline is set again although nothing has moved
 *                   BUG_STOP_AT_MARK  who makes room does not read on
 *                   BUG_BUSY_DROPS    a deadline that finds the lock taken sets nothing
 *                   BUG_NO_MAIL       it is set again, but nothing is posted
 */
#define MARK 1 /* high-water mark of the queue, in messages */

bool held = false
bool mail = false     /* "read", for the holder */
byte wire = 0         /* messages that the kernel holds */
byte queue = 0
bool edge = false     /* on the epoll fd's list */
bool ready = false    /* harvested, and no EAGAIN since */
bool moved = false    /* calls != what the engine saw last */
bool asleep = false   /* in ppoll for input */
bool lent = false     /* the engine left the input to a sleep */
bool ask = false      /* a request to the engine: set the deadline */
bool watch = true
bool deadline = false
bool fired = false    /* the engine is at work on watch, deadline or request */
byte quiet = 0        /* deadlines in a row with nothing moved */
bool owner_inside = false

#define unread (wire > 0 && queue < MARK)
#define covered (owner_inside || (asleep && edge) || (watch && edge) || deadline || ask || fired)

inline take() { atomic { !held -> held = true } }
inline harvest() { atomic { if :: edge -> edge = false; ready = true :: else fi } }

inline read_wire()
{
    do
    :: ready && queue < MARK ->
        atomic {
            if
            :: wire > 0 -> wire--; queue++
            :: wire == 0 -> ready = false
            fi
        }
    :: else -> break
    od
}

inline let_go()
{
    do
    :: atomic { mail -> mail = false }; harvest(); read_wire()
    :: atomic { !mail -> held = false; break }
    od
}

active proctype owner()
{
    bool slept;

    do
    :: owner_inside = true; /* recv, which may wait */
        take();
        moved = true;
        do
        :: harvest();
            read_wire();
            if
            :: queue > 0 -> break
            :: queue == 0 && mail -> mail = false /* and look again */
            :: atomic { queue == 0 && !mail -> asleep = true; held = false; owner_inside = false };
end_sleep:      atomic { edge -> owner_inside = true };
                take();
                slept = true;
                asleep = false
            fi
        od;
        queue--;
#ifndef BUG_STOP_AT_MARK
        read_wire();
#endif
        if
        :: slept && lent ->
            lent = false;
#ifndef BUG_NO_RETURN
            ask = true
#endif
        :: else
        fi;
        slept = false;
        let_go();
        owner_inside = false
    :: take(); /* send */
#ifdef BUG_SEND_COUNTS
        moved = true;
#endif
        let_go()
    :: break /* calls no more */
    od
}

inline set_deadline() { assert(!watch); deadline = true; moved = false }

/* The engine has the lock at once, or the holder has the letter. */
inline post_read(mine)
{
    atomic {
        if
        :: !held -> held = true; mine = true
        :: held ->
#ifndef BUG_NO_MAIL
            mail = true
#endif
        fi
    }
    if
    :: mine ->
        if
        :: asleep -> lent = true
        :: else ->
            harvest();
            read_wire();
            moved = false;
            assert(!deadline);
            watch = true
        fi;
        let_go();
        mine = false;
        quiet = 0
    :: else ->
#ifndef BUG_BUSY_DROPS
        set_deadline()
#endif
    fi
}

active proctype engine()
{
    bool mine;

end_idle:
    do
    :: atomic { watch && edge -> watch = false; fired = true };
        if
        :: !moved -> post_read(mine)
        :: moved ->
#ifndef BUG_FORGET
            set_deadline()
#endif
        fi;
        fired = false
    :: atomic { deadline -> deadline = false; fired = true };
        if
        :: moved -> set_deadline(); quiet = 0
        :: !moved ->
#ifdef BUG_TICK
            quiet++;
            assert(quiet < 2);
            set_deadline()
#else
            post_read(mine)
#endif
        fi;
        fired = false
    :: atomic { ask -> ask = false; fired = true };
        if
        :: !watch && !deadline -> set_deadline()
        :: else
        fi;
        fired = false
    od
}

active proctype network()
{
end_quiet:
    do
    :: atomic { wire == 0 -> wire++; edge = true }
    :: atomic { wire == 1 -> wire++; edge = true }
    od
}

/* Looks at any moment. */
active proctype judge()
{
end_watch:
    atomic { unread && !covered -> assert(false) }
}

ltl served { [] (unread -> <> !unread) }
