# shellcheck shell=bash
# Part of ./dev, which sources it: the models of tests/model and those generated from spec/, searched by spin.

verb_model() {
    # help: [NAME...] -- searches every state of the models, written and generated, and for planted mistakes
    header
    plan_steps 1
    packages base
    printf '\n'
    "$PYTHON" tests/model/run.py "$@"
}

suite_model() { "$PYTHON" tests/model/run.py --tap; }
