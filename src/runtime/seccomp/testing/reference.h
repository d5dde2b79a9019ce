// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "oci/config.h"
#include "runtime/seccomp/machine.h"

namespace dhow::seccomp::testing {

// The same profile through libseccomp, used as runc uses it, with a model of the test for newer
// calls that runc puts in front.
class Reference {
 public:
  // `refused`, when set, is the entry that libseccomp doesn't take (two rules contradict each
  // other); there is no reference then.
  static std::optional<Reference> make(const oci::Seccomp& profile, const Machine& machine,
                                       std::optional<std::size_t>& refused);

  std::uint32_t run(const seccomp_data& data) const;
  const std::vector<sock_filter>& program() const { return program_; }

 private:
  bool is_newer(const seccomp_data& data) const;
  void note_newest(const oci::Seccomp& profile);

  const Machine* machine_ = nullptr;
  std::vector<sock_filter> program_;
  bool hides_newer_ = false;
  struct Newest {
    std::uint32_t common = 0;
    std::uint32_t machine_private = 0;
  };
  std::array<Newest, kMaxAbis> newest_{};
};

// libseccomp's number of a call; nullopt when it knows none on this ABI.
std::optional<std::uint32_t> reference_number(const Abi& abi, const std::string& name);

}  // namespace dhow::seccomp::testing
