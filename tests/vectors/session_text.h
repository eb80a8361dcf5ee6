/*
 * session_text: text that grows, for the scripts and logs of session_driver.
 */
#ifndef MCQ_TESTS_VECTORS_SESSION_TEXT_H
#define MCQ_TESTS_VECTORS_SESSION_TEXT_H

#include <stddef.h>

#include "base/attr.h"
#include "base/bytes.h"

/* All zero at first; a zero stands behind what was added. free(data) ends it. */
struct text {
    char *data;
    size_t len;
    size_t room;
};

/* Ends the program with the status that says the script is to blame. (Not _Noreturn: cppcheck reads
 * on behind that.) */
__attribute__((noreturn)) void give_up(const char *what);

/* Room for so many octets more. */
void text_reserve(struct text *text, size_t more);

void text_add(struct text *text, const void *data, size_t len);

/* At most 511 octets at once. */
MCQ_PRINTF(2, 3) void text_format(struct text *text, const char *format, ...);

/* " name=0a1b", in one word. */
void text_hex(struct text *text, const char *name, struct mcq_bytes bytes);

/* Borrowed until the next change. */
struct mcq_bytes text_bytes(const struct text *text);

#endif
