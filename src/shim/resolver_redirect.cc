// SPDX-License-Identifier: Apache-2.0
#include "shim/resolver_redirect.h"

#include <linux/bpf.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <netinet/in.h>
#include <vector>

#include "sys/bpf.h"

namespace dhow::shim {
namespace {

constexpr std::uint32_t kDatagramKey = 0;
constexpr std::uint32_t kStreamKey = 1;

std::uint32_t number_of(FdRef fd) { return static_cast<std::uint32_t>(fd.get()); }

// Returns SK_PASS always; a packet to the place gets the socket for its protocol out of the map.
std::vector<bpf_insn> lookup_program(std::uint32_t address, std::uint16_t port, const Fd& map) {
  constexpr unsigned kContext = BPF_REG_6, kSocket = BPF_REG_7;
  constexpr int kKey = -4;  // on the stack
  std::vector<bpf_insn> program = {bpf_move(kContext, BPF_REG_1)};
  std::vector<std::size_t> misses;
  auto load = [&](std::size_t field) {
    program.push_back(bpf_instruction(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, kContext,
                                      static_cast<std::ptrdiff_t>(field), 0));
  };
  auto unless = [&](std::size_t field, std::uint32_t value) {
    load(field);
    misses.push_back(program.size());
    program.push_back(bpf_instruction(BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_2, 0, 0, value));
  };
  unless(offsetof(bpf_sk_lookup, local_port), port);
  unless(offsetof(bpf_sk_lookup, local_ip4), address);
  unless(offsetof(bpf_sk_lookup, family), AF_INET);
  auto set_key = [&](std::uint32_t key) {
    program.push_back(bpf_instruction(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, kKey, key));
  };
  set_key(kDatagramKey);
  load(offsetof(bpf_sk_lookup, protocol));
  program.push_back(bpf_instruction(BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_2, 0, 1, IPPROTO_UDP));
  set_key(kStreamKey);
  program.push_back(
      bpf_instruction(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, number_of(map)));
  program.push_back(bpf_instruction(0, 0, 0, 0, 0));
  program.push_back(bpf_move(BPF_REG_2, BPF_REG_10));
  program.push_back(bpf_instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0,
                                    static_cast<std::uint32_t>(kKey)));
  program.push_back(bpf_call(BPF_FUNC_map_lookup_elem));
  misses.push_back(program.size());
  program.push_back(bpf_instruction(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0));
  program.insert(program.end(),
                 {bpf_move(kSocket, BPF_REG_0), bpf_move(BPF_REG_1, kContext),
                  bpf_move(BPF_REG_2, kSocket), bpf_set(BPF_REG_3, 0), bpf_call(BPF_FUNC_sk_assign),
                  bpf_move(BPF_REG_1, kSocket), bpf_call(BPF_FUNC_sk_release)});
  for (std::size_t at : misses) {
    program[at].off = static_cast<std::int16_t>(program.size() - at - 1);
  }
  program.push_back(bpf_set(BPF_REG_0, SK_PASS));
  program.push_back(bpf_exit());
  return program;
}

Result<Fd> make_socket_map(const Fd& datagrams, const Fd& listener) {
  bpf_attr create{};
  create.map_type = BPF_MAP_TYPE_SOCKMAP;
  create.key_size = sizeof(std::uint32_t);
  create.value_size = sizeof(std::uint64_t);
  create.max_entries = 2;
  Fd map(static_cast<int>(call_bpf(BPF_MAP_CREATE, create)));
  if (!map) return fail_errno(errno, "make a map of sockets");
  for (std::uint32_t key : {kDatagramKey, kStreamKey}) {
    std::uint64_t socket = number_of(key == kDatagramKey ? datagrams : listener);
    bpf_attr update{};
    update.map_fd = number_of(map);
    update.key = bpf_pointer(&key);
    update.value = bpf_pointer(&socket);
    if (call_bpf(BPF_MAP_UPDATE_ELEM, update) != 0) return fail_errno(errno, "put into a map");
  }
  return map;
}

}  // namespace

Result<Fd> redirect_to_sockets(FdRef space, std::uint32_t address, std::uint16_t port,
                               const Fd& datagrams, const Fd& listener) {
  // Before Linux 5.11 maps and programs count against it, 64 KiB by default.
  rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  std::ignore = ::setrlimit(RLIMIT_MEMLOCK, &unlimited);
  TRY_ASSIGN(Fd map, make_socket_map(datagrams, listener));
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
  load.expected_attach_type = BPF_SK_LOOKUP;
  auto program = load_bpf_program(load, {}, lookup_program(address, port, map));
  if (!program) return program;
  bpf_attr attach{};
  attach.link_create.prog_fd = number_of(*program);
  attach.link_create.target_fd = number_of(space);
  attach.link_create.attach_type = BPF_SK_LOOKUP;
  Fd link(static_cast<int>(call_bpf(BPF_LINK_CREATE, attach)));
  if (!link) return fail_errno(errno, "attach a program to a network namespace");
  return link;
}

}  // namespace dhow::shim
