# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The image of the cases, made from busybox-static and testbox: no registry is asked.

readonly kImage=dhow.test/box:1

# make_rootfs DIR TESTBOX
make_rootfs() {
  local dir=$1 applet
  mkdir -p "$dir"/{bin,dev,etc,home,proc,root,run,sys,tmp,var}
  chmod 1777 "$dir/tmp"
  cp /bin/busybox "$dir/bin/busybox"
  cp "$2" "$dir/bin/testbox"
  while read -r applet; do
    [[ -e $dir/bin/$applet ]] || ln -s busybox "$dir/bin/$applet"
  done < <(/bin/busybox --list)
  printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n' >"$dir/etc/passwd"
  printf 'root:x:0:\nuser:x:1000:\nstaff:x:50:user\n' >"$dir/etc/group"
  chown 1000:1000 "$dir/home"
}

# make_image WORK: WORK/rootfs as a one-layer archive, WORK/image.tar, that every client can load.
make_image() {
  local work=$1 dir=$1/image digest
  mkdir -p "$dir"
  tar -C "$work/rootfs" --numeric-owner -cf "$dir/layer.tar" .
  digest=$(sha256sum "$dir/layer.tar" | cut -d' ' -f1)
  cat >"$dir/config.json" <<JSON
{"architecture":"$(dpkg --print-architecture)","os":"linux","created":"2024-01-01T00:00:00Z",
 "config":{"Env":["PATH=/bin"],"Cmd":["/bin/sh"],"WorkingDir":"/"},
 "rootfs":{"type":"layers","diff_ids":["sha256:$digest"]},
 "history":[{"created":"2024-01-01T00:00:00Z","created_by":"busybox"}]}
JSON
  printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]\n' "$kImage" \
    >"$dir/manifest.json"
  tar -C "$dir" -cf "$work/image.tar" manifest.json config.json layer.tar
  rm -r "$dir"
}
