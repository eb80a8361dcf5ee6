# shellcheck shell=bash
# Part of ./dev, which sources it: the proof that the README's two commands need nothing but a
# bare Debian 12.

verb_fresh() {
    # help: [--worktree] -- demo and check inside a bare Debian 12 tree
    # help: Takes the committed HEAD, or with --worktree what lies in the tree. Needs root.
    # help: The bare tree is made once (build/fresh/bare.tar); each run starts from a new copy.
    local source=fresh_head
    case ${1-} in
    --worktree) source=fresh_worktree ;;
    '') ;;
    *) not_understood "$1" ;;
    esac
    if ((EUID != 0)); then die 2 'fresh needs root for its chroot: sudo ./dev fresh'; fi
    header
    plan_steps 4
    packages base fresh
    step bare fresh_bare
    step copy fresh_copy
    step source "$source"
    printf '\n'
    fresh_run
    rm -rf build/fresh/root
    tail -n 1 "$LOG/fresh.log" | grep -qE '^[0-9]+ passed, 0 failed, [0-9]+ skipped$' ||
        die 1 'fresh: the last line does not say "0 failed"'
}

readonly FRESH=$ROOT/build/fresh/root
readonly FRESH_HOME=/srv/monocoque

# A minimal tree, from wherever this machine gets its own packages.
fresh_bare() {
    local mirror
    mkdir -p build/fresh
    if [[ -e build/fresh/bare.tar ]]; then say 'kept from an earlier run' && return; fi
    # shellcheck disable=SC2016  # apt's own variable
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        'Codename: bookworm' | head -n 1)
    rm -rf "$FRESH"
    debootstrap --variant=minbase bookworm "$FRESH" "$mirror"
    rm -rf "$FRESH"/var/cache/apt/archives/*.deb
    tar -C "$FRESH" -cf build/fresh/bare.tar.part .
    mv build/fresh/bare.tar.part build/fresh/bare.tar
    say 'debootstrap --variant=minbase bookworm'
}

fresh_copy() {
    local path
    rm -rf "$FRESH"
    mkdir -p "$FRESH"
    tar -C "$FRESH" -xf build/fresh/bare.tar
    # The way to the packages is the host's: sources, proxies, keys and names.
    rm -rf "$FRESH/etc/apt"
    for path in /etc/apt /etc/ssl/certs /usr/share/keyrings /etc/resolv.conf /etc/hosts; do
        if [[ -e $path ]]; then
            mkdir -p "$(dirname "$FRESH$path")"
            cp -aL --remove-destination -T "$path" "$FRESH$path"
        fi
    done
    for path in git sudo python3 cc; do
        if [[ -e $FRESH/usr/bin/$path ]]; then
            printf 'not bare: %s is there\n' "$path"
            return 1
        fi
    done
    say 'no git, sudo, python3 or cc inside'
}

fresh_head() {
    mkdir -p "$FRESH$FRESH_HOME"
    git archive HEAD | tar -C "$FRESH$FRESH_HOME" -x
    say "HEAD, $(git describe --always --tags)"
}

fresh_worktree() {
    mkdir -p "$FRESH$FRESH_HOME"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -rd '' path; do if [[ -e $path ]]; then printf '%s\0' "$path"; fi; done |
        tar --null --files-from=- -c | tar -C "$FRESH$FRESH_HOME" -x
    say 'the tree as it lies here'
}

# Demo and check in namespaces of their own: when they end, in whatever way, the kernel takes down
# every mount and process with them.
fresh_run() {
    local status=0
    start "$LOG/fresh.log" unshare --mount --pid --fork --kill-child \
        "$BASH" -euc "$(declare -f fresh_inside); fresh_inside $FRESH $FRESH_HOME"
    tail -n +1 -f --pid="$child" "$LOG/fresh.log" &
    wait "$child" || status=$?
    child=''
    wait # for the last lines to be shown
    if ((status != 0)); then die 1 "fresh: failed; see build/fresh/root and $LOG/fresh.log"; fi
}

fresh_inside() { # ROOT HOME
    mount -t proc proc "$1/proc"
    mount -t sysfs -o ro sysfs "$1/sys"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/tmp"
    exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        ${http_proxy+http_proxy="$http_proxy"} ${https_proxy+https_proxy="$https_proxy"} \
        bash -c "cd $2 && ./dev demo && printf '\n' && ./dev check"
}
