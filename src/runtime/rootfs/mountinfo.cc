// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/mountinfo.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::rootfs {
namespace {

// The kernel writes space, tab, newline and backslash as a backslash and three octal digits.
std::string unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      auto value = parse_number<std::uint16_t>(text.substr(i + 1, 3), 8);
      if (value && *value < 256 && text.size() - i > 3) {
        plain += static_cast<char>(*value);
        i += 3;
        continue;
      }
    }
    plain += text[i];
  }
  return plain;
}

std::unexpected<Error> malformed(std::string_view line) {
  return fail(Code::kDataLoss, cat("malformed line of mountinfo: ", quoted(line.substr(0, 200))));
}

Result<MountInfo> parse_line(std::string_view line) {
  std::vector<std::string_view> fields = split(line, ' ');
  constexpr std::size_t kFixed = 6;
  if (fields.size() < kFixed + 4) return malformed(line);
  auto dash = std::find(fields.begin() + kFixed, fields.end(), "-");
  if (fields.end() - dash < 4) return malformed(line);
  auto id = parse_number<std::uint64_t>(fields[0]);
  auto parent = parse_number<std::uint64_t>(fields[1]);
  if (!id || !parent) return malformed(line);
  MountInfo info;
  info.id = *id;
  info.parent = *parent;
  info.device = fields[2];
  info.root = unescape(fields[3]);
  info.mount_point = unescape(fields[4]);
  info.options = fields[5];
  for (auto tag = fields.begin() + kFixed; tag != dash; ++tag) info.tags.emplace_back(*tag);
  info.type = unescape(dash[1]);
  info.source = unescape(dash[2]);
  info.super_options = unescape(dash[3]);
  return info;
}

}  // namespace

Result<std::vector<MountInfo>> parse_mountinfo(std::string_view text) {
  std::vector<MountInfo> mounts;
  for (std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    TRY_ASSIGN(MountInfo info, parse_line(line));
    mounts.push_back(std::move(info));
  }
  return mounts;
}

}  // namespace dhow::rootfs
