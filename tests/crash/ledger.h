// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <string>

#include "base/strings.h"

namespace dhow::crash_test {

// Every container has this volume, and one without a name.
inline constexpr const char* kSharedVolume = "shared";

enum class Kind : std::uint8_t {
  kShort,       // prints its lines and ends
  kLong,        // goes on until it is stopped (code 5) or killed
  kAutoRemove,  // kShort with --rm
  kAlways,      // kShort with a restart policy
  kUnlessStopped,
  kOnFailure,
};

// What a user knows of a container of his: what he has asked for, and what was answered. Where a
// request had no answer, both outcomes are right.
struct Entry {
  std::string name;
  std::string other_name;  // a rename to it had no answer; ""
  std::string id;
  Kind kind = Kind::kShort;
  int lines = 0;
  int code = 0;
  bool created = false;  // answered
  bool removal_asked = false;
  int starts_asked = 0;
  int starts_answered = 0;
  // Somebody has asked for its end: its code may be a signal's, its output may be cut.
  bool end_asked = false;
  bool stop_answered = false;  // and it was not started after that
  bool paused = false;
  // A wait was cut off: it is asked again.
  bool wait_due = false;

  // For whoever reads of a fault.
  std::string told() const {
    return cat(name, " of kind ", static_cast<int>(kind), ", ", starts_answered, " of ",
               starts_asked, " starts answered, ", lines, " lines",
               end_asked ? ", its end was asked for" : "", paused ? ", paused" : "",
               wait_due ? ", waited for" : "");
  }
  bool restarts() const {
    return kind == Kind::kAlways || kind == Kind::kUnlessStopped || kind == Kind::kOnFailure;
  }
  // The command ends by itself.
  bool ends() const { return kind == Kind::kShort; }
  bool may_vanish() const {
    return removal_asked || (kind == Kind::kAutoRemove && starts_asked > 0);
  }
  // Whether a container of this may have that exit code.
  bool may_exit(int exit_code) const {
    if (end_asked && (exit_code == 137 || exit_code == 143)) return true;
    // Its shim was killed while a restart was under way.
    if (end_asked && restarts() && exit_code == 128) return true;
    if (exit_code == 0 && starts_answered == 0) return true;
    if (starts_asked == 0) return false;
    return kind == Kind::kLong ? end_asked && exit_code == 5 : exit_code == code;
  }
};

using Entries = std::list<Entry>;

}  // namespace dhow::crash_test
