/* What the process may have, told from files of the test's own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "support/folder.h"

struct tree {
    char root[64];
    char self[80];
};

static void write_text(const struct tree *tree, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    (void) snprintf(path, sizeof path, "%s/%s", tree->root, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void in_tree(const struct tree *tree, const char *name, int (*act)(const char *path))
{
    char path[128];

    (void) snprintf(path, sizeof path, "%s%s", tree->root, name);
    assert_int_equal(act(path), 0);
}

static int make(const char *path)
{
    return mkdir(path, 0700);
}

static void begin(struct tree *tree)
{
    *tree = (struct tree) {.root = ""};
    assert_true(make_own_folder(tree->root));
    (void) snprintf(tree->self, sizeof tree->self, "%s/self", tree->root);
    in_tree(tree, "/a", make);
    in_tree(tree, "/a/b", make);
}

static void end(struct tree *tree)
{
    static const char *const files[] = {"/self", "/memory.max", "/a/memory.max", "/a/b/memory.max"};
    static const char *const folders[] = {"/a/b", "/a", ""};
    char path[128];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void) snprintf(path, sizeof path, "%s%s", tree->root, files[i]);
        (void) unlink(path);
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        in_tree(tree, folders[i], rmdir);
}

static uint64_t limit_of(const struct tree *tree)
{
    return mcq_memory_limit_of_groups(tree->self, tree->root);
}

static void groups__the_least_of_ours_and_all_above(void **state)
{
    struct tree tree;

    (void) state;
    begin(&tree);
    assert_true(limit_of(&tree) == UINT64_MAX); /* no file */
    write_text(&tree, "self", "1:cpu:/x\n0::/a/b\n");
    assert_true(limit_of(&tree) == UINT64_MAX);
    write_text(&tree, "a/b/memory.max", "max\n");
    assert_true(limit_of(&tree) == UINT64_MAX);
    write_text(&tree, "memory.max", "9000000000\n");
    assert_true(limit_of(&tree) == 9000000000);
    write_text(&tree, "a/memory.max", "5000000\n");
    assert_true(limit_of(&tree) == 5000000);
    write_text(&tree, "a/b/memory.max", "7000000\n");
    assert_true(limit_of(&tree) == 5000000);
    write_text(&tree, "a/b/memory.max", "4096\n");
    assert_true(limit_of(&tree) == 4096);
    write_text(&tree, "self", "0::/\n");
    assert_true(limit_of(&tree) == 9000000000);
    write_text(&tree, "self", "3:memory:/a/b\n");
    assert_true(limit_of(&tree) == UINT64_MAX); /* version 1 only */
    end(&tree);
}

static void process__is_within_the_machine_and_its_own_limit(void **state)
{
    uint64_t before = mcq_memory_limit();
    struct rlimit limit;
    struct rlimit lower;

    (void) state;
    assert_true(before > 0 &&
                before <= (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE));
    assert_int_equal(getrlimit(RLIMIT_DATA, &limit), 0);
    lower = limit;
    lower.rlim_cur = before / 2;
    assert_int_equal(setrlimit(RLIMIT_DATA, &lower), 0);
    assert_true(mcq_memory_limit() == before / 2);
    assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups__the_least_of_ours_and_all_above),
        cmocka_unit_test(process__is_within_the_machine_and_its_own_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
