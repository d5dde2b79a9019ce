// SPDX-License-Identifier: Apache-2.0
#include "engine/container_quota.h"

#include "base/size.h"
#include "base/strings.h"

namespace dhow::engine {

Result<std::int64_t> root_size(const TextMap& options, const snapshot::Snapshotter& snapshots,
                               std::int64_t fallback) {
  if (options.empty()) return fallback;
  if (!snapshots.check_quota()) {
    return fail(Code::kInternal,
                "--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
  }
  std::int64_t bytes = fallback;
  for (const auto& [key, value] : options) {
    if (lower_text(key) != "size") return fail(Code::kInternal, cat("unknown option ", key));
    auto size = parse_size(value);
    if (!size) return fail(Code::kInternal, cat("invalid size: '", value, "'"));
    bytes = *size;
  }
  return bytes;
}

}  // namespace dhow::engine
