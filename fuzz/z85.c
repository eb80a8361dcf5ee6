/* Octets as text, and back: the input is taken for either. What has a form as the other comes back
 * from it the same, and whole groups have one. */

#define FUZZ_OCTETS_MAX 1024
#include "program.h"

#include "wire/z85.h"

static uint8_t *room(size_t len)
{
    uint8_t *at = malloc(len + 1);

    if (at == NULL)
        fuzz_fail("out of memory");
    return at;
}

static void from_octets(struct mcq_bytes octets)
{
    size_t text_len = MCQ_Z85_TEXT_LEN(octets.len);
    char *text = (char *) room(text_len);
    uint8_t *back = room(octets.len);

    if ((mcq_z85_encode(octets, text) == MCQ_OK) != (octets.len % MCQ_Z85_OCTETS == 0))
        fuzz_fail("whole groups, and only those, have a text");
    if (octets.len % MCQ_Z85_OCTETS == 0 &&
        (mcq_z85_decode(mcq_bytes(text, text_len), back) != MCQ_OK ||
         !mcq_bytes_equal(mcq_bytes(back, octets.len), octets)))
        fuzz_fail("octets do not come back");
    free(back);
    free(text);
}

static void from_text(struct mcq_bytes text)
{
    size_t len = MCQ_Z85_LEN(text.len);
    uint8_t *octets = room(len);
    char *back = (char *) room(text.len);

    if (mcq_z85_decode(text, octets) == MCQ_OK &&
        (mcq_z85_encode(mcq_bytes(octets, len), back) != MCQ_OK ||
         !mcq_bytes_equal(mcq_bytes(back, text.len), text)))
        fuzz_fail("a text does not come back");
    free(back);
    free(octets);
}

static void fuzz_one(const struct fuzz_input *input)
{
    from_octets(input->octets);
    from_text(input->octets);
}
