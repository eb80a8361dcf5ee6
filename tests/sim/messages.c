/* What is sent in a world: its octets follow from the seed and their number. */
#include <string.h>

#include "sim/world.h"

uint64_t world_mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Less than what any peer may have in spite of the budget, in all parts together. */
#define NARROW_BYTES 3000

bool world_is_narrow(uint64_t seed)
{
    return world_mix(seed + 9) % 4 == 0;
}

/* What others have used of the budget: in half of these worlds, all of it. */
uint64_t world_others_bytes(uint64_t seed)
{
    return world_is_narrow(seed) && world_mix(seed + 11) % 2 == 0 ? 60001 : 0;
}

unsigned world_part_count(uint64_t seed, uint32_t number)
{
    uint64_t chance = world_mix(seed ^ world_mix(number)) % 10;

    return chance < 6 ? 1 : (unsigned) (1 + chance % PARTS_MAX);
}

/* The first part begins with the number, so that any message says which one it is. */
static size_t part_len(uint64_t seed, uint32_t number, unsigned part)
{
    static const uint32_t edges[] = {0, 1, 55, 56, 57, 255, 256, 4096, 4097, 8191, 65535, 65536};
    uint64_t chance = world_mix(seed + (uint64_t) number * PARTS_MAX + part);
    size_t len = chance % 4 == 0 ? edges[chance / 7 % MCQ_COUNTOF(edges)] : chance / 7 % 300;

    if (chance % 97 == 0)
        len = chance % 200000;
    if (world_is_narrow(seed))
        len %= NARROW_BYTES;
    return part == 0 ? len + sizeof number : len;
}

static uint8_t octet_at(uint32_t number, unsigned part, size_t index)
{
    return (uint8_t) (number * 7 + part * 31 + index * 13 + (index >> 8));
}

bool world_fill(struct mcq_msg *msg, uint64_t seed, uint32_t number, unsigned part)
{
    size_t len = part_len(seed, number, part);
    uint8_t *at;

    if (mcq_msg_init_size(msg, len) != MCQ_OK)
        return false;
    at = mcq_msg_fill(msg);
    for (size_t i = 0; i < len; i++)
        at[i] = octet_at(number, part, i);
    if (part == 0)
        memcpy(at, &number, sizeof number);
    return true;
}

bool world_is_filled(const struct mcq_msg *msg, uint64_t seed, uint32_t number, unsigned part)
{
    const uint8_t *at = mcq_msg_data(msg);
    size_t len = mcq_msg_len(msg);

    if (len != part_len(seed, number, part))
        return false;
    for (size_t i = part == 0 ? sizeof number : 0; i < len; i++)
        if (at[i] != octet_at(number, part, i))
            return false;
    return true;
}
