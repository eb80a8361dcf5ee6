/*
 * bytes: a borrowed run of octets, and the small arithmetic that goes with it.
 *
 * Layer:   base.
 * Threads: values; no state.
 */
#ifndef MCQ_BASE_BYTES_H
#define MCQ_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"

/* Borrowed: valid as long as the function that hands it out says. data may be NULL with len 0. */
struct mcq_bytes {
    const uint8_t *data;
    size_t len;
};

static inline struct mcq_bytes mcq_bytes(const void *data, size_t len)
{
    return (struct mcq_bytes) {(const uint8_t *) data, len};
}

/* The octets of a C string, its zero left out. */
static inline struct mcq_bytes mcq_bytes_of(const char *text)
{
    return mcq_bytes(text, strlen(text));
}

/* Behind the last octet. */
static inline const uint8_t *mcq_bytes_end(struct mcq_bytes bytes)
{
    return bytes.len == 0 ? bytes.data : bytes.data + bytes.len; /* as below */
}

/* Drops the first `len` octets; len <= bytes->len. */
static inline void mcq_bytes_skip(struct mcq_bytes *bytes, size_t len)
{
    mcq_assert_hot(len <= bytes->len);
    if (len == 0)
        return; /* data may be NULL, to which C adds not even 0 */
    bytes->data += len;
    bytes->len -= len;
}

static inline bool mcq_bytes_equal(struct mcq_bytes a, struct mcq_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline size_t mcq_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline uint64_t mcq_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Big-endian reads and writes: the wire's only byte order. Unaligned addresses are fine. */
static inline uint16_t mcq_get_u16be(const uint8_t *at)
{
    return (uint16_t) ((uint16_t) at[0] << 8 | at[1]);
}

static inline uint32_t mcq_get_u32be(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t mcq_get_u64be(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return __builtin_bswap64(value);
}

static inline uint8_t *mcq_put_u8(uint8_t *at, uint8_t value)
{
    *at = value;
    return at + 1;
}

static inline uint8_t *mcq_put_u16be(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t) (value >> 8);
    at[1] = (uint8_t) value;
    return at + 2;
}

static inline uint8_t *mcq_put_u32be(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *mcq_put_u64be(uint8_t *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

/* Overwrites a secret, in a way that no compiler may leave out. */
static inline void mcq_wipe(void *at, size_t len)
{
    if (len > 0)
        memset(at, 0, len);
    __asm__ __volatile__("" : : "r"(at) : "memory");
}

/* Copies octets and returns the end of the copy. bytes may be empty with NULL data. */
static inline uint8_t *mcq_put_bytes(uint8_t *at, struct mcq_bytes bytes)
{
    if (bytes.len > 0)
        memcpy(at, bytes.data, bytes.len);
    return at + bytes.len;
}

#endif
