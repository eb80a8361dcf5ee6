/*
 * tcp: a plain blocking TCP connection for the examples.
 */
#ifndef EXAMPLES_TCP_H
#define EXAMPLES_TCP_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

/* Connects to IPV4:PORT, or waits there for one peer. Neither that nor a later read or write blocks
 * for more than `patience_s` seconds. -1: it did not come about, the reason was printed. */
static inline int tcp_open(bool listens, const char *where, int patience_s)
{
    const struct timeval patience = {.tv_sec = patience_s};
    struct sockaddr_in at = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    unsigned short port;
    int fd = -1;

    if (sscanf(where, "%15[0-9.]:%hu", host, &port) != 2 ||
        inet_pton(AF_INET, host, &at.sin_addr) != 1) {
        fprintf(stderr, "%s: not of the form IPV4:PORT\n", where);
        return -1;
    }
    at.sin_port = htons(port);
    int plain = socket(AF_INET, SOCK_STREAM, 0);
    if (plain < 0 || setsockopt(plain, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        setsockopt(plain, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
        perror(where);
    } else if (!listens) {
        if (connect(plain, (const struct sockaddr *) &at, sizeof at) == 0)
            return plain;
        perror(where);
    } else {
        if (bind(plain, (const struct sockaddr *) &at, sizeof at) == 0 && listen(plain, 1) == 0)
            fd = accept(plain, NULL, NULL); /* inherits the patience */
        if (fd < 0)
            perror(where);
    }
    if (plain >= 0)
        close(plain);
    return fd;
}

#endif
