#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the cached base of both guests once: Debian's cloud kernel, an initramfs that finds the
# disks, and one ext4 image with a Debian root. Prints the folder of the base on standard output.
#
# The packages come from the apt sources of this machine and are checked by apt's and
# debootstrap's signatures. No mounts are left: the image is filled by mkfs.ext4 -d.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly kSuite=bookworm
readonly kKeyring=/usr/share/keyrings/debian-archive-keyring.gpg
readonly kKernelMeta=linux-image-cloud-amd64
# What the initramfs needs before the root image is there; all else is loaded on demand.
readonly kStage1Modules=(virtio_pci virtio_blk virtio_console erofs)
readonly kPackages=(
  systemd systemd-sysv dbus dbus-user-session libpam-systemd  # the systemd driver, both buses
  uidmap                                                       # rootless: newuidmap, newgidmap
  criu iptables nftables                                       # checkpoint and restore
  apparmor                                                     # apparmor_parser, for profiles
  nfs-kernel-server ksmbd-tools                                # what volumes are mounted from
  xfsprogs                                                     # project quotas
  passt slirp4netns                                            # rootless networks
  busybox-static kmod procps iproute2 strace
)

# Nothing in the tests needs these, and each costs a second under emulation.
readonly kMaskedUnits=(
  apparmor.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer
  e2scrub_all.timer e2scrub_reap.service systemd-tmpfiles-clean.timer
  getty.target getty@.service serial-getty@.service
  modprobe@.service systemd-modules-load.service nftables.service
  dev-hugepages.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount systemd-binfmt.service
  systemd-journald-audit.socket systemd-journal-flush.service
  rpcbind.service rpcbind.socket nfs-server.service nfs-blkmap.service nfs-idmapd.service rpc-statd-notify.service
  nfsdcld.service nfs-mountd.service run-rpc_pipefs.mount proc-fs-nfsd.mount ksmbd.service xfs_scrub_all.timer
  systemd-pstore.service systemd-random-seed.service
  systemd-remount-fs.service systemd-sysusers.service systemd-initctl.socket
  systemd-update-utmp.service systemd-update-utmp-runlevel.service
)

work=
clean_up() { [[ -z $work ]] || rm -rf "$work"; }
trap clean_up EXIT

mirror() {
  local uri=${DHOW_DEBIAN_MIRROR:-}
  if [[ -z $uri ]]; then
    # shellcheck disable=SC2016  # apt's own format
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $kSuite" |
      head -n 1)
  fi
  [[ -n $uri ]] || could_not_run "no apt source for Debian $kSuite; set DHOW_DEBIAN_MIRROR"
  printf '%s\n' "$uri"
}

# fetch_kernel DIR: unpacks the newest cloud kernel of the apt sources into DIR.
fetch_kernel() {
  local dir=$1 package
  package=$(apt-cache depends --important "$kKernelMeta" 2>/dev/null |
    sed -n 's/^ *Depends: //p' | head -n 1)
  [[ -n $package ]] || could_not_run "apt knows no package $kKernelMeta; run apt-get update"
  say "fetching $package"
  mkdir -p "$dir/deb"
  (cd "$dir/deb" && apt-get -q -o APT::Sandbox::User=root download "$package") >"$work/apt.log" 2>&1 ||
    could_not_run "cannot download $package (run apt-get update?): $(tail -n 3 "$work/apt.log")"
  dpkg-deb -x "$dir"/deb/*.deb "$dir/root"
}

# fill_root DIR: a Debian root; its mounts live and die with a mount namespace of their own.
fill_root() {
  local dir=$1 packages uri
  uri=$(mirror)
  packages=$(IFS=,; printf '%s' "${kPackages[*]}")
  say "building a Debian $kSuite root (one to two minutes, once)"
  unshare --mount --pid --fork --kill-child --mount-proc \
    debootstrap --variant=minbase --force-check-gpg --keyring="$kKeyring" \
    --include="$packages" "$kSuite" "$dir" "$uri" >"$work/debootstrap.log" 2>&1 ||
    could_not_run "debootstrap failed: $(tail -n 5 "$work/debootstrap.log")"
  rm -rf "$dir"/var/cache/apt/* "$dir"/var/lib/apt/lists/* "$dir"/usr/share/{doc,man,locale}
}

# set_up_user ROOT: the ordinary user of the rootless tests, with subordinate ids and lingering.
set_up_user() {
  local root=$1
  chroot "$root" useradd --create-home --shell /bin/bash --uid 1000 dhow
  printf 'dhow:100000:65536\n' >"$root/etc/subuid"
  printf 'dhow:100000:65536\n' >"$root/etc/subgid"
  mkdir -p "$root/var/lib/systemd/linger" "$root/etc/systemd/system/user@.service.d"
  touch "$root/var/lib/systemd/linger/dhow"
  # By default a user manager gets only some of the controllers.
  printf '[Service]\nDelegate=cpu cpuset io memory pids\n' \
    >"$root/etc/systemd/system/user@.service.d/delegate.conf"
}

# set_up_root ROOT: identity, and nothing at boot that the tests do not need.
set_up_root() {
  local root=$1 unit
  printf 'dhow-vm\n' >"$root/etc/hostname"
  printf '127.0.0.1 localhost dhow-vm\n::1 localhost\n' >"$root/etc/hosts"
  printf '64686f7700000000000000000000766d\n' >"$root/etc/machine-id"
  : >"$root/etc/fstab"
  rm -f "$root/etc/resolv.conf"
  mkdir -p "$root/dhow" "$root/etc/systemd/journald.conf.d"
  printf '[Journal]\nStorage=volatile\nAudit=no\n' \
    >"$root/etc/systemd/journald.conf.d/vm.conf"
  for unit in "${kMaskedUnits[@]}"; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  set_up_user "$root"
}

# pack_initramfs OUT ROOT VERSION: busybox, the first modules in load order, and stage1.
pack_initramfs() {
  local out=$1 root=$2 version=$3 tree=$work/initramfs module path
  mkdir -p "$tree"/{bin,modules,dev,proc,sys,root}
  cp "$root/bin/busybox" "$tree/bin/busybox"
  cp "$vm_dir/guest/stage1" "$tree/init"
  for module in "${kStage1Modules[@]}"; do
    modprobe -d "$root" -S "$version" --show-depends "$module"
  done | sed -n 's/^insmod //p' | awk '!seen[$1]++ {print $1}' >"$work/modules"
  while read -r path; do
    cp "$path" "$tree/modules/"
    basename "$path"
  done <"$work/modules" >"$tree/modules/order"
  (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$out"
}

# build_base DIR: everything, in DIR.
build_base() {
  local dir=$1 version
  fetch_kernel "$work/kernel"
  version=$(ls "$work/kernel/root/lib/modules")
  fill_root "$work/root"
  set_up_root "$work/root"
  cp -a "$work/kernel/root/lib/modules" "$work/root/lib/"
  depmod -b "$work/root" "$version"
  cp "$work/kernel/root/boot/vmlinuz-$version" "$dir/vmlinuz"
  pack_initramfs "$dir/initramfs" "$work/root" "$version"
  chroot "$work/root" dpkg-query -W >"$dir/packages"
  # No journal: the image is thrown away after each run. Sparse, so its size costs nothing.
  mkfs.ext4 -q -F -O ^has_journal -E root_owner=0:0 -L dhow-root -d "$work/root" "$dir/root.ext4" 4G \
    >/dev/null
  printf '%s\n' "$version" >"$dir/kernel-version"
}

main() {
  local base
  base=$cache_dir/base-$(base_key)
  if [[ ! -e $base ]]; then
    [[ $(uname -m) == x86_64 ]] || could_not_run "the guests are x86-64 only"
    ((EUID == 0)) || could_not_run "building the root image needs root"
    need_tools debootstrap=debootstrap mkfs.ext4=e2fsprogs modprobe=kmod depmod=kmod cpio=cpio \
      dpkg-deb=dpkg apt-get=apt unshare=util-linux
    mkdir -p "$cache_dir"
    exec 9>"$cache_dir/lock"
    flock 9
    if [[ ! -e $base ]]; then
      work=$(mktemp -d "$cache_dir/build.XXXXXX")
      mkdir "$work/base"
      build_base "$work/base"
      mv "$work/base" "$base"
      say "the base is ready in ${base#"$repo_dir"/} (kernel $(cat "$base/kernel-version"))"
    fi
  fi
  printf '%s\n' "$base"
}

main "$@"
