// SPDX-License-Identifier: Apache-2.0
#include "cmd/dhowd/rootless.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "network/rootless/place.h"
#include "runtime/id_map.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/subordinate_ids.h"
#include "sys/unix_socket.h"

namespace dhow::dhowd {
namespace {

constexpr std::string_view kMapped = "mapped";

std::string user_name() {
  const struct passwd* entry = ::getpwuid(::getuid());
  return entry == nullptr ? cat(::getuid()) : entry->pw_name;
}

Result<SubordinateIds> own_ids(const char* file, std::string_view what) {
  std::string name = user_name();
  std::string text = read_file(file, std::size_t{1} << 20).value_or("");
  if (auto ids = subordinate_ids(text, name, ::getuid())) return *ids;
  return fail(Code::kFailedPrecondition,
              cat("user ", quoted(name), " has no line in ", file,
                  ": containers need subordinate ids, as by usermod --add-sub", what,
                  "s 100000-165535 ", name));
}

// Who the shim of a container is says its command line: `-address STATE/events.sock`.
bool is_shim_of(std::string_view pid, std::string_view events) {
  std::string text = read_file(cat("/proc/", pid, "/cmdline"), std::size_t{1} << 16).value_or("");
  bool address = false;
  for (std::string_view argument : split(text, '\0')) {
    if (address && argument == events) return true;
    address = argument == "-address";
  }
  return false;
}

// The user namespace of a shim that lives; none: there is no such shim.
Result<Fd> namespace_of_shims(const std::string& state) {
  struct stat own{};
  if (::stat("/proc/self/ns/user", &own) != 0) return fail_errno(errno, "find own user namespace");
  std::string events = state + "/events.sock";
  TRY_ASSIGN(Fd proc, open_at(kCwd, "/proc", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(std::vector<std::string> names, list_dir(proc));
  for (const std::string& name : names) {
    if (!parse_number<pid_t>(name) || !is_shim_of(name, events)) continue;
    auto space = open_at(proc, name + "/ns/user", O_RDONLY);
    struct stat info{};
    if (!space || ::fstat(space->get(), &info) != 0 || info.st_ino == own.st_ino) continue;
    return std::move(*space);
  }
  return Fd();
}

// In the child, which stays in the user's own namespace: maps the ids of the parent once it is in
// its new one, and sends why that failed.
[[noreturn]] void run_mapper(const Fd& socket, pid_t parent, const SubordinateIds& uids,
                             const SubordinateIds& gids) {
  auto told = receive_message(socket, 16);
  if (!told || told->end) ::_exit(1);
  Status mapped = runtime::write_id_maps(parent, {{0, ::getuid(), 1}, {1, uids.first, uids.count}},
                                         {{0, ::getgid(), 1}, {1, gids.first, gids.count}},
                                         {.uid = ::getuid(), .in_user_namespace = false});
  std::ignore = send_message(socket, mapped ? std::string(kMapped) : mapped.error().message());
  ::_exit(0);
}

Status make_user_namespace() {
  TRY_ASSIGN(SubordinateIds uids, own_ids("/etc/subuid", "uid"));
  TRY_ASSIGN(SubordinateIds gids, own_ids("/etc/subgid", "gid"));
  TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_SEQPACKET));
  const pid_t self = ::getpid();
  TRY_ASSIGN(CloneResult child, clone_process({.want_pidfd = false}));
  if (child.pid == 0) {
    pair.first.reset();
    run_mapper(pair.second, self, uids, gids);
  }
  pair.second.reset();
  Status made;
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    made = fail_errno(errno, "make a user namespace (dhow doctor says what the host allows)");
  } else {
    made = send_message(pair.first, "go");
  }
  std::string why;
  if (made) {
    auto answer = receive_message(pair.first, 4096);
    why = answer && !answer->end ? answer->payload : "the process that maps ids died";
  }
  pair.first.reset();
  TRY(wait_for(child.pid));
  TRY(made);
  if (why != kMapped) return fail(Code::kFailedPrecondition, why);
  return {};
}

Status become_root() {
  if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) {
    return fail_errno(errno, "become root of the user namespace");
  }
  return {};
}

}  // namespace

Status enter_user_namespace(const std::string& state) {
  TRY_ASSIGN(Fd theirs, namespace_of_shims(state));
  // Without containers there may still be their network.
  if (!theirs) {
    TRY_ASSIGN(theirs, network::rootless::keeper_user_namespace(state));
  }
  if (!theirs) {
    TRY(make_user_namespace());
    return become_root();
  }
  if (::setns(theirs.get(), CLONE_NEWUSER) != 0) {
    return fail_errno(errno, "enter the user namespace of the containers");
  }
  TRY(become_root());
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "make a mount namespace");
  return {};
}

}  // namespace dhow::dhowd
