#!/usr/bin/env bash
# Builds the small Linux guest that the tests and the demo boot, out of the
# distribution's own packages: nothing is installed and no binary is kept in the
# repository. The result is cached; a call that finds it current does nothing.
#
#   tests/guest/build.sh [OUTDIR]        (target/guest unless told otherwise)
#
# leaves vmlinuz, initrd.img and id_ed25519 (with its .pub) in OUTDIR.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../../target/guest}

# In the order they have to be loaded; those built into the kernel are skipped.
modules=(
    virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci
    failover net_failover virtio_net virtio_blk virtio_console virtio-rng
    nvme-core nvme button evdev
)

die() {
    echo "build.sh: $*" >&2
    exit 1
}

# ---- the cache ---------------------------------------------------------------

want=$(cat "$here"/{build.sh,init,seed.c,sshd_config} | sha256sum)

current() {
    [[ -s $out/vmlinuz && -s $out/initrd.img && -s $out/id_ed25519 && -s $out/id_ed25519.pub &&
        -f $out/stamp && $(<"$out/stamp") == "$want" ]]
}

current && exit 0
mkdir -p "$out"
out=$(cd "$out" && pwd)
exec 9>"$out/.lock"
flock 9
current && exit 0 # someone else built it while we waited

rm -rf "$out"/.build.* # left by a build that was killed outright
work=$(mktemp -d "$out/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- the packages ------------------------------------------------------------

for program in apt-get apt-cache dpkg-deb ssh-keygen cpio cc readelf; do
    command -v "$program" >/dev/null || die "$program is missing; see tests/guest/packages.sh"
done
[[ $(dpkg --print-architecture) == amd64 ]] ||
    die "the guest is made of this machine's packages, and they have to be amd64"

echo "building the test guest in $out (downloads some 40 MB of packages, once)"

# The packages given and whatever they depend on, as long as the name matches.
closure() {
    local pattern=$1 found=() next=()
    shift
    next=("$@")
    while [[ ${#next[@]} -gt 0 ]]; do
        found+=("${next[@]}")
        mapfile -t next < <(
            apt-cache depends --important "${next[@]}" |
                sed -nE 's/^ *\|?(Pre)?Depends: ([^<>]+)$/\2/p' | sort -u |
                grep -E "$pattern" | grep -vxF -f <(printf '%s\n' "${found[@]}")
        )
    done
    printf '%s\n' "${found[@]}"
}

kernel_metapackage() {
    local name
    for name in linux-image-cloud-amd64 linux-image-virtual linux-image-generic; do
        if apt-cache show "$name" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    return 1
}

apt_update() {
    if [[ $(id -u) -eq 0 ]]; then
        apt-get update
    else
        sudo apt-get update
    fi
}

# apt drops to the user _apt for downloads, who cannot write to our directory.
download() {
    local meta packages options=()
    [[ $(id -u) -ne 0 ]] || options=(-o APT::Sandbox::User=root)
    meta=$(kernel_metapackage) || return 1
    closure '^linux-(image|modules)-[0-9]' "$meta" >"$work/packages"
    # lz4 and zstd are for here, to unpack the kernel and its modules.
    closure '^(lib|zlib)' busybox-static openssh-server openssh-sftp-server lz4 zstd \
        >>"$work/packages"
    mapfile -t packages <"$work/packages"
    (cd "$work/debs" && apt-get "${options[@]}" download "${packages[@]}")
}

mkdir "$work/debs" "$work/unpacked"
if ! download >"$work/log" 2>&1; then
    # Most likely the package lists are missing or out of date.
    apt_update >>"$work/log" 2>&1 || true
    download >>"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        die "could not download the guest's packages"
    }
fi
for deb in "$work"/debs/*.deb; do
    dpkg-deb -x "$deb" "$work/unpacked"
done

# ---- the root file system ----------------------------------------------------

# The one path below the unpacked packages that ends so.
unpacked() {
    local path
    path=$(find "$work/unpacked" -path "*/$1" -print -quit)
    [[ -n $path ]] || die "no $1 in the downloaded packages"
    echo "$path"
}

kernel=$(unpacked 'boot/vmlinuz-*')
busybox=$(unpacked bin/busybox)
loader=$(unpacked ld-linux-x86-64.so.2)
libraries=$(find "$work/unpacked" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)

# Runs a program from the packages with the packages' own libraries.
run_unpacked() {
    "$loader" --inhibit-cache --library-path "$libraries" "$@"
}

root=$work/root
mkdir -p "$root"/{bin,sbin,lib,lib64,lib/modules,usr/bin,usr/sbin,usr/lib/openssh,usr/libexec} \
    "$root"/{dev,proc,sys,run,tmp,mnt,var/log,var/empty,etc/acpi/PWRF,etc/ssh}
mkdir -p "$root/root/.ssh"
chmod 700 "$root/root" "$root/root/.ssh"
ln -s ../run "$root/var/run"
ln -s ../tmp "$root/var/tmp"

install -m 755 "$here/init" "$root/init"
install -m 755 "$busybox" "$root/bin/busybox"
"$busybox" --list-full | while read -r applet; do
    [[ -e $root/$applet || -L $root/$applet ]] || ln -s /bin/busybox "$root/$applet"
done

cc -static -Os -Wall -o "$root/sbin/seed" "$here/seed.c"
head -c 64 /dev/urandom >"$root/etc/seed"

install -m 755 "$(unpacked sbin/sshd)" "$root/usr/sbin/sshd"
# Since OpenSSH 9.8, sshd has programs of its own for a session and for its login.
for program in sftp-server sshd-session sshd-auth; do
    path=$(find "$work/unpacked" -path "*/usr/lib/openssh/$program" -print -quit)
    [[ -z $path ]] || install -m 755 "$path" "$root/usr/lib/openssh/$program"
done
install -m 644 "$here/sshd_config" "$root/etc/ssh/sshd_config"

install -m 755 "$loader" "$root/lib64/ld-linux-x86-64.so.2"
for program in "$root/usr/sbin/sshd" "$root"/usr/lib/openssh/*; do
    run_unpacked --list "$program" | awk '$2 == "=>" { print $1, $3 }'
done | sort -u | while read -r name path; do
    case $path in
        "$loader") ;;
        "$work"/*) install -m 755 "$path" "$root/lib/$name" ;;
        *) die "$name is not in the downloaded packages" ;;
    esac
done
# Before glibc 2.34 the lookup of users was a library loaded at run time.
find "$work/unpacked" -name libnss_files.so.2 -exec install -m 755 {} "$root/lib/" \;

unpack_module() {
    case $1 in
        *.ko) cat "$1" ;;
        *.ko.gz) "$busybox" zcat "$1" ;;
        *.ko.xz) "$busybox" xzcat "$1" ;;
        *.ko.zst) run_unpacked "$(unpacked bin/zstd)" -dc "$1" ;;
    esac
}

for module in "${modules[@]}"; do
    path=$(find "$work/unpacked" -path "*/modules/*" \
        \( -name "$module.ko" -o -name "$module.ko.*" \) -print -quit)
    [[ -n $path ]] || continue
    unpack_module "$path" >"$root/lib/modules/$module.ko"
    echo "$module.ko" >>"$root/lib/modules/order"
done

echo 'root:*:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'sshd:*:100:100::/run/sshd:/bin/false' >>"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo /bin/sh >"$root/etc/shells"
echo guest >"$root/etc/hostname"
echo '127.0.0.1 localhost guest' >"$root/etc/hosts"
echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
printf '#!/bin/sh\nkill -USR2 1\n' >"$root/etc/acpi/PWRF/00000080"
chmod 755 "$root/etc/acpi/PWRF/00000080"

# ---- the keys: made here, never shipped ----------------------------------------

mkdir "$work/new"
ssh-keygen -q -t ed25519 -N '' -C qqmgr-test-guest -f "$work/new/id_ed25519"
install -m 600 "$work/new/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
ssh-keygen -q -t ed25519 -N '' -C guest -f "$root/etc/ssh/ssh_host_ed25519_key"

# ---- the result ----------------------------------------------------------------

# A kernel that unpacks itself is slow under TCG: half a second at power-on, and
# up to ten after a reboot, when it writes over code that QEMU has translated. So
# it is unpacked here, if it then can be booted as it is (it has a PVH entry).
unpack_kernel() {
    local sects offset length magic
    # From the boot protocol: setup_sects, payload_offset and payload_length; the
    # payload ends in four bytes of its size that are not for the decompressor.
    sects=$(od -An -tu1 -j$((0x1f1)) -N1 "$1")
    read -r offset length < <(od -An -tu4 -j$((0x248)) -N8 "$1")
    offset=$((offset + (sects + 1) * 512))
    tail -c +$((offset + 1)) "$1" | head -c $((length - 4)) >"$work/payload" || true
    magic=$(od -An -tx1 -N4 "$work/payload" | tr -d ' ')
    case $magic in
        02214c18) run_unpacked "$(unpacked bin/lz4)" -dcq "$work/payload" ;;
        28b52ffd) run_unpacked "$(unpacked bin/zstd)" -dcq "$work/payload" ;;
        fd377a58) "$busybox" xzcat "$work/payload" ;;
        1f8b*) "$busybox" zcat "$work/payload" ;;
        *) return 1 ;;
    esac
}

if unpack_kernel "$kernel" >"$work/vmlinux" &&
    readelf --notes "$work/vmlinux" 2>&1 | grep -A1 Xen | grep 0x00000012 >/dev/null; then
    install -m 644 "$work/vmlinux" "$work/new/vmlinuz"
else
    install -m 644 "$kernel" "$work/new/vmlinuz"
fi
(cd "$root" && find . -print0 | sort -z |
    cpio --null --create --format=newc --owner=0:0 --quiet) >"$work/new/initrd.img"

# The stamp goes first and comes back last, so that whatever interrupts this
# leaves a guest that the next call builds again.
rm -f "$out/stamp"
mv -f "$work"/new/* "$out/"
printf '%s\n' "$want" >"$work/stamp"
mv -f "$work/stamp" "$out/stamp"
