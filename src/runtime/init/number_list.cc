// SPDX-License-Identifier: Apache-2.0
#include "runtime/init/number_list.h"

#include <cstdint>

#include "base/strings.h"

namespace dhow::init {
namespace {

constexpr unsigned kBitsInWord = 8 * sizeof(unsigned long);

std::unexpected<Error> bad_list(std::string_view text, std::string_view part,
                                std::string_view why) {
  return fail(Code::kInvalidArgument,
              cat("list ", quoted(text), ": part ", quoted(part), " ", why));
}

}  // namespace

Result<NumberMask> parse_number_list(std::string_view text) {
  NumberMask mask;
  for (std::string_view raw : split(text, ',')) {
    std::string_view part = trim(raw);
    if (part.empty()) continue;
    std::size_t dash = part.find('-');
    auto first = parse_number<std::uint32_t>(trim(part.substr(0, dash)));
    auto last = dash == std::string_view::npos
                    ? first
                    : parse_number<std::uint32_t>(trim(part.substr(dash + 1)));
    if (!first || !last) return bad_list(text, part, "is not a number or a range");
    if (*first > *last) return bad_list(text, part, "ends before it starts");
    if (*last > kMaxListNumber) return bad_list(text, part, "is too large");
    if (mask.size() <= *last / kBitsInWord) mask.resize(*last / kBitsInWord + 1);
    for (std::uint32_t number = *first; number <= *last; ++number) {
      mask[number / kBitsInWord] |= 1UL << (number % kBitsInWord);
    }
  }
  return mask;
}

}  // namespace dhow::init
