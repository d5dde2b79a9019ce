// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <regex.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/events.h"

namespace dhow::engine {

// A regular expression that somebody wrote for docker: an extended one (regex(7)), which Go's are
// close to, with \d of Go's.
class Pattern {
 public:
  // kInvalidArgument with what is wrong about it.
  static Result<Pattern> make(std::string_view text);
  // Whether it fits the text anywhere.
  bool matches(const std::string& text) const;

 private:
  struct Free {
    void operator()(regex_t* regex) const;
  };
  explicit Pattern(std::unique_ptr<regex_t, Free> regex) : regex_(std::move(regex)) {}

  std::unique_ptr<regex_t, Free> regex_;
};

// What docker does with the values of a filter like `name`: each is the name itself, or a regular
// expression that fits it anywhere. One that is neither fits nothing.
class NameFilter {
 public:
  explicit NameFilter(const std::vector<std::string>& values);
  // That of a request, which may have none; made once for all that is listed.
  static NameFilter of(const Filters& filters);
  // Of no values: true.
  bool matches(const std::string& name) const;

 private:
  std::vector<std::string> values_;
  std::vector<Pattern> patterns_;
};

}  // namespace dhow::engine
