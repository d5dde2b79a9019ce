# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What run.sh and prepare.sh share: messages, places, and the list of tools they need.

# Exit statuses of run.sh and prepare.sh.
# shellcheck disable=SC2034  # used where this is sourced
readonly kFailed=1 kCouldNotRun=2

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(cd "$vm_dir/../.." && pwd)
cache_dir=${DHOW_CACHE:-$repo_dir/.cache}/vm
# shellcheck disable=SC2034  # used where this is sourced
readonly vm_dir repo_dir cache_dir

say() { printf 'vm: %s\n' "$*" >&2; }

# could_not_run REASON...: ends the script; nothing was tested.
could_not_run() {
  printf 'vm: could not run: %s\n' "$*" >&2
  exit "$kCouldNotRun"
}

# need_tools TOOL=PACKAGE...: names every missing tool at once, with the package that has it.
need_tools() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair%%=*} (package ${pair#*=})")
  done
  if ((${#missing[@]})); then
    could_not_run "missing tools: $(printf '%s, ' "${missing[@]}" | sed 's/, $//')"
  fi
}

# base_key: names the base (kernel, initramfs, root image) that this version of the scripts wants.
base_key() {
  cat "$vm_dir/prepare.sh" "$vm_dir/guest/stage1" | sha256sum | cut -c1-12
}
