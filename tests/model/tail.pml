/* What a caller leaves unsent, and who sends it.
 *
 * A batch is bytes under the socket's lock; the kernel takes some of them or answers EAGAIN (blocked).
 * Nothing overtakes pending bytes. Every holder settles before it lets go: bytes that are blocked need
 * a writability watch, others the flush deadline; each is asked for once, until the engine says under
 * the lock that it ran out. Whoever lets go tells, beside the lock, that the batch was emptied: the
 * engine, when the deadline is there, then sets another one by itself, since what waits is younger.
 * What else it has to say it posts: with the lock it acts itself, without it the holder acts.
 *
 *   safety      whenever the lock is free, pending bytes have exactly one owner: blocked, the watch;
 *               else the deadline. Both are asked for once at a time, and whoever owns bytes is armed,
 *               asked for or about to post. Nothing overtakes
 *   liveness    every message leaves, whether its caller goes on or not, while the peer reads
 *
 * Planted mistakes: BUG_NO_DEADLINE  the caller leaves a batch and asks for nothing
 *                   BUG_NO_WATCH     the caller leaves blocked bytes to the deadline, which is over
 *                   BUG_EARLY_CLEAR  the engine says "ran out" before it has the lock
 *                   BUG_OVERTAKE     a first send after idle goes straight to the kernel
 *                   BUG_FOR_EVER     each call puts the deadline off
 *                   BUG_DROP_POST    without the lock the engine's word is lost
 *                   BUG_OLD_WORD     the engine goes by what it has read before
 */
#define BATCH 2 /* messages that fill a batch */
#define BUFFER 2 /* messages that the kernel holds */

bool held = false
byte pending = 0        /* messages in the batch */
byte kernel = 0
bool blocked = false    /* the last try ended in EAGAIN */
bool renewed = false    /* the batch was emptied since somebody let go */
bool told = false       /* the same since the engine looked: read without the lock */
bool timer_out = false  /* the deadline is asked for, and did not run out */
bool watch_out = false  /* the same for the watch */
bool ask_timer = false  /* requests on their way to the engine */
bool ask_watch = false
bool timer = false      /* armed in the engine's ring */
bool watch = false
bool timer_mail = false /* what the engine posted */
bool watch_mail = false
bool timer_due = false  /* the engine is about to post */
bool watch_due = false
byte marked = 0         /* place of one message that is followed to the end; 0: none */

#define timer_owned (timer || ask_timer || timer_due || timer_mail)
#define watch_owned (watch || ask_watch || watch_due || watch_mail)
#define mail (timer_mail || watch_mail)

/* To the kernel, until all is gone or it takes no more. */
inline flush()
{
    do
    :: pending > 0 ->
        atomic {
            if
            :: kernel < BUFFER -> kernel++; pending--; blocked = false;
                if :: marked > 0 -> marked-- :: else fi
            :: else -> blocked = true; break
            fi
        }
    :: pending == 0 -> blocked = false; renewed = true; break
    od
}

/* What the engine posted: under the lock, by whoever has it. */
inline act()
{
    if
    :: timer_mail ->
        timer_mail = false;
#ifndef BUG_EARLY_CLEAR
        timer_out = false;
#endif
        if
        :: pending > 0 && !blocked && !renewed && !told -> flush()
        :: else /* nothing, the watch's, or young: settle asks again */
        fi
    :: else
    fi;
    if
    :: watch_mail -> watch_mail = false; watch_out = false; flush()
    :: else
    fi
}

inline settle()
{
    d_step {
        if
        :: renewed -> renewed = false; told = true
        :: else
        fi;
        if
#ifdef BUG_NO_WATCH
        :: false
#else
        :: pending > 0 && blocked && !watch_out -> watch_out = true; ask_watch = true
#endif
        :: pending > 0 && !blocked && !timer_out ->
#ifndef BUG_NO_DEADLINE
            timer_out = true; ask_timer = true; told = false
#endif
        :: else
        fi
    }
}

inline let_go()
{
    do
    :: settle();
        atomic { if :: !mail -> held = false; break :: mail fi };
        act()
    od
}

active proctype caller()
{
end_silent:
    do
    :: atomic { !held -> held = true };
#ifdef BUG_OVERTAKE
        if
        :: kernel < BUFFER -> assert(pending == 0); kernel++
        :: else
        fi;
#endif
        if
        :: pending == BATCH -> flush()
        :: else
        fi;
        if
        :: pending < BATCH ->
            pending++;
            if :: marked == 0 -> marked = pending :: skip fi
        :: skip /* a call for something else, or EAGAIN to the application */
        fi;
        if
        :: pending > 0 && !blocked -> flush() /* first after idle, or the batch is full */
        :: skip                               /* a tight loop */
        fi;
#ifdef BUG_FOR_EVER
        renewed = true;
#endif
        let_go()
    :: break /* computes for ever */
    od
}

active proctype engine()
{
end_idle:
    do
    :: atomic { ask_timer -> assert(!timer); ask_timer = false; timer = true }
    :: atomic { ask_watch -> assert(!watch); ask_watch = false; watch = true }
    :: atomic { timer && told ->
#ifndef BUG_OLD_WORD
            told = false
#endif
        }
    :: atomic { timer && !told -> timer = false; timer_due = true };
#ifdef BUG_EARLY_CLEAR
        timer_out = false;
#endif
        atomic {
            timer_due = false;
            if
#ifdef BUG_DROP_POST
            :: held -> goto end_idle
#endif
            :: else -> timer_mail = true
            fi;
            if :: held -> goto end_idle :: else -> held = true fi
        };
        act();
        let_go()
    :: atomic { watch && kernel < BUFFER -> watch = false; watch_due = true };
        atomic {
            watch_due = false;
            watch_mail = true;
            if :: held -> goto end_idle :: else -> held = true fi
        };
        act();
        let_go()
    od
}

active proctype peer()
{
end_starved:
    do
    :: atomic { kernel > 0 -> kernel-- }
    od
}

#define left_alone (!held && pending > 0)

active proctype judge()
{
end_watch:
    atomic {
        if
        :: left_alone && blocked && !(watch_out && watch_owned) -> assert(false)
        :: left_alone && !blocked && !(timer_out && timer_owned) -> assert(false)
        :: timer + ask_timer + timer_due + timer_mail > 1 -> assert(false)
        :: watch + ask_watch + watch_due + watch_mail > 1 -> assert(false)
        fi
    }
}

ltl leaves { [] (marked > 0 -> <> (marked == 0)) }
