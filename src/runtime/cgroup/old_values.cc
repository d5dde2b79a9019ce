// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/old_values.h"

#include <unistd.h>

#include <cerrno>
#include <ranges>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/cgroup/folder.h"

namespace dhow::cgroup {
namespace {

std::string_view first_word(std::string_view line) { return line.substr(0, line.find(' ')); }

// How a device without limits is written, which has no line in the file.
std::optional<std::string> no_limit_line(std::string_view file, std::string_view device) {
  if (file == "io.max") return cat(device, " rbps=max wbps=max riops=max wiops=max");
  if (file.starts_with("blkio.throttle.")) return cat(device, " 0");
  if (file.find("weight") != std::string_view::npos) return cat(device, " default");
  return std::nullopt;
}

}  // namespace

std::optional<std::string> undoing_value(std::string_view file, std::string_view before,
                                         std::string_view value) {
  if (file == "memory.oom_control") {
    auto disabled = keyed_number(before, "oom_kill_disable");
    return disabled ? std::optional(cat(*disabled)) : std::nullopt;
  }
  auto lines = split(before, '\n');
  std::string_view key = first_word(value);
  if (key != value) {
    for (std::string_view line : lines) {
      if (first_word(line) == key) return std::string(line);
    }
    if (key.find(':') != std::string_view::npos) return no_limit_line(file, key);
  }
  if (before.empty()) return "\n";  // an empty cpuset; no bytes at all would be no write
  // The file of weights: the default of all devices, then those with their own.
  std::string_view first = lines.front();
  if (first.starts_with("default ")) first.remove_prefix(first.find(' ') + 1);
  return std::string(first);
}

void put_back(const OldValues& values) {
  for (const OldValue& old : values | std::views::reverse) {
    ssize_t put;
    do {
      put = ::write(old.file.get(), old.value.data(), old.value.size());
    } while (put < 0 && errno == EINTR);
    if (put >= 0) continue;
    log::warning(cat("put back ", quoted(trim(old.value)), " in ", quoted(old.path), ": ",
                     errno_text(errno)));
  }
}

}  // namespace dhow::cgroup
