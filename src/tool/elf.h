/*
 * elf: the names that a program or shared library needs, and those that it has to offer.
 *
 * Layer:   tool.
 *
 * The file may be anything: every offset is checked before it is followed.
 */
#ifndef MCQ_TOOL_ELF_H
#define MCQ_TOOL_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcq_elf {
    const uint8_t *data;
    size_t len;
    const void *symbols; /* of the dynamic table */
    size_t symbol_count;
    const char *names;
    size_t names_len;
};

/* NULL: *elf is open, until mcq_elf_close. Else the reason why not. */
const char *mcq_elf_open(const char *path, struct mcq_elf *elf);
void mcq_elf_close(struct mcq_elf *elf);

/* The next symbol from *index on that begins so: needed, or offered. NULL: none is left. */
const char *mcq_elf_next(const struct mcq_elf *elf, const char *prefix, bool is_needed,
                         size_t *index);

/* Whether it offers this one. */
bool mcq_elf_has(const struct mcq_elf *elf, const char *name);

#endif
