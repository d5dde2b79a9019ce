// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Chains that others have made and that see what is forwarded. A packet passes when each of them
// lets it pass: an accept of ours holds for our own table alone.
namespace dhow::network {

// As far as it matters here.
struct ForeignRule {
  enum class Verdict { kNone, kAccept, kDrop, kJump };

  std::uint64_t handle = 0;
  std::string comment;
  // What its interfaces have to be called; "": anything, or something else than one name.
  std::string incoming;
  std::string outgoing;
  bool has_conditions = false;
  Verdict verdict = Verdict::kNone;
  std::string target;  // of kJump
};

struct ForeignChain {
  std::uint8_t family = 0;  // kFamily* of network/nfnetlink.h
  std::string table;
  std::string name;
  bool is_hooked = false;  // sees what is forwarded by itself, not by a jump
  bool drops = false;      // what its rules say nothing of
  bool is_legacy = false;  // of iptables-legacy: not to be changed by us
  std::vector<ForeignRule> rules;

  // "table ip filter, chain FORWARD".
  std::string text() const;
  // What no rule lets through is dropped.
  bool is_closed() const;
};

// The chains of all tables that have one which sees what is forwarded, but for `own` of the family
// inet. Of the network namespace of the calling thread. Blocks on the kernel; none is made by it.
Result<std::vector<ForeignChain>> foreign_chains(std::string_view own);

// Those of iptables-legacy, which nf_tables does not tell of: one for each family that has them.
// Without the jumps among them.
std::vector<ForeignChain> legacy_chains();

}  // namespace dhow::network
