// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/spawn.h"
#include "sys/testing/forked.h"

namespace dhow::testing {

// Disks of one test: file systems in files of a folder. A copy that is taken of one while it is in
// use is what a power loss would leave of it: all that was synced, and only some of the rest.
class Disks {
 public:
  explicit Disks(std::string folder) : folder_(std::move(folder)) {}

  // Why there can't be any here; "": they can.
  static std::string missing() {
    return ::access("/dev/loop-control", R_OK | W_OK) == 0 ? "" : "no loop devices";
  }
  // Runs `body` in a child, with whose mounts all that it mounted goes; its failure, or "".
  static std::string in_private(const std::function<Status()>& body) {
    return in_child([&]() -> std::string {
      if (::unshare(CLONE_NEWNS) != 0 ||
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return "no mount namespace";
      }
      return message_of(body());
    });
  }

  Status make(const std::string& disk) const {
    TRY_ASSIGN(Fd file, open_at(kCwd, image(disk), O_RDWR | O_CREAT, 0600));
    if (::ftruncate(file.get(), 96 << 20) != 0) return fail_errno(errno, "make a disk");
    return run({"mkfs.ext4", "-q", "-F", image(disk)});
  }
  // The folder that it is mounted on. `options` are ext4's, each with a comma before it.
  Result<std::string> mount(const std::string& disk, std::string_view options = "") const {
    std::string at = cat(folder_, "/", disk);
    TRY(make_dirs(at, 0755));
    TRY(run({"mount", "-o", cat("loop", options), image(disk), at}));
    return at;
  }
  Status copy(const std::string& disk, const std::string& to) const {
    return run({"cp", "--sparse=always", image(disk), image(to)});
  }

 private:
  std::string image(const std::string& disk) const { return cat(folder_, "/", disk, ".img"); }
  static Status run(const std::vector<std::string>& arguments) {
    TRY_ASSIGN(SpawnOutput output, run_program(arguments));
    if (output.exit_code == 0) return {};
    return fail(Code::kInternal, cat(join(arguments, " "), ": ", output.error_text));
  }

  std::string folder_;
};

}  // namespace dhow::testing
