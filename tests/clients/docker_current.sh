# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A newer docker command line than Debian's, if one stands before it on the path, with Debian's
# daemon: the requests that it makes are others.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2154  # shared with lib.sh
source "$here/docker.sh"
docker_current_keep_cases() {
  local function
  for function in $(declare -F | sed -n 's/^declare -f case_//p'); do
    [[ $function == @(run_*|exec|logs_and_wait|update|stats|events|attach|build|kill|stop) ]] ||
      unset -f "case_$function"
  done
}
docker_current_keep_cases

docker_current_client() { command -v docker; }

docker_current_missing() {
  local reason
  reason=$(docker_missing)
  if [[ -n $reason ]]; then
    printf '%s\n' "$reason"
  elif [[ $(docker_current_client) == /usr/bin/docker ]]; then
    echo "there is no docker on the path but Debian's"
  fi
}

# The daemon and the image are the other suite's, if it ran.
docker_current_set_up() { [[ -S $work/docker/socket ]] || docker_set_up; }
docker_current_begin_case() {
  docker_begin_case
  engine[0]=$(docker_current_client)
}
