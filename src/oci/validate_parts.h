// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "oci/config.h"

// What the files behind validate.h share. Private to this folder. Paths are put together only for
// faults: a good configuration costs no allocation.
namespace dhow::oci {

inline std::unexpected<Error> invalid(std::string_view path, std::string_view why) {
  return fail(Code::kInvalidArgument, cat(path, ": ", why));
}

template <std::size_t kSize>
bool is_one_of(std::string_view text, const std::string_view (&names)[kSize]) {
  return std::ranges::find(names, text) != std::end(names);
}

inline bool is_absolute(std::string_view path) { return path.starts_with('/'); }

// Only of the characters that lists of processors or nodes are made of: "0-3, 7".
inline bool is_list(std::string_view text) {
  return text.find_first_not_of("0123456789, -") == std::string_view::npos;
}

// A mapping as the kernel takes it (user_namespaces(7)): sizes above 0, within 32 bits, at most 340
// ranges, no overlap on either side.
Status check_mappings(const std::vector<IdMapping>& mappings, std::string_view path);

// $.linux, except its resources.
Status check_linux(const Config& config);

Status check_namespaces(const Config& config);
Status check_sysctls(const Config& config);
Status check_seccomp(const Seccomp& seccomp);

}  // namespace dhow::oci
