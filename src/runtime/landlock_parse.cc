// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <initializer_list>

#include "base/strings.h"
#include "oci/json_reader.h"
#include "runtime/landlock.h"
#include "runtime/landlock_rights.h"

namespace dhow::runtime {
namespace {

using oci::JsonKind;
using oci::JsonReader;

// A word that is misspelt must not weaken a policy in silence.
bool only_members(const JsonReader& in, std::initializer_list<std::string_view> names) {
  if (!in.expect(JsonKind::kObject)) return false;
  for (std::size_t i = 0; i < in.value().size(); ++i) {
    JsonReader member = in.member(i);
    if (std::ranges::find(names, member.name()) == names.end()) {
      member.fail("unknown member");
      return false;
    }
  }
  return true;
}

// A list of words that `known` accepts.
template <typename Known>
void decode_words(const JsonReader& in, std::string_view what, Known known,
                  std::vector<std::string>& out) {
  decode(in, out);
  for (std::size_t i = 0; i < out.size() && i < in.value().size(); ++i) {
    if (!known(out[i])) in.item(i).fail(cat("unknown ", what, " ", quoted(out[i])));
  }
}

template <std::size_t kSize>
auto in_table(const landlock::Right (&table)[kSize]) {
  return [&table](std::string_view word) { return landlock::find_right(table, word) != nullptr; };
}

// The access of a rule: at least one word, and no single right that the policy doesn't handle (the
// kernel would refuse it).
template <typename Known>
void decode_access(const JsonReader& rule, Known known,
                   const std::optional<std::vector<std::string>>& handled,
                   std::vector<std::string>& out) {
  JsonReader access = rule.member("access");
  if (!access.present()) return access.fail("required");
  decode_words(access, "right", known, out);
  if (out.empty()) access.fail("is empty");
  if (!handled) return;
  for (std::size_t i = 0; i < out.size() && i < access.value().size(); ++i) {
    if (landlock::group_bits(out[i])) continue;
    if (std::ranges::find(*handled, out[i]) == handled->end()) {
      access.item(i).fail(cat("right ", quoted(out[i]), " is not among the handled ones"));
    }
  }
}

void decode_path_rule(const JsonReader& in, const LandlockPolicy& policy,
                      LandlockPolicy::PathRule& out) {
  if (!only_members(in, {"paths", "access", "optional"})) return;
  required_member(in, "paths", out.paths);
  JsonReader paths = in.member("paths");
  if (out.paths.empty()) paths.fail("is empty");
  for (std::size_t i = 0; i < out.paths.size() && i < paths.value().size(); ++i) {
    if (!out.paths[i].starts_with('/')) paths.item(i).fail("is not an absolute path");
  }
  auto known = [](std::string_view word) {
    return landlock::group_bits(word) || landlock::find_right(landlock::kFsRights, word) != nullptr;
  };
  decode_access(in, known, policy.handled_fs, out.access);
  optional_member(in, "optional", out.optional);
}

void decode_port_rule(const JsonReader& in, const LandlockPolicy& policy,
                      LandlockPolicy::PortRule& out) {
  if (!only_members(in, {"ports", "access"})) return;
  required_member(in, "ports", out.ports);
  if (out.ports.empty()) in.member("ports").fail("is empty");
  decode_access(in, in_table(landlock::kNetRights), policy.handled_net, out.access);
}

template <typename Rule, typename Decode>
void decode_rules(const JsonReader& in, Decode decode_rule, std::vector<Rule>& out) {
  if (!in.present() || !in.expect(JsonKind::kArray)) return;
  out.resize(in.value().size());
  for (std::size_t i = 0; i < out.size(); ++i) decode_rule(in.item(i), out[i]);
}

void decode(const JsonReader& in, LandlockPolicy& out) {
  if (!only_members(in, {"handledFs", "handledNet", "scoped", "paths", "ports", "bestEffort"})) {
    return;
  }
  if (JsonReader words = in.member("handledFs"); words.present()) {
    decode_words(words, "right", in_table(landlock::kFsRights), out.handled_fs.emplace());
  }
  if (JsonReader words = in.member("handledNet"); words.present()) {
    decode_words(words, "right", in_table(landlock::kNetRights), out.handled_net.emplace());
  }
  if (JsonReader words = in.member("scoped"); words.present()) {
    decode_words(words, "scope", in_table(landlock::kScopes), out.scoped);
  }
  decode_rules(
      in.member("paths"),
      [&out](const JsonReader& rule, auto& to) { decode_path_rule(rule, out, to); },
      out.path_rules);
  decode_rules(
      in.member("ports"),
      [&out](const JsonReader& rule, auto& to) { decode_port_rule(rule, out, to); },
      out.port_rules);
  optional_member(in, "bestEffort", out.best_effort);
  bool restricts = !out.path_rules.empty() || !out.port_rules.empty() || !out.scoped.empty() ||
                   (out.handled_fs && !out.handled_fs->empty()) ||
                   (out.handled_net && !out.handled_net->empty());
  if (!restricts) in.fail("restricts nothing");
  if (out.handled_fs && out.handled_fs->empty() && !out.path_rules.empty()) {
    in.member("handledFs").fail("is empty, but there are path rules");
  }
}

// What oci::parse_as finds by its arguments.
struct Document {
  LandlockPolicy policy;
};

[[maybe_unused]] void decode(const JsonReader& in, Document& out) { decode(in, out.policy); }

}  // namespace

Result<LandlockPolicy> parse_landlock(std::string_view json) {
  auto document = oci::parse_as<Document>(json);
  if (!document) return fail(std::move(document).error().add_context("landlock policy"));
  return std::move(document->policy);
}

}  // namespace dhow::runtime
