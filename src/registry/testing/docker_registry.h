// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::registry::testing {

// Debian's docker-registry as a child of the test, on a loopback port that it chooses. It and its
// storage go with the object.
class DockerRegistry {
 public:
  struct Options {
    std::string folder;            // of the caller's, for its configuration and storage
    std::string certificate = {};  // PEM; "": plain
    std::string key = {};
    std::string client_authority = {};  // PEM: clients must show a certificate of it
    std::string auth = {};              // lines of YAML below "auth:"; "": none
  };

  // Why it can't be had here; "": it can.
  static std::string missing();
  // Blocks until it listens.
  static Result<std::unique_ptr<DockerRegistry>> start(const Options& options);
  ~DockerRegistry();

  const std::string& port() const { return port_; }
  std::string domain() const { return "127.0.0.1:" + port_; }
  // How many lines of its log have that in them, after waiting until there are `at_least` that
  // many, for some seconds at most: a request is logged after its answer went out.
  std::size_t log_lines_with(std::string_view wanted, std::size_t at_least = 0) const;

 private:
  DockerRegistry(pid_t pid, Fd log) : pid_(pid), log_(std::move(log)) {}

  Result<std::string> read_port();
  void read_log();

  pid_t pid_;
  Fd log_;
  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  std::string text_;  // of the log
  std::string port_;
  std::thread reader_;
};

}  // namespace dhow::registry::testing
