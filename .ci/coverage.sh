# shellcheck shell=bash
# Part of ./dev, which sources it: what the generated tests reach of the generated C.

verb_coverage() {
    # help: [--all] -- lines and branches of the generated C that its generated tests reach
    # help: Fails over a line that is not reached, over a branch that is not taken unless
    # help: docs/explanation/coverage.md explains it, and over an explanation of one that is taken.
    # help: --all prints the explained ones as well.
    case ${1-} in '' | --all) ;; *) not_understood "$1" ;; esac
    header
    plan_steps 3
    packages base
    step build:build-coverage build_preset coverage
    step coverage run_generated
    printf '\n'
    "$PYTHON" .ci/coverage.py build/coverage "$@"
}

# The generated tests, and the seeds of the fuzz targets where there are any; nothing counted before.
run_generated() {
    find build/coverage -name '*.gcda' -delete
    ctest --test-dir build/coverage --output-on-failure -R '^(generated\.|fuzz\.seeds)'
    say "$(find build/coverage -name '*.gcda' | wc -l) objects have run"
}
