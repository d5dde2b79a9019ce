#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a test suite (or a command) in one of the two guests; see README.md.
# Exit status: 0 all passed, 1 something failed, 2 could not run.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'USAGE'
usage: run.sh cgroup2|systemd --programs DIR [option...]
  --programs DIR      folder with dhow-e2e, dhow-runtime, testbox; in the guest: /dhow/bin
  --program FILE      one more program for that folder; may be repeated
  --tree FOLDER       one more folder, in the guest below /dhow; may be repeated
  --libraries PROGRAM the shared libraries of a program, in the guest in /dhow/lib; may be repeated
  --suite [USER:]NAME the GoogleTest program to run (dhow-e2e); may be repeated: one after another
  --filter FILTER     GoogleTest's filter
  --user root|dhow    who runs it: root, or the ordinary user in a session of its own (root)
  --env NAME=VALUE    more environment for the suite; may be repeated
  --shards N          run each suite as N processes side by side, each with a part of it (1)
  --exec COMMAND      run a shell command on the console instead of a suite
  --timeout SECONDS   limit for the whole run (600)
  --report DIR        where report.xml, console.log and kernel.log go (in the cache folder)
USAGE
}

guest='' programs='' extra=() trees=() libraries=() suites=() filter='' run_user=root command=''
time_limit=600 shards=1 report=''
suite_env=()
work='' qemu_pid=''

clean_up() {
  if [[ -n $qemu_pid ]]; then
    kill "$qemu_pid" 2>/dev/null || true
    wait "$qemu_pid" 2>/dev/null || true
  fi
  [[ -z $work ]] || rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

parse_arguments() {
  while (($#)); do
    case $1 in
      cgroup2 | systemd) guest=$1 && shift && continue ;;
      -h | --help) usage && exit 0 ;;
      --programs | --program | --tree | --libraries | --suite | --filter | --user | --env | --exec | --timeout | --shards | --report) ;;
      *) usage >&2 && could_not_run "unknown argument \"$1\"" ;;
    esac
    (($# >= 2)) || could_not_run "$1 needs a value"
    case $1 in
      --programs) programs=$2 ;;
      --program) extra+=("$2") ;;
      --tree) trees+=("$2") ;;
      --libraries) libraries+=("$2") ;;
      --suite) suites+=("$2") ;;
      --filter) filter=$2 ;;
      --user) run_user=$2 ;;
      --env) suite_env+=("$2") ;;
      --exec) command=$2 ;;
      --timeout) time_limit=$2 ;;
      --shards) shards=$2 ;;
      --report) report=$2 ;;
    esac
    shift 2
  done
  ((${#suites[@]})) || suites=(dhow-e2e)
}

# check_suites: makes each suite USER:NAME.
check_suites() {
  local index suite name
  for index in "${!suites[@]}"; do
    suite=${suites[index]}
    [[ $suite == *:* ]] || suite=$run_user:$suite
    suites[index]=$suite
    name=${suite#*:}
    [[ ${suite%%:*} == @(root|dhow) ]] || could_not_run "the user of suite \"$suite\" is root or dhow"
    [[ -x $programs/$name || " ${extra[*]} " == *"/$name "* ]] ||
      could_not_run "there is no program $name"
  done
}

check_arguments() {
  local file
  [[ -n $guest ]] || could_not_run "name a guest: cgroup2 or systemd"
  [[ -d $programs ]] || could_not_run "--programs \"$programs\" is not a folder"
  [[ $run_user == root || $run_user == dhow ]] || could_not_run "--user is root or dhow"
  [[ $time_limit =~ ^([6-9][0-9]|[1-9][0-9]{2,4})$ ]] ||
    could_not_run "--timeout \"$time_limit\" is not a number of seconds from 60 up"
  [[ $shards =~ ^[1-9]$ ]] || could_not_run "--shards is a number from 1 to 9"
  for file in "${extra[@]}"; do [[ -x $file ]] || could_not_run "there is no program $file"; done
  [[ -n $command ]] || check_suites
  need_tools qemu-system-x86_64=qemu-system-x86 mkfs.erofs=erofs-utils tar=tar
  report=${report:-$cache_dir/report-$guest-$run_user}
  mkdir -p "$report"
  rm -f "$report"/{report.xml,console.log,kernel.log,dmesg}
}

# pack_payload OUT: the programs, the scripts of the guest and this run's configuration.
pack_payload() {
  local tree=$work/payload suite_args=()
  [[ -z $filter ]] || suite_args+=("--gtest_filter=$filter")
  # Later values win, so that --env can replace any of these.
  suite_env=("DHOW_RUNTIME=/dhow/bin/dhow-runtime" "DHOW_TESTBOX=/dhow/bin/testbox"
    "DHOW_BUSYBOX=/bin/busybox" "${suite_env[@]}")
  mkdir "$tree"
  cp -RL "$programs" "$tree/bin"
  ((${#extra[@]} == 0)) || cp -L "${extra[@]}" "$tree/bin/"
  cp -R "$vm_dir/guest" "$tree/guest"
  ((${#trees[@]} == 0)) || cp -RL "${trees[@]}" "$tree/"
  if ((${#libraries[@]})); then
    mkdir "$tree/lib"
    ldd "${libraries[@]}" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u |
      xargs -r cp -Lt "$tree/lib"
  fi
  {
    # The guest ends the suite some time before the host ends the guest, to tell what hung.
    printf 'guest=%q run_user=%q command=%q time_limit=%q shards=%q\n' \
      "$guest" "$run_user" "$command" "$((time_limit * 9 / 10 - 5))" "$shards"
    printf 'suites=(%s)\n' "${suites[*]@Q}"
    printf 'suite_args=(%s)\n' "${suite_args[*]@Q}"
    printf 'suite_env=(%s)\n' "${suite_env[*]@Q}"
  } >"$tree/conf"
  mkfs.erofs --all-root "$1" "$tree" >"$work/erofs.log" 2>&1 ||
    could_not_run "mkfs.erofs failed: $(tail -n 3 "$work/erofs.log")"
}

# What emulation makes slow and no test looks at: five-level page tables (a longer walk for each
# miss), string moves that run byte by byte, access checks that end each block of translated code,
# and hardening of the guest's kernel.
readonly kCpu=max,la57=off,erms=off,fsrm=off,smap=off,smep=off
readonly kFastKernel="mitigations=off nokaslr init_on_alloc=0 randomize_kstack_offset=off"

# boot BASE: runs the guest to its end, with its console on standard output.
boot() {
  local base=$1 status=0 append
  append="console=ttyS0 loglevel=4 panic=-1 $kFastKernel tsc=reliable"
  append+=" cryptomgr.notests random.trust_cpu=on psi=1 dhow.guest=$guest"
  append+=" systemd.unified_cgroup_hierarchy=1 systemd.show_status=no"
  append+=" systemd.wants=dhow-suite.service"
  # QEMU puts the throw-away writes of the root image into TMPDIR.
  TMPDIR=$work setpriv --pdeathsig TERM timeout --kill-after=5 "$time_limit" \
    setpriv --pdeathsig KILL qemu-system-x86_64 \
    -no-user-config -nodefaults -display none -no-reboot \
    -machine q35 -accel tcg,thread=multi,tb-size=512 -cpu "$kCpu" -smp 2 -m 2048 \
    -kernel "$base/vmlinuz" -initrd "$base/initramfs" -append "$append" \
    -drive "file=$base/root.ext4,format=raw,if=none,id=root,snapshot=on,cache=unsafe" \
    -device virtio-blk-pci,drive=root \
    -drive "file=$work/payload.erofs,format=raw,if=none,id=payload,readonly=on" \
    -device virtio-blk-pci,drive=payload \
    -chardev "file,id=kernel,path=$report/kernel.log" -serial chardev:kernel \
    -chardev "stdio,id=console,signal=off,logfile=$report/console.log" \
    -chardev "file,id=result,path=$work/result.tar" \
    -chardev "file,id=progress,path=$work/progress" \
    -device virtio-serial-pci \
    -device virtconsole,chardev=console \
    -device virtserialport,chardev=result,name=dhow.result \
    -device virtserialport,chardev=progress,name=dhow.progress \
    <&0 2>"$work/qemu.log" &
  qemu_pid=$!
  wait "$qemu_pid" || status=$?
  qemu_pid=
  return "$status"
}

# explain_no_result QEMU_STATUS: the guest is gone and left no result.
explain_no_result() {
  local status=$1
  if [[ ! -s $work/progress ]]; then
    tail -n 20 "$report/kernel.log" "$work/qemu.log" >&2 || true
    ((status != 124)) || could_not_run "the guest did not start the suite in $time_limit s"
    could_not_run "the guest ended before the suite started (qemu: $status)"
  fi
  say "the guest ended without a result (qemu: $status); the end of its kernel log:"
  tail -n 20 "$report/kernel.log" >&2
  conclude_incomplete "the guest ended during the suite"
}

# conclude_incomplete REASON: there is no report; the console tells how far the suite came.
conclude_incomplete() {
  local passed failed skipped open
  passed=$(grep -ac '^\[       OK \] .* ms)' "$report/console.log" || true)
  failed=$(grep -ac '^\[  FAILED  \] .* ms)' "$report/console.log" || true)
  skipped=$(grep -ac '^\[  SKIPPED \] .* ms)' "$report/console.log" || true)
  open=$(tr -d '\r' <"$report/console.log" | awk '
    /^\[ RUN      \]/ { open[$4] }
    /^\[(       OK |  FAILED  |  SKIPPED )\] .* ms\)/ { sub(/^[^\]]*\] /, ""); delete open[$1] }
    END { for (test in open) printf " %s", test }')
  say "incomplete report: $1; started and not ended:${open:- no test}"
  printf 'vm %s: %s passed, %s failed, %s skipped (incomplete)\n' \
    "$guest" "$passed" "$failed" "$skipped"
  exit "$kFailed"
}

# count_tests: passed, failed and skipped in report.xml, as three numbers.
count_tests() {
  awk '
    function close_case() { if (open) { if (bad) f++; else if (skip) s++; else p++ } open = 0 }
    /^    <testcase / {
      close_case()
      if ($0 ~ / status="notrun"/) next
      open = 1; bad = 0; skip = ($0 ~ / result="skipped"/)
    }
    /^      <failure / { bad = 1 }
    END { close_case(); print p + 0, f + 0, s + 0 }' "$report/report.xml"
}

# merge_reports: the reports of all suites and shards as one, with the user where it isn't root; its
# totals are left to who counts the cases.
merge_reports() {
  local file
  printf '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="AllTests">\n'
  for file in "$work"/report-*.xml; do
    sed -e '/^<?xml /d' -e '/^<testsuites /d' -e '/^<\/testsuites>/d' \
      -e "s/ classname=\"/&$(sed -n 's/.*-dhow-.*/dhow:/p' <<<"${file##*/}")/" "$file"
  done
  printf '</testsuites>\n'
}

# conclude QEMU_STATUS: the last line, and the exit status.
conclude() {
  local status suite shard number=0 passed failed skipped
  tar -xf "$work/result.tar" -C "$work" 2>/dev/null || true
  [[ -e $work/complete ]] || explain_no_result "$1"
  mv "$work/dmesg" "$report/dmesg"
  status=$(<"$work/status")
  if [[ -n $command ]]; then
    printf 'vm %s: the command ended with status %s\n' "$guest" "$status"
    ((status == 0)) || exit "$kFailed"
    exit 0
  fi
  for suite in "${suites[@]}"; do
    number=$((number + 1))
    for ((shard = 1; shard <= shards; shard++)); do
      [[ -s $work/report-$number-${suite%%:*}-$shard.xml ]] ||
        conclude_incomplete "shard $shard of $suite left none, the suites ended with status $status"
    done
  done
  merge_reports >"$report/report.xml"
  read -r passed failed skipped < <(count_tests)
  say "guest time: $(tr '\n' ' ' <"$work/progress")"
  printf 'vm %s: %s passed, %s failed, %s skipped\n' "$guest" "$passed" "$failed" "$skipped"
  ((passed + failed + skipped > 0)) || could_not_run "no test matches \"$filter\""
  ((failed == 0)) || exit "$kFailed"
  ((status == 0)) || { say "no test failed, yet a suite ended with $status" && exit "$kFailed"; }
}

# drop_old_bases BASE: forgets the bases of other versions of the scripts, two weeks after their use.
drop_old_bases() {
  touch -c "$1" 2>/dev/null || true
  find "$cache_dir" -maxdepth 1 -name 'base-*' -mtime +14 -exec rm -rf {} + 2>/dev/null || true
}

main() {
  local base status=0
  parse_arguments "$@"
  check_arguments
  base=$("$vm_dir/prepare.sh")
  drop_old_bases "$base"
  work=$(mktemp -d)
  pack_payload "$work/payload.erofs"
  boot "$base" || status=$?
  conclude "$status"
}

main "$@"
