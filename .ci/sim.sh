# shellcheck shell=bash
# Part of ./dev, which sources it: whole sockets in simulated worlds.

verb_sim() {
    # help: [--seeds N] [--first SEED] [--replay SEED] [--verbose] -- sockets of each pair in N worlds
    # help: (2000) of partial writes, delays and cut connections; a seed is a world, and replays exactly.
    header
    plan_steps 2
    packages base
    step build:build-release build_preset release
    printf '\n'
    local failed=0
    build/release/tests/sim/sim_sockets "$@" || failed=1
    build/release/tests/sim/sim_stream "$@" || failed=1
    return "$failed"
}
