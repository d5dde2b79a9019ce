// SPDX-License-Identifier: Apache-2.0
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/init/process_setup.h"
#include "runtime/init/safe_proc.h"
#include "sys/file_io.h"

namespace dhow::init {

bool apparmor_enabled() {
  struct stat info{};
  if (::stat("/sys/kernel/security/apparmor", &info) != 0) return false;
  auto enabled = read_file("/sys/module/apparmor/parameters/enabled", 16);
  return enabled && enabled->starts_with('Y');
}

bool selinux_enabled() {
  struct statfs info{};
  return ::statfs("/sys/fs/selinux", &info) == 0 &&
         static_cast<unsigned long>(info.f_type) == SELINUX_MAGIC;
}

Status check_selinux_label(std::string_view label) {
  if (label.empty() || selinux_enabled()) return {};
  return fail(Code::kInvalidArgument,
              "selinux label is specified in config, but selinux is disabled or not supported");
}

// What EINVAL means is for the reader to find out: these run inside the container's mounts, where
// nothing that could tell is to be trusted.
Status set_apparmor_exec_profile(FdRef proc, std::string_view profile) {
  // Before 5.8 AppArmor has no folder of its own.
  auto written = write_proc_attribute(proc, {"apparmor/exec", "exec"}, cat("exec ", profile));
  if (written) return {};
  std::string context = cat("apply apparmor profile ", quoted(profile));
  if (written.error().sys_errno() == EINVAL) context += ": is AppArmor enabled on the host?";
  return fail(std::move(written).error().add_context(context));
}

Status set_selinux_exec_label(FdRef proc, std::string_view label) {
  auto written = write_proc_attribute(proc, {"exec"}, label);
  if (written) return {};
  std::string context = cat("set selinux label ", quoted(label));
  if (written.error().sys_errno() == EINVAL) {
    context += ": is SELinux enabled on the host, and does its policy have the label?";
  }
  return fail(std::move(written).error().add_context(context));
}

}  // namespace dhow::init
