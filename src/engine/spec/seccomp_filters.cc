// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/seccomp_filters.h"

#include <string_view>

#include "oci/base64.h"
#include "runtime/seccomp/seccomp.h"

namespace dhow::engine {
namespace {

std::string text_of(const oci::Seccomp& filter) {
  auto program = seccomp::compile(filter);
  if (!program || program->notify || program->flags_required) return {};
  return seccomp::to_base64(*program);
}

}  // namespace

std::string SeccompFilters::ready(const std::vector<std::string>& capabilities) const {
  // Some more than anybody uses; a program is about 3 KiB.
  constexpr std::size_t kMost = 32;
  std::lock_guard lock(mutex_);
  if (auto found = ready_.find(capabilities); found != ready_.end()) return found->second;
  if (ready_.size() >= kMost) ready_.clear();
  return ready_[capabilities] = text_of(resolve_seccomp(profile_, capabilities));
}

}  // namespace dhow::engine
