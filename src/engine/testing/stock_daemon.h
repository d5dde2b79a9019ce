// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace dhow::engine {

// A daemon of others as a child of the test, with a mount namespace of its own: what it mounts goes
// with it.
class StockDaemon {
 public:
  // Blocks until it says that it is ready, as it would tell systemd (sd_notify(3)). `folder` is for
  // its log and the socket for that. A daemon that ends before is kUnavailable, with its log's end.
  static Result<std::unique_ptr<StockDaemon>> start(const std::vector<std::string>& arguments,
                                                    const std::string& folder);
  // Ends it as a crash would, with SIGKILL; it is gone when this returns.
  void kill();
  // Asks it to end, and waits for that.
  ~StockDaemon();
  StockDaemon(const StockDaemon&) = delete;
  StockDaemon& operator=(const StockDaemon&) = delete;

 private:
  explicit StockDaemon(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace dhow::engine
