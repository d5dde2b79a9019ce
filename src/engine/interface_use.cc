// SPDX-License-Identifier: Apache-2.0
#include "engine/interface_use.h"

#include "base/strings.h"

namespace dhow::engine {
namespace {

// Eight of each direction: bytes, packets, errors, dropped, and four that nobody asks for.
constexpr std::size_t kColumns = 16;

InterfaceUse::Direction direction_of(const std::uint64_t* columns) {
  return {.bytes = columns[0], .packets = columns[1], .errors = columns[2], .dropped = columns[3]};
}

}  // namespace

std::vector<InterfaceUse> parse_interface_use(std::string_view text,
                                              const std::set<std::string>& names) {
  std::vector<InterfaceUse> uses;
  for (std::string_view line : split(text, '\n')) {
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string name(trim(line.substr(0, colon)));
    if (!names.contains(name)) continue;
    std::vector<std::uint64_t> columns;
    for (std::string_view word : split(line.substr(colon + 1), ' ')) {
      if (auto number = parse_number<std::uint64_t>(word)) columns.push_back(*number);
    }
    if (columns.size() < kColumns) continue;
    uses.push_back({.name = std::move(name),
                    .received = direction_of(columns.data()),
                    .sent = direction_of(columns.data() + kColumns / 2)});
  }
  return uses;
}

}  // namespace dhow::engine
