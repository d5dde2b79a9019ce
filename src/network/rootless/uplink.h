// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::network::rootless {

// The program that connects a network namespace with the outside: pasta(1) or slirp4netns(1). One
// thread's, that whose network namespace is the outside.
class Uplink {
 public:
  // `space`: a path of the namespace that is to be connected. `wanted`: "pasta", "slirp4netns", or
  // "": the first of them that works.
  Uplink(std::string space, std::string wanted)
      : space_(std::move(space)), wanted_(std::move(wanted)) {}

  // Starts one if none runs, and blocks until it has set up the namespace; at most some seconds.
  // kFailedPrecondition says of each what is the matter, and how to get one.
  Status ensure();
  // A child of this process has ended: true when it is the one that runs now.
  bool has_died(pid_t child);
  bool is_up() const { return is_up_; }
  // What the program writes, to be read away when there is something; -1: none.
  FdRef errors() const { return errors_; }
  void read_errors();
  // "pasta", or "slirp4netns (pasta: why not)"; "" while none runs.
  const std::string& report() const { return report_; }

 private:
  Status start(const std::string& program);
  Status start_pasta();
  Status start_slirp();

  std::string space_;
  std::string wanted_;
  std::string program_;
  std::string report_;
  bool is_up_ = false;
  pid_t pid_ = 0;  // of slirp4netns; pasta's is not known, but it is the only other child
  Fd errors_;
};

}  // namespace dhow::network::rootless
