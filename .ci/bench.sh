# shellcheck shell=bash
# Part of ./dev, which sources it: the benchmarks, which judge nothing.

verb_bench() {
    # help: [quick|compare|profile|NAME...] [OPTION...] -- figures against libzmq and nng, and a report
    # help: Without a name all of it (45 minutes), quick what was asked for (2 minutes), compare one program
    # help: written against zmq.h with our libzmq.so.5 and the system's, profile where the time of a message goes.
    # help: NAME: throughput trip open pairs fanout fanin router memory peers topics apart cost
    # help:       --rounds=5 --seconds=1 --lanes=NAME,... --out=DIR
    # help: A bench/NAME.c answers one question: frame_decode path prefixes pump_stream reserve.
    if [[ -n ${1-} && -e bench/$1.c ]]; then
        bench_program "$@"
        return
    fi
    local tier=bench
    if [[ ${1-} == profile ]]; then tier=profile; fi
    header
    plan_steps 2
    packages base "$tier"
    step build:build-bench build_bench drivers
    printf '\n'
    exec "$PYTHON" -m bench.suite "$@"
}

bench_program() { # NAME [ARGUMENT...]
    header
    plan_steps 2
    packages base
    step build:build-bench build_bench "$1"
    printf '\n'
    exec "build/bench/bench/$1" "${@:2}"
}

# A tree of its own: release flags, and none of the other presets builds what is measured as a whole.
build_bench() { # TARGET
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
