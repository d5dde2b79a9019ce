// SPDX-License-Identifier: Apache-2.0
#include "bench/workspace.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "sys/fd.h"
#include "sys/file_io.h"

namespace dhow::bench {
namespace {

namespace fs = std::filesystem;

Status copy_program(const std::string& source, const std::string& target) {
  std::error_code error;
  fs::copy_file(source, target, error);
  if (!error) fs::permissions(target, fs::perms(0755), error);
  if (error) return fail_errno(error.value(), cat("copy ", dhow::quoted(source)));
  return {};
}

// The folders that `path` names in the mounted hierarchies, version 1 and 2.
std::vector<fs::path> cgroup_folders(const std::string& path) {
  std::vector<fs::path> folders;
  const fs::path top = "/sys/fs/cgroup";
  std::error_code error;
  const auto add = [&](const fs::path& hierarchy) {
    const fs::path folder = hierarchy.string() + path;
    if (!fs::is_symlink(hierarchy, error) && fs::is_directory(folder, error)) {
      folders.push_back(folder);
    }
  };
  add(top);
  if (!fs::exists(top / "cgroup.controllers", error)) {
    for (const auto& entry : fs::directory_iterator(top, error)) add(entry.path());
  }
  return folders;
}

void remove_cgroups(const std::string& path) {
  for (const fs::path& folder : cgroup_folders(path)) {
    std::vector<fs::path> found = {folder};
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
      if (entry.is_directory(error)) found.push_back(entry.path());
    }
    // Children are longer than their parents.
    std::ranges::sort(found, std::greater(), [](const fs::path& p) { return p.native().size(); });
    for (const fs::path& one : found) {
      if (rmdir(one.c_str()) != 0) {
        log::warning(cat("remove cgroup ", dhow::quoted(one.native()), ": ", errno_text(errno)));
      }
    }
  }
}

}  // namespace

Result<Workspace> Workspace::make(const std::string& true_program, const std::string& busybox) {
  if (unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "unshare mount namespace");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return fail_errno(errno, "make mounts private");
  }
  const char* temporary = getenv("TMPDIR");
  std::string pattern = cat(temporary != nullptr ? temporary : "/tmp", "/dhow-bench.XXXXXX");
  if (mkdtemp(pattern.data()) == nullptr) {
    return fail_errno(errno, cat("make folder ", dhow::quoted(pattern)));
  }
  Workspace workspace;
  workspace.root_ = pattern;
  workspace.cgroup_ = cat("/dhow-bench-", getpid());
  if (mount("tmpfs", pattern.c_str(), "tmpfs", 0, "mode=755") != 0) {
    return fail_errno(errno, cat("mount tmpfs on ", dhow::quoted(pattern)));
  }
  workspace.mounted_ = true;
  TRY(workspace.fill(true_program, busybox));
  return workspace;
}

Workspace::Workspace(Workspace&& other) noexcept
    : root_(std::exchange(other.root_, {})),
      cgroup_(std::exchange(other.cgroup_, {})),
      mounted_(std::exchange(other.mounted_, false)) {}

Workspace::~Workspace() {
  if (root_.empty()) return;
  remove_cgroups(cgroup_);
  if (mounted_ && umount2(root_.c_str(), MNT_DETACH) != 0) {
    log::warning(cat("unmount ", dhow::quoted(root_), ": ", errno_text(errno)));
  }
  if (rmdir(root_.c_str()) != 0) {
    log::warning(cat("remove ", dhow::quoted(root_), ": ", errno_text(errno)));
  }
}

Status Workspace::fill(const std::string& true_program, const std::string& busybox) const {
  for (const char* folder : {"/bin", "/proc", "/dev", "/sys"}) {
    TRY(make_dirs(rootfs() + folder, 0755));
  }
  TRY(copy_program(true_program, rootfs() + "/bin/true"));
  TRY(copy_program(busybox, rootfs() + "/bin/busybox"));
  TRY(make_dirs(mount_source(), 0755));
  for (int i = 0; i < kExtraMounts; ++i) {
    TRY(make_dirs(cat(mount_targets(), "/", i), 0755));
  }
  return {};
}

int count_cgroups(const std::string& path) {
  int count = 0;
  for (const fs::path& folder : cgroup_folders(path)) {
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
      if (entry.is_directory(error)) ++count;
    }
  }
  return count;
}

int count_mounts(int pid) {
  const auto text = read_file(cat("/proc/", pid, "/mountinfo"));
  return text ? static_cast<int>(std::ranges::count(*text, '\n')) : 0;
}

}  // namespace dhow::bench
