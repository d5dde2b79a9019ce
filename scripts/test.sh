#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every test, as root on Debian 12, and ends with one line of counts.
#   scripts/test.sh                    all steps
#   scripts/test.sh --only unit        one step (may be repeated)
#   scripts/test.sh --skip vm          all but one (may be repeated)
#   scripts/test.sh --list             the steps
# Reports and logs are kept in build/test-results. The status is 0 when no test failed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly kSteps=(deps build style unit root e2e clients asan fuzz vm)
readonly kSelf=$PWD/scripts/test.sh
readonly kResults=$PWD/build/test-results
readonly kFuzzSeconds=${DHOW_FUZZ_SECONDS:-12}
jobs=$(nproc)
readonly jobs
step=

describe() {
  case $1 in
    deps) echo "install the packages that building and testing needs" ;;
    build) echo "build everything with warnings as errors (preset ci)" ;;
    style) echo "hold the sources to the house rules" ;;
    unit) echo "unit tests" ;;
    root) echo "tests that need root: mounts, cgroups, namespaces" ;;
    e2e) echo "end-to-end tests on the built programs" ;;
    clients) echo "docker, containerd, podman and buildah as they are, beside runc" ;;
    asan) echo "unit, root and end-to-end tests again, with AddressSanitizer and UBSan" ;;
    fuzz) echo "each fuzzer for $kFuzzSeconds seconds, from its corpus" ;;
    vm) echo "the suites in virtual machines: cgroup v2, systemd, rootless" ;;
  esac
}

usage() {
  sed -n 's/^#   /  /p' "$0"
  for step in "${kSteps[@]}"; do printf '  %-7s %s\n' "$step" "$(describe "$step")"; done
}

say() { printf '\n== %s\n' "$*"; }

die() {
  printf 'test: %s\n' "$*" >&2
  exit 2
}

# note STATE NAME [REASON]: the result of something that is no ctest test.
note() { echo "$*" >>"$kResults/$step/steps"; }

# build PRESET [OPTION...]
build() {
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" -j "$jobs" "${@:2}"
}

# run_ctest PRESET OPTION...: GoogleTest's reports land beside ctest's.
run_ctest() {
  local preset=$1 results=$kResults/$step
  shift
  GTEST_OUTPUT="xml:$results/" ctest --test-dir "build/$preset" --output-on-failure \
    --no-tests=error --output-junit "$results/ctest.xml" "$@"
}

# run_halves PRESET OPTION...: GoogleTest's programs twice at the same time, each time with half of their
# tests, which say little to a processor and wait a lot.
run_halves() {
  local preset=$1 half pids=() status=0
  shift
  for half in 1 2; do
    mkdir -p "$kResults/$step-$half"
    (
      results=$kResults/$step-$half
      export GTEST_TOTAL_SHARDS=2 GTEST_SHARD_INDEX=$((half - 1)) GTEST_OUTPUT=xml:$results/
      code=0
      ctest --test-dir "build/$preset" --output-on-failure --no-tests=error \
        --output-junit "$results/ctest.xml" "$@" &>"$results/log" || code=$?
      echo "$code" >"$results/status"
      exit "$code"
    ) &
    pids+=($!)
  done
  for half in 1 2; do
    wait "${pids[half - 1]}" || status=$?
    cat "$kResults/$step-$half/log"
  done
  return "$status"
}

run_deps() { scripts/deps.sh build test clients vm; }
run_build() { build ci; }

run_style() {
  build ci
  run_ctest ci -L '^style$'
}

run_unit() {
  build ci
  run_ctest ci -L '^unit$' -j "$jobs"
}

run_root() {
  build ci
  # Two minutes of two processors. Where everything is slower, fewer have to do.
  export DHOW_CRASH_KILLS=${DHOW_CRASH_KILLS:-1000}
  run_ctest ci -L '^root$'
}

run_e2e() {
  build ci
  run_halves ci -L '^e2e$'
}

run_clients() {
  build ci --target dhow-runtime testbox
  tests/clients/run.sh --programs build/ci/bin --report "$kResults/$step/steps"
}

run_asan() {
  # Processes that end in execve have not freed what they hold: no hunt for leaks.
  export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
  # What runs a command or a filter hundreds of times to meet a fault or a moment: where it is fast alone.
  export GTEST_FILTER='-*/FaultTest.*:*/SnapshotCrashTest.*:AttackRace.*:AttackExec.CVE_2016_9962_*'
  GTEST_FILTER+=':Differential.*:Seccomp.TooLongAFilterIsRefused'
  build asan-ubsan
  local status=0
  run_ctest asan-ubsan -L '^(unit|root)$' -j "$jobs" || status=$?
  run_halves asan-ubsan -L '^e2e$' || status=$?
  return "$status"
}

# fuzz NAME: one of them, from its corpus.
fuzz() {
  local name=${1%_fuzz} new arguments
  # New inputs go to a folder of their own: the corpus of the tree stays as it is.
  new=$kResults/$step/$name
  mkdir "$new"
  arguments=("$new")
  [[ ! -d fuzz/corpus/$name ]] || arguments+=("fuzz/corpus/$name")
  [[ ! -f fuzz/$name.dict ]] || arguments+=("-dict=fuzz/$name.dict")
  if "build/asan-ubsan/bin/$1" -max_total_time="$kFuzzSeconds" -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$new/" "${arguments[@]}" &>"$new.log"; then
    note passed "$name"
    echo "$name: $(grep -c . "$new.log") lines of log, $(sed -n \
      's/^stat::number_of_executed_units: *//p' "$new.log") inputs"
  else
    note failed "$name" "see $new.log"
    tail -n 30 "$new.log"
    return 1
  fi
}

run_fuzz() {
  local fuzzer fuzzers running=0 status=0
  mapfile -t fuzzers < <(sed -n 's/^dhow_fuzzer(\([a-z0-9_]*\).*/\1/p' fuzz/CMakeLists.txt)
  build asan-ubsan --target "${fuzzers[@]}"
  for fuzzer in "${fuzzers[@]}"; do
    if ((running == jobs)); then
      wait -n || status=1
      running=$((running - 1))
    fi
    fuzz "$fuzzer" &
    running=$((running + 1))
  done
  while ((running--)); do wait -n || status=1; done
  return "$status"
}

run_vm() {
  local status=0 report
  build ci
  run_ctest ci -L '^vm$' || status=$?
  for report in build/ci/vm/*/report.xml; do
    [[ ! -f $report ]] || cp "$report" "$kResults/$step/$(basename "$(dirname "$report")").xml"
  done
  return "$status"
}

# run_step STEP: in a process of its own, so that one that fails does not end the others.
run_step() {
  local status=0 started=$SECONDS
  step=$1
  mkdir -p "$kResults/$step"
  say "$step: $(describe "$step")"
  "$kSelf" --inside "$step" </dev/null || status=$?
  echo "$status" >"$kResults/$step/status"
  say "$step: ended with status $status after $((SECONDS - started)) s"
  return "$status"
}

main() {
  local only=() skip=() name
  if [[ ${1:-} == --inside ]]; then
    step=$2
    "run_$step"
    return
  fi
  while (($#)); do
    case $1 in
      --list | -h | --help) usage && exit 0 ;;
      --only | --skip)
        (($# >= 2)) || die "$1 needs the name of a step"
        [[ " ${kSteps[*]} " == *" $2 "* ]] || die "there is no step \"$2\"; see --list"
        if [[ $1 == --only ]]; then only+=("$2"); else skip+=("$2"); fi
        shift
        ;;
      *) usage >&2 && die "unknown argument \"$1\"" ;;
    esac
    shift
  done
  ((EUID == 0)) || die "run me as root: containers are made for real"
  rm -rf "$kResults"
  mkdir -p "$kResults"

  for name in "${kSteps[@]}"; do
    if ((${#only[@]})) && [[ " ${only[*]} " != *" $name "* ]]; then continue; fi
    if [[ " ${skip[*]} " == *" $name "* ]]; then
      say "$name: left out, as asked"
      continue
    fi
    if ! run_step "$name" && [[ $name == deps || $name == build ]]; then
      say "nothing else can work without the step \"$name\""
      break
    fi
  done

  say "results (reports and logs are in build/test-results)"
  python3 -B scripts/count_tests.py "$kResults"
}

main "$@"
