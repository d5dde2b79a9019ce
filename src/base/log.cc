// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <utility>

namespace dhow::log {
namespace {
Sink* g_sink = nullptr;
Level g_threshold = Level::kInfo;
}  // namespace

void set_sink(Sink* sink, Level threshold) {
  g_sink = sink;
  g_threshold = threshold;
}

void replace_sink(Sink* sink) { g_sink = g_sink == nullptr ? nullptr : sink; }

bool enabled(Level level) { return g_sink != nullptr && level >= g_threshold; }

void write(Level level, std::string_view message) {
  if (enabled(level)) g_sink->write(level, message);
}

std::string_view level_name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  std::unreachable();
}

}  // namespace dhow::log
