#include "runtime/memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"

#define SPARE_BYTES (UINT64_C(64) << 20) /* of a machine that does not say what it has */

/* memory.max in this directory: a number, or "max". */
static uint64_t limit_in(const char *directory)
{
    char path[PATH_MAX];
    uint64_t bytes = UINT64_MAX;
    FILE *file;

    if (snprintf(path, sizeof path, "%s/memory.max", directory) >= (int) sizeof path)
        return UINT64_MAX;
    file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    if (fscanf(file, "%" SCNu64, &bytes) != 1)
        bytes = UINT64_MAX;
    (void) fclose(file);
    return bytes;
}

/* Our group's path: the line of version 2 begins with "0::". */
static bool find_group(const char *self, char *group, size_t room)
{
    FILE *file = fopen(self, "re");
    bool is_found = false;

    if (file == NULL)
        return false;
    while (!is_found && fgets(group, (int) room, file) != NULL)
        is_found = strncmp(group, "0::/", 4) == 0;
    (void) fclose(file);
    if (!is_found)
        return false;
    group[strcspn(group, "\n")] = '\0';
    memmove(group, group + 3, strlen(group + 3) + 1);
    return true;
}

uint64_t mcq_memory_limit_of_groups(const char *self, const char *root)
{
    char group[PATH_MAX];
    char path[PATH_MAX];
    uint64_t least = UINT64_MAX;
    int len;

    if (!find_group(self, group, sizeof group))
        return UINT64_MAX;
    len = snprintf(path, sizeof path, "%s%s", root, group);
    if (len < 0 || len >= (int) sizeof path)
        return UINT64_MAX;
    for (char *slash = path + len; slash != NULL; slash = strrchr(path + strlen(root), '/')) {
        *slash = '\0';
        least = mcq_min_u64(least, limit_in(path));
    }
    return least;
}

static uint64_t limit_of(int resource)
{
    struct rlimit limit;

    return getrlimit((__rlimit_resource_t) resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
               ? limit.rlim_cur
               : UINT64_MAX;
}

uint64_t mcq_memory_limit(void)
{
    long page_count = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t least = page_count > 0 && page_bytes > 0
                         ? (uint64_t) page_count * (uint64_t) page_bytes
                         : SPARE_BYTES;

    least = mcq_min_u64(least, limit_of(RLIMIT_AS));
    least = mcq_min_u64(least, limit_of(RLIMIT_DATA));
    least = mcq_min_u64(least, mcq_memory_limit_of_groups("/proc/self/cgroup", "/sys/fs/cgroup"));
    return least > 0 ? least : 1;
}
