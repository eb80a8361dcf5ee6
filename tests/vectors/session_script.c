#include "session_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_NS UINT64_C(1000)
#define MS_NS UINT64_C(1000000)
#define LINE_BYTES (1u << 20)

static uint64_t read_number(const char *word)
{
    char *end = NULL;
    uint64_t value = word != NULL ? strtoull(word, &end, 10) : 0;

    if (word == NULL || *word == '\0' || *end != '\0')
        give_up("a number is missing or malformed");
    return value;
}

static struct text read_hex(const char *word)
{
    struct text text = {0};

    if (word == NULL)
        give_up("octets are missing");
    text_add(&text, "", 0);
    for (; strcmp(word, "-") != 0 && *word != '\0'; word += 2) {
        unsigned octet;

        if (sscanf(word, "%2x", &octet) != 1)
            give_up("octets are malformed");
        text_add(&text, &(uint8_t) {(uint8_t) octet}, 1);
    }
    return text;
}

static struct op *script_add(struct script *script, enum op_kind kind)
{
    script->ops = realloc(script->ops, (script->op_count + 1) * sizeof *script->ops);
    if (script->ops == NULL)
        give_up("out of memory");
    struct op *op = &script->ops[script->op_count++];
    *op = (struct op) {.kind = kind};
    return op;
}

static void read_splits(struct script *script, char **rest)
{
    for (char *word = strtok_r(NULL, " ", rest); word != NULL; word = strtok_r(NULL, " ", rest)) {
        if (strcmp(word, "all") == 0) {
            script->cut_everywhere = true;
            continue;
        }
        script->cuts = realloc(script->cuts, (script->cut_count + 1) * sizeof *script->cuts);
        if (script->cuts == NULL)
            give_up("out of memory");
        script->cuts[script->cut_count++] = read_number(word);
    }
}

static void read_key(struct mcq_crypto_key *key, const char *word)
{
    struct text text = read_hex(word);

    if (text.len != sizeof *key)
        give_up("a key of another length");
    memcpy(key, text.data, sizeof *key);
    free(text.data);
}

/* false: this is no line of the configuration. */
static bool read_config(struct script *script, const char *name, const char *word, const char *next)
{
    struct mcq_session_config *config = &script->config;

    if (strcmp(name, "type") == 0) {
        enum mcq_socket_type type = mcq_socket_type_find(mcq_bytes_of(word != NULL ? word : ""));

        if (type == MCQ_SOCKET_TYPE_NONE)
            give_up("no socket type of this name");
        mcq_session_config_init(config, type, MCQ_PROFILE_COMPAT);
    } else if (strcmp(name, "routing_id") == 0) {
        script->routing_id = read_hex(word);
        config->routing_id = text_bytes(&script->routing_id);
    } else if (strcmp(name, "metadata") == 0) {
        script->metadata = read_hex(word);
        config->extra_metadata = text_bytes(&script->metadata);
    } else if (strcmp(name, "mechanism") == 0) {
        config->mechanism = strcmp(word, "PLAIN") == 0   ? MCQ_MECHANISM_PLAIN
                            : strcmp(word, "CURVE") == 0 ? MCQ_MECHANISM_CURVE
                                                         : MCQ_MECHANISM_NULL;
        config->as_server = strcmp(next, "server") == 0;
    } else if (strcmp(name, "username") == 0) {
        script->username = read_hex(word);
        config->username = text_bytes(&script->username);
    } else if (strcmp(name, "password") == 0) {
        script->password = read_hex(word);
        config->password = text_bytes(&script->password);
    } else if (strcmp(name, "curve") == 0) {
        read_key(&script->keys.own.secret, word);
        read_key(&script->keys.server, next);
        mcq_crypto_public(&script->keys.own.public, &script->keys.own.secret);
        config->curve = &script->keys;
    } else if (strcmp(name, "random") == 0) {
        script->random = read_hex(word);
    } else if (strcmp(name, "zap") == 0) {
        config->asks_zap = true;
        script->zap_status = (unsigned) read_number(word);
    } else if (strcmp(name, "max_frame_bytes") == 0) {
        config->max_frame_bytes = read_number(word);
    } else if (strcmp(name, "handshake_ms") == 0) {
        config->handshake_ns = read_number(word) * MS_NS;
    } else if (strcmp(name, "heartbeat_ms") == 0) {
        config->heartbeat_ns = read_number(word) * MS_NS;
    } else if (strcmp(name, "heartbeat_timeout_ms") == 0) {
        config->heartbeat_timeout_ns = read_number(word) * MS_NS;
    } else if (strcmp(name, "heartbeat_ttl_ds") == 0) {
        config->heartbeat_ttl_ds = (uint16_t) read_number(word);
    } else if (strcmp(name, "slack_ms") == 0) {
        script->slack_ns = read_number(word) * MS_NS;
    } else if (strcmp(name, "start") == 0) {
        script->start_ns = read_number(word) * US_NS;
    } else {
        return false;
    }
    return true;
}

static void read_op(struct script *script, const char *name, const char *word, const char *next)
{
    if (strcmp(name, "feed") == 0) {
        struct op *op = script_add(script, OP_FEED);

        op->octets = read_hex(word);
        script->input_bytes += op->octets.len;
    } else if (strcmp(name, "at") == 0) {
        script_add(script, OP_AT)->now_ns = read_number(word) * US_NS;
    } else if (strcmp(name, "due") == 0) {
        bool is_ping = word != NULL && strcmp(word, "ping") == 0;

        script_add(script, is_ping ? OP_DUE_PING : OP_DUE_CLOSE)->now_ns =
            read_number(next) * US_NS;
    } else if (strcmp(name, "frame") == 0) {
        struct op *op = script_add(script, OP_FRAME);

        op->more = read_number(word) != 0;
        op->octets = read_hex(next);
    } else if (strcmp(name, "subscribe") == 0) {
        script_add(script, OP_SUBSCRIBE)->octets = read_hex(word);
    } else if (strcmp(name, "cancel") == 0) {
        script_add(script, OP_CANCEL)->octets = read_hex(word);
    } else if (strcmp(name, "join") == 0 || strcmp(name, "leave") == 0) {
        script_add(script, *name == 'j' ? OP_JOIN : OP_LEAVE)->octets = read_hex(word);
    } else if (strcmp(name, "end") == 0) {
        script_add(script, OP_END);
    } else {
        give_up("no operation of this name");
    }
}

void script_read(struct script *script)
{
    char *line = malloc(LINE_BYTES);

    if (line == NULL)
        give_up("out of memory");
    while (fgets(line, LINE_BYTES, stdin) != NULL) {
        size_t len = strcspn(line, "\n");
        char *rest = NULL;

        if (line[len] == '\0' && !feof(stdin))
            give_up("a line is too long");
        line[len] = '\0';
        char *name = strtok_r(line, " ", &rest);
        if (name == NULL)
            continue;
        if (strcmp(name, "splits") == 0) {
            read_splits(script, &rest);
            continue;
        }
        char *word = strtok_r(NULL, " ", &rest);
        char *next = strtok_r(NULL, " ", &rest);
        if (!read_config(script, name, word, next))
            read_op(script, name, word, next);
    }
    free(line);
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->op_count; i++)
        free(script->ops[i].octets.data);
    free(script->ops);
    free(script->cuts);
    free(script->routing_id.data);
    free(script->metadata.data);
    free(script->username.data);
    free(script->password.data);
    free(script->random.data);
}
