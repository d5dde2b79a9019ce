// SPDX-License-Identifier: Apache-2.0
#include "runtime/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_value.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

constexpr std::string_view kFileName = "descriptors.json";
constexpr std::size_t kMaxFile = 65536;

// "mnt_id:\t31" in /proc/<pid>/fdinfo/<fd> (proc(5)).
Result<std::uint64_t> mount_of(pid_t pid, int fd) {
  std::string path = cat("/proc/", pid, "/fdinfo/", fd);
  TRY_ASSIGN(std::string text, read_file(path));
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with("mnt_id:")) continue;
    if (auto id = parse_number<std::uint64_t>(trim(line.substr(7)))) return *id;
  }
  return fail(Code::kDataLoss, cat(quoted(path), ": no mount id"));
}

Result<std::string> name_stream(pid_t pid, int fd, const std::vector<rootfs::MountInfo>& mounts) {
  std::string path = cat("/proc/", pid, "/fd/", fd);
  char target[PATH_MAX];
  ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  if (size < 0 && errno == ENOENT) return std::string();  // closed
  if (size < 0) return fail_errno(errno, cat("read link ", quoted(path)));
  std::string name(target, static_cast<std::size_t>(size));
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return fail_errno(errno, cat("stat ", quoted(path)));
  bool terminal = S_ISCHR(info.st_mode) && name.starts_with("/dev/pts/");
  if (!name.starts_with('/') || terminal) return name;
  TRY_ASSIGN(std::uint64_t mount, mount_of(pid, fd));
  bool inside = std::ranges::find(mounts, mount, &rootfs::MountInfo::id) != mounts.end();
  if (inside) return name;
  char text[64];
  ::snprintf(text, sizeof text, "file[%llx:%llx]", static_cast<unsigned long long>(mount),
             static_cast<unsigned long long>(info.st_ino));
  return std::string(text);
}

}  // namespace

Result<std::vector<std::string>> name_standard_streams(
    pid_t pid, const std::vector<rootfs::MountInfo>& mounts) {
  std::vector<std::string> names;
  for (int fd = 0; fd <= 2; ++fd) {
    TRY_ASSIGN(std::string name, name_stream(pid, fd, mounts));
    names.push_back(std::move(name));
  }
  return names;
}

bool is_outside_file(std::string_view name) { return name.starts_with("file["); }

bool is_outside_stream(std::string_view name) {
  return name.starts_with("pipe:[") || is_outside_file(name);
}

Status save_streams(FdRef image, const std::vector<std::string>& names) {
  oci::JsonWriter json;
  json.begin_array();
  for (const std::string& name : names) json.string(name);
  json.end_array();
  return replace_file(image, kFileName, json.text(), 0600);
}

Result<std::vector<std::string>> load_streams(FdRef image) {
  auto text = read_file(image, kFileName, kMaxFile);
  if (!text) {
    if (text.error().sys_errno() == ENOENT) return std::vector<std::string>();
    return fail(std::move(text).error());
  }
  auto document = oci::JsonDocument::parse(*text);
  if (!document) return fail(std::move(document).error().add_context(kFileName));
  oci::JsonValue root = document->root();
  if (root.kind() != oci::JsonKind::kArray) {
    return fail(Code::kDataLoss, cat(kFileName, ": not an array"));
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < root.size(); ++i) {
    auto name = root.item(i).as_string();
    if (!name) return fail(Code::kDataLoss, cat(kFileName, ": item ", i, " is no text"));
    names.emplace_back(*name);
  }
  return names;
}

}  // namespace dhow::runtime
