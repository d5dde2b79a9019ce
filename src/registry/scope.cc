// SPDX-License-Identifier: Apache-2.0
#include "registry/scope.h"

#include "base/strings.h"

namespace dhow::registry {

ScopeSet ScopeSet::pull(std::string_view repository) {
  ScopeSet set;
  set.add(cat("repository:", repository, ":pull"));
  return set;
}

ScopeSet ScopeSet::push(std::string_view repository) {
  ScopeSet set;
  set.add(cat("repository:", repository, ":pull,push"));
  return set;
}

void ScopeSet::add(std::string_view text) {
  for (std::string_view scope : split(text, ' ')) {
    if (scope.empty()) continue;
    // The name may hold colons: a host with a port.
    auto last = scope.rfind(':');
    bool has_actions = last != std::string_view::npos &&
                       scope.find_first_not_of(',', last + 1) != std::string_view::npos;
    auto& actions = actions_[std::string(has_actions ? scope.substr(0, last) : scope)];
    if (!has_actions) continue;
    for (std::string_view action : split(scope.substr(last + 1), ',')) {
      if (!action.empty()) actions.emplace(action);
    }
  }
}

void ScopeSet::add(const ScopeSet& other) {
  for (const auto& [resource, actions] : other.actions_) {
    actions_[resource].insert(actions.begin(), actions.end());
  }
}

std::vector<std::string> ScopeSet::texts() const {
  std::vector<std::string> texts;
  for (const auto& [resource, actions] : actions_) {
    texts.push_back(actions.empty()
                        ? resource
                        : cat(resource, ":", join({actions.begin(), actions.end()}, ",")));
  }
  return texts;
}

std::string ScopeSet::text() const { return join(texts(), " "); }

bool ScopeSet::only_pulls() const {
  for (const auto& [resource, actions] : actions_) {
    for (const std::string& action : actions) {
      if (action != "pull") return false;
    }
  }
  return true;
}

}  // namespace dhow::registry
