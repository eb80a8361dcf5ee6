/* congestion: loaded before the C library, gives every TCP stream of a process the congestion
 * control that BENCH_CONGESTION names. What a listener accepts inherits it. */
#define _GNU_SOURCE /* NOLINT(bugprone-reserved-identifier) */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int socket(int domain, int type, int protocol)
{
    int fd = (int) syscall(SYS_socket, domain, type, protocol);
    const char *name = getenv("BENCH_CONGESTION");

    if (fd >= 0 && name != NULL && (domain == AF_INET || domain == AF_INET6)) {
        int saved = errno;

        (void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t) strlen(name));
        errno = saved;
    }
    return fd;
}
