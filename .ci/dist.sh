# shellcheck shell=bash
# Part of ./dev, which sources it: a release's tarball.

verb_dist() {
    # help: [REVISION] -- the tarball of a release, the same octets on every machine
    # help: build/dist/monocoque-VERSION.tar: the files of REVISION (HEAD) and what is generated from them. Not
    # help: compressed, for compressors differ; its SHA-256 is printed.
    local revision=${1-HEAD}
    header
    plan_steps 2
    packages base
    step dist make_dist "$revision"
}

make_dist() { say "$("$PYTHON" .ci/dist.py build/dist --revision "$1")"; }
