// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/landlock.h"
#include "runtime/seccomp/seccomp.h"
#include "sys/fd.h"

// The last steps, which a container's first process and an exec'd one share.
namespace dhow::init {

// What is left to execute when all is set up.
struct Program {
  std::string path;
  std::vector<std::string> env;
};

// Finds the program as execvp(3) would with the PATH of `env`, in the caller's root and working
// folder. kNotFound: `exec: "x": executable file not found in $PATH`; a path with a slash:
// `exec: "/x": stat /x: no such file or directory`, "is a directory: permission denied".
Result<std::string> look_up_program(const std::string& name, const std::vector<std::string>& env);

// chdir to `cwd`, and makes sure that it ended up inside the container's root: a folder leaked from
// the host has no path here (CVE-2024-21626).
Status change_directory(const std::string& cwd);

// What a process gets that no change of ids takes away: no_new_privs, scheduler, I/O priority,
// personality and memory policy. CPU affinity is every CPU of the cgroup unless exec asks
// otherwise, not what the runtime's caller happened to have.
enum class Role { kInit, kExec };
Status set_attributes(const oci::Process& process, const oci::Linux& linux, Role role);

struct Credentials {
  const oci::Process& process;
  const seccomp::Program* seccomp;
  const runtime::LandlockPolicy* landlock;
  FdRef proc;  // private procfs
  FdRef sync;  // for kSeccompFd and kLimits
  bool keep_groups = false;
  // What the environment tells the program of.
  unsigned listen_fds = 0;
  bool notify_socket = false;
};

// Whether the process keeps the groups that the runtime's caller has, which an ordinary user could
// not give it otherwise (annotation run.oci.keep_original_groups).
bool keeps_groups(const oci::Config& config);

// From root of the namespace to the process that was asked for: Landlock, seccomp (before the
// capabilities go, unless noNewPrivileges allows it last), bounding set, ids, capabilities, working
// folder. Returns the program to execute; its environment is the configured one, HOME when it has
// none (by the container's passwd, else "/"), LISTEN_FDS and LISTEN_PID, NOTIFY_SOCKET. After it,
// only execute_program and what it needs may run.
Result<Program> take_credentials(const Credentials& credentials);

// Default dispositions and no blocked signals, whatever the runtime's caller had.
void reset_signals();

// execve; returns only its failure.
Error execute_program(const Program& program, const std::vector<std::string>& args);

}  // namespace dhow::init
