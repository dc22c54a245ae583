#!/usr/bin/env bash
# The main job on a real guest: start, look, log in, copy, stop. Each command is printed before
# its output, and every result is checked. `make demo` runs it with all that it needs.
set -euo pipefail

QQMGR_CONFIG=$(realpath "$(dirname "${BASH_SOURCE[0]}")/demo.toml")
export QQMGR_CONFIG
work=$(mktemp -d)
cd "$work"

clean_up() {
    qqmgr stop demo --force >/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Prints a command line the way one would type it, then runs it.
show() {
    printf '\n$ %s\n' "$1"
    eval "$1"
}

# Like show, for a command whose output is to match a pattern.
show_match() {
    local output
    output=$(show "$2")
    printf '%s\n' "$output"
    # The first two lines are the command itself.
    tail -n +3 <<<"$output" | grep -E -- "$1" >/dev/null || fail "the output does not match '$1'"
}

# Like show, for a command that is to end with the exit code given.
show_code() {
    local code=0
    show "$2" || code=$?
    echo "(exit code $code)"
    [[ $code -eq $1 ]] || fail "the exit code is not $1"
}

fail() {
    echo "demo.sh: $*" >&2
    exit 1
}

start='qqmgr start demo --wait'
[[ ${QQMGR_ACCEL:-tcg} == tcg ]] || start+=" -- -machine accel=$QQMGR_ACCEL"

echo "# The VM is described in $QQMGR_CONFIG."
show_match '^demo +stopped' 'qqmgr list'
show_match 'started .*; after .*: ssh' "$start"
show_match '^demo: running' 'qqmgr status demo'

printf '\n# A command in the guest, and its exit code.\n'
show_match '^Linux guest ' 'qqmgr ssh demo uname -a'
show_code 7 "qqmgr ssh demo 'exit 7'"

printf '\n# Files and directories, there and back.\n'
mkdir -p tree/deep
head -c 1000000 /dev/urandom >'disk image.bin'
date >tree/deep/now
show "qqmgr put demo 'disk image.bin' tree /root/"
show "qqmgr get demo '/root/disk image.bin' back.bin"
show "cmp 'disk image.bin' back.bin && echo the same"
show 'qqmgr get demo /root/tree back'
show 'diff -r tree back && echo the same'

printf '\n# Streams.\n'
show "tar cz tree | qqmgr put demo - /tmp/tree.tgz"
show_match '^tree/deep/now$' 'qqmgr get demo /tmp/tree.tgz - | tar tz'

printf '\n# JSON, for scripts.\n'
show_match '"exit_code":0' 'qqmgr --json ssh demo uname -r'
show_match '"state":"running"' 'qqmgr list --json'

printf '\n# The end.\n'
show_match 'stopped .* powered down' 'qqmgr stop demo'
show_match '^demo +stopped' 'qqmgr list'
show_code 4 'qqmgr status demo --exit-code'
