#include "session_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void give_up(const char *what)
{
    fprintf(stderr, "session_driver: %s\n", what);
    exit(2);
}

void text_reserve(struct text *text, size_t more)
{
    if (text->len + more <= text->room)
        return;
    text->room = 2 * (text->len + more);
    text->data = realloc(text->data, text->room);
    if (text->data == NULL)
        give_up("out of memory");
}

void text_add(struct text *text, const void *data, size_t len)
{
    text_reserve(text, len + 1);
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void text_format(struct text *text, const char *format, ...)
{
    char line[512];
    va_list list;

    va_start(list, format);
    /* The analyser does not follow va_start: NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int len = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (len < 0 || (size_t) len >= sizeof line)
        give_up("a log line is too long");
    text_add(text, line, (size_t) len);
}

void text_hex(struct text *text, const char *name, struct mcq_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";

    text_format(text, " %s=", name);
    text_reserve(text, 2 * bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        text->data[text->len++] = digits[bytes.data[i] >> 4];
        text->data[text->len++] = digits[bytes.data[i] & 15];
    }
    text->data[text->len] = '\0';
}

struct mcq_bytes text_bytes(const struct text *text)
{
    return mcq_bytes(text->data, text->len);
}
