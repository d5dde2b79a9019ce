// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "logging/file_drivers.h"
#include "logging/parse_line.h"

// Lines of logs as a reader finds them: whatever they hold, and what our own writer makes of it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(dhow::logging::parse_cri_line(text));
  auto line = dhow::logging::parse_json_line(text);
  std::string written = "{\"log\":";
  dhow::logging::append_json_text(written, text, true);
  written += ",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:00Z\"}";
  if (!dhow::logging::parse_json_line(written)) std::abort();
  if (written.find('\n') != std::string::npos) std::abort();
  return line && line->text.size() > 3 * size ? 1 : 0;
}
