/* Sleeping for a socket, and who is woken.
 *
 * Readers and a writer take the lock, look, and if there is nothing for them leave a node (wants IN
 * or OUT, an eventfd) under that same lock, let go, and sleep on {the socket's epoll fd, their
 * eventfd}. The epoll fd is readable while an edge is on its list; edges are harvested by the holder
 * of the lock only, whatever it came for. Whoever lets go and leaves what a waiter wants tells one
 * waiter of that direction, unless one is told already: that one comes back and passes it on. The
 * eventfd is written when the lock is let go, so a write may come late: it must be harmless.
 *
 *   safety      an eventfd is written only for a node that waits, once
 *   at the end  nobody sleeps while there is what it wants, or after the end of the context
 *
 * Planted mistakes: BUG_CHECK_FIRST  lets go, then leaves its node
 *                   BUG_KEEP         who comes back does not pass on what it leaves
 *                   BUG_STEAL        a sleeper takes edges off the list as epoll_wait would
 *                   BUG_TERM_SILENT  the end of the context wakes nobody
 *                   BUG_ALWAYS       writes whenever something is there, waiter or not
 *                   BUG_CLEAR_EARLY  one read clears the ready flag, though no EAGAIN was seen
 */
#define THREADS 3
#define WRITER 2 /* the last one; the others read */
#define NOBODY 9

bool held = false
bool term = false
bool room = false /* what OUT wants; the engine makes it */
byte queue = 0    /* decoded messages */
byte wire = 0     /* messages that the kernel holds */
bool edge = false /* on the epoll fd's list */
bool ready = false /* harvested, and no EAGAIN since */
bool waits[THREADS]
bool told[THREADS]
bool event[THREADS] /* the eventfds */

#define something(t) (term || (t == WRITER && room) || (t != WRITER && (queue > 0 || ready)))
#define fresh(t) (waits[t] && !told[t] && something(t))

inline take() { atomic { !held -> held = true } }

/* Keeps one message decoded; EAGAIN clears the flag. */
inline read_wire()
{
    do
    :: ready && queue == 0 && wire > 0 -> wire--; queue++;
#ifdef BUG_CLEAR_EARLY
        ready = false
#endif
    :: ready && queue == 0 && wire == 0 -> ready = false
    :: else -> break
    od
}

/* Of each direction the first that waits, if none is told yet. */
inline choose(reader, writer)
{
    if
    :: fresh(0) && !told[1] -> reader = 0
    :: !fresh(0) && fresh(1) && !told[0] -> reader = 1
#ifdef BUG_ALWAYS
    :: !fresh(0) && !fresh(1) && queue > 0 -> reader = 0
#endif
    :: else
    fi;
    if
    :: reader != NOBODY -> assert(waits[reader] && !told[reader]); told[reader] = true
    :: else
    fi;
    if :: fresh(WRITER) -> writer = true; told[WRITER] = true :: else fi
}

/* The choice is made under the lock, the writes come after it. */
inline let_go(reader, writer)
{
    atomic { choose(reader, writer); held = false };
    atomic { if :: reader != NOBODY -> event[reader] = true; reader = NOBODY :: else fi };
    atomic { if :: writer -> event[WRITER] = true; writer = false :: else fi }
}

active [THREADS] proctype thread()
{
    byte reader = NOBODY;
    bool writer, late, done;

    do
    :: done -> break
    :: !done ->
        take();
        atomic { if :: edge -> edge = false; ready = true :: else fi };
        atomic {
            waits[_pid] = false;
            told[_pid] = false;
            read_wire();
            if
            :: late || something(_pid) ->
                done = true;
                if
                :: !term && _pid == WRITER && room -> room = false
                :: !term && _pid != WRITER && queue > 0 -> queue--
                :: else
                fi;
                read_wire()
            :: else
#ifndef BUG_CHECK_FIRST
                waits[_pid] = true
#endif
            fi
        }
#ifdef BUG_KEEP
        held = false;
#else
        let_go(reader, writer);
#endif
        if
        :: done
        :: !done ->
#ifdef BUG_CHECK_FIRST
            waits[_pid] = true;
#endif
end:        atomic {
                if
                :: event[_pid] -> event[_pid] = false
#ifdef BUG_STEAL
                :: edge -> edge = false; ready = (_pid != WRITER)
#else
                :: edge
#endif
                :: _pid == 0 -> late = true /* the first reader has a timeout */
                fi
            }
        fi
    od
}

/* Two messages, one edge. */
active proctype network() { atomic { wire = 2; edge = true } }

/* The engine hands over a message, then makes room. */
active proctype engine()
{
    byte reader = NOBODY;
    bool writer;

    if
    :: take(); queue++; let_go(reader, writer)
    :: skip
    fi;
    if
    :: take(); room = true; let_go(reader, writer)
    :: skip
    fi
}

/* The context ends, in half of all histories: it tells all, not one of each direction. */
active proctype end_of_context()
{
    byte i;

    if
    :: skip
    :: take();
        d_step {
            term = true;
#ifndef BUG_TERM_SILENT
            for (i : 0 .. THREADS - 1) {
                if :: waits[i] && !told[i] -> told[i] = true; event[i] = true :: else fi
            }
#endif
            held = false
        }
    fi
}

active proctype judge()
{
    byte i;

    timeout ->
    assert(!held);
    for (i : 0 .. THREADS - 1) {
        assert(!waits[i] || !something(i));
        assert(!waits[i] || i == WRITER || wire == 0)
    }
}
