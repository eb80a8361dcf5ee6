/*
 * main: a target as a program. Compiled by AFL++ it is one that a fuzzer starts once and feeds many
 * inputs; else it runs the files and folders that the command line names. libFuzzer needs none.
 *
 * Exit status: 0 all inputs passed, 2 one cannot be read; what fails aborts, its name printed last.
 */
#include "fuzz.h"

#ifdef __AFL_COMPILER

#include <unistd.h>

/* AFL++'s own macros. */
#pragma clang diagnostic ignored "-Wcast-qual"
#pragma clang diagnostic ignored "-Wshorten-64-to-32"

__AFL_FUZZ_INIT();

int main(void)
{
    __AFL_INIT();
    const uint8_t *data = __AFL_FUZZ_TESTCASE_BUF;

    while (__AFL_LOOP(10000))
        LLVMFuzzerTestOneInput(data, (size_t) __AFL_FUZZ_TESTCASE_LEN);
    return 0;
}

#else

#include <dirent.h>
#include <sys/stat.h>

_Noreturn static void give_up(const char *path)
{
    perror(path);
    exit(2);
}

static void run_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size + 1);

    if (file == NULL || data == NULL || fread(data, 1, size, file) < size)
        give_up(path);
    fclose(file);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static size_t run_path(const char *path)
{
    struct stat found;
    DIR *folder;
    size_t count = 0;

    if (stat(path, &found) != 0)
        give_up(path);
    if (!S_ISDIR(found.st_mode)) {
        run_file(path, (size_t) found.st_size);
        return 1;
    }
    folder = opendir(path);
    if (folder == NULL)
        give_up(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char inner[4096];

        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= (int) sizeof inner)
            give_up(path);
        count += run_path(inner);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    if (count == 0) {
        fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
        return 2;
    }
    printf("%zu inputs passed\n", count);
    return 0;
}

#endif
