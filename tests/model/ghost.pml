/* A router's table while a client comes again and again with the same id, and its ghosts linger.
 *
 * The client has one connection after the other; of each that it has left we hear late, or never: a
 * ghost. What is said of a connection is said under the socket's lock, in any order between
 * connections: that it is up, that it is down. The table has one holder of the id, known by its epoch,
 * which grows with each connection; who has taken an id over puts the one before out of the table and
 * of the round, and that is ended. A message has two frames, between which the lock is let go of.
 *
 *   safety      the id is with the connection that was let in last and is not down, and with none that
 *               was put out; nobody else is in the round. Both frames of a message go to one connection,
 *               or the second one nowhere
 *   liveness    where ids are taken over, the client's last connection has its id in the end, and no
 *               ghost that it put out stays open
 *
 * Planted mistakes: BUG_NO_EPOCH     down is by id: that of a ghost takes the new connection out
 *                   BUG_LATE_UP      a connection takes over whatever came before, and later
 *                   BUG_STAYS        who is put out of the table stays in the round
 *                   BUG_FORGET_OLDER who is put out is not ended
 *                   BUG_KEEP_AIM     a message under way goes on to whoever has the id now
 *                   BUG_REFUSED_DOWN the end of one that was refused counts
 */
#define CONNECTIONS 3

bool takes_over = false
byte begun = 0              /* the client's connections so far */
byte holder = 0             /* epoch of who has the id; 0: nobody */
bool live[CONNECTIONS + 1]  /* our end of the stream is open */
bool was_in[CONNECTIONS + 1]
bool put_out[CONNECTIONS + 1]
bool is_down[CONNECTIONS + 1]
bool in_round[CONNECTIONS + 1]
byte aim = 0                /* whose the message under way is; 0: nobody's, it is swallowed */
byte first_went = 0         /* to whom its first frame went */

/* As the table has it; the lock is held: each is one step. */
inline leave_table(e)
{
    holder = 0;
#ifdef BUG_STAYS
    if :: put_out[e] :: else -> in_round[e] = false fi;
#else
    in_round[e] = false;
#endif
#ifndef BUG_KEEP_AIM
    if :: aim == e -> aim = 0 :: else fi
#endif
}

inline router_up(e)
{
    if
    :: holder == 0 -> holder = e; was_in[e] = true; in_round[e] = true
#ifdef BUG_LATE_UP
    :: holder != 0 && takes_over ->
#else
    :: holder != 0 && takes_over && e > holder ->
#endif
        older = holder;
        put_out[older] = true;
        leave_table(older);
        holder = e; was_in[e] = true; in_round[e] = true
    :: else /* refused, and closed */
    fi
}

inline router_down(e)
{
    is_down[e] = true;
    if
#ifdef BUG_NO_EPOCH
    :: holder != 0 && was_in[e] -> older = holder; leave_table(older)
#endif
#ifdef BUG_REFUSED_DOWN
    :: holder != 0 && !was_in[e] -> older = holder; leave_table(older)
#endif
    :: holder == e -> leave_table(e)
    :: else /* late: it changes nothing */
    fi
}

proctype connection(byte e)
{
    byte older = 0;
    bool is_ghost;

    if :: is_ghost = true :: is_ghost = false fi;
    atomic { begun == e - 1 -> begun = e; live[e] = true };
    /* Its handshake takes as long as it takes. */
    atomic { router_up(e) };
end_open:
    atomic {
        (!was_in[e]
#ifndef BUG_FORGET_OLDER
         || put_out[e]
#endif
         || (begun > e && !is_ghost)) -> live[e] = false
    };
    atomic { router_down(e) }
}

/* Who sends to the id, whenever somebody has it. */
active proctype sender()
{
end_idle:
    do
    :: atomic { holder != 0 && aim == 0 -> aim = holder; first_went = aim };
        atomic {
            if
#ifdef BUG_KEEP_AIM
            :: holder != 0 -> aim = holder; assert(aim == first_went)
#endif
            :: aim != 0 -> assert(aim == first_went && !put_out[aim] && !is_down[aim])
            :: else /* swallowed */
            fi;
            aim = 0;
            first_went = 0
        }
    :: break
    od
}

#define belongs(e) (was_in[e] && !put_out[e] && !is_down[e])

active proctype judge()
{
end_watch:
    atomic {
        if
        :: holder != 0 && !belongs(holder) -> assert(false)
        :: (belongs(1) && holder != 1) || (belongs(2) && holder != 2) ||
           (belongs(3) && holder != 3) -> assert(false)
        :: (in_round[1] && holder != 1) || (in_round[2] && holder != 2) ||
           (in_round[3] && holder != 3) -> assert(false)
        fi
    }
}

init
{
    if :: takes_over = true :: skip fi;
    atomic { run connection(1); run connection(2); run connection(3) }
}

#define settled (begun == CONNECTIONS && \
                 (!takes_over || (holder == CONNECTIONS && !live[1] && !live[2])))

ltl comes_back { <> [] settled }
