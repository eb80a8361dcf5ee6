/*
 * descriptors: how many a test's process has, for what must leave none behind.
 */
#ifndef MCQ_TESTS_SUPPORT_DESCRIPTORS_H
#define MCQ_TESTS_SUPPORT_DESCRIPTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>

/* Descriptors that the process has open, the one for looking among them. */
static inline size_t open_fd_count(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    assert_int_equal(closedir(folder), 0);
    return count;
}

#endif
