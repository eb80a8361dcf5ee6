/* attack: what the programs of this folder share: words to and from attack.py, one line each. */
#ifndef MCQ_TESTS_ATTACK_ATTACK_H
#define MCQ_TESTS_ATTACK_ATTACK_H

#include <stdarg.h>
#include <sys/resource.h>

#include "long/long.h"

#define ATTACK_LINE_BYTES 256
#define ATTACK_KEY_BYTES 41

/* One line, at once: somebody waits for it. */
__attribute__((format(printf, 1, 2))) static inline void tell(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    (void) vprintf(format, values);
    va_end(values);
    (void) putchar('\n');
    (void) fflush(stdout);
}

/* The next line that was asked; false: nobody asks any more. */
static inline bool hear(char line[ATTACK_LINE_BYTES])
{
    size_t len = 0;
    char octet;

    while (len + 1 < ATTACK_LINE_BYTES && read(STDIN_FILENO, &octet, 1) == 1) {
        if (octet == '\n') {
            line[len] = '\0';
            return true;
        }
        line[len++] = octet;
    }
    return false;
}

/* The value of --NAME VALUE, NULL: it is not there. */
static inline const char *text_of(int count, char **words, const char *name)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(words[i], name) == 0)
            return words[i + 1];
    return NULL;
}

/* Processor time of this process so far. */
static inline uint64_t processor_us(void)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) != 0)
        exit(1);
    return (uint64_t) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u +
           (uint64_t) (used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

#endif
