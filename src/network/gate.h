// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// What calls a published port from outside is redirected, and so passes no chain of the hook input,
// where a host has its rules about who may call it. So the first packet of each connection goes
// there first, as if its target were the host. What has passed all chains is sent once more: a copy
// with a mark leaves by an interface of ours, the gate, and a BPF program there puts it back to
// where it had come from. With the mark it is redirected. Everything after it belongs to a
// connection that the kernel has redirected, and goes straight through.
namespace dhow::network {

// The bit of marks that is ours.
inline constexpr std::uint32_t kGateMark = 1U << 31;

struct Gate {
  int index = 0;  // of the interface
  bool has_six = false;
};

// Makes the gate in the network namespace of the calling thread, or makes good what is missing of
// one that is there: a bridge without ports, which every kernel has that we run on, and a program
// at what leaves by it (CONFIG_NET_CLS_BPF, CONFIG_NET_SCH_INGRESS). Blocks on the kernel. Errors
// name what failed; nothing is left then.
Result<Gate> make_gate(const std::string& name);
// None is success.
Status remove_gate(const std::string& name);

// Neighbours at the gate: nobody is there, but a copy has to be sent to somebody. Addresses of the
// link, in bytes.
std::string_view gate_neighbour(bool is_v6);

}  // namespace dhow::network
