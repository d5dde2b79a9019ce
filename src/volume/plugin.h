// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/lease_store.h"

namespace dhow::volume {

// Where docker looks for sockets of plugins.
inline constexpr const char* kPluginFolder = "/run/docker/plugins";

// Somebody's driver of volumes, by docker's protocol for plugins of the legacy kind (docs of the
// Engine, "Docker volume plugins"): HTTP on a Unix socket. Calls block for at most a minute;
// kUnavailable when nobody answers, kUnknown with the plugin's own words when it refuses. For one
// thread at a time.
class Plugin {
 public:
  // The socket NAME.sock, or NAME/NAME.sock, of the first folder that has one. kNotFound in
  // docker's words when there is none, or when it is a plugin of another kind.
  static Result<Plugin> find(const std::vector<std::string>& folders, const std::string& name);

  Status create(const std::string& volume, const metadata::Labels& options) const;
  Status remove(const std::string& volume) const;
  // Where the volume is from now on, until `user` has it unmounted as often.
  Result<std::string> mount(const std::string& volume, const std::string& user) const;
  Status unmount(const std::string& volume, const std::string& user) const;
  // Where it is; "": nowhere now.
  Result<std::string> path(const std::string& volume) const;

 private:
  Plugin(std::string name, std::string socket)
      : name_(std::move(name)), socket_(std::move(socket)) {}
  // The body of the answer.
  Result<std::string> post(std::string_view path, const std::string& body) const;
  // The member Mountpoint of the answer.
  Result<std::string> ask(std::string_view method, const std::string& body) const;

  std::string name_;
  std::string socket_;
};

}  // namespace dhow::volume
