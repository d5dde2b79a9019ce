// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "runtime/cgroup/host.h"
#include "sys/file_io.h"

namespace dhow::cgroup::testing {

// A made-up host in a temporary folder: mounts are plain folders, files are plain files. It goes
// with the object.
class FakeHost {
 public:
  FakeHost() {
    char name[] = "/tmp/dhow-cgroup-XXXXXX";
    root_ = ::mkdtemp(name);
    view.mount_root = cat(root_, "/cgroup");
    view.self_cgroup = cat(root_, "/self_cgroup");
    view.mountinfo = cat(root_, "/mountinfo");
    view.delegate_list = cat(root_, "/delegate");
    view.real = false;
    folder("");
    put("../mountinfo", "");
  }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;
  ~FakeHost() {
    set_write_observer(nullptr);
    std::ignore = remove_tree(kCwd, root_);
  }

  // Below the mount root.
  std::string path(std::string_view name) const { return cat(view.mount_root, "/", name); }
  std::string folder(std::string_view name) const {
    std::string whole = path(name);
    std::ignore = make_dirs(trim_slash(whole), 0755);
    return trim_slash(whole);
  }
  void put(std::string_view name, std::string_view content) const {
    std::string whole = path(name);
    auto fd = open_at(kCwd, whole, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd) std::ignore = write_all(*fd, content);
  }
  std::string get(std::string_view name) const {
    auto text = read_file(path(name));
    return text ? *text : text.error().message();
  }

  HostView view;

 private:
  static std::string trim_slash(std::string text) {
    while (text.ends_with('/')) text.pop_back();
    return text;
  }
  std::string root_;
};

// Every write since the last call, as "file=value" with the file's own name.
inline std::vector<std::string>& observed_writes() {
  static std::vector<std::string> writes;
  return writes;
}

inline void observe_writes() {
  observed_writes().clear();
  set_write_observer([](std::string_view path, std::string_view value) {
    observed_writes().push_back(cat(path.substr(path.rfind('/') + 1), "=", value));
  });
}

}  // namespace dhow::cgroup::testing
