// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cli/template/template.h"

// Templates of --format: whatever is parsed can be executed, and gives the same each time.
namespace {

constexpr std::string_view kDocument =
    R"({"Id":"abc","N":3,"R":1.5,"On":true,"L":["a","b"],"M":{"Labels":{"x":"1"}},"Nothing":null})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Loops in loops over numbers take long without showing more.
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size > 4096) return 0;
  static const auto document = dhow::oci::JsonDocument::parse(kDocument);
  static const dhow::cli::Value value = dhow::cli::value_from_json(document->root());
  auto parsed = dhow::cli::Template::parse(text);
  if (!parsed) {
    if (parsed.error().message().empty()) std::abort();
    return 0;
  }
  std::string first;
  std::string second;
  bool done = parsed->execute(value, first).has_value();
  if (parsed->execute(value, second).has_value() != done || first != second) std::abort();
  return 0;
}
