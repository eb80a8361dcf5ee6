/* One way of a pipe (src/pump/pipe.h): a writer, a reader, and who is told.
 *
 * A store lies in its processor's buffer, oldest first, until it reaches memory at some later time; a
 * fence waits for that, and so does an exchange. Loads look at memory. The writer shows several
 * messages at once, or each; the reader says what it took now and then. Who sleeps goes on when it is
 * told, or once by itself, as a caller may look at any time.
 *
 *   safety      never more messages than the limit, none taken that was not shown
 *   at the end  all were taken; nobody sleeps
 *
 * Planted mistakes: BUG_SHOWN_UNFENCED   publish looks at the reader's word without a fence
 *                   BUG_EMPTY_UNFENCED   the reader sets its word and looks again without one
 *                   BUG_TAKEN_UNFENCED   the reader says what it took and looks without one
 *                   BUG_FULL_UNFENCED    the writer sets its word and looks again without one
 *                   BUG_ONE_LOOK         the reader sets its word, and does not look again
 *                   BUG_TOLD_FIRST       publish looks at the reader's word, then shows
 *                   BUG_CLEAR_LATE       who tells clears the word when it has told
 *                   BUG_UNSAID           a reader that finds nothing keeps what it took to itself
 *                   BUG_UNSHOWN          the writer sleeps before it has shown what it put
 *                   BUG_STREAM_UNFENCED  the writer streams from here on, and does not fence first
 *                   BUG_STREAM_UNSEEN    the reader sets its word, and fences for itself only
 *                   BUG_STREAM_UNSAID    the writer streams, and nobody knows
 */
#define MESSAGES 5
#define LIMIT 3
#define ROOM 2 /* free places at which a writer that found none is told */

mtype = {PUBLISHED, READER_WAITS, ACKED, WRITER_WAITS, WAKE_AT, STREAMING}

byte published = 0
byte acked = 0
byte wake_at = 0
bool reader_waits = true
bool writer_waits = false
bool streaming = false
bool reader_told = false
bool writer_told = false
byte count = 0 /* the writer's: messages put */
byte taken = 0 /* the reader's */

chan from_writer = [4] of {mtype, byte}
chan from_reader = [4] of {mtype, byte}

#define fence(buffer) empty(buffer)

inline reach(buffer)
{
    buffer?what, value;
    if
    :: what == PUBLISHED -> published = value
    :: what == READER_WAITS -> reader_waits = true
    :: what == ACKED -> acked = value
    :: what == WRITER_WAITS -> writer_waits = true
    :: what == WAKE_AT -> wake_at = value
    :: what == STREAMING -> streaming = value
    fi
}

active proctype memory()
{
    mtype what;
    byte value;

end:
    do
    :: atomic { nempty(from_writer) -> reach(from_writer) }
    :: atomic { nempty(from_reader) -> reach(from_reader) }
    od
}

/* The exchange of a word that was seen to be set. */
inline tell(buffer, waits, told)
{
    if
#ifdef BUG_CLEAR_LATE
    :: waits -> told = true; atomic { fence(buffer) -> waits = false }
#else
    :: waits -> atomic { fence(buffer) -> if :: waits -> waits = false; told = true :: else fi }
#endif
    :: else
    fi
}

inline publish()
{
    if
    :: shown == count
    :: else ->
#ifdef BUG_TOLD_FIRST
        tell(from_writer, reader_waits, reader_told);
        from_writer!PUBLISHED, count;
#else
        from_writer!PUBLISHED, count;
#ifndef BUG_SHOWN_UNFENCED
        if
        :: streams
        :: !streams -> fence(from_writer)
        fi;
#endif
        if
        :: streams && reader_waits -> streams = false; from_writer!STREAMING, 0
        :: else
        fi;
        tell(from_writer, reader_waits, reader_told);
#endif
        shown = count
    fi
}

active proctype writer()
{
    byte shown, acked_seen;
    bool late, streams;

    do
    :: count == MESSAGES -> publish(); break
    :: count < MESSAGES ->
        if
        :: count - acked_seen == LIMIT -> acked_seen = acked
        :: else
        fi;
        if
        :: count - acked_seen == LIMIT ->
#ifndef BUG_UNSHOWN
            publish();
#endif
            from_writer!WAKE_AT, count - LIMIT + ROOM;
            from_writer!WRITER_WAITS, 1;
#ifndef BUG_FULL_UNFENCED
            fence(from_writer);
#endif
            acked_seen = acked;
            if
            :: count - acked_seen == LIMIT ->
                atomic {
                    if
                    :: writer_told -> writer_told = false
                    :: !late -> late = true
                    fi
                }
            :: else
            fi
        :: else ->
            count++;
            assert(count - taken <= LIMIT);
            if :: publish() :: skip fi;
            if
            :: !streams && count == shown ->
                streams = true;
#ifndef BUG_STREAM_UNSAID
                from_writer!STREAMING, 1;
#endif
#ifndef BUG_STREAM_UNFENCED
                fence(from_writer);
#endif
            :: skip
            fi
        fi
    od
}

inline ack()
{
    from_reader!ACKED, taken;
#ifndef BUG_TAKEN_UNFENCED
    fence(from_reader);
#endif
    said = taken;
    if
    :: writer_waits && taken >= wake_at -> tell(from_reader, writer_waits, writer_told)
    :: else
    fi
}

active proctype reader()
{
    byte seen, said;
    bool late, sleeps;

    do
    :: taken == MESSAGES -> break
    :: taken < MESSAGES && taken < seen ->
        atomic { taken++; assert(taken <= published) };
        if :: ack() :: skip fi
    :: taken < MESSAGES && taken == seen ->
        seen = published;
        sleeps = false;
        if
        :: taken == seen ->
#ifndef BUG_UNSAID
            if :: said != taken -> ack() :: else fi;
#endif
            if
            :: reader_waits -> sleeps = true
            :: else ->
                from_reader!READER_WAITS, 1;
#ifndef BUG_EMPTY_UNFENCED
                fence(from_reader);
#endif
#ifndef BUG_STREAM_UNSEEN
                if /* a fence in the writer's processor, too */
                :: streaming -> fence(from_writer)
                :: else
                fi;
#endif
#ifdef BUG_ONE_LOOK
                sleeps = true
#else
                seen = published;
                sleeps = (taken == seen)
#endif
            fi
        :: else
        fi;
        if
        :: sleeps ->
            atomic {
                if
                :: reader_told -> reader_told = false
                :: !late -> late = true
                fi
            }
        :: else
        fi
    od
}
