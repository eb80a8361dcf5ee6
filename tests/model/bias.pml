/* A lock that is biased to the thread that takes it (src/runtime/lock.h, bias.h).
 *
 * The OWNER takes the lock by its bias, again and again; when others have ended that it takes it as
 * anybody does, and biases it anew. POSTERS post a letter each and become the holder if they can; the
 * OTHER thread takes the lock as a caller does, and waits for it. The owner's stores wait in its
 * processor's buffer: what it says of being inside is seen by others later, and always before what it
 * does next with the word by an exchange. A fence empties the buffer. Each access is one step.
 *
 *   safety      at most one holder
 *   at the end  every letter was read, nobody sleeps, nobody has the lock
 *
 * Planted mistakes: BUG_NO_FENCE     others read the owner's cell without a fence
 *                   BUG_NO_NUMBER    a later bias looks like the one that was seen without its owner
 *                   BUG_NO_WORD      others read the cell, and have said nothing in the word
 *                   BUG_NO_RETURN    the owner does not look at the word on its way out
 *                   BUG_LOOKS_FIRST  the owner looks at the word, then says that it is inside
 */
#define POSTERS 1
#define TAKES 3

bool held = false      /* the word: these five change in one step */
bool slept = false
bool mail = false
bool biased = true
byte number = 0        /* of the bias */

bool inside = false    /* the owner's cell, as others see it */
bool said = false      /* as the owner sees it: in its buffer, until it is written out */

byte box = 0
byte taken = 0
byte holders = 0
byte sleepers = 0
byte tokens = 0

inline enter() { holders++; assert(holders == 1) }
inline leave() { holders-- }

/* The owner's buffer: empties whenever it likes, and when somebody fences. */
inline drain() { inside = said }

active proctype buffer()
{
end:
    do
    :: inside != said -> drain()
    od
}

inline read_letters(found)
{
    mail = false;
    atomic { found = box; box = 0 }
    taken = taken + found;
    found = 0
}

/* Held in the ordinary way: clears the word if there is no mail, and biases it if it may. */
inline let_go(found, done, wakes, biases)
{
    done = false;
    do
    :: done -> break
    :: !done ->
        atomic {
            if
            :: mail -> skip
            :: !mail && biases && !slept ->
                leave(); drain(); held = false; biased = true; done = true;
#ifndef BUG_NO_NUMBER
                number++
#endif
            :: !mail && (!biases || slept) ->
                leave(); held = false; wakes = slept; slept = false; done = true
            fi
        }
        if
        :: !done -> read_letters(found)
        :: done ->
            atomic {
                if
                :: wakes && sleepers > tokens -> tokens++
                :: else -> skip
                fi
            }
        fi
    od;
    done = false;
    wakes = false
}

active proctype owner()
{
    byte found, i;
    bool done, wakes, mine, asleep, free, slow;

    for (i : 1 .. TAKES) {
        mine = false;
        /* By its bias. */
#ifdef BUG_LOOKS_FIRST
        free = biased && !held && !slept && !mail;
        said = true;
#else
        said = true;
        free = biased && !held && !slept && !mail;
#endif
        if
        :: free ->
            enter();
            skip; /* inside */
            atomic { leave(); said = false }
#ifndef BUG_NO_RETURN
            if
            :: !(biased && !held && !slept && !mail) ->
                atomic { /* an exchange: the buffer is empty before it */
                    drain();
                    if
                    :: biased -> biased = false; held = true; mine = true; enter()
                    :: else -> skip
                    fi
                }
                if
                :: mine -> let_go(found, done, wakes, false)
                :: else -> skip
                fi
            :: else -> skip
            fi
#endif
        :: else ->
            said = false;
            slow = false;
            do
            :: mine -> break
            :: !mine ->
                atomic {
                    drain();
                    if
                    :: !held ->
                        biased = false; held = true; slept = slept || slow; mine = true; enter()
                    :: held -> slept = true; slow = true
                    fi
                }
                if
                :: !mine ->
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
            let_go(found, done, wakes, true)
        fi
    }
}

inline look(held_then, biased_then, said_then, number_then)
{
    held_then = held;
    biased_then = biased;
    said_then = slept || mail;
    number_then = number
}

/* What is not HELD becomes so, unless the owner is inside. The word says first that somebody else is
 * there. */
inline try(slow, mine, seen, saw_held, saw_biased, saw_bits, refused)
{
    refused = false;
    atomic { look(saw_held, saw_biased, saw_bits, seen) }
    do
    :: mine || saw_held || refused -> break
    :: !(mine || saw_held || refused) ->
#ifndef BUG_NO_WORD
        if
        :: saw_biased && !saw_bits ->
            atomic { slept = true; look(saw_held, saw_biased, saw_bits, seen) }
        :: else -> skip
        fi;
#endif
        if
        :: saw_biased && !saw_held ->
#ifndef BUG_NO_FENCE
            drain();
#endif
            refused = inside
        :: else -> skip
        fi;
        if
        :: !refused && !saw_held ->
            atomic {
                if
                :: held == saw_held && biased == saw_biased && number == seen &&
                   (slept || mail) == saw_bits ->
                    biased = false; held = true; slept = slept || slow; mine = true; enter()
                :: else -> look(saw_held, saw_biased, saw_bits, seen)
                fi
            }
        :: else -> skip
        fi
    od
}

active [POSTERS] proctype poster()
{
    byte found, seen;
    bool done, wakes, mine, saw_held, saw_biased, saw_bits, refused;

    box++;
    mail = true;
    try(false, mine, seen, saw_held, saw_biased, saw_bits, refused);
    if
    :: mine -> let_go(found, done, wakes, false)
    :: else -> skip
    fi
}

active proctype other()
{
    byte found, seen;
    bool done, wakes, mine, saw_held, saw_biased, saw_bits, refused, asleep, slow;

    do
    :: mine -> break
    :: !mine ->
        atomic {
            if
            :: held || biased -> slept = true
            :: else -> skip
            fi
        }
        try(slow, mine, seen, saw_held, saw_biased, saw_bits, refused);
        if
        :: !mine ->
            /* The kernel compares the word with the one that was seen. */
            atomic {
                if
                :: slept && (held || biased) && held == saw_held && biased == saw_biased &&
                   number == seen -> sleepers++; asleep = true
                :: else -> skip
                fi
            }
            if
            :: asleep -> atomic { tokens > 0 -> tokens--; sleepers--; asleep = false }
            :: else -> skip
            fi
        :: else -> skip
        fi;
        slow = true
    od;
    let_go(found, done, wakes, false)
}

/* When all have ended. */
active proctype judge()
{
    timeout ->
    assert(taken == POSTERS);
    assert(!held && !mail && box == 0 && sleepers == 0)
}
