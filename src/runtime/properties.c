#include "runtime/properties.h"

#include <stdatomic.h>
#include <string.h>

#include "arena/alloc.h"
#include "wire/encode.h"
#include "wire/metadata.h"

#define PREFIX "X-" /* what applications may name: RFC 37 keeps the other names for itself */

struct mcq_properties {
    _Atomic uint32_t ref_count;
    size_t len;
    uint8_t octets[];
};

static bool split(struct mcq_bytes text, struct mcq_property *property)
{
    const uint8_t *colon = text.len > 0 ? memchr(text.data, ':', text.len) : NULL;
    size_t name_len = colon != NULL ? (size_t) (colon - text.data) : 0;

    if (name_len <= sizeof PREFIX - 1 || memcmp(text.data, PREFIX, sizeof PREFIX - 1) != 0)
        return false;
    property->name = mcq_bytes(text.data, name_len);
    property->value = mcq_bytes(colon + 1, text.len - name_len - 1);
    return name_len <= UINT8_MAX && property->value.len > 0;
}

/* Peers judge it by the same rules. */
static bool is_well_formed(struct mcq_bytes octets)
{
    struct mcq_metadata_decoder decoder;

    mcq_metadata_begin(&decoder, (uint32_t) octets.len, 1, 0);
    return mcq_metadata_decode(&decoder, octets) == MCQ_OK;
}

enum mcq_err mcq_properties_add(struct mcq_properties **list, struct mcq_bytes text)
{
    struct mcq_bytes before = mcq_properties_octets(*list);
    struct mcq_property property;
    struct mcq_properties *made;
    uint8_t *end;
    size_t len;

    if (!split(text, &property))
        return MCQ_INVAL;
    len = mcq_property_bytes(property.name, property.value);
    if (len > MCQ_PROPERTIES_BYTES_MAX - before.len)
        return MCQ_LIMIT;
    made = mcq_alloc(sizeof *made + before.len + len);
    if (made == NULL)
        return MCQ_NOMEM;
    end = mcq_encode_property(mcq_put_bytes(made->octets, before), property.name, property.value);
    if (!is_well_formed(mcq_bytes(end - len, len))) {
        mcq_free(made);
        return MCQ_INVAL;
    }
    atomic_init(&made->ref_count, 1);
    made->len = before.len + len;
    mcq_properties_unref(list);
    *list = made;
    return MCQ_OK;
}

struct mcq_bytes mcq_properties_octets(const struct mcq_properties *list)
{
    return list != NULL ? mcq_bytes(list->octets, list->len) : mcq_bytes(NULL, 0);
}

struct mcq_properties *mcq_properties_ref(struct mcq_properties *list)
{
    if (list != NULL)
        atomic_fetch_add_explicit(&list->ref_count, 1, memory_order_relaxed);
    return list;
}

/* Release: what this thread read of it is before the free; acquire: the free is after that. */
void mcq_properties_unref(struct mcq_properties **list)
{
    struct mcq_properties *old = *list;

    *list = NULL;
    if (old != NULL && atomic_fetch_sub_explicit(&old->ref_count, 1, memory_order_acq_rel) == 1)
        mcq_free(old);
}
