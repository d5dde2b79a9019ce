// SPDX-License-Identifier: Apache-2.0
#include "network/host_firewall.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "network/foreign_chains.h"
#include "network/nft.h"

namespace dhow::network {
namespace {

using enum nft::Rule::Name;

std::string comment_of(std::string_view own_table, const std::string& bridge) {
  return cat(own_table, " ", bridge);
}

bool accepts(const std::vector<const ForeignChain*>& table, const std::string& bridge) {
  bool comes = false;
  bool goes = false;
  for (const ForeignChain* chain : table) {
    for (const ForeignRule& rule : chain->rules) {
      if (rule.verdict != ForeignRule::Verdict::kAccept) continue;
      comes = comes || rule.incoming == bridge;
      goes = goes || rule.outgoing == bridge;
    }
  }
  return comes && goes;
}

std::vector<const ForeignChain*> of_table(const std::vector<ForeignChain>& chains,
                                          const ForeignChain& one) {
  std::vector<const ForeignChain*> found;
  for (const ForeignChain& chain : chains) {
    if (chain.family == one.family && chain.table == one.table) found.push_back(&chain);
  }
  return found;
}

// Whoever has rules in docker's chain for that means them to hold first.
std::uint64_t place_in(const ForeignChain& chain) {
  if (chain.rules.empty() || chain.rules.front().target != "DOCKER-USER") return 0;
  return chain.rules.front().handle;
}

Status settle_chain(const ForeignChain& chain, std::string_view own_table,
                    const std::vector<std::string>& bridges) {
  nft::Batch batch(chain.table, chain.family);
  std::set<std::string> missing;
  if (chain.is_closed()) {
    for (const std::string& bridge : bridges) missing.insert(comment_of(own_table, bridge));
  }
  for (const ForeignRule& rule : chain.rules) {
    if (!rule.comment.starts_with(cat(own_table, " "))) continue;
    bool is_wanted = std::ranges::any_of(bridges, [&](const std::string& bridge) {
      return rule.comment == comment_of(own_table, bridge);
    });
    if (!is_wanted) batch.remove_rule(chain.name, rule.handle);
    missing.erase(rule.comment);
  }
  for (const std::string& bridge : bridges) {
    std::string comment = comment_of(own_table, bridge);
    if (!missing.contains(comment)) continue;
    for (auto which : {kIncoming, kOutgoing}) {
      batch.insert_rule(nft::Rule(chain.name).name_is(which, bridge).accept(), place_in(chain),
                        comment);
    }
  }
  if (batch.is_empty()) return {};
  TRY_CONTEXT(batch.commit(), cat("let containers through ", chain.text()));
  return {};
}

}  // namespace

Result<std::vector<std::string>> closed_chains(std::string_view own_table,
                                               const std::vector<std::string>& bridges) {
  TRY_ASSIGN(std::vector<ForeignChain> chains, foreign_chains(own_table));
  std::vector<ForeignChain> legacy = legacy_chains();
  std::vector<std::string> closed;
  for (const auto* all : {&chains, &legacy}) {
    for (const ForeignChain& chain : *all) {
      if (!chain.is_closed()) continue;
      std::vector<const ForeignChain*> table = of_table(*all, chain);
      bool is_open = std::ranges::all_of(
          bridges, [&](const std::string& bridge) { return accepts(table, bridge); });
      if (!is_open) closed.push_back(chain.text());
    }
  }
  return closed;
}

Status open_chains(std::string_view own_table, const std::vector<std::string>& bridges) {
  TRY_ASSIGN(std::vector<ForeignChain> chains, foreign_chains(own_table));
  Status result;
  for (const ForeignChain& chain : chains) {
    if (!chain.is_hooked) continue;
    Status done = settle_chain(chain, own_table, bridges);
    if (!done && result) result = std::move(done);
  }
  return result;
}

}  // namespace dhow::network
