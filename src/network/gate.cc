// SPDX-License-Identifier: Apache-2.0
#include "network/gate.h"

#include <linux/bpf.h>

#include <cerrno>
#include <cstddef>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "network/links.h"
#include "network/six.h"
#include "sys/bpf.h"

namespace dhow::network {
namespace {

// No packet is cut, whatever the interface that it came by takes.
constexpr std::uint32_t kMtu = 65535;
// Of the gate itself, so that the kernel has a way to the neighbour.
constexpr std::string_view kOwnAddress6 = "fe80::2";

// Puts a packet back to the interface that it has come by. Its header of Ethernet is the gate's, so
// it gets the one address that every interface takes; nf_tables sets right what the kernel makes of
// that (Rule::count_as_unicast). Interfaces without Ethernet take what comes.
std::vector<bpf_insn> returning_program() {
  constexpr unsigned kContext = BPF_REG_6;
  constexpr int kTarget = -8;  // on the stack
  constexpr std::uint32_t kAddressSize = 6;
  return {
      bpf_move(kContext, BPF_REG_1),
      bpf_instruction(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, kTarget, ~0U),
      bpf_set(BPF_REG_2, 0),
      bpf_move(BPF_REG_3, BPF_REG_10),
      bpf_instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0,
                      static_cast<std::uint32_t>(kTarget)),
      bpf_set(BPF_REG_4, kAddressSize),
      bpf_set(BPF_REG_5, 0),
      bpf_call(BPF_FUNC_skb_store_bytes),
      bpf_instruction(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_1, kContext,
                      offsetof(__sk_buff, ingress_ifindex), 0),
      bpf_set(BPF_REG_2, BPF_F_INGRESS),
      bpf_call(BPF_FUNC_redirect),
      bpf_exit(),
  };
}

Result<bool> set_up_six(Links& links, const std::string& name, int index) {
  auto allowed = allow_six(name);
  if (!allowed && allowed.error().sys_errno() == ENOENT) return false;
  TRY(std::move(allowed));
  constexpr int kBits = 64;
  TRY(links.add_address(index, Address(*parse_ip6(kOwnAddress6), kBits)));
  return true;
}

Result<Gate> set_up(Links& links, const std::string& name) {
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(name));
  if (!link) {
    TRY(links.make_bridge(name, {}, kMtu));
    TRY_ASSIGN(link, links.find(name));
    if (!link) return fail(Code::kUnavailable, "it went away");
  } else if (link->kind != "bridge") {
    return fail(Code::kFailedPrecondition, "an interface of that name is none of ours");
  }
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_SCHED_CLS;
  TRY_ASSIGN(Fd program, load_bpf_program(load, "dhow_gate", returning_program()));
  TRY(links.give_outgoing_to(link->index, program));
  // Before it is up, which is when it would get an address of its own making.
  TRY_ASSIGN(bool has_six, set_up_six(links, name, link->index));
  TRY(links.set_up_alone(link->index));
  return Gate{link->index, has_six};
}

}  // namespace

Result<Gate> make_gate(const std::string& name) {
  TRY_ASSIGN(Links links, Links::open());
  auto gate = set_up(links, name);
  if (gate) return gate;
  if (gate.error().code() != Code::kFailedPrecondition) std::ignore = links.remove(name);
  return fail(std::move(gate).error().add_context(cat("set up the interface ", quoted(name))));
}

Status remove_gate(const std::string& name) {
  TRY_ASSIGN(Links links, Links::open());
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(name));
  if (!link || link->kind != "bridge") return {};
  return links.remove(name);
}

std::string_view gate_neighbour(bool is_v6) {
  using namespace std::string_view_literals;
  // 169.254.0.1 and fe80::1.
  return is_v6 ? "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1"sv : "\xa9\xfe\0\1"sv;
}

}  // namespace dhow::network
