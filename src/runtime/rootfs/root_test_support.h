// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "oci/config.h"
#include "runtime/rootfs/rootfs.h"

// Support for the tests that need root: real root filesystems in namespaces of their own. The whole
// test program runs in a mount namespace with a fresh tmpfs on /run and on its work folder, so
// nothing that a test mounts or forgets outlives it.
namespace dhow::rootfs {

// nullptr, or why tests can't run here.
const char* why_not_root();

#define SKIP_UNLESS_ROOT() \
  if (const char* reason = why_not_root()) GTEST_SKIP() << reason

// A fresh bundle folder with an empty "rootfs" in it.
std::string make_bundle();
void make_path(const std::string& path);
void write_text(const std::string& path, const std::string& text);
// "" when it can't be read.
std::string read_text(const std::string& path);
std::string mountinfo();

oci::Mount mount_of(std::string destination, std::string type, std::string source,
                    std::vector<std::string> options = {});
// proc, /dev as tmpfs, devpts, shm, mqueue, sysfs.
std::vector<oci::Mount> default_mounts();
oci::Config default_config();

struct Container {
  oci::Config config;
  Options options;
  bool userns = false;       // ids 0 to 65535 are 100000 and up on the host
  unsigned single_user = 0;  // not 0: rootless, only this user is mapped, as root
  bool network_ns = true;
  bool pid_ns = true;
  bool cgroup_ns = false;
  bool console = false;
  // In the child, after everything; "" or what is wrong. Runs with the container's root as "/".
  std::function<std::string(Rootfs&)> check;
  // In the child, before switch_root.
  std::function<std::string(Rootfs&)> before_switch;
};

// Prepares, clones, builds, checks: "" when all went well, else the error or the check's text.
std::string run(Container& container);

// A running container for hot mounts: its process waits until `stop` is called.
class Running {
 public:
  explicit Running(Container& container);
  ~Running();
  const std::string& error() const { return error_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int socket_ = -1;
  std::string error_;
};

Container make_container(SwitchMode mode);

// Runs `body` in a child that joined the container's mount namespace and root: its text.
std::string inside(pid_t pid, const std::function<std::string()>& body);

}  // namespace dhow::rootfs
