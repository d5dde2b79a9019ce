// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "oci/config_codec.h"
#include "runtime/cli/command.h"
#include "sys/file_io.h"

namespace dhow::runtime::cli {
namespace {

// Whether the host has one cgroup tree: then the container gets a cgroup namespace.
bool on_cgroup2() {
  struct statfs info{};
  return statfs("/sys/fs/cgroup", &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
}

}  // namespace

Result<int> handle_spec(const Invocation& call) {
  std::string name(call.arguments.string("file", "config.json"));
  std::string bundle(call.arguments.string("bundle"));
  Fd folder;
  if (!bundle.empty()) {
    Result<Fd> opened = open_at(kCwd, bundle, O_PATH | O_DIRECTORY);
    if (!opened) return fail_errno(opened.error().sys_errno(), cat("chdir ", bundle));
    folder = std::move(*opened);
  }
  // O_EXCL: of two callers one gets the file, and what is there is never overwritten.
  Result<Fd> file = open_at(folder ? FdRef(folder) : kCwd, name, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (!file && file.error().sys_errno() == EEXIST) {
    return fail(
        Error(Code::kAlreadyExists, EEXIST, cat("File ", name, " exists. Remove it first")));
  }
  if (!file) return fail(file.error());
  bool rootless = call.arguments.boolean("rootless");
  TRY_CONTEXT(
      write_all(*file, oci::default_config_json(rootless, geteuid(), getegid(), on_cgroup2())),
      cat("write ", quoted(name)));
  return 0;
}

}  // namespace dhow::runtime::cli
