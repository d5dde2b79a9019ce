// SPDX-License-Identifier: Apache-2.0
#include "shim/bootstrap.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <tuple>

#include "base/strings.h"
#include "rpc/bootstrap.h"
#include "rpc/task.h"
#include "rpc/types.h"
#include "runtime/runtime.h"
#include "shim/bundle.h"
#include "shim/mounts.h"
#include "shim/serve.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

constexpr int kListenerNumber = 3;

// FNV-1a, from two beginnings: 128 bits that nobody has to guard.
std::uint64_t fnv(std::uint64_t hash, std::string_view text) {
  for (char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3;
  }
  return hash;
}

std::string hex_of(std::uint64_t number) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>((number >> shift) & 0xFF);
  return hex_text(bytes);
}

std::string_view without_scheme(std::string_view address) {
  constexpr std::string_view kScheme = "unix://";
  return address.starts_with(kScheme) ? address.substr(kScheme.size()) : address;
}

std::string folder_of(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return std::string(path.substr(0, slash == std::string_view::npos ? 0 : slash));
}

std::string bundle_of(const CommandLine& command_line) {
  if (!command_line.bundle.empty()) return command_line.bundle;
  char buffer[4096];
  return ::getcwd(buffer, sizeof buffer) != nullptr ? buffer : ".";
}

// The form that containerd has from 2.3 on; before, there were options, which Create repeats.
std::optional<rpc::bootstrap::BootstrapParams> parse_params(const std::string& input,
                                                            std::string_view id) {
  auto params = rpc::decode<rpc::bootstrap::BootstrapParams>(input);
  if (!params || params->instance_id != id || params->containerd_version.empty()) {
    return std::nullopt;
  }
  return std::move(*params);
}

std::string answer(const std::string& path, bool new_form) {
  std::string address = cat("unix://", path);
  if (!new_form) return address;
  return rpc::encode(
      rpc::bootstrap::BootstrapResult{.version = 3, .address = address, .protocol = "ttrpc"});
}

// The shim itself: this program again, with the socket, in a session of its own.
Status spawn_shim(const CommandLine& command_line, const Fd& listener) {
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid > 0) return {};
  ::setsid();
  std::vector<std::string> texts{
      "containerd-shim-dhow-v1", "-namespace", command_line.name_space, "-id",
      command_line.id,           "-address",   command_line.address,    "serve"};
  if (command_line.debug) texts.insert(texts.begin() + 1, "-debug");
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  // Nothing of the daemon's: it waits until its pipes are closed.
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  int copy = ::fcntl(listener.get(), F_DUPFD_CLOEXEC, 64);
  for (int number : {0, 1, 2}) {
    if (::dup2(null, number) < 0) ::_exit(126);
  }
  if (::dup2(copy, kListenerNumber) < 0) ::_exit(126);
  ::close_range(kListenerNumber + 1, ~0U, 0);
  ::execv("/proc/self/exe", arguments.data());
  ::_exit(127);
}

// A shim is a little more dispensable than its daemon, and less than containers.
void adjust_oom_score() {
  auto score = read_file("/proc/self/oom_score_adj");
  auto number = score ? parse_number<int>(trim(*score)) : std::nullopt;
  if (!number || *number >= 1000) return;
  std::ignore = write_existing("/proc/self/oom_score_adj", cat(*number + 1));  // its own affair
}

// The socket that the start action has made for the bundle, when nobody is behind it: the shim of a
// pod may still have other containers.
Status remove_dead_socket(const std::string& bundle) {
  auto address = read_file(cat(bundle, "/address"));
  if (!address) return {};  // the engine's own way has none
  std::string path(without_scheme(trim(*address)));
  std::string name = path.substr(path.rfind('/') + 1);
  auto dir = open_at(kCwd, folder_of(path), O_RDONLY | O_DIRECTORY);
  if (!dir && dir.error().code() == Code::kNotFound) return {};
  if (!dir) return fail(std::move(dir).error());
  if (::flock(dir->get(), LOCK_EX) != 0) return fail_errno(errno, "lock the sockets of shims");
  if (connect_unix(*dir, name, SOCK_STREAM)) return {};
  if (::unlinkat(dir->get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return fail_errno(errno, cat("remove ", quoted(path)));
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string_view>& arguments) {
  CommandLine result;
  const std::pair<std::string_view, std::string*> kTexts[] = {
      {"namespace", &result.name_space},
      {"address", &result.address},
      {"publish-binary", &result.publish_binary},
      {"id", &result.id},
      {"bundle", &result.bundle},
      {"runtime-root", &result.runtime_root}};
  const std::pair<std::string_view, bool*> kSwitches[] = {{"debug", &result.debug},
                                                          {"info", &result.info},
                                                          {"v", &result.version},
                                                          {"version", &result.version}};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    std::string_view word = arguments[i];
    if (!word.starts_with('-') || !result.action.empty()) {
      if (result.action.empty())
        result.action = word;
      else
        result.rest.emplace_back(word);
      continue;
    }
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    std::size_t equals = word.find('=');
    std::string_view name = word.substr(0, equals);
    bool known = false;
    for (const auto& [flag, value] : kSwitches) {
      if (flag != name) continue;
      *value = equals == std::string_view::npos || word.substr(equals + 1) == "true";
      known = true;
    }
    for (const auto& [flag, value] : kTexts) {
      if (flag != name) continue;
      known = true;
      if (equals != std::string_view::npos) {
        *value = word.substr(equals + 1);
      } else if (++i < arguments.size()) {
        *value = arguments[i];
      } else {
        return fail(Code::kInvalidArgument, cat("flag -", name, ": needs a value"));
      }
    }
    if (!known) return fail(Code::kInvalidArgument, cat("flag -", name, ": unknown"));
  }
  return result;
}

std::string socket_path(std::string_view folder, std::string_view daemon,
                        std::string_view name_space, std::string_view group) {
  std::string text = cat(daemon, "\n", name_space, "\n", group);
  return cat(folder, "/", hex_of(fnv(0xCBF29CE484222325, text)),
             hex_of(fnv(0x84222325CBF29CE4, text)));
}

Result<std::string> start_action(const CommandLine& command_line, const std::string& input) {
  if (command_line.id.empty() || command_line.name_space.empty()) {
    return fail(Code::kInvalidArgument, "start: -id and -namespace are needed");
  }
  auto params = parse_params(input, command_line.id);
  CommandLine shim = command_line;
  if (params && !params->containerd_ttrpc_address.empty()) {
    shim.address = params->containerd_ttrpc_address;
  } else if (const char* ttrpc = ::getenv("TTRPC_ADDRESS"); ttrpc != nullptr) {
    shim.address = ttrpc;
  }
  std::string daemon(without_scheme(command_line.address));
  std::string folder = cat(folder_of(daemon), "/s");
  if (params && params->socket_dir && !params->socket_dir->empty()) folder = *params->socket_dir;
  TRY_ASSIGN(std::string group, group_of(bundle_of(command_line)));
  if (group.empty()) group = command_line.id;
  TRY(make_dirs(folder, 0700));
  TRY_ASSIGN(Fd dir, open_at(kCwd, folder, O_RDONLY | O_DIRECTORY));
  std::string path = socket_path(folder, daemon, command_line.name_space, group);
  std::string name = path.substr(folder.size() + 1);
  // One at a time: two containers of a new pod may come together.
  if (::flock(dir.get(), LOCK_EX) != 0) return fail_errno(errno, "lock the sockets of shims");
  // Where a daemon before 1.7 looks for the shim when it starts again.
  TRY_ASSIGN(Fd bundle, open_at(kCwd, bundle_of(command_line), O_RDONLY | O_DIRECTORY));
  TRY(replace_file(bundle, "address", cat("unix://", path), 0600));
  if (connect_unix(dir, name, SOCK_STREAM)) return answer(path, params.has_value());
  // Nobody is behind it any more.
  if (::unlinkat(dir.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return fail_errno(errno, cat("remove ", quoted(path)));
  }
  TRY_ASSIGN(Fd listener, listen_unix(dir, name, SOCK_STREAM, 0600));
  adjust_oom_score();
  TRY(spawn_shim(shim, listener));
  return answer(path, params.has_value());
}

Result<std::string> delete_action(const CommandLine& command_line) {
  std::string bundle = bundle_of(command_line);
  RuntimeChoice choice = choose_runtime(
      load_options(bundle), bundle,
      runtime_root_of(command_line.runtime_root, command_line.address), command_line.name_space);
  TRY(make_oci_runtime(choice)->remove(command_line.id));
  TRY(unmount_all(cat(bundle, "/rootfs")));
  TRY(remove_dead_socket(bundle));
  constexpr std::uint32_t kKilled = 137;
  return rpc::encode(
      rpc::task::DeleteResponse{.exit_status = kKilled, .exited_at = rpc::timestamp_now()});
}

std::string runtime_info() {
  rpc::RuntimeInfo info;
  info.name = "io.containerd.dhow.v1";
  info.version = rpc::RuntimeVersion{DHOW_VERSION, {}};
  runtime::Context context;
  context.program_name = "dhow-runtime";
  info.features = rpc::Any{"types.containerd.io/opencontainers/runtime-spec/1/features/Features",
                           runtime::features_json(context)};
  return rpc::encode(info);
}

}  // namespace dhow::shim
