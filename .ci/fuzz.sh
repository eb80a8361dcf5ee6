# shellcheck shell=bash
# Part of ./dev, which sources it: fuzz campaigns, fuzz/campaign/.

verb_fuzz() {
    # help: VERB [ARGUMENT...] -- fuzz campaigns with AFL++, in the background and resumable
    # help: list                                  targets, rules of the spec they touch, corpus size, last run
    # help: start [TARGET...] [--jobs N] [--for 8h] [--name night] [--fresh]
    # help: watch | status [--json] [NAME]        the dashboard, live or once; NAME: else the latest campaign
    # help: stop | resume [NAME] [--for 8h]       by process id; nothing is lost, not even after a kill
    # help: triage | min | report [NAME]          bugs and the slow oracles, smaller corpora, a page of HTML
    # help: export FILE | import FILE | sync HOST:DIR
    # help: State is kept in build/fuzz/NAME. docs/howto/fuzz.md goes through it.
    local builds=() preset
    if (($# == 0)); then not_understood 'no verb'; fi
    case $1 in
    list) builds=(afl) ;;
    start | resume) builds=(afl afl-cmplog afl-asan coverage) ;;
    triage | min) builds=(afl asan) ;;
    report) builds=(afl coverage) ;;
    watch | status | stop | export | import | sync) ;;
    *) not_understood "$1" ;;
    esac
    if ((${#builds[@]} > 0)); then
        plan_steps $((1 + ${#builds[@]}))
        packages base fuzz >&2
        for preset in "${builds[@]}"; do
            step "build:build-$preset" build_fuzz "$preset" >&2
        done
    fi
    "$PYTHON" -m fuzz.campaign "$@"
}

# The targets of one preset, without the tests.
build_fuzz() { # PRESET
    mkdir -p "build/$1"
    exec 9>"build/$1/.lock"
    flock 9
    if [[ ! -e build/$1/build.ninja || CMakePresets.json -nt build/$1/build.ninja ]]; then
        cmake --preset "$1"
        touch "build/$1/build.ninja"
    fi
    local wanted=(fuzz_targets)
    if [[ $1 == asan ]]; then wanted+=(codec_driver session_driver); fi # of the slow oracles
    cmake --build "build/$1" --target "${wanted[@]}"
    say "$1, $(compiler "build/$1") -> $(grep -c '"name"' "build/$1/fuzz/targets.json") targets"
}
