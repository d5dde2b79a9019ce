// SPDX-License-Identifier: Apache-2.0
#include "shim/bundle.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "oci/json_value.h"
#include "shim/worker.h"
#include "sys/file_io.h"

namespace dhow::shim {
namespace {

constexpr std::string_view kOptionsFile = "dhow-options";

Result<std::string> config_text(const std::string& bundle) {
  return read_file(cat(bundle, "/config.json"));
}

Result<oci::JsonDocument> parse_config(const std::string& bundle, std::string_view text) {
  auto document = oci::JsonDocument::parse(text);
  if (!document) return fail(std::move(document).error().add_context(cat(bundle, "/config.json")));
  return document;
}

}  // namespace

Status save_options(const std::string& bundle, const rpc::runc::Options& options) {
  std::string bytes = rpc::encode(options);
  if (bytes.empty()) return {};
  TRY_ASSIGN(Fd folder, open_at(kCwd, bundle, O_RDONLY | O_DIRECTORY));
  return replace_file(folder, kOptionsFile, bytes, 0600);
}

rpc::runc::Options load_options(const std::string& bundle) {
  auto bytes = read_file(cat(bundle, "/", kOptionsFile));
  if (!bytes) return {};
  return rpc::decode<rpc::runc::Options>(*bytes).value_or(rpc::runc::Options{});
}

RuntimeChoice choose_runtime(const rpc::runc::Options& options, const std::string& bundle,
                             const std::string& default_root, const std::string& name_space) {
  RuntimeChoice choice;
  choice.program = options.binary_name;
  choice.folder = bundle;
  choice.systemd_cgroup = options.systemd_cgroup;
  choice.root = cat(options.root.empty() ? default_root : options.root, "/", name_space);
  return choice;
}

Result<bool> wants_host_mounts(const std::string& bundle) {
  TRY_ASSIGN(std::string text, config_text(bundle));
  // Hardly any has the word, escaped or not, and the runtime is going to read all of it again.
  if (text.find("shared\"") == std::string::npos && text.find("\\u") == std::string::npos) {
    return false;
  }
  TRY_ASSIGN(oci::JsonDocument config, parse_config(bundle, text));
  auto is_shared = [](oci::JsonValue value) {
    auto word = value.as_string().value_or("");
    return word == "shared" || word == "rshared";
  };
  oci::JsonValue mounts = config.root().find("mounts");
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    oci::JsonValue options = mounts.item(i).find("options");
    for (std::size_t k = 0; k < options.size(); ++k) {
      if (is_shared(options.item(k))) return true;
    }
  }
  return is_shared(config.root().find("linux").find("rootfsPropagation"));
}

Status enter_host_mounts() {
  // -1 would have been given as /dev/null, which is no namespace.
  if (::setns(Workers::kMountSpace, CLONE_NEWNS) == 0 || errno == EINVAL) return {};
  return fail_errno(errno, "enter the mounts of the host");
}

bool is_first_of_its_pids(pid_t pid) {
  std::string text = read_file(cat("/proc/", pid, "/status")).value_or("");
  constexpr std::string_view kName = "\nNSpid:";
  std::size_t begin = text.find(kName);
  // An end that came already has nothing left to take along.
  if (begin == std::string::npos) return true;
  std::string_view line = std::string_view(text).substr(begin + kName.size());
  auto words = split(trim(line.substr(0, line.find('\n'))), '\t');
  return words.size() > 1 && words.back() == "1";
}

Result<std::string> group_of(const std::string& bundle) {
  TRY_ASSIGN(std::string text, config_text(bundle));
  TRY_ASSIGN(oci::JsonDocument config, parse_config(bundle, text));
  oci::JsonValue annotations = config.root().find("annotations");
  for (std::string_view name : {"io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"}) {
    auto group = annotations.find(name).as_string();
    if (group && !group->empty()) return std::string(*group);
  }
  return std::string();
}

}  // namespace dhow::shim
