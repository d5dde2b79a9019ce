// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/devices.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

constexpr int kDeviceDepth = 8;
constexpr std::string_view kAllAccess = "rwm";
// Of /dev, what a container has of its own.
constexpr std::string_view kOwnFolders[] = {"pts",  "shm",         "fd",   "mqueue",
                                            ".lxc", ".lxd-mounts", ".udev"};

bool is_device(const struct stat& info) { return S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode); }

void add_node(const struct stat& info, std::string path, std::string_view access,
              SpecDevices& out) {
  oci::Device node;
  node.path = std::move(path);
  node.type = S_ISBLK(info.st_mode) ? 'b' : 'c';
  node.major = static_cast<std::int64_t>(major(info.st_rdev));
  node.minor = static_cast<std::int64_t>(minor(info.st_rdev));
  node.file_mode = info.st_mode & ALLPERMS;
  node.uid = info.st_uid;
  node.gid = info.st_gid;
  oci::DeviceRule rule;
  rule.allow = true;
  rule.type = node.type;
  rule.major = node.major;
  rule.minor = node.minor;
  rule.access = access;
  out.nodes.push_back(std::move(node));
  out.rules.push_back(std::move(rule));
}

// Those in a folder and below; links are left out.
Status add_folder(FdRef folder, const std::string& inside, std::string_view access, int depth,
                  SpecDevices& out) {
  if (depth > kDeviceDepth) return {};
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folder));
  std::ranges::sort(names);
  for (const std::string& name : names) {
    struct stat info{};
    if (::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (is_device(info)) {
      if (name != "console") add_node(info, cat(inside, "/", name), access, out);
    } else if (S_ISDIR(info.st_mode) &&
               std::ranges::find(kOwnFolders, name) == std::end(kOwnFolders)) {
      auto below = open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (below) TRY(add_folder(*below, cat(inside, "/", name), access, depth + 1, out));
    }
  }
  return {};
}

std::unexpected<Error> no_device(const std::string& path, std::string_view why) {
  return fail(Code::kInvalidArgument,
              cat("error gathering device information while adding custom device ", quoted(path),
                  ": ", why));
}

oci::DeviceRule rule_of(std::int64_t major, std::int64_t minor) {
  oci::DeviceRule rule;
  rule.allow = true;
  rule.type = 'c';
  rule.major = major;
  rule.minor = minor;
  rule.access = kAllAccess;
  return rule;
}

}  // namespace

std::vector<oci::DeviceRule> default_device_rules() {
  oci::DeviceRule deny;
  deny.access = kAllAccess;
  return {deny,          rule_of(1, 5), rule_of(1, 3), rule_of(1, 9),
          rule_of(1, 8), rule_of(1, 7), rule_of(5, 0), rule_of(5, 1)};
}

Status add_device(const DeviceMapping& wanted, SpecDevices& out) {
  std::string_view access =
      wanted.cgroup_permissions.empty() ? kAllAccess : std::string_view(wanted.cgroup_permissions);
  if (access.find_first_not_of(kAllAccess) != std::string_view::npos) {
    return fail(Code::kInvalidArgument, cat("invalid device mode: ", access));
  }
  std::string inside =
      wanted.path_in_container.empty() ? wanted.path_on_host : wanted.path_in_container;
  struct stat info{};
  if (::stat(wanted.path_on_host.c_str(), &info) != 0) {
    return no_device(wanted.path_on_host, errno_text(errno));
  }
  if (is_device(info)) {
    add_node(info, std::move(inside), access, out);
    return {};
  }
  if (!S_ISDIR(info.st_mode)) return no_device(wanted.path_on_host, "not a device node");
  TRY_ASSIGN(Fd folder, open_at(kCwd, wanted.path_on_host, O_RDONLY | O_DIRECTORY));
  std::size_t before = out.nodes.size();
  TRY(add_folder(folder, inside, access, 0, out));
  if (out.nodes.size() == before) return no_device(wanted.path_on_host, "no device nodes found");
  return {};
}

Status add_all_devices(SpecDevices& out) {
  TRY_ASSIGN(Fd folder, open_at(kCwd, "/dev", O_RDONLY | O_DIRECTORY));
  TRY(add_folder(folder, "/dev", kAllAccess, 0, out));
  oci::DeviceRule all;
  all.allow = true;
  all.access = kAllAccess;
  out.rules = {all};
  return {};
}

Result<oci::DeviceRule> parse_device_rule(std::string_view text) {
  auto wrong = [&] {
    return fail(Code::kInvalidArgument, cat("invalid device cgroup rule format: '", text, "'"));
  };
  std::vector<std::string_view> parts = split(text, ' ');
  if (parts.size() != 3 || parts[0].size() != 1 || parts[2].empty() ||
      parts[2].find_first_not_of(kAllAccess) != std::string_view::npos ||
      std::string_view("abc").find(parts[0]) == std::string_view::npos) {
    return wrong();
  }
  std::vector<std::string_view> numbers = split(parts[1], ':');
  if (numbers.size() != 2) return wrong();
  oci::DeviceRule rule;
  rule.allow = true;
  rule.type = parts[0][0];
  rule.access = parts[2];
  for (int i = 0; i < 2; ++i) {
    auto& number = i == 0 ? rule.major : rule.minor;
    std::string_view digits = numbers[static_cast<std::size_t>(i)];
    number = digits == "*" ? std::optional<std::int64_t>(-1) : parse_number<std::int64_t>(digits);
    if (!number) return wrong();
  }
  return rule;
}

}  // namespace dhow::engine
