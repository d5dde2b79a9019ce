// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "shim/loop.h"
#include "sys/fd.h"

namespace dhow::shim {

// What a worker gives back.
struct WorkerResult {
  std::string payload;
  std::vector<Fd> fds;
};

// Descriptors of the shim that a worker gets; it gets no others.
struct WorkerStreams {
  // As its standard streams; -1: /dev/null.
  int in = -1;
  int out = -1;
  int err = -1;
  int console = -1;       // a socket, as kConsole
  int mount_space = -1;   // a mount namespace that it may go to, as kMountSpace
  int empty_mounts = -1;  // another one, for runtime::Context, as kEmptyMounts
};

// Work that takes longer, or that changes the process which does it: in a fork(2) of the shim,
// whose memory, descriptors and working folder go with it. What it clones becomes the shim's child
// when it ends, since the shim is a subreaper. So the shim's one thread is never held up, its
// memory doesn't grow with the configurations of containers, and no program has to be executed.
class Workers {
 public:
  static constexpr int kConsole = 4;
  static constexpr int kMountSpace = 5;
  static constexpr int kEmptyMounts = 6;

  using Work = std::function<Result<WorkerResult>(void)>;
  using Done = std::function<void(Result<WorkerResult>)>;

  explicit Workers(Loop& loop);
  ~Workers();

  // Runs `work` in a child. `done` is called from the loop once the child has been reaped, and so
  // after whatever it left behind has become ours.
  void start(const WorkerStreams& streams, const Work& work, Done done);
  // Tells of a child that was reaped. False: it is none of ours.
  bool reaped(pid_t pid, int wait_status);
  bool any() const { return !running_.empty(); }

 private:
  struct Running;
  Result<Running*> spawn(const WorkerStreams& streams, const Work& work);
  void receive(Running& running);

  Loop& loop_;
  std::map<pid_t, std::unique_ptr<Running>> running_;
};

}  // namespace dhow::shim
