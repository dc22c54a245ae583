#!/usr/bin/env bash
# Makes sure the programs that `make test` and `make demo` run are installed:
# QEMU itself, the OpenSSH client, ip, and what tests/guest/build.sh uses to put a
# guest together. A machine that has them all gets no output and no apt-get.
set -euo pipefail

# Each program, and the Debian/Ubuntu packages that make it work.
programs=(
    # Named together, so that apt takes both from one release or fails.
    "qemu-system-x86_64:qemu-system-x86 qemu-utils"
    qemu-img:qemu-utils
    ssh:openssh-client
    scp:openssh-client
    ssh-keygen:openssh-client
    zsh:zsh
    cpio:cpio
    ip:iproute2
    "cc:gcc libc6-dev"
)

has() {
    command -v "$1" >/dev/null 2>&1
}

missing_programs() {
    local entry
    for entry in "${programs[@]}"; do
        has "${entry%%:*}" || printf '%s\n' "${entry%%:*}"
    done
}

missing_packages() {
    local entry
    for entry in "${programs[@]}"; do
        # Unquoted: an entry may name more than one package.
        # shellcheck disable=SC2086
        has "${entry%%:*}" || printf '%s\n' ${entry#*:}
    done | sort -u
}

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        echo "packages.sh: not root and there is no sudo; run as root: $*" >&2
        return 1
    fi
}

# apt-get is noisy when all goes well; its output matters only when it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null || status=$?
    [[ $status -eq 0 ]] || tail -n 15 "$log" >&2
    rm -f "$log"
    return "$status"
}

# A qemu-utils from backports refuses to live next to the stable release's
# qemu-system-x86, so the second attempt takes it from the release itself.
install() {
    local package codename pinned=()
    quietly apt-get install -y --no-install-recommends "$@" && return
    # shellcheck disable=SC1091
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    [[ -n $codename ]] || return 1
    for package in "$@"; do
        case $package in
            qemu-*) ;;
            *) pinned+=("$package") ;;
        esac
    done
    pinned+=(qemu-system-x86 "qemu-utils/$codename")
    echo "packages.sh: trying again with the QEMU of $codename"
    quietly apt-get install -y --no-install-recommends --allow-downgrades "${pinned[@]}"
}

explain() {
    local family
    # shellcheck disable=SC1091
    family=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${ID_LIKE:-}") || family=
    {
        echo "packages.sh: these programs are missing:" "$@"
        case " $family " in
            *" fedora "* | *" rhel "*)
                echo "  dnf install qemu-system-x86-core qemu-img openssh-clients zsh cpio gcc" ;;
            *" arch "*)
                echo "  pacman -S --needed qemu-base openssh zsh cpio gcc" ;;
            *suse*)
                echo "  zypper install qemu-x86 qemu-tools openssh-clients zsh cpio gcc" ;;
            *" alpine "*)
                echo "  apk add qemu-system-x86_64 qemu-img openssh-client zsh cpio gcc musl-dev bash" ;;
            *)
                echo "  install QEMU for x86_64 with qemu-img, the OpenSSH client, zsh, cpio and gcc" ;;
        esac
        echo "The demo guest is built from Debian packages, so apt-get and dpkg-deb are needed too:"
        echo "use a Debian or Ubuntu machine or container for \`make test\` and \`make demo\`."
    } >&2
}

mapfile -t missing < <(missing_programs)
has apt-get || missing+=(apt-get)
has dpkg-deb || missing+=(dpkg-deb)
[[ ${#missing[@]} -gt 0 ]] || exit 0

if ! has apt-get || ! has dpkg-deb; then
    explain "${missing[@]}"
    exit 1
fi

mapfile -t packages < <(missing_packages)
echo "packages.sh: installing ${packages[*]}"
# With stale lists the install may still work, so a failure here is not the end.
quietly apt-get update || true
install "${packages[@]}"

# To install one package apt may have removed another that we need.
hash -r
mapfile -t packages < <(missing_packages)
[[ ${#packages[@]} -eq 0 ]] || install "${packages[@]}"

hash -r
mapfile -t missing < <(missing_programs)
if [[ ${#missing[@]} -gt 0 ]]; then
    echo "packages.sh: still missing after the install: ${missing[*]}" >&2
    exit 1
fi
