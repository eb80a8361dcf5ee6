/* A socket's lock and the mail for its holder (src/runtime/lock.h).
 *
 * OWNERS take the lock, work, and release; POSTERS never wait: they post, and become the holder when
 * the lock is free. Each access to shared memory is one step.
 *
 *   safety      at most one holder; no letter is read twice
 *   at the end  every letter was read, nobody sleeps, the word is 0
 *
 * Planted mistakes: BUG_CLEAR_LATE   the holder empties the box, then clears MAIL
 *                   BUG_BLIND_POST   a poster does not try to become the holder
 *                   BUG_NO_WAKE      release wakes nobody
 */
#define OWNERS 2
#define POSTERS 2

bool held = false
bool slept = false
bool mail = false
byte box = 0       /* letters in it */
byte taken = 0     /* letters read */
byte holders = 0
byte sleepers = 0
byte tokens = 0    /* wake-ups that the kernel owes */

inline enter() { holders++; assert(holders == 1) }
inline leave() { holders-- }

/* The holder reads all letters. */
inline read_letters(found)
{
#ifdef BUG_CLEAR_LATE
    atomic { found = box; box = 0 }
    mail = false;
#else
    mail = false;
    atomic { found = box; box = 0 }
#endif
    taken = taken + found;
    found = 0
}

/* Clears the word if there is no mail: one exchange. */
inline let_go(found, done, wakes)
{
    done = false;
    do
    :: done -> break
    :: !done ->
        atomic {
            if
            :: mail -> skip
            :: !mail -> leave(); held = false; wakes = slept; slept = false; done = true
            fi
        }
        if
        :: !done -> read_letters(found)
        :: done ->
#ifndef BUG_NO_WAKE
            atomic {
                if
                :: wakes && sleepers > tokens -> tokens++
                :: else -> skip
                fi
            }
#else
            skip
#endif
        fi
    od;
    done = false;
    wakes = false
}

active [OWNERS] proctype owner()
{
    byte found;
    bool done, wakes, mine, asleep;

    /* The fast way, or the slow one: it says that somebody may sleep, and sleeps while that holds. */
    atomic {
        if
        :: !held && !slept && !mail -> held = true; mine = true; enter()
        :: else -> skip
        fi
    }
    do
    :: mine -> break
    :: !mine ->
        atomic {
            if
            :: !held -> held = true; slept = true; mine = true; enter()
            :: held -> slept = true
            fi
        }
        if
        :: !mine ->
            /* The kernel compares the word before it puts the caller to sleep. */
            atomic {
                if
                :: held && slept -> sleepers++; asleep = true
                :: else -> skip
                fi
            }
            if
            :: asleep -> atomic { tokens > 0 -> tokens--; sleepers--; asleep = false }
            :: else -> skip
            fi
        :: else -> skip
        fi
    od;
    let_go(found, done, wakes)
}

active [POSTERS] proctype poster()
{
    byte found;
    bool done, wakes, mine;

    box++;
    atomic { mail = true }
#ifndef BUG_BLIND_POST
    atomic {
        if
        :: !held -> held = true; mine = true; enter()
        :: held -> skip
        fi
    }
#endif
    if
    :: mine -> let_go(found, done, wakes)
    :: else -> skip
    fi
}

/* When all have ended. */
active proctype judge()
{
    timeout ->
    assert(taken == POSTERS);
    assert(!held && !mail && box == 0 && sleepers == 0)
}
