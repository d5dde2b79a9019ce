// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/strings.h"
#include "runtime/cgroup/devices.h"
#include "sys/bpf.h"

namespace dhow::cgroup {
namespace {

constexpr std::string_view kProgramName = "dhow_devices";

// Registers: r1 the context at first, then a scratch; r2 kind; r3 the access bits that no rule has
// decided yet; r4 major; r5 minor; r0 the answer.
constexpr std::uint8_t kAnswer = 0, kScratch = 1, kKind = 2, kAccess = 3, kMajor = 4, kMinor = 5;

bpf_insn load_word(std::uint8_t target, std::uint8_t source, std::size_t offset) {
  return bpf_instruction(BPF_LDX | BPF_MEM | BPF_W, target, source,
                         static_cast<std::ptrdiff_t>(offset), 0);
}

bpf_insn alu(unsigned operation, std::uint8_t target, std::uint32_t value) {
  return bpf_instruction(BPF_ALU | operation | BPF_K, target, 0, 0, value);
}

bpf_insn copy(std::uint8_t target, std::uint8_t source) {
  return bpf_instruction(BPF_ALU | BPF_MOV | BPF_X, target, source, 0, 0);
}

// Compares the low 32 bits: a 64-bit compare would sign-extend a large device number.
bpf_insn jump(unsigned condition, std::uint8_t target, std::uint32_t value) {
  return bpf_instruction(BPF_JMP32 | condition | BPF_K, target, 0, 0, value);
}

void append_return(std::vector<bpf_insn>& program, bool allow) {
  program.push_back(alu(BPF_MOV, kAnswer, allow ? 1 : 0));
  program.push_back(bpf_exit());
}

void append_rule(std::vector<bpf_insn>& program, const DevicePolicyRule& rule) {
  std::vector<std::size_t> misses;  // jumps past this rule
  auto unless = [&](unsigned condition, std::uint8_t target, std::uint32_t value) {
    misses.push_back(program.size());
    program.push_back(jump(condition, target, value));
  };
  if (rule.type != 'a') {
    unless(BPF_JNE, kKind, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  }
  if (rule.major) unless(BPF_JNE, kMajor, *rule.major);
  if (rule.minor) unless(BPF_JNE, kMinor, *rule.minor);
  if (rule.access == kAccessAll) {
    append_return(program, rule.allow);
  } else if (rule.allow) {
    program.push_back(alu(BPF_AND, kAccess, kAccessAll & ~rule.access));
    unless(BPF_JNE, kAccess, 0);
    append_return(program, true);
  } else {
    program.push_back(copy(kScratch, kAccess));
    program.push_back(alu(BPF_AND, kScratch, rule.access));
    unless(BPF_JEQ, kScratch, 0);
    append_return(program, false);
  }
  for (std::size_t at : misses) {
    program[at].off = static_cast<std::int16_t>(program.size() - at - 1);
  }
}

Result<Fd> load_program(const std::vector<bpf_insn>& program) {
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  auto loaded = load_bpf_program(load, kProgramName, program);
  if (!loaded) return fail(std::move(loaded).error().add_context("load device program"));
  return loaded;
}

Result<Fd> program_by_id(std::uint32_t id) {
  bpf_attr query{};
  query.prog_id = id;
  long fd = call_bpf(BPF_PROG_GET_FD_BY_ID, query);
  if (fd < 0) return fail_errno(errno, cat("open device program ", id));
  return Fd(static_cast<int>(fd));
}

bool is_ours(const Fd& program) {
  bpf_prog_info info{};
  bpf_attr query{};
  query.info.bpf_fd = static_cast<std::uint32_t>(program.get());
  query.info.info_len = sizeof info;
  query.info.info = bpf_pointer(&info);
  return call_bpf(BPF_OBJ_GET_INFO_BY_FD, query) == 0 && kProgramName == info.name;
}

// The programs on the cgroup that an earlier call attached.
std::vector<Fd> attached_programs(const Folder& folder) {
  std::array<std::uint32_t, 64> ids{};  // the kernel allows no more on one cgroup
  bpf_attr query{};
  query.query.target_fd = static_cast<std::uint32_t>(folder.fd().get());
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = bpf_pointer(ids.data());
  query.query.prog_cnt = ids.size();
  std::vector<Fd> found;
  if (call_bpf(BPF_PROG_QUERY, query) != 0) return found;
  for (std::uint32_t i = 0; i < query.query.prog_cnt && i < ids.size(); ++i) {
    auto program = program_by_id(ids[i]);
    if (program && is_ours(*program)) found.push_back(std::move(*program));
  }
  return found;
}

}  // namespace

std::vector<bpf_insn> build_device_program(const DevicePolicy& policy) {
  std::vector<bpf_insn> program;
  program.push_back(load_word(kKind, 1, offsetof(bpf_cgroup_dev_ctx, access_type)));
  program.push_back(copy(kAccess, kKind));
  program.push_back(alu(BPF_AND, kKind, 0xffff));
  program.push_back(alu(BPF_RSH, kAccess, 16));
  program.push_back(load_word(kMajor, 1, offsetof(bpf_cgroup_dev_ctx, major)));
  program.push_back(load_word(kMinor, 1, offsetof(bpf_cgroup_dev_ctx, minor)));
  // The last rule wins, so it is asked first.
  for (auto rule = policy.rules.rbegin(); rule != policy.rules.rend(); ++rule) {
    append_rule(program, *rule);
  }
  append_return(program, policy.default_allow);
  return program;
}

Status apply_devices_v2(const Folder& folder, const DevicePolicy& policy) {
  std::vector<Fd> old = attached_programs(folder);
  if (old.empty() && policy.default_allow && policy.rules.empty()) return {};
  TRY_ASSIGN(Fd program, load_program(build_device_program(policy)));
  bpf_attr attach{};
  attach.target_fd = static_cast<std::uint32_t>(folder.fd().get());
  attach.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (call_bpf(BPF_PROG_ATTACH, attach) != 0) {
    return fail_errno(errno, cat("attach device program to ", quoted(folder.path())));
  }
  // The new one is in force first, so that there is no moment without rules.
  for (const Fd& one : old) {
    bpf_attr detach{};
    detach.target_fd = attach.target_fd;
    detach.attach_bpf_fd = static_cast<std::uint32_t>(one.get());
    detach.attach_type = BPF_CGROUP_DEVICE;
    if (call_bpf(BPF_PROG_DETACH, detach) != 0) {
      return fail_errno(errno, cat("detach device program from ", quoted(folder.path())));
    }
  }
  return {};
}

}  // namespace dhow::cgroup
