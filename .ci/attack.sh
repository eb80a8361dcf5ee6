# shellcheck shell=bash
# Part of ./dev, which sources it: a live socket and its honest peers among strangers that mean harm.

verb_attack() {
    # help: [--only KIND,...] [--rounds N] [--seconds S] [--mechanism null,curve] -- honest peers among attackers
    # help: A table: what fifty honest peers get before and under each attack, the memory that it took, and
    # help: whether that is what is promised (docs/explanation/threat-model.md). Exit status 1: it is not.
    # help: Some minutes; the suite attack of ./dev check full is its short form, which judges no rates.
    header
    plan_steps 2
    packages base
    step build:build-release build_preset release
    printf '\n'
    attack "$@"
}

attack() { "$PYTHON" tests/attack/attack.py build/release/tests/attack "$@"; }
