// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "base/strings.h"
#include "oci/validate.h"
#include "runtime/init/process_setup.h"
#include "runtime/init/safe_proc.h"
#include "sys/file_io.h"

namespace dhow::init {
namespace {

using oci::NamespaceType;

// oci::validate has seen that the key belongs to one of these at all.
NamespaceType namespace_of(std::string_view file) {
  if (file.starts_with("net/")) return NamespaceType::kNetwork;
  if (file.starts_with("user/")) return NamespaceType::kUser;
  if (file == "kernel/hostname" || file == "kernel/domainname") return NamespaceType::kUts;
  return NamespaceType::kIpc;
}

const char* own_namespace(NamespaceType type) {
  switch (type) {
    case NamespaceType::kNetwork:
      return "/proc/self/ns/net";
    case NamespaceType::kUser:
      return "/proc/self/ns/user";
    case NamespaceType::kUts:
      return "/proc/self/ns/uts";
    default:
      return "/proc/self/ns/ipc";
  }
}

bool is_same_file(const std::string& path, const char* other) {
  struct stat first{};
  struct stat second{};
  return ::stat(path.c_str(), &first) == 0 && ::stat(other, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

Status check_sysctls(const oci::Config& config) {
  for (const auto& [key, value] : config.linux.sysctl) {
    NamespaceType type = namespace_of(oci::sysctl_file(key));
    const oci::Namespace* entry = config.linux.find_namespace(type);
    if (entry == nullptr || entry->path.empty()) continue;
    if (is_same_file(entry->path, own_namespace(type))) {
      return fail(Code::kInvalidArgument,
                  cat("sysctl ", quoted(key), " is not allowed in the host's ",
                      oci::namespace_name(type), " namespace"));
    }
  }
  return {};
}

Status write_sysctls(FdRef proc, const oci::StringMap& sysctls) {
  for (const auto& [key, value] : sysctls) {
    std::string context = cat("write sysctl ", quoted(key), " = ", quoted(value));
    std::string name = oci::sysctl_file(key);
    if (name.empty()) return fail(Code::kInvalidArgument, cat(context, ": not a valid name"));
    auto file = open_proc_for_write(proc, cat("sys/", name));
    if (!file) return fail(std::move(file).error().add_context(context));
    TRY_CONTEXT(write_all(*file, value), context);
  }
  return {};
}

}  // namespace dhow::init
