#include "tool/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool/tool.h"

/* --- what there is to send ------------------------------------------------------------------- */

/* All that can be read there, as a part. */
static bool add_stream(FILE *stream, struct tool_message *message)
{
    char *data = NULL;
    size_t room = 0;
    size_t len = 0;
    bool is_done;

    do {
        if (len == room) {
            char *wider = realloc(data, room = room * 2 + 4096);

            if (wider == NULL)
                break;
            data = wider;
        }
        len += fread(data + len, 1, room - len, stream);
    } while (!feof(stream) && !ferror(stream));
    is_done = feof(stream) && mcq_tool_add(message, data, len);
    free(data);
    return is_done;
}

static int of_file(const struct tool_options *options, struct tool_message *message)
{
    FILE *file = fopen(options->file, "re");
    bool is_done = file != NULL && add_stream(file, message);

    if (!is_done)
        (void) mcq_tool_fail("%s -f %s: %s", options->verb, options->file, mcq_strerror(errno));
    if (file != NULL)
        (void) fclose(file);
    return is_done ? 1 : -1;
}

static int made_up(const struct tool_options *options, struct tool_message *message)
{
    char *octets = malloc((size_t) options->size + 1);
    bool is_done = octets != NULL;

    if (is_done) {
        memset(octets, 'x', (size_t) options->size);
        is_done = mcq_tool_add(message, octets, (size_t) options->size);
    }
    free(octets);
    return is_done ? 1 : -1;
}

static int of_line(struct tool_payload *payload, struct tool_message *message)
{
    ssize_t len = getline(&payload->line, &payload->room, stdin);

    if (len < 0)
        return 0;
    if (len > 0 && payload->line[len - 1] == '\n')
        len--;
    return mcq_tool_add(message, payload->line, (size_t) len) ? 1 : -1;
}

static int of_arguments(const struct tool_options *options, struct tool_message *message)
{
    for (size_t i = 0; i < options->payload_count; i++)
        if (!mcq_tool_add(message, options->payload[i], strlen(options->payload[i])))
            return -1;
    return 1;
}

/* Arguments, a file and octets that are made up are sent once, or as often as was asked for. */
int mcq_tool_next(struct tool_payload *payload, struct tool_message *message)
{
    const struct tool_options *options = payload->options;
    bool is_fixed = options->payload_count > 0 || options->file != NULL || options->size >= 0;
    uint64_t most = options->count > 0 || !is_fixed ? (uint64_t) options->count : 1;

    mcq_tool_clear(message);
    if (mcq_tool_is_over() || (most > 0 && payload->made >= most))
        return 0;
    payload->made++;
    if (options->payload_count > 0)
        return of_arguments(options, message);
    if (options->file != NULL)
        return of_file(options, message);
    return options->size >= 0 ? made_up(options, message) : of_line(payload, message);
}

void mcq_tool_payload_free(struct tool_payload *payload)
{
    free(payload->line);
    payload->line = NULL;
}

/* --- what a command says --------------------------------------------------------------------- */

/* A file without a name that begins with the request; -1: there is none. */
static int input_of(const struct tool_message *request)
{
    int fd = memfd_create("request", MFD_CLOEXEC);

    for (size_t i = 0; fd >= 0 && i < request->count; i++) {
        struct mcq_message *part = &request->parts[i];
        size_t len = mcq_message_size(part);

        if (write(fd, mcq_message_data(part), len) != (ssize_t) len || write(fd, "\n", 1) != 1) {
            (void) close(fd);
            return -1;
        }
    }
    if (fd >= 0)
        (void) lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Starts it with these as its input and output. 0, or an errno. */
static int start(const char *command, int input, int output, pid_t *pid)
{
    const char *words[] = {"sh", "-c", command, NULL};
    posix_spawn_file_actions_t actions;
    int number;

    (void) posix_spawn_file_actions_init(&actions);
    (void) posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    (void) posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    number = posix_spawn(pid, "/bin/sh", &actions, NULL, (char **) (uintptr_t) words, environ);
    (void) posix_spawn_file_actions_destroy(&actions);
    return number;
}

/* The last newline is the command's, not the reply's. */
static void cut_newline(struct tool_message *reply)
{
    struct mcq_message *part = &reply->parts[reply->count - 1];
    const char *data = mcq_message_data(part);
    size_t len = mcq_message_size(part);
    struct mcq_message cut;

    if (len == 0 || data[len - 1] != '\n' || mcq_message_init_copy(&cut, data, len - 1) != 0)
        return;
    (void) mcq_message_move(part, &cut);
}

static bool read_reply(int fd, struct tool_message *reply)
{
    FILE *stream = fdopen(fd, "r");
    bool is_done = stream != NULL && add_stream(stream, reply);

    if (stream != NULL)
        (void) fclose(stream);
    else
        (void) close(fd);
    if (is_done)
        cut_newline(reply);
    return is_done;
}

bool mcq_tool_exec(const char *command, const struct tool_message *request,
                   struct tool_message *reply)
{
    int input = input_of(request);
    int ends[2] = {-1, -1};
    int number = input < 0 || pipe2(ends, O_CLOEXEC) != 0 ? errno : 0;
    bool is_done = false;
    int status = 0;
    pid_t pid = -1;

    mcq_tool_clear(reply);
    if (number == 0)
        number = start(command, input, ends[1], &pid);
    if (input >= 0)
        (void) close(input);
    if (ends[1] >= 0)
        (void) close(ends[1]);
    if (number == 0) {
        is_done = read_reply(ends[0], reply);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
    } else if (ends[0] >= 0) {
        (void) close(ends[0]);
    }
    if (number != 0)
        (void) mcq_tool_fail("--exec %s: %s", command, mcq_strerror(number));
    else if (status != 0)
        (void) mcq_tool_fail("--exec %s: it ended with status %d", command,
                             WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    return is_done;
}
