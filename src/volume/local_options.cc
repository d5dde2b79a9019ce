// SPDX-License-Identifier: Apache-2.0
#include "volume/local_options.h"

#include <algorithm>

#include "base/size.h"
#include "base/strings.h"

namespace dhow::volume {
namespace {

constexpr std::string_view kKnown[] = {"type", "o", "device", "size"};

std::unexpected<Error> missing_option(std::string_view name) {
  return fail(Code::kInvalidArgument, cat("missing required option: ", quoted(name)));
}

Result<std::int64_t> size_of(std::string_view text) {
  if (text.empty()) return 0;
  auto size = parse_size(text);
  if (!size) return fail(Code::kInvalidArgument, cat("invalid size: '", text, "'"));
  return *size;
}

}  // namespace

bool LocalOptions::is_bind() const {
  return std::ranges::any_of(
      options, [](const std::string& option) { return option == "bind" || option == "rbind"; });
}

Result<LocalOptions> LocalOptions::parse(const metadata::Labels& options) {
  auto value = [&](const char* name) {
    auto found = options.find(name);
    return found == options.end() ? std::string() : found->second;
  };
  for (const auto& [name, text] : options) {
    if (std::ranges::find(kKnown, name) == std::end(kKnown)) {
      return fail(Code::kInvalidArgument, cat("invalid option: ", quoted(name)));
    }
  }
  LocalOptions out;
  out.type = value("type");
  out.device = value("device");
  std::string given = value("o");
  for (std::string_view option : split(given, ',')) {
    if (!option.empty()) out.options.emplace_back(option);
  }
  // Each of them says nothing without the others, as docker has it.
  if (!out.device.empty() && out.type.empty()) return missing_option("type");
  if (!out.type.empty() && out.device.empty()) return missing_option("device");
  if (!out.options.empty() && out.device.empty()) return missing_option("device");
  if (out.is_bind() && !out.device.starts_with('/')) {
    return fail(
        Code::kInvalidArgument,
        cat("option \"device\" of a bind has to be an absolute path: ", quoted(out.device)));
  }
  TRY_ASSIGN(out.size, size_of(value("size")));
  if (out.size > 0 && !out.is_plain()) {
    return fail(Code::kInvalidArgument,
                cat("option \"size\" is for volumes without \"type\": a file system of type ",
                    quoted(out.type), " has options of its own"));
  }
  return out;
}

}  // namespace dhow::volume
