// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/spec/seccomp_profile.h"

namespace dhow::engine {

// The profile of an engine, and the filters that come of it as programs for the kernel. There are
// few of them, as they differ by the container's capabilities alone, and each is compiled once: a
// start neither carries some hundred names to the runtime nor has it look them up. Thread safe.
class SeccompFilters {
 public:
  explicit SeccompFilters(SeccompProfile profile) : profile_(std::move(profile)) {}

  const SeccompProfile& profile() const { return profile_; }

  // The program for those capabilities, as seccomp::kReadyAnnotation has it. "" where
  // the profile asks for more than a program (flags, a listener), or can't be compiled: then it is
  // for the runtime to take, or to say what is wrong with it.
  std::string ready(const std::vector<std::string>& capabilities) const;

 private:
  const SeccompProfile profile_;
  mutable std::mutex mutex_;
  mutable std::map<std::vector<std::string>, std::string> ready_;  // by capabilities
};

}  // namespace dhow::engine
