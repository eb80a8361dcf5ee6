# shellcheck shell=bash
# Part of ./dev, which sources it: the benchmarks, which judge nothing.

verb_bench() {
    # help: [race|NAME] [OPTION...] -- races libraries over loopback TCP, or runs bench/NAME.c
    # help: race: --engine=NAME,... (the first is compared with the others) --rounds=5 --seconds=1
    # help:       --json=FILE (from the root of the tree); every library found is in it.
    local name=race
    if (($# > 0)) && [[ $1 != -* ]]; then name=$1 && shift; fi
    if [[ ! -e bench/$name.c || $name == adapter_* ]]; then not_understood "$name"; fi
    header
    plan_steps 2
    packages base
    step build:build-bench build_bench "$name"
    printf '\n'
    exec "build/bench/bench/$name" "$@"
}

# A tree of its own: release flags, and none of the other presets builds benchmarks.
build_bench() { # NAME
    mkdir -p build/bench
    exec 9>build/bench/.lock
    flock 9
    if [[ ! -e build/bench/build.ninja || CMakePresets.json -nt build/bench/build.ninja ]]; then
        cmake --preset release -B build/bench -DMONOCOQUE_BENCH=ON -DMONOCOQUE_TESTS=OFF \
            -DMONOCOQUE_EXAMPLES=OFF
        touch build/bench/build.ninja
    fi
    cmake --build build/bench --target "bench_$1"
    say "release, $(compiler build/bench) -> $1"
}
