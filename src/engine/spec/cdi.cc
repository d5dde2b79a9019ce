// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/cdi.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "engine/spec/invalid.h"
#include "engine/spec/yaml_json.h"
#include "oci/json_reader.h"
#include "sys/file_io.h"

namespace dhow::engine {

// What a description has of a device, or of all of its devices.
struct CdiEdits {
  std::vector<std::string> env;
  struct Node {
    std::string path, host_path, type, permissions;
    std::optional<std::int64_t> major, minor;
    std::optional<std::uint32_t> file_mode, uid, gid;
  };
  std::vector<Node> nodes;
  struct Hook {
    std::string name;
    oci::Hook hook;
  };
  std::vector<Hook> hooks;
  std::vector<oci::Mount> mounts;
  std::vector<std::uint32_t> additional_gids;
};

struct CdiDevice {
  std::string name;
  CdiEdits edits;
};

struct CdiSpec {
  // Of a description that can't be read: what it says all the same, where it is, and why.
  std::string text, file;
  std::optional<Error> fault;
  std::string kind;
  std::vector<CdiDevice> devices;
  CdiEdits edits;
};

void decode(const oci::JsonReader& in, CdiEdits::Node& out);
void decode(const oci::JsonReader& in, CdiEdits::Hook& out);
void decode(const oci::JsonReader& in, CdiEdits& out);
void decode(const oci::JsonReader& in, CdiDevice& out);
void decode(const oci::JsonReader& in, CdiSpec& out);

void decode(const oci::JsonReader& in, CdiEdits::Node& out) {
  oci::required_member(in, "path", out.path);
  oci::optional_member(in, "hostPath", out.host_path);
  oci::optional_member(in, "type", out.type);
  oci::optional_member(in, "permissions", out.permissions);
  oci::optional_member(in, "major", out.major);
  oci::optional_member(in, "minor", out.minor);
  oci::optional_member(in, "fileMode", out.file_mode);
  oci::optional_member(in, "uid", out.uid);
  oci::optional_member(in, "gid", out.gid);
}

void decode(const oci::JsonReader& in, CdiEdits::Hook& out) {
  oci::required_member(in, "hookName", out.name);
  oci::required_member(in, "path", out.hook.path);
  oci::optional_member(in, "args", out.hook.args);
  oci::optional_member(in, "env", out.hook.env);
  oci::optional_member(in, "timeout", out.hook.timeout);
}

void decode(const oci::JsonReader& in, CdiEdits& out) {
  oci::optional_member(in, "env", out.env);
  oci::optional_member(in, "deviceNodes", out.nodes);
  oci::optional_member(in, "hooks", out.hooks);
  oci::optional_member(in, "additionalGids", out.additional_gids);
  oci::JsonReader mounts = in.member("mounts");
  for (std::size_t i = 0; i < mounts.value().size(); ++i) {
    oci::JsonReader mount = mounts.item(i);
    oci::Mount& made = out.mounts.emplace_back();
    oci::required_member(mount, "hostPath", made.source);
    oci::required_member(mount, "containerPath", made.destination);
    oci::optional_member(mount, "type", made.type);
    oci::optional_member(mount, "options", made.options);
  }
}

void decode(const oci::JsonReader& in, CdiDevice& out) {
  oci::required_member(in, "name", out.name);
  oci::optional_member(in, "containerEdits", out.edits);
}

void decode(const oci::JsonReader& in, CdiSpec& out) {
  oci::required_member(in, "kind", out.kind);
  oci::required_member(in, "devices", out.devices);
  oci::optional_member(in, "containerEdits", out.edits);
}

namespace {

constexpr std::size_t kMaxSpec = std::size_t{16} << 20;

Status add_node(const CdiEdits::Node& node, oci::Config& spec) {
  oci::Device device;
  device.path = node.path;
  const std::string& source = node.host_path.empty() ? node.path : node.host_path;
  struct stat info{};
  bool known = ::stat(source.c_str(), &info) == 0;
  if (node.type.empty() && !known) return fail_errno(errno, cat("CDI: device ", source));
  device.type = !node.type.empty() ? node.type[0] : S_ISBLK(info.st_mode) ? 'b' : 'c';
  device.major = node.major.value_or(known ? static_cast<std::int64_t>(major(info.st_rdev)) : 0);
  device.minor = node.minor.value_or(known ? static_cast<std::int64_t>(minor(info.st_rdev)) : 0);
  device.file_mode = node.file_mode ? node.file_mode
                     : known        ? std::optional<std::uint32_t>(info.st_mode & ALLPERMS)
                                    : std::nullopt;
  device.uid = node.uid;
  device.gid = node.gid;
  oci::DeviceRule rule;
  rule.allow = true;
  rule.type = device.type;
  rule.major = device.major;
  rule.minor = device.minor;
  rule.access = node.permissions.empty() ? "rwm" : node.permissions;
  std::erase_if(spec.linux.devices, [&](const oci::Device& old) { return old.path == node.path; });
  spec.linux.devices.push_back(std::move(device));
  if (rule.type != 'p') spec.linux.resources->devices.push_back(std::move(rule));
  return {};
}

Status add_hook(const CdiEdits::Hook& hook, oci::Hooks& hooks) {
  std::pair<std::string_view, std::vector<oci::Hook>*> lists[] = {
      {"prestart", &hooks.prestart},
      {"createRuntime", &hooks.create_runtime},
      {"createContainer", &hooks.create_container},
      {"startContainer", &hooks.start_container},
      {"poststart", &hooks.poststart},
      {"poststop", &hooks.poststop}};
  for (auto& [name, list] : lists) {
    if (name != hook.name) continue;
    list->push_back(hook.hook);
    return {};
  }
  return invalid(cat("CDI: unknown hook ", quoted(hook.name)));
}

Status apply(const CdiEdits& edits, oci::Config& spec) {
  for (const std::string& entry : edits.env) spec.process->env.push_back(entry);
  for (const CdiEdits::Node& node : edits.nodes) TRY(add_node(node, spec));
  for (const CdiEdits::Hook& hook : edits.hooks) TRY(add_hook(hook, spec.hooks));
  for (oci::Mount mount : edits.mounts) {
    if (mount.type.empty()) mount.type = "bind";
    spec.mounts.push_back(std::move(mount));
  }
  auto& gids = spec.process->user.additional_gids;
  for (std::uint32_t gid : edits.additional_gids) {
    if (gid != 0 && std::ranges::find(gids, gid) == gids.end()) gids.push_back(gid);
  }
  return {};
}

CdiSpec read_spec(FdRef folder, const std::string& name, bool yaml) {
  CdiSpec unread;
  auto text = read_file(folder, name, kMaxSpec);
  if (!text) {
    unread.fault = std::move(text).error();
    return unread;
  }
  auto json = yaml ? json_of_yaml(*text) : Result<std::string>(*text);
  auto spec = json ? oci::parse_as<CdiSpec>(*json) : Result<CdiSpec>(fail(json.error()));
  if (spec) return std::move(*spec);
  unread.text = std::move(*text);
  unread.fault = std::move(spec).error();
  return unread;
}

std::vector<CdiSpec> read_specs(const std::vector<std::string>& folders) {
  std::vector<CdiSpec> specs;
  for (const std::string& folder : folders) {
    auto opened = open_at(kCwd, folder, O_RDONLY | O_DIRECTORY);
    if (!opened) continue;
    auto names = list_dir(*opened);
    if (!names) continue;
    std::ranges::sort(*names);
    for (const std::string& name : *names) {
      bool yaml = name.ends_with(".yaml") || name.ends_with(".yml");
      if (!yaml && !name.ends_with(".json")) continue;
      specs.push_back(read_spec(*opened, name, yaml));
      CdiSpec& spec = specs.back();
      spec.file = cat(folder, "/", name);
      if (spec.fault) log::warning(cat("CDI: ", spec.file, ": ", spec.fault->message()));
    }
  }
  return specs;
}

Status inject(const std::string& id, const std::vector<CdiSpec>& specs,
              std::vector<const CdiSpec*>& used, oci::Config& spec) {
  std::size_t equals = id.find('=');
  if (equals == std::string::npos || id.find('/') > equals) {
    return invalid(cat("CDI device injection failed: unqualified device ", quoted(id)));
  }
  // The last folder goes before.
  for (auto it = specs.rbegin(); it != specs.rend(); ++it) {
    // Whether it has the device is not known: another's description must not be taken in its place.
    if (it->fault && it->text.find(id.substr(0, equals)) != std::string::npos) {
      Error fault = *it->fault;
      fault.add_context(cat("CDI device injection failed: ", id, ": ", it->file));
      return std::unexpected(std::move(fault));
    }
    if (it->kind != id.substr(0, equals)) continue;
    for (const CdiDevice& device : it->devices) {
      if (device.name != id.substr(equals + 1)) continue;
      if (std::ranges::find(used, &*it) == used.end()) {
        used.push_back(&*it);
        TRY(apply(it->edits, spec));
      }
      return apply(device.edits, spec);
    }
  }
  return invalid(cat("CDI device injection failed: unresolvable CDI devices ", id));
}

}  // namespace

Status inject_devices(const DeviceRequest& request, const std::vector<std::string>& folders,
                      oci::Config& spec) {
  if (request.driver != "cdi") {
    return fail(
        Code::kUnimplemented,
        cat("could not select device driver ", quoted(request.driver),
            " with capabilities: only \"cdi\" is built: use --device vendor.com/class=name"));
  }
  std::vector<CdiSpec> specs = read_specs(folders);
  std::vector<const CdiSpec*> used;
  for (const std::string& id : request.device_ids) TRY(inject(id, specs, used, spec));
  return {};
}

}  // namespace dhow::engine
