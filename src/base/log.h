// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace dhow::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Where lines go. The program installs one; libraries only log what no caller can see otherwise
// (a failed clean-up, a kernel feature that is missing). Called from one thread at a time.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(Level level, std::string_view message) = 0;
};

// The sink is borrowed and must outlive every later call; nullptr drops all lines (the default).
void set_sink(Sink* sink, Level threshold);

// Another sink with the threshold that is set: for a cloned child, whose lines go elsewhere.
void replace_sink(Sink* sink);

// True when a line of this level would be written: spares the caller from building its text.
bool enabled(Level level);

void write(Level level, std::string_view message);

inline void debug(std::string_view message) { write(Level::kDebug, message); }
inline void info(std::string_view message) { write(Level::kInfo, message); }
inline void warning(std::string_view message) { write(Level::kWarning, message); }
inline void error(std::string_view message) { write(Level::kError, message); }

// "debug", "info", "warning", "error".
std::string_view level_name(Level level);

}  // namespace dhow::log
