// SPDX-License-Identifier: Apache-2.0
#include "cmd/dhowd/options.h"

#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/strings.h"
#include "engine/id_remap.h"
#include "engine/spec/seccomp_profile.h"
#include "sys/file_io.h"

namespace dhow::dhowd {
namespace {

constexpr const char* kDefaultFile = "/etc/dhow/dhowd.toml";

std::string variable(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string() : value;
}

// Where an engine of the user's own keeps its things (XDG Base Directory Specification).
struct UserFolders {
  std::string data;
  std::string state;
  std::string configuration;
};

Result<UserFolders> user_folders() {
  std::string home = variable("HOME");
  auto folder = [&](const char* name, const char* below) {
    std::string given = variable(name);
    return given.starts_with('/') ? given : home.empty() ? std::string() : cat(home, below);
  };
  UserFolders folders{folder("XDG_DATA_HOME", "/.local/share"), variable("XDG_RUNTIME_DIR"),
                      folder("XDG_CONFIG_HOME", "/.config")};
  if (folders.data.empty() || !folders.state.starts_with('/')) {
    return fail(Code::kFailedPrecondition,
                "not run by root, and HOME or XDG_RUNTIME_DIR is not set: say where to keep data "
                "with --root and --state");
  }
  return folders;
}

Status set_defaults(Configuration& out, std::string& file, const CommandLine& line) {
  if (::geteuid() == 0) {
    out.engine.root = "/var/lib/dhow";
    out.engine.state = "/run/dhow";
    file = kDefaultFile;
    return {};
  }
  // A user's cgroups are made by the manager of its sessions, or not at all.
  struct stat info{};
  std::string manager = variable("XDG_RUNTIME_DIR") + "/systemd/private";
  out.engine.systemd_cgroup = ::stat("/sys/fs/cgroup/cgroup.controllers", &info) == 0 &&
                              ::stat(manager.c_str(), &info) == 0;
  out.engine.cgroup_parent = out.engine.systemd_cgroup ? "user.slice" : "";
  auto folders = user_folders();
  if (!folders) {
    if (!line.root.empty() && !line.state.empty()) return {};
    return std::unexpected(std::move(folders).error());
  }
  out.engine.root = folders->data + "/dhow";
  out.engine.state = folders->state + "/dhow";
  file = folders->configuration + "/dhow/dhowd.toml";
  return {};
}

// The folder share/dhow/images beside the one of this program, where it is installed or built.
std::string builtin_folder() {
  char path[4096];
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0) return {};
  std::string_view program(path, static_cast<std::size_t>(size));
  return cat(program.substr(0, program.rfind('/')), "/../share/dhow/images");
}

Result<log::Level> parse_level(std::string_view text) {
  for (log::Level level :
       {log::Level::kDebug, log::Level::kInfo, log::Level::kWarning, log::Level::kError}) {
    if (log::level_name(level) == text) return level;
  }
  if (text == "warn") return log::Level::kWarning;
  return fail(Code::kInvalidArgument,
              cat("--log-level ", quoted(text), ": not debug, info, warning or error"));
}

constexpr std::string_view kHelp =
    R"(Usage: dhowd [OPTION...]
The engine of dhow: containers and images behind the Docker Engine API.

  --config FILE       configuration (default /etc/dhow/dhowd.toml)
  --root DIR          where images and containers are kept
  --state DIR         where sockets are, and what lasts until the next boot
  -H, --host ADDRESS  where to listen: unix:///path or tcp://address:port; may be repeated
  --tls[=false]       TLS for tcp:// addresses; false: none, so that who can connect is root
  --tlsverify         TLS, and clients need a certificate of the authority
  --tlscacert FILE    the authority of clients' certificates
  --tlscert FILE      certificate of the engine
  --tlskey FILE       its key
  --log-level LEVEL   debug, info, warning or error
  --idle-exit SECONDS exit when nobody has needed the engine for that long
  --ready-fd NUMBER   descriptor that gets one byte when requests are answered
  --check             check the configuration and exit
  --version           print the version and exit
  --help              print this and exit
)";

Parsed said(std::string_view text) {
  std::ignore = write_all(FdRef(STDOUT_FILENO), text);
  return {{}, 0};
}

void complain(std::string_view what) {
  std::ignore = write_all(FdRef(STDERR_FILENO), cat("dhowd: ", what, "\n"));
}

bool read_number(std::string_view option, const char* text, int& out) {
  auto number = parse_number<int>(text);
  if (!number || *number < 0) {
    complain(cat(option, " ", quoted(text), ": not a number"));
    return false;
  }
  out = *number;
  return true;
}

enum OptionValue {
  kConfig = 256,
  kRoot,
  kState,
  kLogLevel,
  kIdleExit,
  kReadyFd,
  kCheck,
  kVersion,
  kTls,
  kTlsVerify,
  kTlsAuthority,
  kTlsCertificate,
  kTlsKey
};

const struct option kOptions[] = {{"config", required_argument, nullptr, kConfig},
                                  {"root", required_argument, nullptr, kRoot},
                                  {"state", required_argument, nullptr, kState},
                                  {"host", required_argument, nullptr, 'H'},
                                  {"log-level", required_argument, nullptr, kLogLevel},
                                  {"idle-exit", required_argument, nullptr, kIdleExit},
                                  {"ready-fd", required_argument, nullptr, kReadyFd},
                                  {"tls", optional_argument, nullptr, kTls},
                                  {"tlsverify", no_argument, nullptr, kTlsVerify},
                                  {"tlscacert", required_argument, nullptr, kTlsAuthority},
                                  {"tlscert", required_argument, nullptr, kTlsCertificate},
                                  {"tlskey", required_argument, nullptr, kTlsKey},
                                  {"check", no_argument, nullptr, kCheck},
                                  {"validate", no_argument, nullptr, kCheck},
                                  {"version", no_argument, nullptr, kVersion},
                                  {"help", no_argument, nullptr, 'h'},
                                  {}};

// One of the options for TLS, whose value is in `optarg`.
bool read_tls(CommandLine& line, int option) {
  if (option == kTlsAuthority) line.tls_files.authority = optarg;
  if (option == kTlsCertificate) line.tls_files.certificate = optarg;
  if (option == kTlsKey) line.tls_files.key = optarg;
  if (option == kTlsVerify) line.tls_verify = true;
  if (option != kTls) return true;
  std::string_view value = optarg == nullptr ? "true" : optarg;
  line.tls = value == "true";
  if (value == "true" || value == "false") return true;
  complain(cat("--tls ", quoted(value), ": neither true nor false"));
  return false;
}

// What the command line says of TLS over what the file does, and whether tcp:// addresses can be
// served as it is wished.
Status settle_tls(Configuration& out, const CommandLine& line) {
  if (line.tls) out.tls = line.tls;
  out.tls_verify |= line.tls_verify;
  for (auto file : {&tls::Files::authority, &tls::Files::certificate, &tls::Files::key}) {
    if (!(line.tls_files.*file).empty()) out.tls_files.*file = line.tls_files.*file;
  }
  auto network = std::ranges::find_if(
      out.hosts, [](const std::string& host) { return host.starts_with("tcp://"); });
  return network == out.hosts.end() ? Status()
                                    : settle_network(out, cat("host ", quoted(*network)));
}

}  // namespace

Status settle_network(Configuration& out, std::string_view what) {
  auto fault = [&](std::string_view why) {
    return fail(Code::kInvalidArgument, cat(what, ": ", why));
  };
  if (out.tls_verify) {
    if (out.tls == false) return fault("tlsverify is without sense where tls is false");
    if (out.tls_files.authority.empty()) return fault("tlsverify needs tlscacert");
    out.tls = true;
  }
  if (!out.tls) {
    return fault(
        "who can connect to it is root: say tlsverify, with tlscacert, tlscert and tlskey, or say "
        "tls = false to serve it to everybody and unencrypted");
  }
  if (!*out.tls) return {};
  if (out.tls_files.certificate.empty() || out.tls_files.key.empty()) {
    return fault("TLS needs tlscert and tlskey");
  }
  if (!out.tls_verify) out.tls_files.authority.clear();
  return {};
}

Parsed parse_command_line(int argc, char** argv) {
  Parsed parsed;
  CommandLine& line = parsed.line;
  bool right = true;
  optind = 1;
  for (int found = 0;
       right && (found = ::getopt_long(argc, argv, "H:h", kOptions, nullptr)) >= 0;) {
    switch (found) {
      case kConfig:
        line.file = optarg;
        break;
      case kRoot:
        line.root = optarg;
        break;
      case kState:
        line.state = optarg;
        break;
      case 'H':
        line.hosts.emplace_back(optarg);
        break;
      case kLogLevel:
        line.log_level = optarg;
        break;
      case kIdleExit:
        right = read_number("--idle-exit", optarg, line.idle_exit);
        break;
      case kReadyFd:
        right = read_number("--ready-fd", optarg, line.ready_fd);
        break;
      case kTls:
      case kTlsVerify:
      case kTlsAuthority:
      case kTlsCertificate:
      case kTlsKey:
        right = read_tls(line, found);
        break;
      case kCheck:
        line.check = true;
        break;
      case kVersion:
        return said("dhowd version " DHOW_VERSION "\n");
      case 'h':
        return said(kHelp);
      default:
        right = false;  // getopt has said what is wrong
    }
  }
  if (right && optind < argc) {
    right = false;
    complain(cat("unexpected argument ", quoted(argv[optind])));
  }
  if (!right) parsed.exit_code = 2;
  return parsed;
}

Result<Configuration> load_configuration(const CommandLine& line) {
  Configuration result;
  std::string file;
  TRY(set_defaults(result, file, line));
  if (!line.file.empty()) file = line.file;
  auto text =
      file.empty() ? Result<std::string>(std::string()) : read_file(file, std::size_t{1} << 20);
  bool may_be_missing = line.file.empty();
  if (!text && !(may_be_missing && text.error().sys_errno() == ENOENT)) {
    return std::unexpected(std::move(text).error());
  }
  if (text) TRY(read_configuration(*text, file, result));
  if (!line.root.empty()) result.engine.root = line.root;
  if (!line.state.empty()) result.engine.state = line.state;
  if (!line.hosts.empty()) result.hosts = line.hosts;
  if (!line.log_level.empty()) {
    TRY_ASSIGN(result.log_level, parse_level(line.log_level));
  }
  for (const auto& [name, folder] :
       {std::pair{"root", &result.engine.root}, {"state", &result.engine.state}}) {
    if (folder->starts_with('/')) continue;
    return fail(Code::kInvalidArgument, cat(name, " ", quoted(*folder), ": not an absolute path"));
  }
  // A fault of it is one of the configuration, also where that is only checked.
  TRY(engine::engine_seccomp_profile(result.engine.seccomp_profile));
  TRY(engine::resolve_remap(result.engine.userns_remap));
  if (result.engine.builtin_images.empty()) result.engine.builtin_images = builtin_folder();
  if (result.hosts.empty()) result.hosts = {cat("unix://", result.engine.state, "/docker.sock")};
  TRY(settle_tls(result, line));
  return result;
}

}  // namespace dhow::dhowd
