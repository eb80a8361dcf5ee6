#include "tool/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The octets [at, at + len) if they are there and lie as the machine wants them. */
static const void *part(const struct mcq_elf *elf, uint64_t at, uint64_t len)
{
    if (at > elf->len || len > elf->len - at || at % sizeof(uint64_t) != 0)
        return NULL;
    return elf->data + at;
}

static const char *texts(const struct mcq_elf *elf, const ElfW(Shdr) * section)
{
    if (section->sh_offset > elf->len || section->sh_size > elf->len - section->sh_offset ||
        section->sh_size == 0)
        return NULL;
    return (const char *) elf->data + section->sh_offset;
}

static const char *find_symbols(struct mcq_elf *elf)
{
    const ElfW(Ehdr) *header = part(elf, 0, sizeof *header);
    const ElfW(Shdr) * sections;

    if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return "this is no ELF file";
    if (header->e_ident[EI_CLASS] != (__ELF_NATIVE_CLASS == 64 ? ELFCLASS64 : ELFCLASS32))
        return "it is for another kind of machine";
    sections = part(elf, header->e_shoff, (uint64_t) header->e_shnum * sizeof *sections);
    if (sections == NULL || header->e_shentsize != sizeof *sections)
        return "its sections are not where it says";
    for (size_t i = 0; i < header->e_shnum; i++) {
        const ElfW(Shdr) *section = &sections[i];

        if (section->sh_type != SHT_DYNSYM || section->sh_link >= header->e_shnum)
            continue;
        elf->symbols = part(elf, section->sh_offset, section->sh_size);
        elf->symbol_count = section->sh_size / sizeof(ElfW(Sym));
        elf->names = texts(elf, &sections[section->sh_link]);
        elf->names_len = sections[section->sh_link].sh_size;
        if (elf->symbols == NULL || elf->names == NULL || elf->names[elf->names_len - 1] != '\0')
            return "its symbols are not where it says";
        return NULL;
    }
    return NULL; /* static: it needs nothing */
}

const char *mcq_elf_open(const char *path, struct mcq_elf *elf)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    const char *why;
    void *data;

    *elf = (struct mcq_elf) {0};
    if (fd < 0)
        return strerrordesc_np(errno);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) {
        (void) close(fd);
        return "this is no ELF file";
    }
    elf->len = (size_t) status.st_size;
    data = mmap(NULL, elf->len, PROT_READ, MAP_PRIVATE, fd, 0);
    (void) close(fd);
    if (data == MAP_FAILED)
        return strerrordesc_np(errno);
    elf->data = data;
    why = find_symbols(elf);
    if (why != NULL)
        mcq_elf_close(elf);
    return why;
}

void mcq_elf_close(struct mcq_elf *elf)
{
    if (elf->data != NULL)
        (void) munmap((void *) (uintptr_t) elf->data, elf->len);
    *elf = (struct mcq_elf) {0};
}

const char *mcq_elf_next(const struct mcq_elf *elf, const char *prefix, bool is_needed,
                         size_t *index)
{
    const ElfW(Sym) *symbols = elf->symbols;

    while (*index < elf->symbol_count) {
        const ElfW(Sym) *symbol = &symbols[(*index)++];
        const char *name;

        if (symbol->st_name >= elf->names_len || (symbol->st_shndx == SHN_UNDEF) != is_needed)
            continue;
        name = elf->names + symbol->st_name;
        if (strncmp(name, prefix, strlen(prefix)) == 0)
            return name;
    }
    return NULL;
}

bool mcq_elf_has(const struct mcq_elf *elf, const char *name)
{
    const char *found;
    size_t index = 0;

    while ((found = mcq_elf_next(elf, name, false, &index)) != NULL)
        if (strcmp(found, name) == 0)
            return true;
    return false;
}
