#include "pump/facts.h"

#include <string.h>

#include "arena/alloc.h"
#include "wire/metadata.h"

/* A fact in the list; its name and its value follow, with a zero behind each. */
struct fact {
    uint32_t name_len;
    uint32_t value_len;
};

/* What is counted first, and written then: NULL counts. */
struct writer {
    uint8_t *at;
    size_t len;
};

static void put_octets(struct writer *writer, const void *octets, size_t len)
{
    if (writer->at != NULL && len > 0) {
        memcpy(writer->at, octets, len);
        writer->at += len;
    }
    writer->len = mcq_size_add(writer->len, len);
}

static void put_fact(struct writer *writer, struct mcq_bytes name, struct mcq_bytes value)
{
    const struct fact fact = {(uint32_t) name.len, (uint32_t) value.len};

    put_octets(writer, &fact, sizeof fact);
    put_octets(writer, name.data, name.len);
    put_octets(writer, "", 1);
    put_octets(writer, value.data, value.len);
    put_octets(writer, "", 1);
}

static uint8_t lower(uint8_t octet)
{
    return octet >= 'A' && octet <= 'Z' ? (uint8_t) (octet - 'A' + 'a') : octet;
}

static bool is_name(struct mcq_bytes name, const char *text)
{
    if (name.len != strlen(text))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (lower(name.data[i]) != lower((uint8_t) text[i]))
            return false;
    return true;
}

/* Names that say what we, or the handler, know: not the peer's to say, in whatever letters. */
static bool is_ours(struct mcq_bytes name)
{
    return is_name(name, MCQ_FACT_PEER_ADDRESS) || is_name(name, MCQ_FACT_USER_ID);
}

static void put_all(struct writer *writer, const struct mcq_facts *facts)
{
    struct mcq_bytes rest = facts->decided;
    struct mcq_property property;

    if (facts->address.len > 0)
        put_fact(writer, mcq_bytes_of(MCQ_FACT_PEER_ADDRESS), facts->address);
    if (facts->has_user_id)
        put_fact(writer, mcq_bytes_of(MCQ_FACT_USER_ID), facts->user_id);
    while (mcq_property_next(&rest, &property))
        put_fact(writer, property.name, property.value);
    rest = facts->claimed;
    while (mcq_property_next(&rest, &property))
        if (!is_ours(property.name))
            put_fact(writer, property.name, property.value);
}

enum mcq_err mcq_facts_new(const struct mcq_facts *facts, struct mcq_buf **list)
{
    struct writer writer = {NULL, 0};

    *list = NULL;
    put_all(&writer, facts);
    if (writer.len == 0)
        return MCQ_OK;
    MCQ_TRY(mcq_buf_new(writer.len, list));
    writer = (struct writer) {mcq_buf_room(*list), 0};
    put_all(&writer, facts);
    (void) mcq_buf_freeze(*list, writer.len);
    return MCQ_OK;
}

bool mcq_facts_find(const struct mcq_buf *list, struct mcq_bytes name, struct mcq_bytes *value)
{
    const uint8_t *at = list->data;
    const uint8_t *end = at + list->frozen;

    while (at < end) {
        struct fact fact;

        memcpy(&fact, at, sizeof fact);
        at += sizeof fact;
        *value = mcq_bytes(at + fact.name_len + 1, fact.value_len);
        if (mcq_bytes_equal(mcq_bytes(at, fact.name_len), name))
            return true;
        at += (size_t) fact.name_len + 1 + fact.value_len + 1;
    }
    return false;
}
