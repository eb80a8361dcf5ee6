# shellcheck shell=bash
# Part of ./dev, which sources it: our sockets and libzmq's, pair by pair.

verb_interop() {
    # help: [--only WORD] [--transport tcp|ipc] [--engine io_uring|epoll] [--jobs N] -- every valid pair with libzmq
    # help: A table: who binds, over what, on which engine; messages are short, long, of several parts and
    # help: empty. Without arguments also: connections that are cut in the middle, and pyzmq's asyncio.
    # help: Exit status 1: something differed.
    local failed=0
    header
    plan_steps 2
    packages base
    step build:build-release build_preset release
    printf '\n'
    matrix "$@" || failed=1
    if (($# == 0)); then
        printf '\nConnections that are cut, and asyncio\n'
        MONOCOQUE_BUILD_DIR=build/release "$PYTHON" tests/interop/test_live.py || failed=1
    fi
    return "$failed"
}
