// SPDX-License-Identifier: Apache-2.0
#include "metadata/boot.h"

#include <unistd.h>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::metadata {

const std::string& boot_id() {
  static const std::string id = [] {
    auto text = read_file("/proc/sys/kernel/random/boot_id");
    // Without it all that was not synced counts as lost by the next process: safe, only slow.
    return text ? std::string(trim(*text)) : cat("pid-", ::getpid());
  }();
  return id;
}

}  // namespace dhow::metadata
