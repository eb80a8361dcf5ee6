/* A connection of two sockets' ends (src/runtime/inproc.c): letters, and who frees it.
 *
 * An end is told by an event and a letter to its socket; the letter is posted by whoever finds that
 * none is on its way. A letter is read once, by whoever has that socket's lock. A connection is held
 * by the conn of each end and by each letter; the last to let go frees it. Each side ends at any time,
 * or not: its conn tells the far side, and lets go. The second end has its conn once it has read that somebody
 * connects, if its socket still wants that.
 *
 *   safety      nothing of the connection is touched after it was freed, and it is freed once; a letter
 *               is in one box at a time
 *   at the end  no letter is left; if a side has ended, the other one has heard of it, and the
 *               connection was freed; else both are there
 *
 * Planted mistakes: BUG_LETTER_FREE   a letter is no hold
 *                   BUG_CLEAR_LATE    a letter's reader takes the events, then says it is not on its way
 *                   BUG_UNPOSTED      the event is added after the look for a letter on its way
 *                   BUG_SILENT        who goes down tells nobody
 *                   BUG_UNANSWERED    a socket that does not want a peer says nothing
 */
#define ATTACH 1
#define UP 2
#define DOWN 4

byte holds = 0
bool freed = false
bool has_conn[2]
bool closed[2]
bool may_close[2]
bool mailed[2]
byte events[2]
byte letters[2] /* in the box of each socket */
bool locked[2]  /* the socket's lock; a letter is read under it */

#define alive assert(!freed)

inline let_go()
{
    atomic {
        alive;
        holds--;
        if :: holds == 0 -> freed = true :: else fi
    }
}

/* The end `to` hears of it. */
inline tell(to, what)
{
#ifndef BUG_UNPOSTED
    atomic { alive; events[to] = events[to] | what };
#endif
    atomic { alive; was = mailed[to]; mailed[to] = true };
#ifdef BUG_UNPOSTED
    atomic { alive; events[to] = events[to] | what };
#endif
    if
    :: !was ->
#ifndef BUG_LETTER_FREE
        atomic { alive; holds++ };
#endif
        atomic { assert(letters[to] == 0); letters[to]++ }
    :: else
    fi
}

/* The conn of this end is freed. Under its socket's lock. */
inline end_conn(me)
{
    has_conn[me] = false;
#ifndef BUG_SILENT
    tell(1 - me, DOWN);
#endif
    let_go()
}

/* The holder of the lock reads a letter. */
inline read_letter(me)
{
    letters[me]--;
#ifdef BUG_CLEAR_LATE
    atomic { alive; found = events[me]; events[me] = 0 };
    atomic { alive; mailed[me] = false };
#else
    atomic { alive; mailed[me] = false };
    atomic { alive; found = events[me]; events[me] = 0 };
#endif
    if
    :: (found & ATTACH) ->
        if
        :: !closed[me] -> atomic { alive; holds++ }; has_conn[me] = true; tell(1 - me, UP)
        :: else ->
#ifdef BUG_UNANSWERED
            skip
#else
            tell(1 - me, DOWN)
#endif
        fi
    :: else
    fi;
    if
    :: has_conn[me] && (found & DOWN) -> end_conn(me)
    :: else
    fi;
#ifndef BUG_LETTER_FREE
    let_go();
#endif
    found = 0
}

/* Whoever has the lock of socket `me`: reads what is in the box, and closes it at some time. */
proctype socket(byte me)
{
    bool was;
    byte found;

end:
    do
    :: atomic { letters[me] > 0 && !locked[me] -> locked[me] = true };
        read_letter(me);
        locked[me] = false
    :: atomic { may_close[me] && !closed[me] && !locked[me] -> locked[me] = true };
        closed[me] = true;
        if :: has_conn[me] -> end_conn(me) :: else fi;
        locked[me] = false
    od
}

init
{
    bool was;

    if :: may_close[0] = true :: skip fi;
    if :: may_close[1] = true :: skip fi;
    has_conn[0] = true; /* who connects */
    holds = 1;
    locked[0] = true;
    run socket(0);
    run socket(1);
    tell(1, ATTACH);
    locked[0] = false;
    timeout ->
    assert(letters[0] == 0 && letters[1] == 0);
    if
    :: closed[0] || closed[1] -> assert(!has_conn[0] && !has_conn[1] && freed && holds == 0)
    :: else -> assert(has_conn[0] && has_conn[1] && !freed && holds == 2)
    fi
}
