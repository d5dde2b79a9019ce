// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dhow::registry {

// What a token is asked for: actions on resources ("repository:library/busybox:pull,push"). Equal
// sets have equal texts.
class ScopeSet {
 public:
  ScopeSet() = default;
  static ScopeSet pull(std::string_view repository);
  static ScopeSet push(std::string_view repository);  // and pull

  // Adds the scopes of a text, separated by blanks. Of one without actions, all of it is kept.
  void add(std::string_view text);
  void add(const ScopeSet& other);

  // One text for each resource, sorted.
  std::vector<std::string> texts() const;
  // All, separated by blanks.
  std::string text() const;
  // Whether nothing is to be changed.
  bool only_pulls() const;

 private:
  std::map<std::string, std::set<std::string>> actions_;  // by "type:name"
};

}  // namespace dhow::registry
