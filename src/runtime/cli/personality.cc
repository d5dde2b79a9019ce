// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/personality.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"

namespace dhow::runtime::cli {
namespace {

// The releases whose command line and behaviour the program offers under the other names: callers
// decide by them what they may ask for.
constexpr std::string_view kRuncVersion = "1.4.0";
constexpr std::string_view kCrunVersion = "1.29";
constexpr std::string_view kSpecVersion = "1.3.0";

bool wants_runtime_dir() {
  if (geteuid() != 0) return true;
  if (!in_user_namespace().value_or(false)) return false;
  const char* user = getenv("USER");
  return user == nullptr || std::string_view(user) != "root";
}

}  // namespace

Personality personality_of(std::string_view argv0) {
  std::string_view base = argv0.substr(argv0.rfind('/') + 1);
  if (base == "runc" || base.starts_with("runc-")) return {"runc", Style::kRunc};
  if (base == "crun" || base.starts_with("crun-") || base == "krun") return {"crun", Style::kCrun};
  return {"dhow-runtime", Style::kRunc};
}

std::string version_text(const Personality& personality, std::string_view root) {
  std::string version = DHOW_VERSION;
  if (personality.name == "runc") version = cat(kRuncVersion, "+dhow-", DHOW_VERSION);
  if (personality.name == "crun") version = cat(kCrunVersion, "+dhow-", DHOW_VERSION);
  std::string text = cat(personality.name, " version ", version, "\ncommit: ", DHOW_COMMIT, "\n");
  if (personality.style == Style::kCrun) text += cat("rundir: ", root, "\n");
  text += cat("spec: ", kSpecVersion, "\n");
  if (personality.style == Style::kCrun) {
    text += "+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU\n";
  }
  return text;
}

Result<std::string> default_root(const Personality& personality) {
  const char* runtime_dir = getenv("XDG_RUNTIME_DIR");
  if (runtime_dir == nullptr || *runtime_dir == '\0' || !wants_runtime_dir()) {
    return cat("/run/", personality.name);
  }
  std::string root = cat(runtime_dir, "/", personality.name);
  TRY(make_dirs(root, 0700));
  if (chmod(root.c_str(), S_ISVTX | 0700) != 0) {
    return fail_errno(errno, cat("set the mode of ", quoted(root)));
  }
  return root;
}

}  // namespace dhow::runtime::cli
