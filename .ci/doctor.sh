# shellcheck shell=bash
# Part of ./dev, which sources it: what this machine has, and what it lacks.

verb_doctor() {
    # help: -- what is missing, too old or denied here, and the remedies
    header
    doctor_tools
    doctor_kernel
    if ((doctor_findings > 0)); then
        printf '\n%d findings\n' "$doctor_findings"
        exit 1
    fi
}

doctor_findings=0

doctor_line() { # NAME STATE VERDICT REMEDY
    printf '  %-12s %-28s %s\n' "$1" "$2" "$3"
    if [[ $3 != ok && $3 != optional* ]]; then
        doctor_findings=$((doctor_findings + 1))
        printf '  %-12s   remedy: %s\n' '' "$4"
    fi
}

# Each row: name, least version, package, tier (base: needed by all), what tells the version.
doctor_tools() {
    local name least package tier tell found
    printf '\ntools\n'
    while read -r name least package tier tell; do
        found=$($tell 2>&1 </dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1) || found=''
        if [[ -z $found ]]; then
            doctor_missing
        elif ! at_least "$least" "$found"; then
            doctor_line "$name" "$found" "too old, at least $least" "Debian 12 has a newer $package"
        else
            doctor_line "$name" "$found" ok ''
        fi
    done <<'ROWS'
gcc          12.2    gcc              base   gcc -dumpfullversion
cmake        3.25    cmake            base   cmake --version
ninja        1.11    ninja-build      base   ninja --version
pkgconf      1.8     pkgconf          base   pkgconf --version
ragel        6.10    ragel            base   ragel --version
python3      3.11    python3          base   /usr/bin/python3 --version
jinja2       3.1     python3-jinja2   base   module_version jinja2
liburing     2.3     liburing-dev     base   pkgconf --modversion liburing
libsodium    1.0.18  libsodium-dev    base   pkgconf --modversion libsodium
jansson      2.14    libjansson-dev   base   pkgconf --modversion jansson
cmocka       1.1.5   libcmocka-dev    base   pkgconf --modversion cmocka
libzmq       4.3.4   libzmq3-dev      base   pkgconf --modversion libzmq
pyzmq        24.0    python3-zmq      base   module_version zmq
git          2.30    git              base   git --version
spin         6.5     spin             base   spin -V
shellcheck   0.9     shellcheck       style  shellcheck --version
clang-format 14.0    clang-format     style  clang-format --version
clang        14.0    clang            lint   clang --version
clang-tidy   14.0    clang-tidy       lint   clang-tidy --version
cppcheck     2.10    cppcheck         lint   cppcheck --version
valgrind     3.19    valgrind         full   valgrind --version
afl++        4.04    afl++            fuzz   afl-fuzz -V
scdoc        1.11    scdoc            base   scdoc -v
debootstrap  1.0     debootstrap      fresh  debootstrap --version
ROWS
}

module_version() { "$PYTHON" -c "print(__import__('$1').__version__)"; }

at_least() { # LEAST FOUND, two versions
    [[ $(printf '%s\n' "$@" | sort -V | head -n 1) == "$1" ]]
}

doctor_missing() { # the row of doctor_tools
    if [[ $tier == base ]]; then
        doctor_line "$name" missing "needed, at least $least" "./dev setup ($package)"
    else
        doctor_line "$name" missing "optional: ./dev setup --with $tier" ''
    fi
}

doctor_kernel() {
    local ring release
    printf '\nkernel\n'
    release=$(uname -r)
    if at_least 5.11 "$release"; then
        doctor_line kernel "$release" ok ''
    else
        doctor_line kernel "$release" 'optional: before 5.11 only the epoll engine runs' ''
    fi
    ring=$(io_uring_state)
    case $ring in
    ok) doctor_line io_uring ok ok '' ;;
    denied) doctor_line io_uring denied 'by a seccomp filter or kernel.io_uring_disabled' \
        'sysctl kernel.io_uring_disabled=0; in a container, allow the calls; or take epoll' ;;
    *) doctor_line io_uring "$ring" 'no ring can be set up' 'take epoll: MONOCOQUE_ENGINE=epoll' ;;
    esac
    doctor_limit memlock "$(ulimit -l)" 512 KiB 'ulimit -l 8192, or LimitMEMLOCK='
    doctor_limit 'open files' "$(ulimit -n)" 1024 '' 'ulimit -n 4096, or LimitNOFILE='
    if (($(</sys/class/net/lo/flags) & 1)); then
        doctor_line loopback up ok ''
    else
        doctor_line loopback down 'the tests talk over 127.0.0.1' 'ip link set lo up'
    fi
}

doctor_limit() { # NAME VALUE LEAST UNIT REMEDY
    if [[ $2 == unlimited ]] || (($2 >= $3)); then
        doctor_line "$1" "$2 $4" ok ''
    else
        doctor_line "$1" "$2 $4" "too small, at least $3" "$5"
    fi
}
