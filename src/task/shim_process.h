// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/process.h"
#include "task/bundle.h"
#include "task/launcher.h"
#include "task/tasks.h"

// Shims as processes: their start, their `delete`, their end.
namespace dhow::task {

// What every shim is told.
struct ShimSite {
  Key key;
  std::string bundle;          // path
  std::string events_address;  // path of the socket that takes events
};

// Our shim's program in memory, sealed (memfd_create(2)): copied once, so that a start reads no
// disk, an update of the file changes no running engine, and no container can write to it. All
// shims share its pages.
class ShimImage {
 public:
  static Result<ShimImage> load(const std::string& program);

  struct Started {
    PidFd process;  // a child of the caller, in a session of its own
    Bootstrap bootstrap;
  };
  // Starts `serve` in the opened bundle, on a socket that listens there already: to be connected to
  // at once. Does not wait for the shim.
  Result<Started> start(const ShimSite& site, const Fd& bundle,
                        const std::vector<std::string>& arguments) const;

 private:
  ShimImage(std::string name, std::unique_ptr<Launcher> launcher)
      : name_(std::move(name)), launcher_(std::move(launcher)) {}
  std::string name_;
  std::unique_ptr<Launcher> launcher_;
};

// Runs the `start` action of a foreign shim; blocks until that has ended, at most `limit`.
Result<Bootstrap> start_foreign(const ShimSite& site, const Fd& bundle, const std::string& program,
                                const std::optional<rpc::Any>& options,
                                std::chrono::milliseconds limit);

// Runs the `delete` action: kills and cleans what a dead shim has left of its container.
Result<Exit> run_delete(const ShimSite& site, const std::string& program,
                        std::chrono::milliseconds limit);

// SIGKILL for the process that the bootstrap tells of, if it is still that one, and waits for its
// end. False when there is none.
bool kill_shim(const Bootstrap& bootstrap, std::chrono::milliseconds limit);

}  // namespace dhow::task
