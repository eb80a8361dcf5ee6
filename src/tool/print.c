/* How messages and numbers are shown. */

#include <ctype.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "tool/wire.h"

static void print_text(FILE *stream, const unsigned char *data, size_t len, bool is_quoted)
{
    for (size_t i = 0; i < len; i++) {
        if (is_quoted && (data[i] == '"' || data[i] == '\\'))
            (void) fprintf(stream, "\\%c", data[i]);
        else if (data[i] >= 0x80 ? is_quoted : !isprint(data[i]))
            (void) fprintf(stream, "\\x%02x", data[i]); /* a terminal's words are not a peer's */
        else
            (void) fputc(data[i], stream);
    }
}

static void print_hex(FILE *stream, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        (void) fprintf(stream, "%02x", data[i]);
}

/* A part that is no text is an object with its octets. */
static json_t *json_of(const unsigned char *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    json_t *text = json_stringn((const char *) data, len);
    json_t *object;
    char *hex;

    if (text != NULL || len > SIZE_MAX / 2 - 1)
        return text;
    hex = malloc(2 * len + 1);
    if (hex == NULL)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = digits[data[i] >> 4];
        hex[2 * i + 1] = digits[data[i] & 15];
    }
    object = json_pack("{s:s%}", "hex", hex, 2 * len);
    free(hex);
    return object;
}

void mcq_tool_print_array(FILE *stream, const struct tool_message *message)
{
    json_t *parts = json_array();

    for (size_t i = 0; i < message->count; i++) {
        struct mcq_message *part = &message->parts[i];

        (void) json_array_append_new(parts,
                                     json_of(mcq_message_data(part), mcq_message_size(part)));
    }
    (void) json_dumpf(parts, stream, JSON_COMPACT);
    json_decref(parts);
}

static void print_part(FILE *stream, const unsigned char *data, size_t len, enum tool_format format)
{
    if (format == TOOL_HEX) {
        print_hex(stream, data, len);
        return;
    }
    (void) fputs(format == TOOL_QUOTED ? "\"" : "", stream);
    print_text(stream, data, len, format == TOOL_QUOTED);
    (void) fputs(format == TOOL_QUOTED ? "\"" : "", stream);
}

void mcq_tool_print(FILE *stream, const struct tool_message *message, enum tool_format format)
{
    for (size_t i = 0; format != TOOL_JSON && i < message->count; i++) {
        const unsigned char *data = mcq_message_data(&message->parts[i]);
        size_t len = mcq_message_size(&message->parts[i]);

        if (format == TOOL_RAW) {
            (void) fwrite(data, 1, len, stream);
            continue;
        }
        (void) fputs(i > 0 ? " | " : "", stream);
        print_part(stream, data, len, format);
    }
    if (format == TOOL_JSON)
        mcq_tool_print_array(stream, message);
    if (format != TOOL_RAW)
        (void) fputc('\n', stream);
    (void) fflush(stream);
}

void mcq_tool_write_time(char text[TOOL_TIME_BYTES])
{
    struct timespec now;
    struct tm utc;
    size_t len;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    (void) gmtime_r(&now.tv_sec, &utc);
    len = strftime(text, TOOL_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    (void) snprintf(text + len, TOOL_TIME_BYTES - len, ".%03uZ",
                    (unsigned) (now.tv_nsec / 1000000) % 1000);
}

const char *mcq_tool_number(double value)
{
    static char rooms[4][48];
    static unsigned turn;
    char digits[32];
    char *at = rooms[turn % 4];
    char *out = at;
    int len = snprintf(digits, sizeof digits, "%.0f", value);

    turn++;
    for (int i = 0; i < len && i < (int) sizeof digits - 1; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return at;
}
